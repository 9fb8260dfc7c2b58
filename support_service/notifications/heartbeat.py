"""A sign of life for a dead man's switch elsewhere, which calls you when it stays away, as we cannot when we are dead.

Any service that waits for a request at an address will do, such as Healthchecks. The sign is given while the watcher
runs, the ledger answers, and no source has been silent for SILENT_FOR.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from importlib import import_module

from support_service.giving import Clock, Cursor, Report
from support_service.ledger.outbox import Outbox
from support_service.notifications.sender import source_name
from support_service.notifications.way import ANSWER_BYTES_MAX, TOTAL_SECONDS_MAX
from support_service.rails.source import Source, SourceDown

POLL_SECONDS = 300.0
SILENT_FOR = timedelta(minutes=30)


class Heartbeat(Source):
    """A Source that claims no money: it asks for one address again and again."""

    name = source_name("heartbeat")
    poll_seconds = POLL_SECONDS

    def __init__(self, url: str, outbox: Outbox, *, clock: Clock) -> None:
        self._url, self._outbox, self._clock = url, outbox, clock

    def reports(self, after: Cursor | None) -> Iterator[Report]:
        """Give the sign, if all is well; there is never a report. Raises SourceDown."""
        del after
        now = self._clock()
        silent = [since for since in self._outbox.places("source:").values() if since]
        if all(now - datetime.fromisoformat(since) < SILENT_FOR for since in silent):
            self._give()
        return iter(())

    def _give(self) -> None:
        # Late, as all that speaks to others.
        http = import_module("support_service.rails.chain.http")
        connection = http.HttpConnection(self._url, bytes_max=ANSWER_BYTES_MAX, total_seconds=TOTAL_SECONDS_MAX)
        try:
            answer = connection.get(self._url)
        finally:
            connection.session.close()
        if not 200 <= answer.status < 300:
            raise SourceDown(f"{self.name}: it answers HTTP {answer.status}")

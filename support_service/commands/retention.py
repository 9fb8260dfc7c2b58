"""Forgets who gave when the publisher's time for it is over: [privacy] keep_days."""

from collections.abc import Callable, Iterator
from datetime import datetime

from support_service.giving import Clock, Cursor, Report
from support_service.ledger.donors import cut_off
from support_service.rails.source import Source

NAME = "privacy"
POLL_SECONDS = 3_600.0


class Retention(Source):
    """Tells of no money: at every look of the watcher it erases what is too old, by `Ledger.forget_before`."""

    name = NAME
    poll_seconds = POLL_SECONDS

    def __init__(self, keep_days: int, forget: Callable[[datetime], int], *, clock: Clock) -> None:
        self._keep_days, self._forget, self._clock = keep_days, forget, clock

    def reports(self, after: Cursor | None) -> Iterator[Report]:
        """Erase what is older than the publisher keeps it; there is nothing to report."""
        del after
        self._forget(cut_off(self._clock(), self._keep_days))
        yield from ()

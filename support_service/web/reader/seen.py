"""Counts how often the block was seen below each article, where the publisher wants to know. No cookie, id or address.

A browser says it once for a page, by a question that nobody waits for. What comes is summed here and told to the ledger
once in a while, so that a flood of it costs the ledger little.
"""

from collections import Counter
from contextlib import suppress
from datetime import date, datetime, timedelta
from threading import Lock

from flask import Blueprint, Flask, Response, abort, current_app, request

from support_service.ledger import PLACEMENT, Ledger, LedgerError
from support_service.web.public import for_other_sites
from support_service.web.reader.articles import read_article
from support_service.web.service import service

blueprint = Blueprint("seen", __name__)

# Told so often at most, and so many at once; what does not fit until then is not counted.
TELLS = timedelta(seconds=30)
SUBJECTS_MAX = 2_000
_COUNTS = "support.views"


class Views:
    """What this process has counted and not told the ledger yet."""

    def __init__(self) -> None:
        self._lock, self._counts = Lock(), Counter[tuple[date, str]]()
        self._told_at: datetime | None = None

    def note(self, first: date, subjects: tuple[str, ...]) -> None:
        """Count one view in the month that begins on this day."""
        with self._lock:
            for subject in subjects:
                if (first, subject) in self._counts or len(self._counts) < SUBJECTS_MAX:
                    self._counts[first, subject] += 1

    def is_due(self, now: datetime) -> bool:
        """Say that it is time to tell, to one of all who ask."""
        with self._lock:
            if not self._counts or (self._told_at is not None and now - self._told_at < TELLS):
                return False
            self._told_at = now
            return True

    def tell(self, ledger: Ledger) -> None:
        """Tell the ledger what was counted; raises LedgerError, and then has it still."""
        with self._lock:
            mine, self._counts = self._counts, Counter()
        try:
            if mine:
                ledger.views.add(mine)
        except LedgerError:
            with self._lock:
                self._counts.update(mine)
            raise


def install(app: Flask) -> None:
    """Give the app its own counts."""
    app.extensions[_COUNTS] = Views()


def views() -> Views:
    """Return the counts of this app."""
    held = current_app.extensions[_COUNTS]
    assert isinstance(held, Views)
    return held


@blueprint.post("/seen")
def count() -> Response:
    """Count one view of an article's block."""
    at = service()
    if not at.assembly.settings.privacy.count_views:
        abort(404)
    article = read_article(request.args, at.assembly.settings.publisher.sites)
    if article is not None:
        placement = (f"{PLACEMENT}{article.placement}",) if article.placement else ()
        views().note(at.today().replace(day=1), (article.address, *placement))
    if views().is_due(at.clock()):
        with suppress(LedgerError):  # told with the next
            at.write(views().tell)
    return for_other_sites(Response(status=204), to_read=False)

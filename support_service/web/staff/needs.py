"""What waits for a person, counted for the first page: a few short questions, shared by whoever looks meanwhile."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock

from flask import Flask, current_app, url_for

from support_service.giving import Kind, Phrase, State
from support_service.ledger import Ledger, Wanted, Why
from support_service.web.i18n import say
from support_service.web.service import Service, service
from support_service.web.staff.words import word_for

# Beyond this the page says "more than"; the list behind the link has them all.
COUNTED_MAX = 99
# To count lines of the bank is to judge them, which costs as much as to list them: however many look, not more often.
LOOK_AGAIN = timedelta(seconds=5)
# As the sources of banks warn: late after five days, and of one that was due a month ago nobody is asked any more.
LATE_AFTER, FORGOTTEN_AFTER = timedelta(days=5), timedelta(days=30)

_EXTENSION = "support.needs"
_FILTERS: tuple[tuple[State | None, Kind | None], ...] = (
    (State.DISPUTED, None),
    (State.QUARANTINED, None),
    (None, Kind.REVIEW),
    (None, Kind.UNATTRIBUTED),
)
_STATED = Phrase("%(count)s %(what)s")
# What is to be judged among lines of the bank; what a rule could not name is a kind, and counted as one.
_INBOX = {
    Why.REVERSAL: Phrase("Take something back, without an original: %(count)s"),
    Why.SAME: Phrase("Booked by hand, perhaps the same as a line: %(count)s"),
    Why.SUGGESTED: Phrase("Announced gifts that fit a line: %(count)s"),
    Why.PAYER: Phrase("From accounts that gave before: %(count)s"),
    Why.CODE: Phrase("Codes that could not be read whole: %(count)s"),
}
_WAITING = Phrase("Card messages that wait for their payment: %(count)s")
_SET_ASIDE = Phrase("Cannot be read, and set aside: %(count)s")
_LATE_PAYOUTS = Phrase("Payouts that have not arrived: %(count)s")


@dataclass(frozen=True, slots=True)
class Need:
    """So many things of one kind that a person should look at; words say how many, link leads to them."""

    words: str
    link: str
    count: int


@dataclass(frozen=True, slots=True)
class Counts:
    """What was counted: things by filter and by why they want a person, and what waits beside the books."""

    filtered: tuple[int, ...] = ()
    inbox: tuple[tuple[Why, int], ...] = ()
    waiting: int = 0
    set_aside: int = 0
    late_payouts: int = 0


class _LastCount:
    """The last count of one app. Whoever comes while another one counts is told what was counted before."""

    def __init__(self) -> None:
        self._looking = Lock()
        self._counts = Counts()
        self._at: datetime | None = None

    def counts(self, at: Service) -> Counts:
        now = at.clock()
        is_first = self._at is None
        is_old = self._at is None or abs(now - self._at) >= LOOK_AGAIN
        if is_old and self._looking.acquire(blocking=is_first):
            try:
                self._counts, self._at = _count(at.books, now), now
            finally:
                self._looking.release()
        return self._counts


def install(app: Flask) -> None:
    """Keep what was counted for one app; nothing is counted yet."""
    app.extensions[_EXTENSION] = _LastCount()


def needs(*, is_bookkeeper: bool) -> list[Need]:
    """Tell what needs a person: of lines of the bank only whoever may judge them."""
    look: _LastCount = current_app.extensions[_EXTENSION]
    at = service()
    counts = look.counts(at)
    found = [
        _need(
            Phrase(_STATED.text, (("what", say(word_for(state or kind or ""))),)),
            url_for("staff.donations", state=state, kind=kind),
            count,
        )
        for (state, kind), count in zip(_FILTERS, counts.filtered, strict=True)
    ]
    if is_bookkeeper:
        found += [_need(_INBOX[why], url_for("staff.inbox.lines"), count) for why, count in counts.inbox]
    found += [
        _need(_SET_ASIDE, url_for("staff.health", _anchor="set-aside"), counts.set_aside),
        _need(_LATE_PAYOUTS, url_for("staff.donations", kind=Kind.PAYOUT), counts.late_payouts),
    ]
    if at.processors:
        found.append(_need(_WAITING, url_for("staff.cards.overview", _anchor="waiting"), counts.waiting))
    return [one for one in found if one.count]


def _need(words: Phrase, link: str, count: int) -> Need:
    told = f"> {COUNTED_MAX}" if count > COUNTED_MAX else str(count)
    return Need(say(Phrase(words.text, (("count", told), *words.values))), link, count)


def _count(books: Ledger, now: datetime) -> Counts:
    return Counts(
        tuple(len(books.donations(Wanted(state=state, kind=kind), limit=COUNTED_MAX + 1)) for state, kind in _FILTERS),
        tuple((why, count) for why, count in books.inbox.counts().items() if why in _INBOX),
        min(len(books.inbox.waiting()), COUNTED_MAX + 1),
        min(len(books.set_aside()), COUNTED_MAX + 1),
        len(_late_payouts(books, now)),
    )


def _late_payouts(books: Ledger, now: datetime) -> set[str]:
    """Name some payouts that should have come to an account that is heard, and did not."""
    since, until = now - FORGOTTEN_AFTER, now - LATE_AFTER
    return {
        name
        for account in books.lines.accounts()
        for name in books.lines.late_payouts(account, since=since, until=until)
    }

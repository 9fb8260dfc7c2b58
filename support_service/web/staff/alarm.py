"""The line above every staff page while a source tells us nothing: what, since when, what to do.

The look is shared by all pages of some seconds and by all threads: many open pages cost no more than one.
"""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock

from flask import Flask, current_app

from support_service.assembly import source_titles
from support_service.giving import Phrase
from support_service.ledger import Ledger, LedgerError
from support_service.rails.asides import WATCH
from support_service.web import civil_dates
from support_service.web.health import Freshness, SourceView, source_views
from support_service.web.i18n import say
from support_service.web.service import Service, service

log = logging.getLogger(__name__)

LOOK_AGAIN = timedelta(seconds=5)

_EXTENSION = "support.alarm"


# The gravest first: the line tells of one source, and how many more there are.
_WHAT = {
    Freshness.LIED: Phrase("What %(source)s has answered since %(since)s must not be trusted."),
    Freshness.FROZEN: Phrase("%(source)s has been frozen since %(since)s."),
    Freshness.DOWN: Phrase("%(source)s has not been reached since %(since)s."),
    Freshness.STALE: Phrase("%(source)s was last read at %(since)s."),
    Freshness.NEVER: Phrase("%(source)s was never read yet."),
    Freshness.PARTIAL: Phrase("%(source)s has not read all its assets since %(since)s."),
    Freshness.STALLED: Phrase("%(source)s has confirmed nothing since %(since)s."),
}
_GRAVITY = list(_WHAT)
_WATCHER = Phrase("Does the watcher run? Gifts are booked later.")
_ADVICE = {
    Freshness.LIED: Phrase("It is asked again every few minutes; its gifts are booked later."),
    Freshness.FROZEN: Phrase("Its gifts wait until a person has looked."),
    Freshness.DOWN: Phrase("Does it run? Its gifts are booked later."),
    Freshness.STALE: _WATCHER,
    Freshness.NEVER: _WATCHER,
    Freshness.PARTIAL: Phrase("What it cannot read now is booked later."),
    Freshness.STALLED: Phrase("Its gifts are confirmed later."),
}
# What readers would send money to comes before what we hear of it.
_UNPROVED = Phrase("Addresses are not as they were signed, and are hidden from readers (%(count)s): %(problem)s")
_COMPARE = Phrase("Compare the settings with the signed manifest: support-service manifest check.")
_NO_LEDGER = (
    Phrase("The ledger does not answer now: another program may hold it."),
    Phrase("Please look again in a minute."),
)


@dataclass(frozen=True, slots=True)
class Alarm:
    """What staff must know, in phrases; source is the name of what the first of them tells of, title what it is called.

    Everybody shares it, in whichever language they read.
    """

    phrases: tuple[Phrase, ...] = ()
    source: str = ""
    title: Phrase | None = None

    def spoken(self) -> tuple[Phrase, ...]:
        """Return the phrases with the source's title in the language of the page; its name is for whoever asks logs."""
        if self.title is None:
            return self.phrases
        what, *others = self.phrases
        called = ("source", f"{say(self.title)} ({self.source})")
        return (Phrase(what.text, (called, *what.values)), *others)


class _Look:
    """The last look of one app. Whoever comes while another one looks is told what was seen before."""

    def __init__(self) -> None:
        self._looking = Lock()
        self._seen = Alarm()
        self._seen_at: datetime | None = None

    def alarm(self, at: Service) -> Alarm:
        now = at.clock()
        is_fresh = self._seen_at is not None and abs(now - self._seen_at) < LOOK_AGAIN
        if not is_fresh and self._looking.acquire(blocking=False):
            try:
                self._seen, self._seen_at = _look(at), now
            finally:
                self._looking.release()
        return self._seen


def install(app: Flask) -> None:
    """Let staff templates ask; nothing is looked at for other pages."""
    app.extensions[_EXTENSION] = _Look()
    app.add_template_global(staff_alarm)


def staff_alarm() -> tuple[Phrase, ...]:
    """Return what staff must know whatever page they are on; nothing while every source is heard."""
    look: _Look = current_app.extensions[_EXTENSION]
    return look.alarm(service()).spoken()


def _look(at: Service) -> Alarm:
    problems = at.addresses.problems
    if problems:
        told = (("problem", problems[0]), ("count", str(len(problems))))
        return Alarm((Phrase(_UNPROVED.text, told), _COMPARE))
    try:
        return at.read(lambda ledger: _tell(at, ledger))
    except LedgerError as error:
        log.warning("staff_alarm_blind", extra={"error": str(error)})
        return Alarm(_NO_LEDGER)


def _tell(at: Service, ledger: Ledger) -> Alarm:
    silent = [view for view in source_views(at, ledger) if view.state is not Freshness.OK]
    if not silent:
        return Alarm()
    gravest = min(silent, key=lambda view: _GRAVITY.index(view.state))
    since = _since(at, ledger, gravest)
    values = () if since is None else (("since", civil_dates.written(since, at.zone)),)
    what = Phrase(_WHAT[gravest.state].text, values)
    others = Phrase("Other silent sources: %(count)s.", (("count", str(len(silent) - 1)),))
    phrases = (what, _ADVICE[gravest.state], *([others] if len(silent) > 1 else []))
    return Alarm(phrases, gravest.name, source_titles(at.configured).get(gravest.name, Phrase(gravest.name)))


def _since(at: Service, ledger: Ledger, view: SourceView) -> datetime | None:
    """Tell since when a source is as it is; None for what was never heard."""
    match view.state:
        case Freshness.FROZEN:
            return next((held.since for held in ledger.freezes() if held.source == view.name), at.clock())
        case Freshness.PARTIAL:
            stopped = (item.since for item in ledger.set_aside(view.name) if item.key.startswith(WATCH))
            return min(stopped, default=at.clock())
        case Freshness.STALE | Freshness.NEVER:
            return view.checked_at
        case _:
            noted = ledger.health().get(view.name)
            return at.clock() if noted is None else noted.changed_at

"""Which donations staff want to see: the query of a page, read and offered again.

Pure but for its words and the publisher's calendar.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from support_service.assembly import Assembly
from support_service.giving import Kind, Phrase, State
from support_service.giving.words import KIND_WORDS, STATE_WORDS
from support_service.ledger import Wanted
from support_service.web import civil_dates
from support_service.web.i18n import say
from support_service.web.service import service

NAMES = ("state", "rail", "method", "kind", "since", "until")
# Row numbers are SQLite's: 63 bits.
NUMBER_DIGITS_MAX = 18
DAY_MIN, DAY_MAX = date(1970, 1, 1), date(2999, 12, 31)
_CHARS_MAX = 60


@dataclass(frozen=True, slots=True)
class Filter:
    """What was asked for, as text for the form again, and as the ledger wants it."""

    state: str
    rail: str
    method: str
    kind: str
    since: str
    until: str
    wanted: Wanted
    before: int | None
    mistakes: Mapping[str, Phrase]

    @property
    def query(self) -> dict[str, str]:
        """The parts that are set, for links to the same donations."""
        return {name: text for name in NAMES if (text := str(getattr(self, name)))}


@dataclass(frozen=True, slots=True)
class FilterChoices:
    """What the form offers: (value, words) of each filter."""

    states: list[tuple[str, str]]
    rails: list[tuple[str, str]]
    methods: list[tuple[str, str]]
    kinds: list[tuple[str, str]]


def read_filter(args: Mapping[str, str]) -> Filter:
    """Read a query. A word that names nothing is left out; a day is the publisher's, and one that is none is told."""
    mistakes: dict[str, Phrase] = {}
    text = {name: word(args.get(name, "")) for name in NAMES}
    state = State(text["state"]) if text["state"] in list(State) else None
    kind = Kind(text["kind"]) if text["kind"] in list(Kind) else None
    since, until = (_first_moment(name, text[name], mistakes) for name in ("since", "until"))
    return Filter(
        **{**text, "state": state or "", "kind": kind or ""},
        wanted=Wanted(
            since=since, until=until, rail=text["rail"] or None, method=text["method"] or None, state=state, kind=kind
        ),
        before=read_number(args.get("before", "")),
        mistakes=mistakes,
    )


def read_number(text: str) -> int | None:
    """Read the number of a row; None for what no row has: signs, other digits, more than the database counts."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= NUMBER_DIGITS_MAX else None


def word(text: str) -> str:
    """Read a name from a query; "" for what cannot be one."""
    # PostgreSQL refuses NUL in a text; what cannot be read names nothing anyway.
    return text.strip()[:_CHARS_MAX] if text.isprintable() else ""


def choices(assembly: Assembly) -> FilterChoices:
    """Offer every state and kind, the rails that are built, and the publisher's methods, by what people call them."""
    return FilterChoices(
        states=[(state, say(words)) for state, words in STATE_WORDS.items()],
        rails=[(name, say(rail.words)) for name, rail in assembly.rails.items()],
        methods=list(assembly.for_people(say).titles.items()),
        kinds=[(kind, say(words)) for kind, words in KIND_WORDS.items()],
    )


def _first_moment(name: str, text: str, mistakes: dict[str, Phrase]) -> datetime | None:
    if not text:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = None
    # Near its ends the calendar has no room for a time zone or the day after.
    if day is None or not DAY_MIN <= day <= DAY_MAX:
        mistakes[name] = Phrase("Write the day as 2026-01-31.")
        return None
    return civil_dates.first_moment(day, service().zone)

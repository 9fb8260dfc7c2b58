"""Whose gift a line is: a ladder of reasons, strongest first. Pure.

A match never changes money, and a suggestion is no match: a person presses one button.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from support_service.giving.codes import CodeReading, Tier
from support_service.money import Money
from support_service.rails.bank.classes import LineClass
from support_service.rails.bank.folding import fold
from support_service.rails.bank.line import Line

# A transfer takes three days at most, over a weekend.
OPEN_DAYS_MAX = 3


class Strength(StrEnum):
    """How sure a match is."""

    MATCHED = "matched"
    SUGGESTED = "suggested"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class OpenIntent:
    """An intent of this rail that no payment has answered yet."""

    ref: str
    code: str
    money: Money | None
    day: date
    supporter: str = ""


@dataclass(frozen=True, slots=True)
class KnownPayer:
    """Who gave before from an account, by an earlier match; article is the last one they gave for."""

    account: str
    supporter: str
    code: str = ""
    name: str = ""
    article: str = ""


@dataclass(frozen=True, slots=True)
class Match:
    """What a line answers, and why in words. target is an intent's ref, a code or a supporter.

    difference: what came, less what was announced, where both are known and differ.
    """

    strength: Strength
    reason: str
    target: str = ""
    difference: Money | None = None


@dataclass(frozen=True, slots=True)
class Around:
    """What the ledger knows beside the line.

    open_intents: of this rail. payers: earlier matched gifts. rivals: how many other unmatched lines
    have the same sum within the same days. transit_codes: banks whose accounts carry other people's
    gifts.
    """

    open_intents: Sequence[OpenIntent] = ()
    payers: Sequence[KnownPayer] = ()
    rivals: int = 0
    transit_codes: frozenset[str] = frozenset()


def match(line: Line, line_class: LineClass, reading: CodeReading, around: Around) -> Match:
    """Climb the ladder: code, exact sum and open intent, known payer; else a gift without supporter."""
    if not line.books_money or line_class is not LineClass.GIFT:
        return Match(Strength.NONE, f"not matched: {line.standing}, {line_class}")
    if reading.rivals:
        return Match(Strength.NONE, f"several codes stand in the purpose: {', '.join(reading.rivals)}")
    if reading.code and reading.tier:
        return _by_code(line, reading.code, reading.tier, around)
    payers = _payers(line, around)
    return _by_sum(line, payers, around) or _by_payer(payers) or Match(Strength.NONE, _why_not(reading))


def _by_code(line: Line, code: str, tier: Tier, around: Around) -> Match:
    intent = next((one for one in around.open_intents if one.code == code), None)
    difference = None
    if intent and intent.money and intent.money.asset == line.money.asset and intent.money != line.money:
        difference = line.money - intent.money
    where = "in the structured reference" if _is_structured(line, code) else f"in the purpose, read {tier}"
    return Match(Strength.MATCHED, f"code {code} {where}", intent.ref if intent else code, difference)


def _is_structured(line: Line, code: str) -> bool:
    return code.replace("-", "") in line.structured_reference.replace("-", "").replace(" ", "").upper()


def _by_sum(line: Line, payers: list[KnownPayer], around: Around) -> Match | None:
    fitting = [one for one in around.open_intents if one.money == line.money and _is_near(one.day, line.day)]
    if len(fitting) != 1 or around.rivals:
        return None
    intent = fitting[0]
    if intent.supporter and {payer.supporter for payer in payers} == {intent.supporter}:
        return Match(Strength.MATCHED, "the only open intent of this sum, from that supporter's account", intent.ref)
    return Match(Strength.SUGGESTED, f"the only open intent of this sum within {OPEN_DAYS_MAX} days", intent.ref)


def _is_near(announced: date, booked: date | None) -> bool:
    return booked is not None and timedelta(0) <= booked - announced <= timedelta(days=OPEN_DAYS_MAX)


def _payers(line: Line, around: Around) -> list[KnownPayer]:
    """Earlier givers from this account with the same tax code or name; a transit account knows nobody."""
    party = line.counterparty
    if not party.account or party.code in around.transit_codes:
        return []
    return [
        payer
        for payer in around.payers
        if payer.account == party.account
        and ((payer.code and payer.code == party.code) or (payer.name and fold(payer.name) == fold(party.name)))
    ]


def _by_payer(payers: list[KnownPayer]) -> Match | None:
    if len({payer.supporter for payer in payers}) != 1:
        return None
    last = payers[-1]
    about = f", last for {last.article}" if last.article else ""
    return Match(Strength.SUGGESTED, f"this account gave before{about}", last.supporter)


def _why_not(reading: CodeReading) -> str:
    return f"the purpose ends inside a code: {reading.hint}..." if reading.hint else "no code, no sum, no known payer"

"""Verify, the short way: a confirmed gift of which one payment tells, and at most one value of it.

Nearly every gift is one. The claim that must have been made is written from the row, and held against the claim that
was made letter for letter: nothing is read that could be read in two ways. The short way says that all of it holds, or
nothing: whatever it does not expect is folded by the rules of everything else, which alone say what is wrong.
"""

import re
from collections.abc import Sequence
from operator import itemgetter
from typing import Any, NamedTuple

from support_service.giving import PAYMENT_PART, Direction, Flag, Identity, is_split_off, value_part
from support_service.ledger.article_totals import article_key
from support_service.ledger.canonical import OF_LINE, quoted, quoted_or_null
from support_service.ledger.columns import from_micros
from support_service.ledger.kept_sums import Added, SumKey
from support_service.ledger.quarters import QUARTER_MICROS
from support_service.ledger.rows import Values

_IN = str(Direction.IN)
_FLAGS = frozenset(map(str, Flag))
_DIGEST = re.compile(r"[0-9a-f]{64}")
# As `canonical.value_text` writes it: its currency, exponent and units.
_VALUE = re.compile(
    r'\{"at":-?(?:0|[1-9][0-9]*),"currency":"([A-Za-z0-9]+)","exponent":(0|[1-9][0-9]*),"is":"value",'
    r'"rate":"[^"\\\x00-\x1f]*","source":"[^"\\\x00-\x1f]*","units":"(0|[1-9][0-9]*)"\}'
)

# The columns that a payment's claim says, in the order in which it is written.
CLAIMED = (
    *("article", "bank_class", "booking_date", "bank_rule", "block_hash", "block_height", "exponent", "fee_units"),
    *("flags", "intent", "method", "occurred_at", "personal_digest", "rail", "support_code", "tx", "units"),
)
# What other parts than a payment and its value would fill.
_EMPTY = ("withheld_units", "open_parts", "match", "link", "linked_to", "split", "stand")
# The columns that follow from what was said and when.
DERIVED = (
    *("ref", "state", "kind", "counted_units", "refunded_units", "net_units"),
    *("seen_at", "confirmed_at", "last_report", "value", *_EMPTY),
)
_NOTHING = (None,) * len(_EMPTY)
_claimed, _derived = itemgetter(*CLAIMED), itemgetter(*DERIVED)


class ClaimAsStored(NamedTuple):
    """One stored observation: its part, the text of its claim, its report, and when that was accepted."""

    part: str
    claim: str
    report_number: int
    accepted_at: int


class Plain(NamedTuple):
    """A gift all of which holds: what it counts, and the sums in which it does."""

    units: int
    quarter: tuple[SumKey, Added]
    article: tuple[SumKey, Added] | None


class _Worth(NamedTuple):
    """What a gift was worth; currency "": nobody said."""

    currency: str = ""
    exponent: int = 0
    units: int = 0


def plain(
    row: Values, said: Sequence[ClaimAsStored], legs: Sequence[tuple[Any, ...]], *, last_report: int
) -> Plain | None:
    """Hold a row and its postings against what was said; None: not such a gift, or something of it does not hold."""
    if not 0 < len(said) <= 2 or row["direction"] != _IN:
        return None
    payment, other = said[0], said[-1] if len(said) == 2 else None
    if other is not None and payment.part != PAYMENT_PART:
        payment, other = other, payment
    numbers, times = [one.report_number for one in said], [one.accepted_at for one in said]
    newest = max(numbers)
    if payment.part != PAYMENT_PART or newest > last_report:
        return None
    try:
        identity = Identity(row["network"], row["asset"], row["address"], Direction.IN, row["locator"])
        units = _units(row["units"])
        fee = None if row["fee_units"] is None else _units(row["fee_units"])
        worth = _Worth() if other is None else _worth(other, units)
        expected = (
            *(identity.ref, "confirmed", "donation", row["units"], "0", None if fee is None else str(units - fee)),
            *(min(times), payment.accepted_at, newest, other and other.claim, *_NOTHING),
        )
        if payment.claim != _claim_text(row) or _derived(row) != expected or is_split_off(identity):
            return None
        if list(legs) != _legs(payment.report_number, row, units=units, fee=fee or 0):
            return None
        return _plain(row, worth, units=units, fee=fee or 0)
    except (AttributeError, TypeError, ValueError):
        return None


def _units(text: object) -> int:
    """Read units as they are written, and in no other way."""
    if not isinstance(text, str) or not text.isascii() or str(units := int(text)) != text or units < 0:
        raise ValueError("no units")
    return units


def _worth(told: ClaimAsStored, units: int) -> _Worth:
    found = _VALUE.fullmatch(told.claim)
    if found is None or told.part != value_part(units):
        raise ValueError("no value of it")
    return _Worth(found[1], int(found[2]), int(found[3]))


def _claim_text(row: Values) -> str:
    """Write the claim that leads to this row, as `canonical.claim_text` does; what leads to none raises or differs."""
    article, line_class, day, rule, block_hash, height, exponent, fee, flags, *others = _claimed(row)
    intent, method, occurred_at, digest, rail, code, tx, units = others
    are_numbers = type(exponent) is type(occurred_at) is int and (height is None or type(height) is int)
    if not are_numbers or not (digest is None or _DIGEST.fullmatch(digest)):
        raise ValueError("not as payments are claimed")
    line, chosen = "", ""
    if line_class is not None:
        line = f'"{OF_LINE}":{{"class":{quoted(line_class)},"day":{quoted_or_null(day)},"rule":{quoted(rule)}}},'
    elif rule is not None or day is not None:
        raise ValueError("half a line of a bank")
    if intent is not None:
        chosen = f'"intent":{quoted(intent)},'
    block = "null" if height is None else height
    return (
        f'{{"article":{quoted_or_null(article)},{line}"block_hash":{quoted_or_null(block_hash)},'
        f'"block_height":{block},"exponent":{exponent},"fee_units":{quoted_or_null(fee)},'
        f'"flags":[{_marks(flags)}],{chosen}"is":"payment","kind":"donation","method":{quoted(method)},'
        f'"occurred_at":{occurred_at},"personal":{quoted_or_null(digest)},"rail":{quoted(rail)},"state":"confirmed",'
        f'"support_code":{quoted_or_null(code)},"tx":{quoted_or_null(tx)},"units":{quoted(units)}}}'
    )


def _marks(flags: str) -> str:
    if flags == "":
        return ""
    marks = flags.split(" ")
    if not set(marks) <= _FLAGS or marks != sorted(set(marks)):
        raise ValueError("no flags")
    return ",".join(map(quoted, marks))


def _legs(number: int, row: Values, *, units: int, fee: int) -> list[tuple[Any, ...]]:
    """Book it as `postings.book` does: what we hold, what the processor keeps, what was given."""
    method, network, asset, address = row["method"], row["network"], row["asset"], row["address"]
    place = f"assets:{row['rail']}:{network or method}"
    moved = [
        (f"{place}:{address}" if address else place, units - fee),
        (f"expenses:fees:{method}", fee),
        (f"income:donations:{method}", -units),
    ]
    return [(number, account, network, asset, str(change)) for account, change in moved if change]


def _plain(row: Values, worth: _Worth, *, units: int, fee: int) -> Plain:
    # As much of its value as of the gift counts: all of it.
    brought = worth.units if units else 0
    occurred_at, article = row["occurred_at"], row["article"]
    key = (
        *(occurred_at // QUARTER_MICROS, row["method"], row["rail"], row["network"], row["asset"], row["exponent"]),
        *(worth.currency, worth.exponent),
    )
    of_article: tuple[SumKey, Added] | None = None
    if article is not None and units:
        of_article = article_key(from_micros(occurred_at), article, worth.currency), (1, brought)
    return Plain(units, (key, (1, int(bool(units)), units, 0, fee, brought)), of_article)

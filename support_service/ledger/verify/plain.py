"""Verify, the short way: a confirmed gift of which one payment tells, and at most one value of it.

Nearly every gift is one. The short way says that all of it holds, or nothing: whatever it does not expect is folded by
the rules of everything else, which alone say what is wrong.
"""

import json
from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Any, NamedTuple

from support_service.giving import PAYMENT_PART, Direction, Flag, Identity, is_split_off, value_part
from support_service.ledger.article_totals import article_key
from support_service.ledger.canonical import OF_LINE, personal_digest
from support_service.ledger.columns import from_micros
from support_service.ledger.kept_sums import Added, Key
from support_service.ledger.quarters import QUARTER_MICROS
from support_service.ledger.rows import Values, identity_of

_IN = str(Direction.IN)
_FLAGS = frozenset(map(str, Flag))
_KIND_OF_PLAIN = ("payment", "confirmed", "donation")

# The columns that a payment fills as it says them, and the keys of its claim.
_AS_SAID = (
    *("state", "kind", "rail", "method", "units", "exponent", "occurred_at", "fee_units"),
    *("block_height", "block_hash", "tx", "article", "support_code"),
)
_LINE = ("class", "rule", "day")
# What other parts than a payment and its value would fill.
_EMPTY = ("withheld_units", "open_parts", "match", "link", "linked_to", "split", "stand")
# All columns but number and identity, in the order in which they are held against what was said.
FOLDED = (
    *_AS_SAID,
    *("ref", "counted_units", "refunded_units", "net_units", "flags", "personal_digest", "seen_at", "confirmed_at"),
    *("last_report", "value", "intent", "bank_class", "bank_rule", "booking_date", *_EMPTY),
)
_NOTHING = (None,) * len(_EMPTY)
_said_by, _held_in, _line_of = itemgetter(*_AS_SAID), itemgetter(*FOLDED), itemgetter(*_LINE)
_what_it_is = itemgetter("is", "state", "kind")
_decode = json.JSONDecoder().raw_decode


class ClaimAsStored(NamedTuple):
    """One stored observation: its part, the text of its claim, its report, and when that was accepted."""

    part: str
    claim: str
    report_number: int
    accepted_at: int


class Plain(NamedTuple):
    """A gift all of which holds: what it counts, and the sums in which it does."""

    units: int
    quarter: tuple[Key, Added]
    article: tuple[Key, Added] | None


def plain(
    row: Values, said: Sequence[ClaimAsStored], legs: Sequence[tuple[Any, ...]], *, last_report: int
) -> Plain | None:
    """Hold a row and its postings against what was said; None: not such a gift, or something of it does not hold."""
    if not 0 < len(said) <= 2 or row["direction"] != _IN:
        return None
    payment, other = said[0], said[-1] if len(said) == 2 else None
    if other is not None and payment.part != PAYMENT_PART:
        payment, other = other, payment
    numbers = [one.report_number for one in said]
    if payment.part != PAYMENT_PART or max(numbers) > last_report:
        return None
    try:
        identity = identity_of(row)
        claim = _read(payment.claim)
        value: Mapping[str, Any] = {} if other is None else _read(other.claim)
        units = _units(claim["units"])
        if not _is_plain(claim, identity) or (other is not None and not _is_value(value, other.part, units)):
            return None
        fee = None if claim["fee_units"] is None else _units(claim["fee_units"])
        expected = (
            *_said_by(claim),
            *(identity.ref, claim["units"], "0", None if fee is None else str(units - fee), " ".join(claim["flags"])),
            *(personal_digest(payment.claim), min(one.accepted_at for one in said), payment.accepted_at),
            *(max(numbers), None if other is None else other.claim, claim.get("intent")),
            *(_line_of(claim[OF_LINE]) if OF_LINE in claim else (None, None, None)),
            *_NOTHING,
        )
        booked = _legs(payment.report_number, claim, identity, units=units, fee=fee or 0)
        if _held_in(row) != expected or list(legs) != booked:
            return None
        return _plain(claim, identity, value, units=units, fee=fee or 0)
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def _read(text: str) -> Any:
    """Read canonical JSON: nothing stands before it or behind it."""
    held, end = _decode(text)
    if end != len(text):
        raise ValueError("more than one value")
    return held


def _units(text: object) -> int:
    """Read units as they are written, and in no other way."""
    if not isinstance(text, str) or not text.isascii() or str(units := int(text)) != text or units < 0:
        raise ValueError("no units")
    return units


def _is_plain(claim: Mapping[str, Any], identity: Identity) -> bool:
    flags = claim["flags"]
    return (
        _what_it_is(claim) == _KIND_OF_PLAIN
        and type(claim["exponent"]) is int
        and type(claim["occurred_at"]) is int
        and (not flags or (set(flags) <= _FLAGS and flags == sorted(set(flags))))
        and not is_split_off(identity)
    )


def _is_value(value: Mapping[str, Any], part: str, units: int) -> bool:
    return (
        value["is"] == "value"
        and part == value_part(units)
        and _units(value["units"]) >= 0
        and type(value["exponent"]) is int
        and isinstance(value["currency"], str)
    )


def _legs(number: int, claim: Mapping[str, Any], identity: Identity, *, units: int, fee: int) -> list[tuple[Any, ...]]:
    """Book it as `postings.book` does: what we hold, what the processor keeps, what was given."""
    method, network, asset = claim["method"], identity.network, identity.asset
    place = f"assets:{claim['rail']}:{network or method}"
    moved = [
        (f"{place}:{identity.address}" if identity.address else place, units - fee),
        (f"expenses:fees:{method}", fee),
        (f"income:donations:{method}", -units),
    ]
    return [(number, account, network, asset, str(change)) for account, change in moved if change]


def _plain(claim: Mapping[str, Any], identity: Identity, value: Mapping[str, Any], *, units: int, fee: int) -> Plain:
    currency, exponent = (value["currency"], value["exponent"]) if value else ("", 0)
    # As much of its value as of the gift counts: all of it.
    worth = int(value["units"]) if value and units else 0
    quarter = claim["occurred_at"] // QUARTER_MICROS
    way = (claim["method"], claim["rail"], identity.network, identity.asset, claim["exponent"])
    sums = (1, int(bool(units)), units, 0, fee, worth)
    article: tuple[Key, Added] | None = None
    if claim["article"] is not None and units:
        article = article_key(from_micros(claim["occurred_at"]), claim["article"], currency), (1, worth)
    return Plain(units, ((quarter, *way, currency, exponent), sums), article)

"""Verify, the short way: a confirmed gift of which one payment tells, and at most one value of it.

Nearly every gift is one. The short way says that all of it holds, or nothing: whatever it does not expect is folded by
the rules of everything else, which alone say what is wrong.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from support_service.giving import PAYMENT_PART, Direction, Flag, Identity, is_split_off, value_part
from support_service.ledger.article_totals import article_key
from support_service.ledger.canonical import OF_LINE, personal_digest
from support_service.ledger.columns import from_micros
from support_service.ledger.kept_sums import Added, Key
from support_service.ledger.quarters import QUARTER_MICROS
from support_service.ledger.rows import Values, identity_of

_FLAGS = frozenset(map(str, Flag))
# What other parts than a payment and its value would fill.
_EMPTY = ("withheld_units", "open_parts", "match", "link", "linked_to", "split", "stand")


@dataclass(frozen=True, slots=True)
class ClaimAsStored:
    """One stored observation: its part, the text of its claim, its report, and when that was accepted."""

    part: str
    claim: str
    report_number: int
    accepted_at: int


@dataclass(frozen=True, slots=True)
class Plain:
    """A gift all of which holds: what it counts, and the sums in which it does."""

    units: int
    quarter: tuple[Key, Added]
    article: tuple[Key, Added] | None


def plain(
    row: Values, said: Sequence[ClaimAsStored], legs: Sequence[tuple[Any, ...]], *, last_report: int
) -> Plain | None:
    """Hold a row and its postings against what was said; None: not such a gift, or something of it does not hold."""
    is_few = 0 < len(said) <= 2 and row["direction"] == Direction.IN
    if not is_few or any(one.report_number > last_report for one in said):
        return None
    identity = identity_of(row)
    payment, others = said[0], said[1:]
    if others and payment.part != PAYMENT_PART:
        payment, others = others[0], said[:1]
    try:
        claim = json.loads(payment.claim)
        value: Mapping[str, Any] = json.loads(others[0].claim) if others else {}
        units = _units(claim["units"])
        is_plain = payment.part == PAYMENT_PART and _is_plain(claim, identity)
        if not is_plain or (others and not _is_value(value, others[0].part, units)):
            return None
        fee = None if claim["fee_units"] is None else _units(claim["fee_units"])
        expected = _expected(payment, claim, units, fee)
        expected["seen_at"] = min(one.accepted_at for one in said)
        expected["last_report"] = max(one.report_number for one in said)
        expected["value"] = others[0].claim if others else None
        if row["ref"] != identity.ref or {name: row[name] for name in expected} != expected:
            return None
        if list(legs) != _legs(payment.report_number, claim, identity, units=units, fee=fee or 0):
            return None
        return _plain(claim, identity, value, units=units, fee=fee or 0)
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def _units(text: object) -> int:
    """Read units as they are written, and in no other way."""
    if not isinstance(text, str) or not text.isascii() or str(units := int(text)) != text or units < 0:
        raise ValueError("no units")
    return units


def _is_plain(claim: Mapping[str, Any], identity: Identity) -> bool:
    flags = claim["flags"]
    return (
        (claim["is"], claim["state"], claim["kind"]) == ("payment", "confirmed", "donation")
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


def _expected(payment: ClaimAsStored, claim: Mapping[str, Any], units: int, fee: int | None) -> dict[str, Any]:
    line = claim.get(OF_LINE) or {}
    expected: dict[str, Any] = {name: claim[name] for name in _AS_SAID}
    expected |= dict.fromkeys(_EMPTY)
    return expected | {
        "units": claim["units"],
        "counted_units": claim["units"],
        "refunded_units": "0",
        "fee_units": claim["fee_units"],
        "net_units": None if fee is None else str(units - fee),
        "flags": " ".join(claim["flags"]),
        "personal_digest": personal_digest(payment.claim),
        "confirmed_at": payment.accepted_at,
        "intent": claim.get("intent"),
        "bank_class": line.get("class"),
        "bank_rule": line.get("rule"),
        "booking_date": line.get("day"),
    }


_AS_SAID = (
    *("state", "kind", "rail", "method", "exponent", "occurred_at"),
    *("block_height", "block_hash", "tx", "article", "support_code"),
)


def _legs(number: int, claim: Mapping[str, Any], identity: Identity, *, units: int, fee: int) -> list[tuple[Any, ...]]:
    """Book it as `postings.book` does: what we hold, what the processor keeps, what was given."""
    method = claim["method"]
    place = f"assets:{claim['rail']}:{identity.network or method}"
    moved = {
        f"{place}:{identity.address}" if identity.address else place: units - fee,
        f"expenses:fees:{method}": fee,
        f"income:donations:{method}": -units,
    }
    where = (identity.network, identity.asset)
    return [(number, account, *where, str(change)) for account, change in sorted(moved.items()) if change]


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

"""Typed looks into Stripe's JSON: what is not of its kind is refused, never guessed. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, TypeAlias

from support_service.giving import PlanTerms

StripeJson: TypeAlias = Mapping[str, Any]

# The metadata key that carries the intent's reference, on the session and on what it makes.
INTENT_KEY = "intent"

ID = re.compile(r"[A-Za-z0-9_.:@-]{1,255}", re.ASCII)
# And the sums that the giver agreed to after the first one, in units: only we write there.
SUMS_KEY, CODE_KEY = "sums", "support_code"
SUMS_KEPT = 12
EMAIL_CHARACTERS_MAX = 254

_REF = re.compile(r"[0-9a-f]{32}", re.ASCII)
_SUM = re.compile(r"[1-9][0-9]{0,17}", re.ASCII)
_DECIMAL = re.compile(r"[0-9]{1,18}(\.[0-9]{1,12})?", re.ASCII)
INTERVALS = frozenset({"day", "week", "month", "year"})
# Stripe allows three years at most; this bounds what is shown.
INTERVALS_MAX = 10_000
_CURRENCY = re.compile(r"[a-z]{3}", re.ASCII)
# The last second that a date of four digits can have.
_SECONDS_MAX = 253_402_300_799


class NotReadable(ValueError):
    """An object that lacks what an object of its kind has."""


def was_withdrawn(of: StripeJson) -> bool:
    """Tell whether a dispute took money that was not given back: of any one currency, for they are never added."""
    entries = of.get("balance_transactions")
    sums: dict[str, int] = {}
    for one in entries if isinstance(entries, list) else []:
        if isinstance(one, Mapping):
            code = currency(one)
            sums[code] = sums.get(code, 0) + whole(one, "amount", signed=True)
    return any(units < 0 for units in sums.values())


def subscription_details(of: StripeJson) -> StripeJson:
    """Read what an invoice says of its plan; empty where it has none."""
    parent = of.get("parent")
    told = parent.get("subscription_details") if isinstance(parent, Mapping) else None
    return told if isinstance(told, Mapping) else {}


@dataclass(frozen=True, slots=True)
class PlanPrice:
    """What a plan charges each time, in Stripe's units, its currency's code, and when it charges."""

    units: int
    code: str
    terms: PlanTerms


@dataclass(frozen=True, slots=True)
class _ItemPrice:
    """What one item of a plan charges in all; interval and count are "" and 0 where they are not told."""

    units: int
    code: str
    interval: str
    count: int


def priced(of: StripeJson) -> PlanPrice:
    """Read what a plan charges, and when.

    Several prices are one sum only where they are of one currency and come together.
    """
    items = of.get("items")
    data = items.get("data") if isinstance(items, Mapping) else None
    if not isinstance(items, Mapping) or not isinstance(data, list) or not data:
        raise NotReadable(f"{name(of)} has no items")
    if not all(isinstance(one, Mapping) for one in data):
        raise NotReadable(f"{name(of)} has items of another form")
    prices = [_price(of, item) for item in data]
    kinds = {(price.code, price.interval, price.count) for price in prices}
    if len(kinds) > 1 or items.get("has_more") is True:
        raise NotReadable(f"{name(of)} charges several prices in different currencies or at different times")
    ((code, interval, count),) = kinds
    is_paused = isinstance(of.get("pause_collection"), Mapping) or of.get("status") == "paused"
    terms = PlanTerms(interval, count, _ends_at(of, data[0]), is_paused, _period_end(of, data[0]))
    return PlanPrice(sum(price.units for price in prices), code.upper(), terms)


def _price(of: StripeJson, item: StripeJson) -> _ItemPrice:
    price = item.get("price")
    if not isinstance(price, Mapping):
        raise NotReadable(f"{name(of)} has no price")
    each = _unit_amount(price) * whole({"quantity": 1, **item}, "quantity")
    if each != each.to_integral_value():
        raise NotReadable(f"{name(of)} charges a part of the smallest unit: {each}")
    recurring = price.get("recurring")
    if recurring is None:
        return _ItemPrice(int(each), currency(price), "", 0)
    if not isinstance(recurring, Mapping) or recurring.get("interval") not in INTERVALS:
        raise NotReadable(f"{name(of)} does not say when it charges")
    count = whole({"interval_count": 1, **recurring}, "interval_count")
    if not 0 < count <= INTERVALS_MAX:
        raise NotReadable(f"{name(of)} does not say how often it charges")
    return _ItemPrice(int(each), currency(price), str(recurring["interval"]), count)


def _unit_amount(price: StripeJson) -> Decimal:
    """Read what one costs; Stripe tells parts of the smallest unit in decimals alone."""
    told = price.get("unit_amount_decimal")
    if price.get("unit_amount") is not None or not isinstance(told, str) or not _DECIMAL.fullmatch(told):
        return Decimal(whole(price, "unit_amount"))
    return Decimal(told)


def _ends_at(of: StripeJson, item: StripeJson) -> datetime | None:
    """Read when a plan charges no more: when it ended, or where it is said already, when it will."""
    for key in ("ended_at", "cancel_at"):
        if of.get(key) is not None:
            return moment(of, key)
    return _period_end(of, item) if of.get("cancel_at_period_end") is True else None


def _period_end(of: StripeJson, item: StripeJson) -> datetime | None:
    """Read when the present period ends: newer versions of the API tell it by item, older ones of the plan."""
    told = item if item.get("current_period_end") is not None else of
    return moment(told, "current_period_end") if told.get("current_period_end") is not None else None


def name(of: StripeJson) -> str:
    """Read an object's id."""
    found = optional_id(of, "id")
    if found is None:
        raise NotReadable(f"an object without an id: {str(of.get('object'))[:40]}")
    return found


def optional_id(of: StripeJson, key: str) -> str | None:
    """Read the id of another object, also where that was expanded; None where there is none."""
    value = of.get(key)
    if isinstance(value, Mapping):
        value = value.get("id")
    if value is None:
        return None
    if not isinstance(value, str) or not ID.fullmatch(value):
        raise NotReadable(f"{key} is no id")
    return value


def whole(of: StripeJson, key: str, *, signed: bool = False) -> int:
    """Read a whole number, not negative unless `signed`."""
    value = of.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) > 10**18 or (value < 0 and not signed):
        raise NotReadable(f"{key} of {str(of.get('object'))[:40]} is no whole number")
    return value


def currency(of: StripeJson) -> str:
    """Read a currency as Stripe writes it: three small letters."""
    value = of.get("currency")
    if not isinstance(value, str) or not _CURRENCY.fullmatch(value):
        raise NotReadable("currency is none")
    return value


def moment(of: StripeJson, key: str = "created") -> datetime:
    """Read a time."""
    seconds = whole(of, key)
    if seconds > _SECONDS_MAX:
        raise NotReadable(f"{key} is no time")
    return datetime.fromtimestamp(seconds, UTC)


def intent_ref(metadata: object) -> str | None:
    """Read our reference; None where there is none, or what stands there cannot be one."""
    value = metadata.get(INTENT_KEY) if isinstance(metadata, Mapping) else None
    return value if isinstance(value, str) and _REF.fullmatch(value) else None


def agreed_sums(metadata: object) -> tuple[int, ...]:
    """Read the sums that a plan's giver agreed to since it was begun, oldest first; what is none is left out."""
    value = metadata.get(SUMS_KEY) if isinstance(metadata, Mapping) else None
    words = value.split() if isinstance(value, str) else []
    return tuple(int(word) for word in words if _SUM.fullmatch(word))


def email(of: StripeJson) -> str | None:
    """Read the address that an invoice is sent to, or that was typed on the payment page; None for what is none."""
    told = of.get("customer_details")
    value = of.get("customer_email") or (told.get("email") if isinstance(told, Mapping) else None)
    return value if isinstance(value, str) and 0 < len(value) <= EMAIL_CHARACTERS_MAX else None

"""Typed looks into Stripe's JSON: what is not of its kind is refused, never guessed. Pure."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, TypeAlias

Json: TypeAlias = Mapping[str, Any]

# The metadata key that carries the intent's reference, on the session and on what it makes.
INTENT_KEY = "intent"

ID = re.compile(r"[A-Za-z0-9_.:@-]{1,255}", re.ASCII)
_REF = re.compile(r"[0-9a-f]{32}", re.ASCII)
_CURRENCY = re.compile(r"[a-z]{3}", re.ASCII)
# The last second that a date of four digits can have.
_SECONDS_MAX = 253_402_300_799


class NotReadable(ValueError):
    """An object that lacks what an object of its kind has."""


def was_withdrawn(of: Json) -> bool:
    """Tell whether a dispute took money that was not given back."""
    entries = of.get("balance_transactions")
    told = [one for one in entries if isinstance(one, Mapping)] if isinstance(entries, list) else []
    return sum(whole(one, "amount", signed=True) for one in told) < 0


def subscription_details(of: Json) -> Json:
    """Read what an invoice says of its plan; empty where it has none."""
    parent = of.get("parent")
    told = parent.get("subscription_details") if isinstance(parent, Mapping) else None
    return told if isinstance(told, Mapping) else {}


def priced(of: Json) -> tuple[int, str]:
    """Read what a plan charges each time, in Stripe's units, and its currency."""
    items = of.get("items")
    data = items.get("data") if isinstance(items, Mapping) else None
    if not isinstance(data, list) or not data or not isinstance(data[0], Mapping):
        raise NotReadable(f"{name(of)} has no items")
    price = data[0].get("price")
    if not isinstance(price, Mapping):
        raise NotReadable(f"{name(of)} has no price")
    return whole(price, "unit_amount") * whole({"quantity": 1, **data[0]}, "quantity"), currency(price).upper()


def name(of: Json) -> str:
    """Read an object's id."""
    found = optional_id(of, "id")
    if found is None:
        raise NotReadable(f"an object without an id: {str(of.get('object'))[:40]}")
    return found


def optional_id(of: Json, key: str) -> str | None:
    """Read the id of another object, also where that was expanded; None where there is none."""
    value = of.get(key)
    if isinstance(value, Mapping):
        value = value.get("id")
    if value is None:
        return None
    if not isinstance(value, str) or not ID.fullmatch(value):
        raise NotReadable(f"{key} is no id")
    return value


def whole(of: Json, key: str, *, signed: bool = False) -> int:
    """Read a whole number, not negative unless `signed`."""
    value = of.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) > 10**18 or (value < 0 and not signed):
        raise NotReadable(f"{key} of {str(of.get('object'))[:40]} is no whole number")
    return value


def currency(of: Json) -> str:
    """Read a currency as Stripe writes it: three small letters."""
    value = of.get("currency")
    if not isinstance(value, str) or not _CURRENCY.fullmatch(value):
        raise NotReadable("currency is none")
    return value


def moment(of: Json, key: str = "created") -> datetime:
    """Read a time."""
    seconds = whole(of, key)
    if seconds > _SECONDS_MAX:
        raise NotReadable(f"{key} is no time")
    return datetime.fromtimestamp(seconds, UTC)


def intent_ref(metadata: object) -> str | None:
    """Read our reference; None where there is none, or what stands there cannot be one."""
    value = metadata.get(INTENT_KEY) if isinstance(metadata, Mapping) else None
    return value if isinstance(value, str) and _REF.fullmatch(value) else None

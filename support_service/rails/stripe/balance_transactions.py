"""What an entry of Stripe's books (a balance transaction, its source expanded) says about readers' money. Pure."""

from collections.abc import Mapping

from support_service.rails.stripe.fields import StripeJson, currency, moment, name, optional_id
from support_service.rails.stripe.objects import Reader
from support_service.rails.stripe.ranks import MICROS, EventTime, StripeClaims

# Told without a time: of the same place in a refund's life an event knows better when it was.
_TIMELESS = EventTime(0)


def owner(entry: StripeJson) -> str | None:
    """Name the payment that an entry belongs to; None for payouts, fees of the account and the like."""
    source = entry.get("source")
    kind = source.get("object") if isinstance(source, Mapping) else None
    if not isinstance(source, Mapping) or kind not in {"charge", "refund", "dispute"}:
        return None
    return optional_id(source, "payment_intent") or (
        name(source) if kind == "charge" else optional_id(source, "charge")
    )


def entry_said(reader: Reader, entry: StripeJson, payment: str) -> StripeClaims:
    """Read the fee, and the refund or dispute that an entry comes from."""
    source = entry["source"]
    said = reader.fee(entry, payment, currency(source).upper())
    if source["object"] == "refund":
        return said + reader.refund(source, _TIMELESS)
    if source["object"] == "dispute":
        return said + reader.dispute(source, EventTime(int(moment(entry).timestamp()) * MICROS))
    return said


def unexplained(reader: Reader, entry: StripeJson, payment: str) -> StripeClaims:
    """Let a charge that Stripe does not explain wait under its payment's name, so that staff see it.

    A refund or dispute waits by itself.
    """
    source = entry["source"]
    return reader.unexplained(source, payment) if source["object"] == "charge" else StripeClaims()

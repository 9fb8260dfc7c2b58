"""Events as reports: which object each carries, and what that says. Pure.

An event of a type that says nothing about money is a report, too: stored as it came, and counted.
"""

import json
from collections.abc import Callable, Mapping
from typing import TypeAlias

from support_service.giving import Decline, Report
from support_service.rails.stripe.fields import NotReadable, StripeJson, intent_ref, moment, name
from support_service.rails.stripe.objects import Reader
from support_service.rails.stripe.ranks import MICROS, EventTime, StripeClaims

SOURCE = "stripe"
# Who reads again what was pushed and not understood.
SWEEP = f"{SOURCE}:sweep"
# Keeps such an event; its own id stays free for the report that understands it.
UNREAD = "unread:"

_Handler: TypeAlias = Callable[[Reader, StripeJson, EventTime], StripeClaims]

_HANDLERS: dict[str, _Handler] = {
    "checkout.session.completed": Reader.session,
    "checkout.session.async_payment_succeeded": Reader.session,
    "checkout.session.async_payment_failed": lambda reader, of, at: reader.session(of, at, is_failed=True),
    "payment_intent.succeeded": Reader.payment_intent,
    "payment_intent.processing": Reader.payment_intent,
    "charge.succeeded": Reader.charge,
    # Both tell the same; an endpoint may be subscribed to either.
    "invoice.paid": Reader.invoice,
    "invoice.payment_succeeded": Reader.invoice,
    "invoice_payment.paid": Reader.invoice_payment,
    "refund.created": Reader.refund,
    "refund.updated": Reader.refund,
    "refund.failed": Reader.refund,
    "charge.refund.updated": Reader.refund,
    "charge.dispute.created": Reader.dispute,
    "charge.dispute.updated": Reader.dispute,
    "charge.dispute.closed": Reader.dispute,
    "charge.dispute.funds_withdrawn": Reader.dispute,
    "charge.dispute.funds_reinstated": Reader.dispute,
    "customer.subscription.created": Reader.subscription,
    "customer.subscription.updated": Reader.subscription,
    "customer.subscription.deleted": Reader.subscription,
    "customer.subscription.paused": Reader.subscription,
    "customer.subscription.resumed": Reader.subscription,
}

HANDLED = frozenset(_HANDLERS)
DECLINED = "payment_intent.payment_failed"


def read_event(text: str) -> StripeJson:
    """Read an event's JSON; raise NotReadable for anything that is no event of API version 1."""
    try:
        event = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise NotReadable("the body is no JSON") from error
    if not isinstance(event, dict) or event.get("object") != "event":
        raise NotReadable("the body is no event")
    return event


def event_report(event: StripeJson, raw: str, reader: Reader, *, is_live: bool) -> Report:
    """Turn an event into the report that webhook and sweep both make of it: same key, same claims.

    Raises NotReadable for an event that lacks what its type has.
    """
    kind, data = event.get("type"), event.get("data")
    of = data.get("object") if isinstance(data, Mapping) else None
    is_live_event = event.get("livemode")
    if not isinstance(kind, str) or not isinstance(of, Mapping) or not isinstance(is_live_event, bool):
        raise NotReadable("the event lacks a type, an object or its mode")
    # Only events of connected accounts name one; we work with our own alone.
    is_ours = is_live_event == is_live and event.get("account") is None
    at = EventTime(int(moment(event).timestamp()) * MICROS, is_ours)
    handler = _HANDLERS.get(kind)
    return report_of(name(event), handler(reader, of, at) if handler else StripeClaims(), raw)


def report_of(key: str, said: StripeClaims, raw: str | None = None) -> Report:
    """Make a report of what was said."""
    return Report(
        source=SOURCE,
        key=key,
        observations=said.observations,
        raw=raw,
        aliases=said.aliases,
        waiting=said.waiting,
        plans=said.plans,
    )


def read_decline(event: StripeJson) -> Decline | None:
    """Read that a card was declined, and for which payment; None for an event that says something else."""
    if event.get("type") != DECLINED:
        return None
    data = event.get("data")
    of = data.get("object") if isinstance(data, Mapping) else None
    if not isinstance(of, Mapping):
        return None
    error = of.get("last_payment_error")
    if isinstance(error, Mapping) and error.get("type", "card_error") != "card_error":
        return None
    try:
        return Decline(SOURCE, name(event), name(of), moment(event), intent_ref(of.get("metadata")))
    except NotReadable:
        return None  # nobody can say which payment, and money it moved none

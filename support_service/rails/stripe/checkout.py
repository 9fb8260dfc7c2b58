"""The order for a payment page: what a reader chose, in Stripe's words. Pure.

Everything in it follows from the intent and the start of the attempt, so that asking again under the
same idempotency key asks the same.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from support_service.giving import Frequency, Intent
from support_service.money import Asset
from support_service.origin import BadAddress, origin_of
from support_service.rails.stripe.currencies import to_stripe
from support_service.rails.stripe.fields import CODE_KEY, INTENT_KEY

# Stripe takes 30 minutes to a day from when it hears of it. Attempts are given up after 20 minutes.
PAGE_LASTS = timedelta(minutes=58)

# Stripe's page speaks no Ukrainian; ours says so before the reader goes there.
LOCALES = {"en": "en"}
LOCALE_DEFAULT = "en"

_INTERVALS = {Frequency.MONTHLY: "month", Frequency.YEARLY: "year"}


def page_order(intent: Intent, started_at: datetime, *, payee: str, thanks_url: str, back_url: str) -> dict[str, Any]:
    """Write the parameters of a Checkout session; raise NotExact for a sum that cannot be charged.

    Payment methods are not named: those that the account has switched on are offered. The reference
    goes on the session and on what it makes, for renewals carry the subscription's metadata alone.
    """
    asset = Asset(intent.currency, intent.exponent)
    what = f"Donation to {payee}"
    # It stands on Stripe's receipts: whoever lost the link to a regular gift still has its code.
    described = f"{what}, {intent.support_code}" if intent.support_code else what
    price: dict[str, Any] = {
        "currency": intent.currency.lower(),
        "unit_amount": to_stripe(intent.units, asset),
        "product_data": {"name": what},
    }
    metadata = {INTENT_KEY: intent.ref, **({CODE_KEY: intent.support_code} if intent.support_code else {})}
    order: dict[str, Any] = {
        "mode": "payment",
        "submit_type": "donate",
        "locale": LOCALES.get(intent.lang, LOCALE_DEFAULT),
        "client_reference_id": intent.ref,
        "metadata": metadata,
        "line_items": [{"quantity": 1, "price_data": price}],
        "success_url": thanks_url,
        "cancel_url": back_url,
        "expires_at": int((started_at + PAGE_LASTS).timestamp()),
        # In the currency that the reader chose, to the last unit: what comes is held against it.
        "adaptive_pricing": {"enabled": False},
    }
    if intent.frequency is Frequency.ONCE:
        order["payment_intent_data"] = {"metadata": metadata, "description": described}
        return order
    price["recurring"] = {"interval": _INTERVALS[intent.frequency]}
    return {**order, "mode": "subscription", "subscription_data": {"metadata": metadata, "description": described}}


def strange_page(url: str, origins: Collection[str]) -> str | None:
    """Say what to do where a payment page lies at none of these origins; None where it does."""
    try:
        found = str(origin_of(url))
    except BadAddress:
        return "the payment page has an address that cannot be read"
    if found in origins:
        return None
    return f"the payment page is at {found}; if that is this account's own domain, add it to stripe.checkout_origins"

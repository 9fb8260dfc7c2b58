"""What a giver changes of a plan, in Stripe's words. Pure."""

from collections.abc import Iterable
from typing import Any

from support_service.money import Asset
from support_service.rails.processor import CheckoutRefused
from support_service.rails.stripe.currencies import NotExact, to_stripe
from support_service.rails.stripe.fields import SUMS_KEPT, SUMS_KEY, NotReadable, StripeJson, agreed_sums, priced
from support_service.rails.stripe.method import API_BASE

PORTAL_ORIGIN = "https://billing.stripe.com"


def page_origins(api_base: str, own: Iterable[str]) -> tuple[str, ...]:
    """Name the places where the page for the card may lie: Stripe's portal, or a stand-in's, and the account's own."""
    portal = PORTAL_ORIGIN if api_base == API_BASE else api_base
    return tuple(dict.fromkeys((portal, *own)))


def changed_sum(plan: StripeJson, units: int, assets: Iterable[Asset]) -> dict[str, Any]:
    """Write the parameters that change a plan's sum from its next date on; raise CheckoutRefused where it cannot be.

    The sums that were agreed to so far stay written: an invoice that waits to be charged may still be of the old one.
    """
    try:
        code = priced(plan).code
        items = plan["items"]["data"]
        asset = next((one for one in assets if one.code == code), None)
        if len(items) != 1 or asset is None:
            raise CheckoutRefused(f"this plan has {len(items)} items of {code}, and only one that we know is changed")
        price = items[0]["price"]
        recurring = {name: price["recurring"][name] for name in ("interval", "interval_count")}
        amount = to_stripe(units, asset)
    except (NotReadable, NotExact, KeyError, TypeError) as error:
        raise CheckoutRefused(f"the plan cannot be changed: {error}") from error
    known = agreed_sums(plan.get("metadata"))
    # Asked once more under the same key, the same is asked.
    sums = known if known[-1:] == (units,) else (*known, units)[-SUMS_KEPT:]
    data = {"currency": code.lower(), "product": price["product"], "recurring": recurring, "unit_amount": amount}
    return {
        "items": [{"id": items[0]["id"], "quantity": 1, "price_data": data}],
        "proration_behavior": "none",
        "metadata": {SUMS_KEY: " ".join(map(str, sums))},
    }

"""Where Stripe's own pages show a payment."""

from support_service.giving import Donation
from support_service.rails.rail import RailSettings

DASHBOARD = "https://dashboard.stripe.com"
_PAGES = {"pi_": "payments", "in_": "invoices"}


def payment_page(given: RailSettings, donation: Donation) -> str:
    """Return the address of a payment's page in the dashboard, which asks for a login of its own."""
    locator = donation.identity.locator
    page = _PAGES.get(locator[:3])
    return f"{DASHBOARD}/{page}/{locator}" if page and given.own is not None else ""

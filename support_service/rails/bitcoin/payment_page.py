"""Where a public explorer shows a transaction of the main chain."""

from support_service.giving import Donation
from support_service.rails.rail import RailSettings

EXPLORER = "https://mempool.space/tx/"


def payment_page(given: RailSettings, donation: Donation) -> str:
    """Return the address of a transaction's page; "" on a test network."""
    is_main = given.networks.get(donation.identity.network, {}).get("chain") == "main"
    return f"{EXPLORER}{donation.payment.tx}" if is_main and donation.payment.tx else ""

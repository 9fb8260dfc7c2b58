"""Where a public explorer shows a transaction of the main chain."""

from support_service.giving import Donation
from support_service.rails.rail import RailSettings

EXPLORER, MAIN_CHAIN_ID = "https://tronscan.org/#/transaction/", 728_126_428


def payment_page(given: RailSettings, donation: Donation) -> str:
    """Return the address of a transaction's page; "" on a test network."""
    is_main = given.networks.get(donation.identity.network, {}).get("chain_id") == MAIN_CHAIN_ID
    return f"{EXPLORER}{(donation.payment.tx or '').removeprefix('0x')}" if is_main and donation.payment.tx else ""

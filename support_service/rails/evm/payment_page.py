"""Where a public explorer shows a transaction, by the chain that the settings name."""

from support_service.giving import Donation
from support_service.rails.rail import RailSettings

# By chain id (EIP-155).
EXPLORERS = {
    1: "https://etherscan.io/tx/",
    10: "https://optimistic.etherscan.io/tx/",
    137: "https://polygonscan.com/tx/",
    8453: "https://basescan.org/tx/",
    42161: "https://arbiscan.io/tx/",
}


def payment_page(given: RailSettings, donation: Donation) -> str:
    """Return the address of a transaction's page; "" on a chain that no explorer here knows."""
    explorer = EXPLORERS.get(_chain_id(given, donation.identity.network))
    return f"{explorer}{donation.payment.tx}" if explorer and donation.payment.tx else ""


def _chain_id(given: RailSettings, network: str) -> int:
    chain_id = given.networks.get(network, {}).get("chain_id")
    return chain_id if isinstance(chain_id, int) else 0

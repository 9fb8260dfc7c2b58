"""A static Bitcoin address."""

from support_service.giving import Phrase
from support_service.rails.bitcoin.method import build_method, check_network
from support_service.rails.bitcoin.network import POLL_SECONDS_DEFAULT
from support_service.rails.bitcoin.payment_page import payment_page
from support_service.rails.rail import Rail

BITCOIN = Rail(
    name="bitcoin",
    title=Phrase("Bitcoin"),
    build_method=build_method,
    check_network=check_network,
    sources="support_service.rails.bitcoin.source:build_sources",
    node_keys=("rpc", "esplora"),
    poll_seconds=POLL_SECONDS_DEFAULT,
    check_online="support_service.rails.bitcoin.online:ask_nodes",
    payment_page=payment_page,
)

"""TRC-20 tokens at a static TRON address."""

from support_service.giving import Phrase
from support_service.rails.rail import Rail
from support_service.rails.tron.method import build_method, check_network
from support_service.rails.tron.network import POLL_SECONDS_DEFAULT
from support_service.rails.tron.payment_page import payment_page

TRON = Rail(
    name="tron",
    title=Phrase("TRON"),
    build_method=build_method,
    check_network=check_network,
    sources="support_service.rails.tron.source:build_sources",
    node_keys=("rpc",),
    more_node_keys=("rpc_solid", "native", "trongrid"),
    poll_seconds=POLL_SECONDS_DEFAULT,
    check_online="support_service.rails.tron.online:ask_nodes",
    # Its nodes tell their head as Ethereum's do.
    ask_head="support_service.rails.evm.online:ask_head",
    payment_page=payment_page,
)

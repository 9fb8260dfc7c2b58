"""Static addresses on EVM networks: the chain's own coin and allow-listed ERC-20 tokens."""

from support_service.giving import Phrase
from support_service.rails.evm.method import build_method, check_network
from support_service.rails.evm.network import POLL_SECONDS_DEFAULT
from support_service.rails.evm.payment_page import payment_page
from support_service.rails.rail import Rail

EVM = Rail(
    name="evm",
    title=Phrase("Ethereum and chains like it"),
    build_method=build_method,
    check_network=check_network,
    sources="support_service.rails.evm.source:build_sources",
    node_keys=("rpc",),
    poll_seconds=POLL_SECONDS_DEFAULT,
    check_online="support_service.rails.evm.online:ask_nodes",
    ask_head="support_service.rails.evm.online:ask_head",
    payment_page=payment_page,
    signer="support_service.rails.evm.signed_text:signer",
)

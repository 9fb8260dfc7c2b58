"""What `check --online` asks of every Bitcoin node: which chain it is on."""

from collections.abc import Mapping

from support_service.rails.bitcoin.core import CoreChain
from support_service.rails.bitcoin.esplora import EsploraChain
from support_service.rails.bitcoin.network import BitcoinNetwork, read_network
from support_service.rails.bitcoin.node import check_genesis
from support_service.rails.options import Mistake
from support_service.rails.source import SourceError


def ask_nodes(name: str, table: Mapping[str, object]) -> list[str | Mistake]:
    """Ask each node of a checked network; a text is what a right one said, a Mistake what is wrong."""
    network = read_network(name, table)
    nodes: list[tuple[str, int, CoreChain | EsploraChain]] = [
        *(("rpc", place, CoreChain(url, network.chain)) for place, url in enumerate(network.rpc, 1)),
        *(("esplora", place, EsploraChain(url, network.chain)) for place, url in enumerate(network.esplora, 1)),
    ]
    return [_ask(network, *node) for node in nodes]


def _ask(network: BitcoinNetwork, kind: str, position: int, node: CoreChain | EsploraChain) -> str | Mistake:
    key = f"networks.{network.name}.{kind}"
    try:
        genesis = node.genesis()
        check_genesis(node.host, network.chain, genesis)
    except SourceError as error:
        return Mistake(key, f"entry {position}: {error}")
    return f"{network.name}: {node.host} is on chain {network.chain} (genesis {genesis})"

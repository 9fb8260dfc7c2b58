"""What `check --online` asks of every Bitcoin node: which chain it is on."""

from support_service.giving import Clock
from support_service.rails.bitcoin.core import CoreChain
from support_service.rails.bitcoin.esplora import EsploraChain
from support_service.rails.bitcoin.network import BitcoinNetwork, read_network
from support_service.rails.bitcoin.node import check_genesis
from support_service.rails.options import Mistake
from support_service.rails.rail import RailSettings
from support_service.rails.source import SourceError


def ask_nodes(given: RailSettings, *, clock: Clock) -> list[str | Mistake]:
    """Ask each node of each network; a text is what a right one said, a Mistake what is wrong."""
    del clock
    return [told for name, table in given.networks.items() for told in _ask_network(read_network(name, table))]


def _ask_network(network: BitcoinNetwork) -> list[str | Mistake]:
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

"""What `check --online` asks of every TRON node: which chain it is on."""

from support_service.giving import Clock
from support_service.rails.evm import rpc_requests as evm_requests
from support_service.rails.evm.rpc import Node
from support_service.rails.evm.rpc_errors import Refusal
from support_service.rails.options import Mistake
from support_service.rails.rail import RailSettings
from support_service.rails.source import SourceError
from support_service.rails.tron.network import TronNetwork, read_network


def ask_nodes(given: RailSettings, *, clock: Clock) -> list[str | Mistake]:
    """Ask each node of each network; a text is what a right one said, a Mistake what is wrong."""
    del clock
    return [told for name, table in given.networks.items() for told in _ask_network(read_network(name, table))]


def _ask_network(network: TronNetwork) -> list[str | Mistake]:
    ports = {"rpc": network.rpc, "rpc_solid": network.solid}
    return [_ask(network, key, place, url) for key, urls in ports.items() for place, url in enumerate(urls, 1)]


def _ask(network: TronNetwork, key: str, place: int, url: str) -> str | Mistake:
    node, where = Node(url), f"networks.{network.name}.{key}"
    try:
        found = node.ask(evm_requests.chain_id())
    except (SourceError, Refusal) as error:
        return Mistake(where, f"entry {place}: {error}")
    if found != network.chain_id:
        return Mistake(where, f"entry {place} ({node.host}) is on chain {found}, not on {network.chain_id}")
    return f"{network.name}: {node.host} is on chain {found}"

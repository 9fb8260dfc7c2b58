"""What `check --online` asks of every EVM node: which chain it is on."""

from support_service.giving import Clock
from support_service.rails.evm import rpc_requests
from support_service.rails.evm.network import EvmNetwork, read_network
from support_service.rails.evm.rpc import Node
from support_service.rails.evm.rpc_errors import Refusal
from support_service.rails.options import Mistake
from support_service.rails.rail import RailSettings
from support_service.rails.source import SourceError


def ask_nodes(given: RailSettings, *, clock: Clock) -> list[str | Mistake]:
    """Ask each node of each network; a text is what a right one said, a Mistake what is wrong."""
    del clock
    networks = [read_network(name, table) for name, table in given.networks.items()]
    return [_ask(network, position, url) for network in networks for position, url in enumerate(network.rpc, 1)]


def ask_head(url: str) -> int | None:
    """Ask a node for the height of its newest block; None where it has none yet."""
    head = Node(url).ask(rpc_requests.tip("latest"))
    return None if head is None else head.height


def _ask(network: EvmNetwork, position: int, url: str) -> str | Mistake:
    node, key = Node(url), f"networks.{network.name}.rpc"
    try:
        found = node.ask(rpc_requests.chain_id())
    except (SourceError, Refusal) as error:
        return Mistake(key, f"entry {position}: {error}")
    if found != network.chain_id:
        return Mistake(key, f"entry {position} ({node.host}) is on chain {found}, not on {network.chain_id}")
    return f"{network.name}: {node.host} is on chain {found}"

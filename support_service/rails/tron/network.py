"""One [networks.<name>] table of the TRON rail, checked and frozen. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from support_service.rails.chain import node_settings
from support_service.rails.evm.network import EvmNetwork
from support_service.rails.options import Options

# TRON makes a block every 3 seconds; a gift is confirmed after some 19 of them, so 4 blocks a look are soon enough.
POLL_SECONDS_DEFAULT = 12


@dataclass(frozen=True, slots=True)
class TronNetwork(EvmNetwork):
    """What the settings say about one TRON network; rpc may be empty: shown, but not watched.

    solid are nodes' solidified ports, for balances; native are nodes' own HTTP interfaces and
    trongrid servers of account history, both for a second opinion. The addresses may hold keys:
    never log them whole.
    """

    solid: tuple[str, ...] = ()
    native: tuple[str, ...] = ()
    trongrid: tuple[str, ...] = ()


def take_network(name: str, options: Options) -> TronNetwork | None:
    """Take every key this rail knows from a network's table; None (with mistakes noted) if it is wrong."""
    before = len(options.mistakes)
    options.text("rail")
    chain_id = node_settings.chain_id(options)
    rpc = node_settings.node_urls(options, "rpc")
    network = TronNetwork(
        name=name,
        chain_id=chain_id or 0,
        rpc=rpc,
        quorum=node_settings.quorum(options, rpc),
        start_block=options.number("start_block"),
        confirm=node_settings.confirm(options),
        poll_seconds=node_settings.poll_seconds(options, POLL_SECONDS_DEFAULT),
        solid=node_settings.node_urls(options, "rpc_solid"),
        native=node_settings.node_urls(options, "native"),
        trongrid=node_settings.node_urls(options, "trongrid"),
    )
    return None if len(options.mistakes) > before else network


def read_network(name: str, table: Mapping[str, object]) -> TronNetwork:
    """Read a table that was already checked at start-up; ValueError, naming the mistakes, if it was not."""
    return node_settings.read_network(name, table, take_network)

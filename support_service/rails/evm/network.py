"""One [networks.<name>] table of the EVM rail, checked and frozen. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from support_service.rails.chain import node_settings
from support_service.rails.options import Options

# Ethereum makes one block in 12 seconds.
POLL_SECONDS_DEFAULT = 12


@dataclass(frozen=True, slots=True)
class EvmNetwork:
    """What the settings say about one EVM network; rpc may be empty: shown, but not watched.

    start_block is for methods that name none of their own. confirm is "finalized", or a number of
    blocks. The rpc addresses may hold passwords: never log them whole.
    """

    name: str
    chain_id: int
    rpc: tuple[str, ...]
    quorum: int
    start_block: int | None
    confirm: node_settings.Confirm
    poll_seconds: int


def take_network(name: str, options: Options) -> EvmNetwork | None:
    """Take every key this rail knows from a network's table; None (with mistakes noted) if it is wrong."""
    before = len(options.mistakes)
    options.text("rail")
    chain_id = node_settings.chain_id(options)
    rpc = node_settings.node_urls(options, "rpc")
    network = EvmNetwork(
        name=name,
        chain_id=chain_id or 0,
        rpc=rpc,
        quorum=node_settings.quorum(options, rpc),
        start_block=options.number("start_block"),
        confirm=node_settings.confirm(options),
        poll_seconds=node_settings.poll_seconds(options, POLL_SECONDS_DEFAULT),
    )
    return None if len(options.mistakes) > before else network


def read_network(name: str, table: Mapping[str, object]) -> EvmNetwork:
    """Read a table that was already checked at start-up; ValueError, naming the mistakes, if it was not."""
    return node_settings.read_network(name, table, take_network)

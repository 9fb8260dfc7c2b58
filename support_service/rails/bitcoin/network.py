"""One [networks.<name>] table of the Bitcoin rail, checked and frozen. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from support_service.money import Asset, BadAmount, parse_plain
from support_service.rails.bitcoin.address import CHAINS
from support_service.rails.chain import node_settings
from support_service.rails.options import Options

CONFIRMATIONS_DEFAULT = 3
LARGE_CONFIRMATIONS_DEFAULT = 6
CONFIRMATIONS_MAX = 100
# A block comes in ten minutes, but readers look at their gift's page and wait: half a minute is the most for both.
POLL_SECONDS_DEFAULT = 12
# A new block's own reward can be spent, and so relied on, when it is this deep (COINBASE_MATURITY of consensus.h).
COINBASE_CONFIRMATIONS = 100

_BITCOIN = Asset("BTC", 8)


@dataclass(frozen=True, slots=True)
class BitcoinNetwork:
    """What the settings say about one Bitcoin network; rpc and esplora may be empty: shown, but not watched.

    large_units is None where all amounts count alike. The addresses of nodes may hold passwords:
    never log them whole.
    """

    name: str
    chain: str
    rpc: tuple[str, ...]
    esplora: tuple[str, ...]
    quorum: int
    confirmations: int
    large_units: int | None
    large_confirmations: int
    start_block: int | None
    poll_seconds: int

    def confirmations_for(self, units: int, *, is_coinbase: bool) -> int:
        """How many blocks, its own included, make an amount count."""
        if is_coinbase:
            return max(COINBASE_CONFIRMATIONS, self.confirmations)
        is_large = self.large_units is not None and units >= self.large_units
        return max(self.large_confirmations, self.confirmations) if is_large else self.confirmations


def take_network(name: str, options: Options) -> BitcoinNetwork | None:
    """Take every key this rail knows from a network's table; None (with mistakes noted) if it is wrong."""
    before = len(options.mistakes)
    options.text("rail")
    chain = options.text("chain", "main")
    if chain not in CHAINS and not options.has_mistake("chain"):
        options.reject("chain", f"must be one of {', '.join(CHAINS)}")
    rpc, esplora = node_settings.node_urls(options, "rpc"), node_settings.node_urls(options, "esplora")
    network = BitcoinNetwork(
        name=name,
        chain=chain,
        rpc=rpc,
        esplora=esplora,
        quorum=node_settings.quorum(options, rpc + esplora),
        confirmations=_confirmations(options, "confirmations", CONFIRMATIONS_DEFAULT),
        large_units=_large_units(options),
        large_confirmations=_confirmations(options, "large_confirmations", LARGE_CONFIRMATIONS_DEFAULT),
        start_block=options.number("start_block"),
        poll_seconds=node_settings.poll_seconds(options, POLL_SECONDS_DEFAULT),
    )
    return None if len(options.mistakes) > before else network


def read_network(name: str, table: Mapping[str, object]) -> BitcoinNetwork:
    """Read a table that was already checked at start-up; ValueError, naming the mistakes, if it was not."""
    return node_settings.read_network(name, table, take_network)


def _confirmations(options: Options, name: str, default: int) -> int:
    value = options.number(name, default)
    if value is None or not 1 <= value <= CONFIRMATIONS_MAX:
        options.reject(name, f"must be from 1 to {CONFIRMATIONS_MAX} blocks")
        return default
    return value


def _large_units(options: Options) -> int | None:
    text = options.text("large_amount")
    if not text or options.has_mistake("large_amount"):
        return None
    try:
        return parse_plain(text, _BITCOIN).units
    except BadAmount as error:
        options.reject("large_amount", f"{error}; it is an amount in BTC, as text")
        return None

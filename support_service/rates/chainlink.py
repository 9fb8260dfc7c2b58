"""Chainlink price feeds, read from the network's own node at the block of the gift.

Contract: AggregatorV3Interface, https://docs.chain.link/data-feeds/api-reference. The price is the
one the chain itself held when the gift came. Where that state is gone (an ordinary node keeps some
128 blocks) or the gift came another way, the feed's stored rounds are searched for the one that was
in force at that time.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Context, Decimal
from typing import Any

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError

from support_service.rails.evm import rpc_requests, rpc_schema
from support_service.rails.evm.network import EvmNetwork, read_network
from support_service.rails.evm.rpc import Call, Node
from support_service.rails.evm.rpc_errors import Refusal
from support_service.rails.source import SourceDown, SourceLied
from support_service.rates import Rate, WantedRate, checked
from support_service.rates.settings import Feed

# The slowest feeds in use promise an answer every 24 hours; later ones have missed it.
STALE_AFTER = timedelta(hours=25)
DECIMALS_MAX = 36

# keccak256 of the signatures, first four bytes.
_DECIMALS, _DESCRIPTION = "0x313ce567", "0x7284e416"
_LATEST, _ROUND = "0xfeaf968c", "0x9a6fc8f5"
_ROUND_TYPES = ("uint80", "int256", "uint256", "uint256", "uint80")
# A proxy numbers rounds by aggregator (the bits above these) and that one's own number.
_OWN_NUMBER = (1 << 64) - 1
_NAMES = re.compile(r"\s*(\S+)\s*/\s*(\S+)\s*")
# A price has at most 78 digits.
_EXACT = Context(prec=100)


@dataclass(frozen=True, slots=True)
class _Round:
    """One answer of a feed: its number, the price in units of 10^-decimals, and when it was given."""

    number: int
    answer: int
    updated_at: datetime


class ChainlinkFeeds:
    """Knows the rates of the feeds in the settings, asking each network's nodes in turn."""

    name = "chainlink"

    def __init__(
        self,
        feeds: Sequence[Feed],
        networks: Mapping[str, Mapping[str, object]],
        *,
        node: Callable[[str], Node] = Node,
    ) -> None:
        names = dict.fromkeys(feed.network for feed in feeds)
        self._feeds, self._networks = tuple(feeds), {name: read_network(name, networks[name]) for name in names}
        self._nodes = {name: [node(url) for url in network.rpc] for name, network in self._networks.items()}
        self._checked: set[Node] = set()
        self._decimals: dict[Feed, int] = {}

    def rate(self, asked: WantedRate) -> Rate | None:
        """Tell the price that was in force; None where no feed has the pair, or it was stale just then."""
        feeds = [one for one in self._feeds if (one.asset, one.currency) == (asked.asset, asked.currency)]
        if not feeds:
            return None
        # The gift's own network can be asked about its very block.
        feed = next((one for one in feeds if one.network == asked.network), feeds[0])
        trouble: SourceDown | None = None
        for node in self._nodes[feed.network]:
            try:
                return self._rate(node, feed, asked)
            except SourceDown as error:
                trouble = trouble or error
        raise trouble or SourceDown(f"{feed.network}: no node to read the feed from")

    def _rate(self, node: Node, feed: Feed, asked: WantedRate) -> Rate | None:
        decimals = self._known(node, feed)
        found = _round_in_force(node, feed, asked)
        if found is None or asked.at - found.updated_at > STALE_AFTER:
            return None
        value = Decimal(found.answer).scaleb(-decimals, _EXACT)
        return Rate(asked.asset, asked.currency, checked(value, _who(feed)), self.name, found.updated_at)

    def _known(self, node: Node, feed: Feed) -> int:
        """Make sure, once, that the node is on the right chain and the contract is the feed that it should be."""
        if node not in self._checked:
            _check_chain(node, self._networks[feed.network])
            self._checked.add(node)
        if feed not in self._decimals:
            self._decimals[feed] = _check_feed(node, feed)
        return self._decimals[feed]


def _check_chain(node: Node, network: EvmNetwork) -> None:
    try:
        found = node.ask(rpc_requests.chain_id())
    except Refusal as error:
        raise SourceDown(f"{node.host}: {error}") from error
    if found != network.chain_id:
        raise SourceLied(f"{node.host}: on chain {found}, not on {network.chain_id}")


def _check_feed(node: Node, feed: Feed) -> int:
    """Read the feed's decimals; SourceLied where the contract is none, or says that it is about another pair."""
    try:
        decimals = int(node.ask(_call(feed, _DECIMALS, ("uint8",)))[0])
        description = str(node.ask(_call(feed, _DESCRIPTION, ("string",)))[0])
    except Refusal as error:
        raise SourceLied(f"{_who(feed)}: is no price feed ({error})") from error
    names = _NAMES.fullmatch(description)
    if names is not None and (names[1].upper(), names[2].upper()) != (feed.asset.upper(), feed.currency.upper()):
        raise SourceLied(f"{_who(feed)}: says that it is {description[:40]!r}")
    if decimals > DECIMALS_MAX:
        raise SourceLied(f"{_who(feed)}: {decimals} decimals")
    return decimals


def _round_in_force(node: Node, feed: Feed, asked: WantedRate) -> _Round | None:
    if asked.network == feed.network and asked.block_hash is not None:
        try:
            return _read_round(feed, node.ask(_call(feed, _LATEST, _ROUND_TYPES, at=asked.block_hash)))
        except Refusal:
            pass  # That state is gone, or this node never saw the block; the rounds tell as well.
    try:
        latest = _read_round(feed, node.ask(_call(feed, _LATEST, _ROUND_TYPES)))
    except Refusal as error:
        raise SourceDown(f"{node.host}: {error}") from error
    return _search(node, feed, latest, asked.at)


def _search(node: Node, feed: Feed, latest: _Round, at: datetime) -> _Round | None:
    """Find the last round at or before a time by halving: an aggregator numbers its rounds from 1 without gaps.

    None where the time lies before this aggregator's first round, or the contract keeps no rounds.
    """
    base, low, high = latest.number & ~_OWN_NUMBER, 1, latest.number & _OWN_NUMBER
    found, looked_at = None, latest
    while True:
        if looked_at.updated_at <= at:
            found, low = looked_at, (looked_at.number & _OWN_NUMBER) + 1
        else:
            high = (looked_at.number & _OWN_NUMBER) - 1
        if low > high:
            return found
        number = base | ((low + high) // 2)
        try:
            told = node.ask(_call(feed, _ROUND, _ROUND_TYPES, argument=f"{number:064x}"))
        except Refusal:
            return None
        looked_at = _read_round(feed, told)
        if looked_at.number != number:
            raise SourceLied(f"{_who(feed)}: asked for round {number}, answered with {looked_at.number}")


def _read_round(feed: Feed, words: tuple[Any, ...]) -> _Round:
    number, answer, _, updated_at, _ = words
    try:
        return _Round(number, answer, datetime.fromtimestamp(updated_at, UTC))
    except (OverflowError, ValueError, OSError) as error:
        raise SourceLied(f"{_who(feed)}: a round of no time ({updated_at})") from error


def _call(
    feed: Feed, selector: str, types: tuple[str, ...], *, at: str = "latest", argument: str = ""
) -> Call[tuple[Any, ...]]:
    """Ask the contract at the end of a block, named by its hash (EIP-1898), or at the head."""

    def read(value: object) -> tuple[Any, ...]:
        try:
            return decode(types, rpc_schema.data(value))
        except DecodingError as error:
            raise Refusal("eth_call", 0, f"not {', '.join(types)}") from error

    place: object = {"blockHash": at} if at.startswith("0x") else at
    return Call("eth_call", ({"to": feed.contract, "data": selector + argument}, place), read)


def _who(feed: Feed) -> str:
    return f"feed {feed.contract} on {feed.network} for {feed.asset}/{feed.currency}"

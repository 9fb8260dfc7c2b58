"""The EVM rail's I/O half: one Source per network, read from its nodes in turn."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta

from support_service.giving import Clock, Cursor, HeldBalance, MoneyBlock, Report, SourceWarning, Watch, utc_now
from support_service.rails.asides import WATCH, Asides
from support_service.rails.books import Books
from support_service.rails.chain.node_pool import NodePool
from support_service.rails.evm import cursor_state, range_reader, tokens
from support_service.rails.evm.network import EvmNetwork, read_network
from support_service.rails.evm.poll import Poll
from support_service.rails.evm.range_proof import BalancesByBlock
from support_service.rails.evm.range_reader import Watched
from support_service.rails.evm.reorg import check_chain, look
from support_service.rails.evm.rescan import read_again
from support_service.rails.evm.rpc import Askable, Node
from support_service.rails.evm.rpc_cache import RpcCache
from support_service.rails.evm.rpc_errors import Behind, NoState, Refusal, TokenSilent, UnreadableItem
from support_service.rails.evm.rpc_quorum import RpcQuorum, too_few
from support_service.rails.evm.rpc_without_hashes import HashlessNode
from support_service.rails.evm.source_context import SourceContext
from support_service.rails.evm.step_back import step_back
from support_service.rails.rail import RailSettings
from support_service.rails.source import Holding, Rescan, Source, SourceDown, SourceLied


def build_sources(given: RailSettings, books: Books, *, clock: Clock) -> list[Source]:
    """Build the source of each network."""
    del books  # a chain tells all by itself
    networks = [read_network(name, table) for name, table in given.networks.items()]
    return [EvmSource(network, given.watches_on(network.name), clock=clock) for network in networks]


class EvmSource(Source):
    """Tells what happened to our addresses on one EVM network. Thread-bound; opens no connection before `reports`.

    With quorum = 1 its nodes are asked in the order of the settings, each where the ones before it
    fail; with more, all of them are asked and must agree. A chain that speaks as Ethereum does says
    in `poll_once` and `odd_tokens` what is its own.
    """

    # For how long a node that was found to be on our chain is believed to be.
    checked_for = timedelta.max

    def __init__(
        self,
        network: EvmNetwork,
        watches: tuple[Watch, ...],
        *,
        clock: Clock = utc_now,
        node: Callable[[str], Node] = HashlessNode,
    ) -> None:
        self.name, self.poll_seconds = f"evm:{network.name}", float(network.poll_seconds)
        self._network, self._clock = network, clock
        self._warnings: tuple[SourceWarning, ...] = ()
        self.nodes = [node(url) for url in network.rpc]
        self._pool = NodePool(self.nodes, clock)
        # Nodes differ in the ranges of logs they take, so each has a watched set; the last is for all together.
        self._watched = {one: Watched(watches) for one in self.nodes}
        self._watched_together = Watched(watches)
        self._checked_at: dict[Node, datetime] = {}
        # Tokens that a node knows otherwise than the settings, by contract: why.
        self._odd: dict[Node, dict[str, str]] = {}
        self.asides: Asides = Asides(self.name, clock)

    def reports(self, after: Cursor | None) -> Iterator[Report]:
        """Yield reports from the cursor to the head."""
        return self._from_quorum(after) if self._network.quorum > 1 else self._from_one(after)

    def warnings(self) -> tuple[SourceWarning, ...]:
        """Say what people should hear of though the last look went well."""
        return self._warnings

    def step_back(self, after: Cursor, blocks: Iterable[MoneyBlock]) -> Report | None:
        """After a freeze: the step back to the last common block, or None where the chain is as we read it.

        blocks are those the ledger holds money in. Raises SourceDown and SourceLied.
        """
        asked = self._asked()
        try:
            return step_back(self._context(self.name, self._watched_together), RpcCache(asked), after, blocks)
        except Refusal as error:
            raise SourceDown(f"{asked.host}: {_in_words(error)}") from error

    def read_again(self, name: str, task: Rescan, after: Cursor | None) -> Iterator[Report]:
        """Read blocks once more, for one method; raises SourceDown and SourceLied."""
        asked = self._asked()
        try:
            yield from read_again(self._context(name, self._watched_together), RpcCache(asked), task, after)
        except Refusal as error:
            raise SourceDown(f"{asked.host}: {_in_words(error)}") from error

    def holdings(self, after: Cursor) -> list[Holding]:
        """Ask what every watch held at its last final block; raises SourceDown and SourceLied."""
        asked = self._asked()
        cache = RpcCache(asked)
        try:
            look(cache, self._network, cursor_state.read(after), None)
            return range_reader.holdings(cache, self._watched_together, cursor_state.read(after).watch_states)
        except Refusal as error:
            raise SourceDown(f"{asked.host}: {_in_words(error)}") from error

    def balances(self, after: Cursor) -> tuple[HeldBalance, ...]:
        """Tell what every watch was last proved to hold."""
        watches, watch_states = self._watched_together.all, cursor_state.read(after).watch_states
        proven = [(watches[key], item.proven(watches[key])) for key, item in watch_states.items() if key in watches]
        return tuple(
            HeldBalance(*watch.key, watch.asset.exponent, balance_at.units, balance_at.height, after.checked_at)
            for watch, balance_at in proven
            if balance_at is not None
        )

    def _asked(self) -> Askable:
        """Whom to ask outside of turns: the first node that is ready, or a quorum."""
        ready = self._pool.ready(at_least=self._network.quorum)
        return RpcQuorum(ready, self._network.quorum, lambda *_: None) if self._network.quorum > 1 else ready[0]

    def _context(self, name: str, watched: Watched) -> SourceContext:
        return SourceContext(name, self._network, watched, self._clock, self.asides)

    def _from_one(self, after: Cursor | None) -> Iterator[Report]:
        """Read from the first node that can be read; where it fails half way, the next goes on from there.

        Where every one fails, and some for want of old balances only, one of these reads block by block.
        """
        troubles: list[SourceDown] = []
        ready = self._pool.ready()
        lacking: list[Node] = []
        for node in _then(ready, lacking):
            self._watched[node].may_scan = len(ready) == 1 or node in lacking
            try:
                self._check(node)
                for report in self._poll(node, self._watched[node], after):
                    after = report.cursor
                    yield report
            except SourceDown as error:
                self._pool.failed(node, str(error), error.retry_after_seconds)
                troubles.append(error)
                if isinstance(error, StateGone) and node not in lacking:
                    lacking.append(node)
            else:
                self._pool.worked(node)
                return
        retry_after_seconds = min(trouble.retry_after_seconds for trouble in troubles)
        raise SourceDown("; ".join(map(str, troubles)), retry_after_seconds=retry_after_seconds)

    def _from_quorum(self, after: Cursor | None) -> Iterator[Report]:
        """Read what a quorum of nodes agrees on."""
        silent: dict[Node, SourceDown] = {}

        def on_failure(node: Node, error: SourceDown) -> None:
            silent[node] = error
            self._pool.failed(node, str(error), error.retry_after_seconds)

        ready = self._pool.ready(at_least=self._network.quorum)
        for node in ready:
            try:
                self._check(node)
            except SourceDown as error:
                on_failure(node, error)
        sound = [node for node in ready if node not in silent]
        if len(sound) < self._network.quorum:
            raise too_few(len(sound), self._network.quorum, silent.values())
        yield from self._poll(RpcQuorum(sound, self._network.quorum, on_failure), self._watched_together, after)
        for node in ready:
            if node not in silent:
                self._pool.worked(node)

    def _poll(self, asked: Askable, watched: Watched, after: Cursor | None) -> Iterator[Report]:
        """Take one turn; a token that cannot be read is left out, and all others are read.

        A Refusal without a remedy is SourceDown here.
        """
        while True:
            going = self._going(watched)
            try:
                for report in self.poll_once(asked, going, after):
                    after = report.cursor
                    yield report
            except TokenSilent as error:
                others = going.without({error.contract})
                if not watched.may_scan or not others.all:
                    raise StateGone(f"{asked.host}: {self._named(going, error.contract)}: {error.text}") from error
                self.asides.note(self._named(going, error.contract), f"{asked.host}: {error.text}")
            except (NoState, UnreadableItem) as error:
                raise StateGone(f"{asked.host}: {_in_words(error)}") from error
            except Refusal as error:
                raise SourceDown(f"{asked.host}: {_in_words(error)}") from error
            else:
                for watch in going.tokens:
                    self.asides.solve(self._named(going, watch.asset.contract))
                return

    def poll_once(self, asked: Askable, watched: Watched, after: Cursor | None) -> Iterator[Report]:
        """Take one turn for what can be read; raises Refusal."""
        context, cache = self._context(self.name, watched), RpcCache(asked, goes_on=watched.may_scan)
        poll = Poll(context, cache, after, BalancesByBlock(context, cache))
        yield from poll.reports()
        self._warnings = poll.warnings

    def _going(self, watched: Watched) -> Watched:
        """Leave out the tokens that are not what the settings say, and those that could not be read a moment ago."""
        odd = {contract: why for known in self._odd.values() for contract, why in known.items()}
        left_out = {watch.asset.contract for watch in watched.tokens if self.asides.rests(self._name_of(watch))}
        going = watched.without(left_out | odd.keys())
        for watch in watched.tokens:
            if watch.asset.contract in odd and going.all:
                self.asides.note(self._name_of(watch), odd[watch.asset.contract])
        if not going.all:
            # Nothing is left to be read: then it is the source that stands still.
            if odd:
                raise SourceLied("; ".join(odd.values()))
            return watched
        return going

    def _named(self, watched: Watched, contract: str) -> str:
        return next(self._name_of(watch) for watch in watched.tokens if watch.asset.contract == contract)

    def _name_of(self, watch: Watch) -> str:
        """Name a token's watches for people."""
        return f"{WATCH}{watch.asset.code} on {self._network.name}"

    def _is_doubted(self, node: Node) -> bool:
        """Tell whether a token was not what the settings say, and it is time to look again."""
        odd = self._odd.get(node)
        return bool(odd) and not any(
            self.asides.rests(self._name_of(watch))
            for watch in self._watched[node].tokens
            if odd and watch.asset.contract in odd
        )

    def _check(self, node: Node) -> None:
        """See that a node is on our chain (raises SourceLied), and whether its tokens are the ones we know."""
        now, checked_at = self._clock(), self._checked_at.get(node)
        is_known = checked_at is not None and now - checked_at < self.checked_for
        if is_known and not self._is_doubted(node):
            return
        cache = RpcCache(node)
        try:
            check_chain(cache, self._network)
            self._odd[node] = self.odd_tokens(cache, self._watched[node].tokens)
        except Refusal as error:
            raise SourceDown(f"{node.host}: {_in_words(error)}") from error
        self._checked_at[node] = now

    def odd_tokens(self, cache: RpcCache, watches: Sequence[Watch]) -> dict[str, str]:
        """Say which contracts a node knows otherwise than the settings, and why; raises Refusal."""
        return tokens.odd_contracts(cache, watches)


class StateGone(SourceDown):
    """A node that is well lacks something that we need: old balances, one receipt, a token's answers."""


def _then(first: Sequence[Node], later: Sequence[Node]) -> Iterator[Node]:
    """Every node once, then those that have come into `later` by then, once more."""
    yield from first
    yield from tuple(later)


def _in_words(error: Refusal) -> str:
    if isinstance(error, NoState):
        return (
            "keeps no state of a block that must be read; name an archive node in `rpc`, "
            f"or a later start_block for a new method ({error})"
        )
    if isinstance(error, Behind):
        return f"does not know a block it has just told of; several nodes behind one address? ({error})"
    return str(error)

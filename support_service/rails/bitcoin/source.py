"""The Bitcoin rail's I/O half: one Source per network, read from Bitcoin Core and Esplora nodes in turn."""

from collections.abc import Container, Iterable, Iterator, Sequence
from typing import TypeVar

from support_service.giving import Clock, Cursor, HeldBalance, MoneyBlock, Report, SourceWarning, Watch, utc_now
from support_service.rails.asides import WATCH, Asides
from support_service.rails.bitcoin.core import CoreChain
from support_service.rails.bitcoin.esplora import EsploraChain
from support_service.rails.bitcoin.network import BitcoinNetwork, read_network
from support_service.rails.bitcoin.node import Chain, UnreadableAnswer, WatchSilent
from support_service.rails.bitcoin.node_quorum import NodeQuorum
from support_service.rails.bitcoin.poll import Poll
from support_service.rails.bitcoin.rescan import balances, holdings, read_again
from support_service.rails.bitcoin.source_context import SourceContext
from support_service.rails.bitcoin.step_back import step_back
from support_service.rails.books import Books
from support_service.rails.chain.cursor_state import WatchKey, key_of
from support_service.rails.chain.node_pool import NodePool
from support_service.rails.rail import RailSettings
from support_service.rails.source import Holding, Rescan, Source, SourceDown

N = TypeVar("N")


def build_sources(given: RailSettings, books: Books, *, clock: Clock) -> list[Source]:
    """Build the source of each network."""
    del books  # a chain tells all by itself
    networks = [read_network(name, table) for name, table in given.networks.items()]
    return [BitcoinSource(network, given.watches_on(network.name), clock=clock) for network in networks]


class BitcoinSource(Source):
    """Tells what happened to our addresses on one Bitcoin network. Thread-bound; connects when `reports` is read.

    With quorum = 1 its nodes are asked in the order of the settings (rpc before esplora), each where
    the ones before it fail; with more, all of them are asked and must agree.
    """

    def __init__(self, network: BitcoinNetwork, watches: tuple[Watch, ...], *, clock: Clock = utc_now) -> None:
        self.name, self.poll_seconds = f"bitcoin:{network.name}", float(network.poll_seconds)
        self._warnings: tuple[SourceWarning, ...] = ()
        self._network, self._clock = network, clock
        self._watches = {key_of(watch): watch for watch in watches}
        self.nodes: list[CoreChain | EsploraChain] = [
            *(CoreChain(url, network.chain) for url in network.rpc),
            *(EsploraChain(url, network.chain) for url in network.esplora),
        ]
        self._pool = NodePool(self.nodes, clock)
        self.asides: Asides = Asides(self.name, clock)

    def reports(self, after: Cursor | None) -> Iterator[Report]:
        """Yield reports from the cursor to the head."""
        return self._from_quorum(after) if self._network.quorum > 1 else self._from_one(after)

    def warnings(self) -> tuple[SourceWarning, ...]:
        """Say what people should hear of though the last look went well."""
        return self._warnings

    def step_back(self, after: Cursor, blocks: Iterable[MoneyBlock]) -> Report | None:
        """After a freeze: the step back to the last common block, or None where the chain is as we read it."""
        return step_back(self._context(self.name), self._asked(), after, blocks)

    def read_again(self, name: str, task: Rescan, after: Cursor | None) -> Iterator[Report]:
        """Read blocks once more, for one method; raises SourceDown and SourceLied."""
        return read_again(self._context(name), self._asked(), task, after)

    def holdings(self, after: Cursor) -> list[Holding]:
        """Ask what every watch held at its last confirmed block; raises SourceDown and SourceLied."""
        return holdings(self._context(self.name), self._asked(), after)

    def balances(self, after: Cursor) -> tuple[HeldBalance, ...]:
        """Tell what every watch holds, as far as all of it is confirmed."""
        return balances(self._context(self.name), after)

    def _context(self, name: str, left_out: Container[WatchKey] = ()) -> SourceContext:
        going = {key: watch for key, watch in self._watches.items() if key not in left_out}
        others = {key: watch for key, watch in self._watches.items() if key in left_out}
        return SourceContext(name, self._network, going, self._clock, self.asides, others)

    def _asked(self) -> Chain:
        """Whom to ask outside of turns: the first node that is ready, or a quorum."""
        ready = self._pool.ready(at_least=self._network.quorum)
        return NodeQuorum(ready, self._network.quorum, lambda *_: None) if self._network.quorum > 1 else ready[0]

    def _from_one(self, after: Cursor | None) -> Iterator[Report]:
        """Read from the first node that can be read; where it fails half way, the next goes on from there.

        Where every one fails, and some for want of one thing only, one of these is read without it.
        """
        troubles: list[SourceDown] = []
        ready = self._pool.ready()
        lacking: list[CoreChain | EsploraChain] = []
        for node in _then(ready, lacking):
            node.goes_on = len(ready) == 1 or node in lacking
            try:
                for report in self._poll(node, after, self._tellers(node)):
                    after = report.cursor
                    yield report
            except SourceDown as error:
                self._pool.failed(node, str(error), error.retry_after_seconds)
                troubles.append(error)
                if isinstance(error, UnreadableAnswer) and node not in lacking:
                    lacking.append(node)
            else:
                self._pool.worked(node)
                return
            finally:
                node.goes_on = False
        retry_after_seconds = min(trouble.retry_after_seconds for trouble in troubles)
        raise SourceDown("; ".join(map(str, troubles)), retry_after_seconds=retry_after_seconds)

    def _from_quorum(self, after: Cursor | None) -> Iterator[Report]:
        """Read what a quorum of nodes agrees on."""
        silent: set[CoreChain | EsploraChain] = set()

        def on_failure(node: CoreChain | EsploraChain, error: SourceDown) -> None:
            silent.add(node)
            self._pool.failed(node, str(error), error.retry_after_seconds)

        ready = self._pool.ready(at_least=self._network.quorum)
        yield from self._poll(NodeQuorum(ready, self._network.quorum, on_failure), after)
        for node in ready:
            if node not in silent:
                self._pool.worked(node)

    def _tellers(self, node: CoreChain | EsploraChain) -> list[EsploraChain]:
        """Who else can tell what waits for a block: Bitcoin Core does not, by address."""
        ready = [] if isinstance(node, EsploraChain) else self._pool.ready()
        return [other for other in ready if isinstance(other, EsploraChain)]

    def _poll(self, chain: Chain, after: Cursor | None, tellers: Sequence[Chain] = ()) -> Iterator[Report]:
        """Take one turn; a watch that the node does not tell of is left out, and all others are read."""
        while True:
            resting = {key for key in self._watches if self.asides.rests(_name(key))}
            left_out = resting if len(resting) < len(self._watches) else set[WatchKey]()
            context = self._context(self.name, left_out)
            poll = Poll(context, chain, after, tellers)
            try:
                for report in poll.reports():
                    after = report.cursor
                    yield report
            except WatchSilent as error:
                (silent,) = [key for key in self._watches if context.script(key) == error.script]
                if not isinstance(chain, EsploraChain) or not chain.goes_on or len(context.watches) == 1:
                    raise
                self.asides.note(_name(silent), str(error))
                if not self.asides.rests(_name(silent)):
                    raise
                continue
            for key in context.watches:
                self.asides.solve(_name(key))
            self._warnings = tuple(poll.warnings())
            return


def _then(nodes: Sequence[N], more: Sequence[N]) -> Iterator[N]:
    """First the ones, then the others, which may have been found meanwhile."""
    yield from nodes
    yield from more


def _name(key: WatchKey) -> str:
    return f"{WATCH}{key[1]} at {key[0]}"

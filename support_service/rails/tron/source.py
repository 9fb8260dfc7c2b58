"""The TRON rail's I/O half: one Source per network, TRC-20 transfers of listed contracts alone.

It reads the Ethereum-like JSON-RPC as the EVM rail does, and differs where TRON does: no balances of
old blocks, a log index that may be dead, at most 5,000 blocks a question. `value` is never read: it
carries votes, stakes and TRC-10 amounts alike.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

from support_service.giving import (
    Clock,
    Cursor,
    HeldBalance,
    MoneyBlock,
    Report,
    SourceWarning,
    WarningKind,
    Watch,
    utc_now,
)
from support_service.rails.asides import Asides
from support_service.rails.books import Books
from support_service.rails.chain.search import RangeSize
from support_service.rails.evm import cursor_state
from support_service.rails.evm.poll import Poll
from support_service.rails.evm.range_reader import Watched
from support_service.rails.evm.reorg import look
from support_service.rails.evm.rpc import Askable, Node
from support_service.rails.evm.rpc_cache import RpcCache
from support_service.rails.evm.rpc_errors import Refusal
from support_service.rails.evm.source import EvmSource
from support_service.rails.rail import RailSettings
from support_service.rails.source import Holding, Rescan, Source, SourceDown, SourceLied
from support_service.rails.tron import holding, rescan, step_back
from support_service.rails.tron import log_index as canary
from support_service.rails.tron.address_forms import AddressForms
from support_service.rails.tron.balance_sampling import Beside, Sampler, Within
from support_service.rails.tron.contract_results import Results
from support_service.rails.tron.network import TronNetwork, read_network
from support_service.rails.tron.range_proof import BalancesBySample
from support_service.rails.tron.reconcile import RANGE_BLOCKS_MAX
from support_service.rails.tron.rpc_requests_refused import NewestOnly
from support_service.rails.tron.second_opinion import Histories


def build_sources(given: RailSettings, books: Books, *, clock: Clock) -> list[Source]:
    """Build the source of each network."""
    del books  # a chain tells all by itself
    networks = [read_network(name, table) for name, table in given.networks.items()]
    return [TronSource(network, given.watches_on(network.name), clock=clock) for network in networks]


class TronSource(EvmSource):
    """Tells what happened to tokens at our addresses on one TRON network. Opens no connection before `reports`."""

    # A log index that was alive may die with the node's next start.
    checked_for = timedelta(hours=1)

    def __init__(
        self,
        network: TronNetwork,
        watches: tuple[Watch, ...],
        *,
        clock: Clock = utc_now,
        node: Callable[[str], Node] = Node,
    ) -> None:
        self._address_forms = AddressForms(watches)
        super().__init__(network, self._address_forms.twins, clock=clock, node=node)
        self.name = f"tron:{network.name}"
        self.asides: Asides = Asides(self.name, clock)
        self.solid = [node(url) for url in network.solid]
        for watched in (*self._watched.values(), self._watched_together):
            watched.has_multicall = False
            watched.logs.size = RangeSize(most=RANGE_BLOCKS_MAX)
        self._troubles: tuple[SourceWarning, ...] = ()
        self._histories = Histories(network.trongrid, clock)
        self._witness = Results(network.native, self.asides) if network.native else None

    def _sampler(self) -> Sampler:
        quorum = self._network.quorum
        if self.solid:
            return Beside(self.solid, min(quorum, len(self.solid)), self._note)
        return Within() if quorum == 1 else Beside(self.nodes, quorum, self._note)

    def _note(self, error: SourceDown) -> None:
        """A balance that cannot be had holds nothing up, but is told."""
        self._troubles = (SourceWarning(WarningKind.UNPROVED, f"balances are not told: {error}"),)

    def poll_once(self, asked: Askable, watched: Watched, after: Cursor | None) -> Iterator[Report]:
        """Take one turn for what can be read; raises Refusal."""
        self._troubles = ()
        cache = RpcCache(NewestOnly(asked, self._witness), goes_on=watched.may_scan)
        context = self._context(self.name, watched)
        poll = Poll(context, cache, after, BalancesBySample(context, cache, after, self._sampler()))
        yield from map(self._address_forms.shown, poll.reports())
        self._histories.compare(RpcCache(NewestOnly(asked)), tuple(watched.all.values()), poll.final_height)
        self._warnings = (*poll.warnings, *self._troubles, *self._histories.warnings)

    def step_back(self, after: Cursor, blocks: Iterable[MoneyBlock]) -> Report | None:
        """After a freeze: the step back to the last common block, or None where the chain is as we read it.

        blocks are those the ledger holds money in. Raises SourceDown and SourceLied.
        """
        with self._told_as_down() as cache:
            context = self._context(self.name, self._watched_together)
            return step_back.step_back(context, cache, after, blocks, address_forms=self._address_forms)

    def read_again(self, name: str, task: Rescan, after: Cursor | None) -> Iterator[Report]:
        """Read blocks once more, for one method; raises SourceDown and SourceLied."""
        with self._told_as_down() as cache:
            context = self._context(name, self._watched_together)
            yield from rescan.read_again(context, cache, task, after, address_forms=self._address_forms)

    def balances(self, after: Cursor) -> tuple[HeldBalance, ...]:
        """Tell what every watch was last proved to hold."""
        return tuple(map(self._address_forms.balance, super().balances(after)))

    def holdings(self, after: Cursor) -> list[Holding]:
        """Ask what every watch held at its last final block; raises SourceDown and SourceLied."""
        held = cursor_state.read(after)
        with self._told_as_down() as cache:
            look(cache, self._network, held, None)
            told = holding.holdings(cache, self._watched_together, held.watch_states, self._sampler())
        return [self._address_forms.holding(one) for one in told]

    @contextmanager
    def _told_as_down(self) -> Iterator[RpcCache]:
        """A cache outside of turns; a Refusal without a remedy is SourceDown here."""
        asked = self._asked()
        try:
            yield RpcCache(NewestOnly(asked, self._witness))
        except Refusal as error:
            raise SourceDown(f"{asked.host}: {error}") from error

    def odd_tokens(self, cache: RpcCache, watches: Sequence[Watch]) -> dict[str, str]:
        """See, too, that the node's log index is alive."""
        try:
            odd = super().odd_tokens(cache, watches)
        except SourceLied as error:
            raise SourceLied(self._address_forms.spoken(str(error))) from error
        canary.check_head(cache, {watch.asset.contract for watch in watches})
        return {contract: self._address_forms.spoken(why) for contract, why in odd.items()}

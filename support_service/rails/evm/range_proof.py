"""What proves that blocks were told whole: the chain's own balances, held against all that their logs told.

A turn is the same on every chain that speaks as Ethereum does; what proves it is not. The turn is
given its proof: by balances of any block (here), or by what a chain tells instead.
"""

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping

from support_service.giving import SourceWarning, Watch
from support_service.rails.chain.cursor_state import WatchKey, key_of
from support_service.rails.chain.search import BlockRef
from support_service.rails.evm import range_reader, remembered_balances, unread_blocks
from support_service.rails.evm.cursor_state import CursorState, WatchState
from support_service.rails.evm.multicall import BALANCES_MAX
from support_service.rails.evm.range_reader import Opening, Proven, Range
from support_service.rails.evm.report_builder import EvmReportBuilder
from support_service.rails.evm.rpc import BATCH_CALLS_MAX, Call
from support_service.rails.evm.rpc_cache import RpcCache
from support_service.rails.evm.source_context import SourceContext

WatchStates = Mapping[WatchKey, WatchState]


class RangeProof(ABC):
    """How one turn proves what it read. What a chain need not do is left at these defaults.

    Every method may raise SourceDown and Refusal.
    """

    @abstractmethod
    def open(self, cursor_state: CursorState, key: WatchKey) -> Opening:
        """Say what lay there at the end of the block from which credits count."""

    @abstractmethod
    def prove(self, watch_states: WatchStates, keys: Collection[WatchKey], height: int) -> Iterator[Proven]:
        """Hold balances of the watches in keys, all of them read up to a final height, against what was booked."""

    def before_poll(self, block: BlockRef | None) -> None:
        """Ask what must be told in one request with the head; block is the one that was read last."""
        del block

    def starts_anew(self, key: WatchKey, builder: EvmReportBuilder) -> None:
        """Take back what was proven of a watch whose start is an earlier block now."""
        del key, builder

    def questions(self, watch_states: WatchStates, height: int, *, room: int) -> list[Call[object]]:
        """Say what `prove` will ask, to be fetched beside others; one request has room for so many."""
        del watch_states, height, room
        return []

    def before_step(self, span: Range) -> None:
        """See that an empty answer about these final blocks can be believed."""
        del span

    def before_taking_back(self, silent: Mapping[BlockRef, Collection[WatchKey]]) -> None:
        """See that blocks hold nothing indeed of which it was seen, and is not told any more."""
        del silent

    def remembered(self) -> tuple[object, ...]:
        """The records that the cursor keeps for this proof."""
        return ()

    def doubts(self, watch_states: WatchStates) -> Iterator[SourceWarning]:
        """Say of which watches nothing was proven for long."""
        del watch_states
        yield from ()


class BalancesByBlock(RangeProof):
    """Proves by balances of any block, which a node tells: native ones while blocks are read, those of tokens here."""

    def __init__(self, context: SourceContext, cache: RpcCache) -> None:
        self._context, self._watched, self._cache = context, context.watched, cache
        # Tokens whose balance is proven in this turn; the prefetch lowers it to what one batch has room for.
        self._proofs_max = len(self._watched.tokens)

    def open(self, cursor_state: CursorState, key: WatchKey) -> Opening:
        """Ask for the balance at that block, or remember it from when the block was new."""
        watch = self._watched.all[key]
        remembered_balances.opening(self._cache, cursor_state, key, watch)
        return range_reader.open_watch(self._cache, watch, cursor_state.watch_states[key].start)

    def questions(self, watch_states: WatchStates, height: int, *, room: int) -> list[Call[object]]:
        """All balances at once where the node does that, else as many as there is room for."""
        if at_once := self._at_once(watch_states):
            return [range_reader.multicall_question(at_once, height)]
        self._proofs_max = max(1, room)
        return [range_reader.balance_question(watch, height) for watch in self._due(watch_states)]

    def prove(self, watch_states: WatchStates, keys: Collection[WatchKey], height: int) -> Iterator[Proven]:
        """Hold tokens' balances at finality against the books: all of them, or those whose proof is oldest."""
        if at_once := self._at_once(watch_states):
            learned = {watch: watch_states[key_of(watch)] for watch in at_once}
            range_reader.learn_balances(self._cache, self._watched, learned, height)
            if not self._watched.has_multicall:
                self._proofs_max = min(self._proofs_max, BATCH_CALLS_MAX)
        due = [watch for watch in self._due(watch_states) if key_of(watch) in keys]
        self._cache.fetch(range_reader.balance_question(watch, height) for watch in due)
        for watch in due:
            proven = range_reader.reconcile(self._cache, watch, watch_states[key_of(watch)], self._watched.own)
            unread_blocks.note(self._context, proven.movements_by_block, is_final=True)
            yield proven

    def _due(self, watch_states: WatchStates) -> list[Watch]:
        """The tokens whose balance was held against the books longest ago."""
        proofs = {key: item.proof for key, item in watch_states.items()}
        begun = [watch for watch in self._watched.tokens if proofs[key_of(watch)] is not None]
        return sorted(begun, key=lambda watch: proofs[key_of(watch)] or 0)[: self._proofs_max]

    def _at_once(self, watch_states: WatchStates) -> list[Watch]:
        """The tokens whose balances are asked for together; none for a node that does not do that."""
        due = self._due(watch_states)
        return due[:BALANCES_MAX] if self._watched.has_multicall and len(due) > 1 else []

"""What proves a range of blocks on TRON: samples of the newest balances, and a log index that is shown to be alive.

A node tells no balance of an old block, and a dead log index answers nothing where there was money.
"""

import logging
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial

from support_service.giving import Cursor, SourceWarning, WarningKind, Watch
from support_service.rails.chain.cursor_state import WatchKey
from support_service.rails.chain.search import BlockRef
from support_service.rails.evm import rpc_requests as evm_requests
from support_service.rails.evm.cursor_state import BalanceAt, CursorState, WatchState
from support_service.rails.evm.multicall import TokenHolder
from support_service.rails.evm.range_proof import RangeProof, WatchStates
from support_service.rails.evm.range_reader import Opening, Proven, Range
from support_service.rails.evm.reorg import block_of
from support_service.rails.evm.report_builder import EvmReportBuilder
from support_service.rails.evm.rpc_cache import RpcCache
from support_service.rails.evm.source_context import SourceContext
from support_service.rails.source import SourceDown
from support_service.rails.tron import balance_samples, reconcile
from support_service.rails.tron import log_index as canary
from support_service.rails.tron import rpc_requests as tron_requests
from support_service.rails.tron.balance_samples import BalanceSample, BalanceSamples, Samples
from support_service.rails.tron.balance_sampling import Sampler
from support_service.rails.tron.reconcile import Case

# A node may have had its log index off for some time long ago: longer steps prove it at both ends.
SPAN_WITHOUT_CANARY = 100
# One hour: a balance is held against the logs in every turn, or once a minute without a solidified port.
UNPROVEN_BLOCKS_MAX = 1_200

log = logging.getLogger(__name__)


class BalancesBySample(RangeProof):
    """Proves by balances of the newest state, each kept until the blocks below it are final."""

    def __init__(self, context: SourceContext, cache: RpcCache, after: Cursor | None, sampler: Sampler) -> None:
        self._context, self._watched, self._cache = context, context.watched, cache
        self._sampler, self._samples = sampler, balance_samples.read(after)
        self._is_sampled = False

    def before_poll(self, block: BlockRef | None) -> None:
        """Ask for the head and the balances in one request: they must be of one block."""
        wanted = self._sampler.questions(self._unsampled())
        if not wanted:
            return
        here = [] if block is None else [evm_requests.header(block.height)]
        finalized = [evm_requests.tip("finalized")] if self._context.network.confirm == "finalized" else []
        self._cache.fetch([evm_requests.chain_id(), *finalized, *here, *wanted])

    def starts_anew(self, key: WatchKey, builder: EvmReportBuilder) -> None:
        """Take back what was booked as unexplained: it is to be found again."""
        for gap in self._samples_of(key).gaps:
            builder.empty(key, block_of(reconcile.block(self._cache, gap.high)), is_canonical=True)
        self._samples[key] = BalanceSamples()

    def open(self, cursor_state: CursorState, key: WatchKey) -> Opening:
        """Begin at a change of nothing: what lay there before is told by the first balance, and is booked then."""
        return Opening(BalanceAt(cursor_state.watch_states[key].start, 0))

    def before_step(self, span: Range) -> None:
        """See that the log index is alive at both ends of a long step."""
        if span.high - span.low > SPAN_WITHOUT_CANARY:
            contracts = sorted({watch.asset.contract for watch in self._watched.tokens})
            canary.is_alive(self._cache, contracts, span.low + 1)
            canary.is_alive(self._cache, contracts, span.high)

    def prove(self, watch_states: WatchStates, keys: Collection[WatchKey], height: int) -> Iterator[Proven]:
        """Hold every sample whose block is final by now against the logs."""
        self._sample()
        for key in keys:
            watch, samples = self._watched.all[key], self._samples_of(key)
            if samples.sample is None or samples.sample.height > height:
                continue
            case = Case(watch, watch_states[key], samples, samples.sample, partial(self._again, watch))
            verdict = reconcile.judge(self._cache, case, self._watched.own)
            if verdict.samples.gaps != samples.gaps:
                gap = verdict.samples.gaps[-1]
                facts = {"asset": key[1], "from_block": gap.low + 1, "to_block": gap.high}
                log.warning("balance_not_explained", extra={"source": self._context.name, **facts})
            self._samples[key] = verdict.samples
            yield Proven(key, verdict.watch_state, verdict.movements_by_block)

    def before_taking_back(self, silent: Mapping[BlockRef, Collection[WatchKey]]) -> None:
        """Read these blocks without the index: a search may have missed what was seen in them."""
        for block, keys in silent.items():
            self._look_into(block, keys)

    def remembered(self) -> tuple[object, ...]:
        """The samples of all watches."""
        return (Samples(self._samples),)

    def doubts(self, watch_states: WatchStates) -> Iterator[SourceWarning]:
        """Say which balances are not as the logs say, and which were not held against them for long."""
        doubted = {key[1] for key in self._watched.all if self._samples_of(key).doubt is not None}
        if doubted:
            text = f"{', '.join(sorted(doubted))}: the balance is not what the logs say; it is asked for again"
            yield SourceWarning(WarningKind.UNPROVED, text)
        unproven = {key[1] for key, item in watch_states.items() if _is_unproven(item)}
        if unproven:
            text = f"{', '.join(sorted(unproven))}: no balance could be held against the logs for an hour of blocks"
            yield SourceWarning(WarningKind.UNPROVED, text)

    def _samples_of(self, key: WatchKey) -> BalanceSamples:
        return self._samples.get(key, BalanceSamples())

    def _unsampled(self) -> list[TokenHolder]:
        """Whose balance is to be asked for: a sample that waits for finality is not asked for again."""
        due = [key for key in self._watched.all if self._samples_of(key).sample is None]
        return [_pair(self._watched.all[key]) for key in due]

    def _sample(self) -> None:
        """Take samples, once a turn."""
        pairs = [] if self._is_sampled else self._unsampled()
        self._is_sampled = True
        told = self._sampler.take(self._cache, pairs) if pairs else {}
        for key, watch in self._watched.all.items():
            if (sample := told.get(_pair(watch))) is not None:
                self._samples[key] = replace(self._samples_of(key), sample=sample)

    def _again(self, watch: Watch) -> BalanceSample | None:
        """A second sample, asked for after the logs were read anew."""
        return self._sampler.take(self._cache, [_pair(watch)]).get(_pair(watch))

    def _look_into(self, block: BlockRef, keys: Iterable[WatchKey]) -> None:
        header = self._cache.get(evm_requests.header(block.height))
        if header is None or header.block_hash != block.block_hash:
            return
        logs = self._cache.get(tron_requests.logs_of_block(block.block_hash))
        for key in keys:
            if reconcile.movements_by_block_of(self._cache, self._watched.all[key], logs, self._watched.own):
                raise SourceDown(f"{self._cache.node.host}: its log search misses a transfer of block {block.height}")


def _is_unproven(watch_state: WatchState) -> bool:
    proven = watch_state.start if watch_state.proof is None else watch_state.proof
    return watch_state.final is not None and watch_state.final.height - proven > UNPROVEN_BLOCKS_MAX


def _pair(watch: Watch) -> TokenHolder:
    return (watch.asset.contract, watch.address)

"""One turn along a TRON chain: the EVM rail's turn, with balances proven by samples of the newest state."""

import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial

from support_service.giving import Cursor, Report, SourceWarning, State, WarningKind, Watch
from support_service.rails.chain import cursor_state as codec
from support_service.rails.chain.cursor_state import WatchKey
from support_service.rails.chain.search import BlockRef
from support_service.rails.evm import rpc_requests as evm_requests
from support_service.rails.evm.cursor_state import BalanceAt, WatchState
from support_service.rails.evm.multicall import Pair
from support_service.rails.evm.poll import Poll, SourceContext
from support_service.rails.evm.range_reader import Range
from support_service.rails.evm.reorg import ChainHead, mark_of
from support_service.rails.evm.report_builder import EvmReportBuilder
from support_service.rails.evm.rpc_cache import RpcCache
from support_service.rails.source import SourceDown
from support_service.rails.tron import balance_samples, reconcile
from support_service.rails.tron import log_index as canary
from support_service.rails.tron import rpc_requests as tron_requests
from support_service.rails.tron.address_forms import Forms
from support_service.rails.tron.balance_samples import BalanceSample, BalanceSamples, Samples
from support_service.rails.tron.balance_sampling import Sampler
from support_service.rails.tron.reconcile import Case

# A node may have had its log index off for some time long ago: longer steps prove it at both ends.
SPAN_WITHOUT_CANARY = 100
# One hour: a balance is held against the logs in every turn, or once a minute without a solidified port.
UNPROVEN_BLOCKS_MAX = 1_200

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Helpers:
    """What a TRON turn needs beside its context: the two forms of addresses, and who tells balances."""

    forms: Forms
    sampler: Sampler


class TronPoll(Poll):
    """Reads from one node (or a panel), once. Raises SourceDown, SourceLied and Refusal."""

    def __init__(self, context: SourceContext, reader: RpcCache, after: Cursor | None, helpers: Helpers) -> None:
        super().__init__(context, reader, after)
        self._helpers, self._books = helpers, balance_samples.read(after)
        self._is_sampled = False

    def reports(self) -> Iterator[Report]:
        """Yield what is new; at least one report, which says that we looked."""
        self._ask_ahead()
        yield from super().reports()
        self.warnings = (*self.warnings, *self._doubts())

    def _doubts(self) -> Iterator[SourceWarning]:
        """Say which balances are not as the logs say, and which were not held against them for long."""
        doubted = {key[1] for key in self._watched.all if self._book(key).doubt is not None}
        if doubted:
            text = f"{', '.join(sorted(doubted))}: the balance is not what the logs say; it is asked for again"
            yield SourceWarning(WarningKind.UNPROVED, text)
        unproven = {key[1] for key, item in self._mine() if _is_unproven(item)}
        if unproven:
            text = f"{', '.join(sorted(unproven))}: no balance could be held against the logs for an hour of blocks"
            yield SourceWarning(WarningKind.UNPROVED, text)

    @property
    def final_height(self) -> int | None:
        """The highest block read as final; None while there is none."""
        return self._memo.final.height if self._memo.final else None

    def _book(self, key: WatchKey) -> BalanceSamples:
        return self._books.get(key, BalanceSamples())

    def _unsampled(self) -> list[Pair]:
        """Whose balance is to be asked for: a sample that waits for finality is not asked for again."""
        due = [key for key in self._watched.all if self._book(key).sample is None]
        return [_pair(self._watched.all[key]) for key in due]

    def _ask_ahead(self) -> None:
        """Ask for the head and the balances in one request: they must be of one block."""
        wanted = self._helpers.sampler.questions(self._unsampled())
        if not wanted:
            return
        here = [] if self._mark is None else [evm_requests.header(self._mark.height)]
        finalized = [evm_requests.tip("finalized")] if self._context.network.confirm == "finalized" else []
        self._reader.fetch([evm_requests.chain_id(), *finalized, *here, *wanted])

    def _report(self, builder: EvmReportBuilder) -> Report:
        return self._helpers.forms.told(super()._report(builder))

    def _remembered(self) -> str:
        return codec.write(self._memo, Samples(self._books))

    def _begin(self, seen: ChainHead, builder: EvmReportBuilder) -> None:
        """Where a watch starts anew, what was booked as unexplained is taken back: it is to be found again."""
        before = dict(self._memo.progress)
        super()._begin(seen, builder)
        for key in self._watched.all:
            if key not in before or self._memo.progress[key] == before[key]:
                continue
            for gap in self._book(key).gaps:
                builder.empty(key, mark_of(reconcile.block(self._reader, gap.high)), is_canonical=True)
            self._books[key] = BalanceSamples()

    def _due(self) -> list[Watch]:
        """No balance is asked for at a block: a TRON node does not tell it."""
        return []

    def _open(self, keys: Iterable[WatchKey], builder: EvmReportBuilder) -> None:
        """Begin at a change of nothing: what lay there before is told by the first balance, and is booked then."""
        for key in keys:
            item = self._memo.progress[key]
            point = BalanceAt(item.start, 0)
            opened = replace(item, final=point) if builder.state is State.CONFIRMED else replace(item, head=point)
            self._memo = self._memo.with_progress({key: opened})

    def _step_final(
        self, group: Mapping[WatchKey, WatchState], span: Range, builder: EvmReportBuilder, *, target: int
    ) -> None:
        if span.high - span.low > SPAN_WITHOUT_CANARY:
            contracts = sorted({watch.asset.contract for watch in self._watched.tokens})
            canary.is_alive(self._reader, contracts, span.low + 1)
            canary.is_alive(self._reader, contracts, span.high)
        super()._step_final(group, span, builder, target=target)

    def _prove(self, group: Mapping[WatchKey, WatchState], builder: EvmReportBuilder, height: int) -> None:
        """Hold every sample whose block is final by now against the logs."""
        self._sample()
        for key in group:
            watch, sample = self._watched.all[key], self._book(key).sample
            if sample is None or sample.height > height:
                continue
            case = Case(watch, self._memo.progress[key], self._book(key), sample, partial(self._again, watch))
            verdict = reconcile.judge(self._reader, case, self._watched.own)
            builder.add(verdict.stories)
            if verdict.book.gaps != case.book.gaps:
                gap = verdict.book.gaps[-1]
                facts = {"asset": key[1], "from_block": gap.low + 1, "to_block": gap.high}
                log.warning("balance_not_explained", extra={"source": self._context.name, **facts})
            self._memo = self._memo.with_progress({key: verdict.progress})
            self._books[key] = verdict.book

    def _sample(self) -> None:
        """Take samples, once a turn."""
        pairs = [] if self._is_sampled else self._unsampled()
        self._is_sampled = True
        told = self._helpers.sampler.take(self._reader, pairs) if pairs else {}
        for key, watch in self._watched.all.items():
            if (sample := told.get(_pair(watch))) is not None:
                self._books[key] = replace(self._book(key), sample=sample)

    def _again(self, watch: Watch) -> BalanceSample | None:
        """A second sample, asked for after the logs were read anew."""
        return self._helpers.sampler.take(self._reader, [_pair(watch)]).get(_pair(watch))

    def _settle(self, builder: EvmReportBuilder, keys: set[WatchKey], height: int) -> None:
        """Before what was seen is taken back: a search may have missed it, so its block is read without the index."""
        told = builder.marks
        due = [p for p in self._memo.pending if p.mark.height <= height]
        silent = {p.mark: (p.keys & keys) - told.get(p.mark, frozenset()) for p in due}
        for mark, left in silent.items():
            if left:
                self._look_into(mark, left)
        super()._settle(builder, keys, height)

    def _look_into(self, mark: BlockRef, keys: Iterable[WatchKey]) -> None:
        header = self._reader.get(evm_requests.header(mark.height))
        if header is None or header.block_hash != mark.block_hash:
            return
        logs = self._reader.get(tron_requests.logs_of_block(mark.block_hash))
        for key in keys:
            if reconcile.stories_of(self._reader, self._watched.all[key], logs, self._watched.own):
                raise SourceDown(f"{self._reader.node.host}: its log search misses a transfer of block {mark.height}")


def _is_unproven(progress: WatchState) -> bool:
    proven = progress.start if progress.proof is None else progress.proof
    return progress.final is not None and progress.final.height - proven > UNPROVEN_BLOCKS_MAX


def _pair(watch: Watch) -> Pair:
    return (watch.asset.contract, watch.address)

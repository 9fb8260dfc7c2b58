"""One turn along the chain, from the stored cursor up to its present head, as Reports.

Order: look; rewind if the block we read last is gone; begin new watches; read what became final
(stated as confirmed, from scratch); read what is new above it (stated as seen).
"""

import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from support_service.giving import Cursor, Report, SourceWarning, State
from support_service.rails.chain import cursor_state as codec
from support_service.rails.chain.catching_up import CatchingUp
from support_service.rails.chain.cursor_state import WatchKey, key_of
from support_service.rails.chain.search import BlockRef, placed, remember
from support_service.rails.evm import (
    cursor_state,
    movements,
    native_coin,
    range_reader,
    remembered_balances,
    reorg,
    rpc_requests,
    stall_warnings,
    unread_blocks,
)
from support_service.rails.evm import prefetch as ahead
from support_service.rails.evm.cursor_state import WatchState
from support_service.rails.evm.range_proof import RangeProof
from support_service.rails.evm.range_reader import Range, RangeResult
from support_service.rails.evm.reorg import ChainHead, mark_of
from support_service.rails.evm.report_builder import EvmReportBuilder
from support_service.rails.evm.rpc import BATCH_CALLS_MAX
from support_service.rails.evm.rpc_cache import RpcCache
from support_service.rails.evm.rpc_errors import NoState
from support_service.rails.evm.source_context import SourceContext
from support_service.rails.source import MustFreeze, SourceDown

log = logging.getLogger(__name__)


class Poll:
    """Reads from one node, once. Raises SourceDown, SourceLied and Refusal; what was yielded stays good."""

    def __init__(self, context: SourceContext, reader: RpcCache, after: Cursor | None, proof: RangeProof) -> None:
        self._context, self._watched, self._reader = context, context.watched, reader
        self._proof = proof
        self._memo, self._mark = cursor_state.read(after), placed(after)
        self._step = 0 if after is None else after.step
        self._catching_up = CatchingUp(log, context.name, context.clock)
        self._relied_on: set[BlockRef] = set()  # read by height near the head: at the end all are on one chain with it
        self.warnings: tuple[SourceWarning, ...] = ()  # what people should hear of though all was read

    def reports(self) -> Iterator[Report]:
        """Yield what is new; at least one report, which says that we looked. MustFreeze where old balances changed."""
        try:
            yield from self._reports()
        except range_reader.BaseDiffers as error:
            raise MustFreeze(
                f"{self._reader.node.host}: {error}; a node lied then or lies now. `unfreeze` goes on from what is"
                " said now; `rescan` from before that block mends what was booked",
                {"height": str(error.height), "was": str(error.was), self._reader.node.host: str(error.now)},
            ) from error

    @property
    def final_height(self) -> int | None:
        """The highest block read as final; None while there is none."""
        return self._memo.final.height if self._memo.final else None

    def _reports(self) -> Iterator[Report]:
        # 1. Look: the head, what is final, and whether the block that we read last is still there.
        self._proof.before_turn(self._mark)
        seen = reorg.look(self._reader, self._context.network, self._memo, self._mark)
        # 2. Go back to the last common block, and say what is gone.
        if seen.is_moved or self._is_half_rewound():
            yield self._rewind(seen.head.height)
        # 3. Begin new watches, and read what became final: confirmed, stated from scratch.
        builder = self._draft(State.CONFIRMED)
        self._begin(seen, builder)
        self._prefetch(seen)
        yield from self._read_final(self._target(seen), builder)
        # 4. State blocks anew of which something could not be read before.
        if not (mended := unread_blocks.mended(self._reader, self._context, self._memo)).claims_nothing:
            yield self._report(mended)
        # 5. Read what is new above finality: seen, for it may still vanish.
        at = self._context.clock()
        self._memo = stall_warnings.noted(self._memo, seen, at)
        with unread_blocks.near_head(self._context, self._reader):
            newest = self._read_head(seen.head)
        yield newest
        # 6. Say what people should hear of though all was read.
        stalls = stall_warnings.told(self._memo, seen, at, poll_seconds=self._context.network.poll_seconds)
        self.warnings = (*stalls, *self._proof.doubts(self._progress()))

    def _is_half_rewound(self) -> bool:
        """Tell whether a turn ended just after a rewind: what it kept above may be gone by now, too."""
        reached = -1 if self._mark is None else self._mark.height
        return any(pending.mark.height > reached for pending in self._memo.pending)

    def _draft(self, state: State) -> EvmReportBuilder:
        return EvmReportBuilder(self._context.network.name, state)

    def _report(self, builder: EvmReportBuilder) -> Report:
        self._step += 1
        memo = codec.write(self._memo, *self._proof.remembered())
        return builder.report(self._context.name, self._step, mark=self._mark, memo=memo, at=self._context.clock())

    def _rewind(self, head: int) -> Report:
        """Go back to the highest block that we read and the chain still has; say which blocks are gone."""
        told = reorg.rewind(self._reader, self._memo, self._context.network.name, head)
        places = {"from_height": self._mark and self._mark.height, "to_height": told.base and told.base.height}
        log.warning("chain_reorganised", extra={"source": self._context.name, "blocks_gone": len(told.gone), **places})
        builder = self._draft(State.SEEN)
        for pending in told.gone:
            for key in sorted(pending.keys):
                builder.empty(key, pending.mark, is_canonical=False)
        self._memo, self._mark = told.state, told.base
        return self._report(builder)

    def _begin(self, seen: ChainHead, builder: EvmReportBuilder) -> None:
        """Give new watches their start; start anew the ones whose start was moved to an earlier block.

        A later start never unbooks money that was booked. An opening that an earlier start makes
        void is taken back.
        """
        for key, watch in self._watched.all.items():
            wanted = watch.start_block
            # Nothing happened before block 0, so what lies there is an opening, too: it is no gift.
            # At the head, not at finality: the contract says so, and the opening follows the chain until it is final.
            start = seen.head.height if wanted is None else max(wanted - 1, 0)
            known = self._memo.progress.get(key)
            if known is not None and (wanted is None or wanted == known.wanted or start >= known.start):
                continue
            if known is not None and known.final is not None:
                header = self._reader.get(rpc_requests.header(known.start))
                if header is not None:
                    builder.empty(key, mark_of(header), is_canonical=True)
            if known is not None:
                self._proof.starts_anew(key, builder)
            self._memo = self._memo.with_progress({key: WatchState(start, wanted=wanted)})
            log.info("watch_begins", extra={"source": self._context.name, "asset": key[1], "block": start + 1})

    def _mine(self) -> list[tuple[WatchKey, WatchState]]:
        return list(self._progress().items())

    def _progress(self) -> dict[WatchKey, WatchState]:
        return {key: self._memo.progress[key] for key in self._watched.all}

    def _prefetch(self, seen: ChainHead) -> None:
        """Ask for all that an ordinary turn needs in one go; only for speed."""
        target = seen.final_height
        wanted, is_whole = ahead.questions(self._watched, self._mine(), seen)
        if is_whole and target is not None:
            wanted += self._proof.questions(self._progress(), target, room=BATCH_CALLS_MAX - len(wanted))
        self._reader.fetch(wanted)

    def _target(self, seen: ChainHead) -> int:
        """Up to where to read what is final: -1 for nowhere. A balance must be known there."""
        target = -1 if seen.final_height is None else seen.final_height
        due = [key[0] for key, item in self._mine() if key[0] in self._watched.native and item.is_behind(target)]
        self._reader.fetch(call for address in due for call in native_coin.account_questions(address, target))
        try:
            native_coin.account(self._reader, due[0], target) if due else None
        except NoState:
            # Some nodes keep the newest balances only: then up to a block whose balances we met when it was new.
            final = -1 if self._memo.final is None else self._memo.final.height
            return max((mark.height for mark in self._memo.marks if mark.height <= target), default=final)
        return target

    def _read_final(self, target: int, builder: EvmReportBuilder) -> Iterator[Report]:
        """Read everything that became final, in steps that each survive a kill."""
        self._watched.is_scanning = False
        self._open([key for key, item in self._mine() if item.final is None and item.start <= target], builder)
        while behind := [item.final.height for _, item in self._mine() if item.final and item.final.height < target]:
            low = min(behind)
            group = {key: item for key, item in self._mine() if item.final and item.final.height == low}
            nexts = [height for height in behind if height > low]
            high = min([target, low + self._watched.stride(group.values()), *nexts])
            try:
                self._step_final(group, Range(low, high, high), builder, target=target)
            except NoState:
                if self._watched.is_scanning or not self._watched.may_scan:
                    raise
                self._watched.is_scanning = True
                continue
            if high < target:
                self._catching_up.tell(high, target)
                yield self._report(builder)
                builder = self._draft(State.CONFIRMED)
                self._reader.forget()
        if not builder.claims_nothing:
            yield self._report(builder)

    def _open(self, keys: Iterable[WatchKey], builder: EvmReportBuilder) -> None:
        """Book what lay there before credits count."""
        for key in keys:
            item, opening = self._memo.progress[key], self._proof.open(self._memo, key)
            item = replace(item, has_code=opening.has_code)
            if builder.state is State.CONFIRMED:
                item = replace(item, final=opening.point, proof=opening.point.height if opening.is_proven else None)
            else:
                item = replace(item, head=opening.point)
            if opening.story is not None:
                builder.add([opening.story] if opening.story.rows else [])
                self._relied_on.add(mark_of(opening.story.header))
            self._memo = self._memo.with_progress({key: item})
        if builder.state is State.CONFIRMED:
            for key in keys:
                self._settle(builder, {key}, self._memo.progress[key].start)

    def _step_final(
        self, group: Mapping[WatchKey, WatchState], span: Range, builder: EvmReportBuilder, *, target: int
    ) -> None:
        self._proof.before_step(span)
        header = self._reader.get(rpc_requests.header(span.high))
        if header is None:
            raise SourceDown(f"{self._reader.node.host}: does not know its own final block {span.high}")
        natives = [key for key in group if not self._watched.all[key].asset.contract]
        remembered_balances.balances(self._reader, self._memo, natives, header, at=span.high)
        found = range_reader.read_range(self._reader, self._watched, group, span, is_final=True)
        self._note_scan(found, span)
        builder.add(found.stories)
        unread_blocks.note(self._context, found.stories, is_final=True)
        self._advance(group, found)
        if span.high == target:
            for proven in self._proof.prove(self._progress(), group, target):
                builder.add(proven.stories)
                self._memo = self._memo.with_progress({proven.key: proven.state})
        self._settle(builder, set(group), span.high)
        mark = mark_of(header)
        if self._memo.final is None or mark.height > self._memo.final.height:
            marks = tuple(known for known in self._memo.marks if known.height > mark.height)
            self._memo = replace(self._memo, final=mark, marks=marks)
        if self._mark is None or mark.height > self._mark.height:
            self._mark = mark

    def _note_scan(self, found: RangeResult, span: Range) -> None:
        """Remember which blocks were read one by one, for telling people."""
        if not found.is_scanned:
            return
        before = self._memo.scanned
        self._memo = stall_warnings.scanned(self._memo, (span.low + 1, span.high), self._context.clock())
        if before is None:
            log.warning("reading_without_balances", extra={"source": self._context.name, "from_block": span.low + 1})

    def _advance(self, group: Mapping[WatchKey, WatchState], found: RangeResult) -> None:
        changed: dict[WatchKey, WatchState] = {}
        for key, item in group.items():
            told = [story for story in found.stories if key_of(story.watch) == key]
            is_token = bool(self._watched.all[key].asset.contract)
            booked = [(story.header.height, movements.net(story.rows)) for story in told if is_token]
            has_code = item.has_code or key in found.coded
            changed[key] = replace(
                item,
                final=found.points[key],
                has_code=has_code,
                booked=(*item.booked, *booked),
                is_unproven=key in found.unproven,
            )
        self._memo = self._memo.with_progress(changed)

    def _settle(self, builder: EvmReportBuilder, keys: set[WatchKey], height: int) -> None:
        """Close what was seen up to a final height: confirmed just now, else replaced or orphaned."""
        due = {p.mark: p.keys & keys for p in self._memo.pending if p.mark.height <= height and p.keys & keys}
        told = builder.marks
        silent = {mark: left for mark in due if (left := due[mark] - told.get(mark, frozenset()))}
        self._proof.before_taking_back(silent)
        now = reorg.hashes(self._reader, silent, head=height)
        for mark, left in silent.items():
            for key in sorted(left):
                builder.empty(key, mark, is_canonical=now[mark.height] == mark.block_hash)
        self._memo = self._memo.without_pending(due)

    def _read_head(self, head: BlockRef) -> Report:
        """Read what is above finality; it may still vanish, so it is only seen."""
        builder = self._draft(State.SEEN)
        self._open([key for key, item in self._mine() if item.base is None and item.start <= head.height], builder)
        while behind := [item.base.height for _, item in self._mine() if item.base and item.base.height < head.height]:
            low = min(behind)
            group = {key: item for key, item in self._mine() if item.base and item.base.height == low}
            span = Range(low, head.height, head.block_hash)
            try:
                found = range_reader.read_range(self._reader, self._watched, group, span, is_final=False)
            except range_reader.BaseDiffers as error:
                if all(item.head is None for item in group.values()):
                    raise
                # What is not final yet is not worth a stop: read it again from where it is.
                log.warning("balance_differs", extra={"source": self._context.name, "reason": str(error)})
                self._memo = self._memo.with_progress({key: replace(item, head=None) for key, item in group.items()})
                continue
            self._note_scan(found, span)
            builder.add(found.stories)
            unread_blocks.note(self._context, found.stories, is_final=False)
            points = {key: replace(item, head=found.points[key]) for key, item in group.items()}
            coded = {key: replace(item, has_code=True) for key, item in points.items() if key in found.coded}
            self._memo = self._memo.with_progress(points | coded)
        met = {key: item.met(item.base) for key, item in self._mine() if item.base and item.base.height == head.height}
        self._memo = self._memo.with_progress(met)
        reorg.check_still_there(self._reader, self._relied_on | builder.marks.keys(), head)
        for mark, keys in builder.marks.items():
            self._memo = self._memo.with_pending(mark, keys)
        final = self._memo.final.height if self._memo.final else -1
        self._memo = replace(self._memo, marks=remember(self._memo.marks, head, above=final))
        self._mark = head
        return self._report(builder)

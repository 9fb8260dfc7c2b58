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
    prefetch,
    range_reader,
    remembered_balances,
    reorg,
    rpc_requests,
    stall_warnings,
    unread_blocks,
)
from support_service.rails.evm.cursor_state import WatchState
from support_service.rails.evm.range_proof import RangeProof
from support_service.rails.evm.range_reader import Range, RangeResult
from support_service.rails.evm.reorg import ChainHead, block_of
from support_service.rails.evm.report_builder import EvmReportBuilder
from support_service.rails.evm.rpc import BATCH_CALLS_MAX
from support_service.rails.evm.rpc_cache import RpcCache
from support_service.rails.evm.rpc_errors import NoState
from support_service.rails.evm.source_context import SourceContext
from support_service.rails.source import MustFreeze, SourceDown

log = logging.getLogger(__name__)


class Poll:
    """Reads from one node, once. Raises SourceDown, SourceLied and Refusal; what was yielded stays good."""

    def __init__(self, context: SourceContext, cache: RpcCache, after: Cursor | None, proof: RangeProof) -> None:
        self._context, self._watched, self._cache = context, context.watched, cache
        self._proof = proof
        self._cursor_state, self._block = cursor_state.read(after), placed(after)
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
                f"{self._cache.node.host}: {error}; a node lied then or lies now. `unfreeze` goes on from what is"
                " said now; `rescan` from before that block mends what was booked",
                {"height": str(error.height), "was": str(error.was), self._cache.node.host: str(error.now)},
            ) from error

    @property
    def final_height(self) -> int | None:
        """The highest block read as final; None while there is none."""
        return self._cursor_state.final.height if self._cursor_state.final else None

    def _reports(self) -> Iterator[Report]:
        # 1. Look: the head, what is final, and whether the block that we read last is still there.
        self._proof.before_poll(self._block)
        seen = reorg.look(self._cache, self._context.network, self._cursor_state, self._block)
        # 2. Go back to the last common block, and say what is gone.
        if seen.is_moved or self._is_half_rewound():
            yield self._rewind(seen.head.height)
        # 3. Begin new watches, and read what became final: confirmed, stated from scratch.
        builder = self._builder(State.CONFIRMED)
        self._begin(seen, builder)
        self._prefetch(seen)
        yield from self._read_final(self._target(seen), builder)
        # 4. State blocks anew of which something could not be read before.
        if not (mended := unread_blocks.mended(self._cache, self._context, self._cursor_state)).claims_nothing:
            yield self._report(mended)
        # 5. Read what is new above finality: seen, for it may still vanish.
        at = self._context.clock()
        self._cursor_state = stall_warnings.noted(self._cursor_state, seen, at)
        with unread_blocks.near_head(self._context, self._cache):
            newest = self._read_head(seen.head)
        yield newest
        # 6. Say what people should hear of though all was read.
        stalls = stall_warnings.told(self._cursor_state, seen, at, poll_seconds=self._context.network.poll_seconds)
        self.warnings = (*stalls, *self._proof.doubts(self._watch_states()))

    def _is_half_rewound(self) -> bool:
        """Tell whether a turn ended just after a rewind: what it kept above may be gone by now, too."""
        reached = -1 if self._block is None else self._block.height
        return any(pending.block.height > reached for pending in self._cursor_state.pending)

    def _builder(self, state: State) -> EvmReportBuilder:
        return EvmReportBuilder(self._context.network.name, state)

    def _report(self, builder: EvmReportBuilder) -> Report:
        self._step += 1
        memo = codec.write(self._cursor_state, *self._proof.remembered())
        return builder.report(self._context.name, self._step, block=self._block, memo=memo, at=self._context.clock())

    def _rewind(self, head: int) -> Report:
        """Go back to the highest block that we read and the chain still has; say which blocks are gone."""
        told = reorg.rewind(self._cache, self._cursor_state, self._context.network.name, head)
        places = {"from_height": self._block and self._block.height, "to_height": told.base and told.base.height}
        log.warning("chain_reorganised", extra={"source": self._context.name, "blocks_gone": len(told.gone), **places})
        builder = self._builder(State.SEEN)
        for pending in told.gone:
            for key in sorted(pending.keys):
                builder.empty(key, pending.block, is_canonical=False)
        self._cursor_state, self._block = told.state, told.base
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
            known = self._cursor_state.watch_states.get(key)
            if known is not None and (wanted is None or wanted == known.wanted or start >= known.start):
                continue
            if known is not None and known.final is not None:
                header = self._cache.get(rpc_requests.header(known.start))
                if header is not None:
                    builder.empty(key, block_of(header), is_canonical=True)
            if known is not None:
                self._proof.starts_anew(key, builder)
            self._cursor_state = self._cursor_state.with_watch_states({key: WatchState(start, wanted=wanted)})
            log.info("watch_begins", extra={"source": self._context.name, "asset": key[1], "block": start + 1})

    def _mine(self) -> list[tuple[WatchKey, WatchState]]:
        return list(self._watch_states().items())

    def _watch_states(self) -> dict[WatchKey, WatchState]:
        return {key: self._cursor_state.watch_states[key] for key in self._watched.all}

    def _prefetch(self, seen: ChainHead) -> None:
        """Ask for all that an ordinary turn needs in one go; only for speed."""
        target = seen.final_height
        wanted, is_whole = prefetch.questions(self._watched, self._watch_states(), seen)
        if is_whole and target is not None:
            wanted += self._proof.questions(self._watch_states(), target, room=BATCH_CALLS_MAX - len(wanted))
        self._cache.fetch(wanted)

    def _target(self, seen: ChainHead) -> int:
        """Up to where to read what is final: -1 for nowhere. A balance must be known there."""
        target = -1 if seen.final_height is None else seen.final_height
        due = [key[0] for key, item in self._mine() if key[0] in self._watched.native and item.is_behind(target)]
        self._cache.fetch(call for address in due for call in native_coin.account_questions(address, target))
        try:
            native_coin.account(self._cache, due[0], target) if due else None
        except NoState:
            # Some nodes keep the newest balances only: then up to a block whose balances we met when it was new.
            final = -1 if self._cursor_state.final is None else self._cursor_state.final.height
            return max((block.height for block in self._cursor_state.blocks if block.height <= target), default=final)
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
                builder = self._builder(State.CONFIRMED)
                self._cache.forget()
        if not builder.claims_nothing:
            yield self._report(builder)

    def _open(self, keys: Iterable[WatchKey], builder: EvmReportBuilder) -> None:
        """Book what lay there before credits count."""
        for key in keys:
            item, opening = self._cursor_state.watch_states[key], self._proof.open(self._cursor_state, key)
            item = replace(item, has_code=opening.has_code)
            if builder.state is State.CONFIRMED:
                item = replace(
                    item, final=opening.balance_at, proof=opening.balance_at.height if opening.is_proven else None
                )
            else:
                item = replace(item, head=opening.balance_at)
            if opening.block_movements is not None:
                builder.add([opening.block_movements] if opening.block_movements.movements else [])
                self._relied_on.add(block_of(opening.block_movements.header))
            self._cursor_state = self._cursor_state.with_watch_states({key: item})
        if builder.state is State.CONFIRMED:
            for key in keys:
                self._settle(builder, {key}, self._cursor_state.watch_states[key].start)

    def _step_final(
        self, group: Mapping[WatchKey, WatchState], span: Range, builder: EvmReportBuilder, *, target: int
    ) -> None:
        self._proof.before_step(span)
        header = self._cache.get(rpc_requests.header(span.high))
        if header is None:
            raise SourceDown(f"{self._cache.node.host}: does not know its own final block {span.high}")
        natives = [key for key in group if not self._watched.all[key].asset.contract]
        remembered_balances.balances(self._cache, self._cursor_state, natives, header, at=span.high)
        found = range_reader.read_range(self._cache, self._watched, group, span, is_final=True)
        self._note_scan(found, span)
        builder.add(found.movements_by_block)
        unread_blocks.note(self._context, found.movements_by_block, is_final=True)
        self._advance(group, found)
        if span.high == target:
            for proven in self._proof.prove(self._watch_states(), group, target):
                builder.add(proven.movements_by_block)
                self._cursor_state = self._cursor_state.with_watch_states({proven.key: proven.state})
        self._settle(builder, set(group), span.high)
        block = block_of(header)
        if self._cursor_state.final is None or block.height > self._cursor_state.final.height:
            blocks = tuple(known for known in self._cursor_state.blocks if known.height > block.height)
            self._cursor_state = replace(self._cursor_state, final=block, blocks=blocks)
        if self._block is None or block.height > self._block.height:
            self._block = block

    def _note_scan(self, found: RangeResult, span: Range) -> None:
        """Remember which blocks were read one by one, for telling people."""
        if not found.is_scanned:
            return
        before = self._cursor_state.scanned
        self._cursor_state = stall_warnings.scanned(
            self._cursor_state, (span.low + 1, span.high), self._context.clock()
        )
        if before is None:
            log.warning("reading_without_balances", extra={"source": self._context.name, "from_block": span.low + 1})

    def _advance(self, group: Mapping[WatchKey, WatchState], found: RangeResult) -> None:
        changed: dict[WatchKey, WatchState] = {}
        for key, item in group.items():
            told = [
                block_movements for block_movements in found.movements_by_block if key_of(block_movements.watch) == key
            ]
            is_token = bool(self._watched.all[key].asset.contract)
            booked = [
                (block_movements.header.height, movements.net(block_movements.movements))
                for block_movements in told
                if is_token
            ]
            has_code = item.has_code or key in found.coded
            changed[key] = replace(
                item,
                final=found.balances[key],
                has_code=has_code,
                booked=(*item.booked, *booked),
                is_unproven=key in found.unproven,
            )
        self._cursor_state = self._cursor_state.with_watch_states(changed)

    def _settle(self, builder: EvmReportBuilder, keys: set[WatchKey], height: int) -> None:
        """Close what was seen up to a final height: confirmed just now, else replaced or orphaned."""
        due = {p.block: p.keys & keys for p in self._cursor_state.pending if p.block.height <= height and p.keys & keys}
        told = builder.blocks
        silent = {block: left for block in due if (left := due[block] - told.get(block, frozenset()))}
        self._proof.before_taking_back(silent)
        now = reorg.hashes(self._cache, silent, head=height)
        for block, left in silent.items():
            for key in sorted(left):
                builder.empty(key, block, is_canonical=now[block.height] == block.block_hash)
        self._cursor_state = self._cursor_state.without_pending(due)

    def _read_head(self, head: BlockRef) -> Report:
        """Read what is above finality; it may still vanish, so it is only seen."""
        builder = self._builder(State.SEEN)
        self._open([key for key, item in self._mine() if item.base is None and item.start <= head.height], builder)
        while behind := [item.base.height for _, item in self._mine() if item.base and item.base.height < head.height]:
            low = min(behind)
            group = {key: item for key, item in self._mine() if item.base and item.base.height == low}
            span = Range(low, head.height, head.block_hash)
            try:
                found = range_reader.read_range(self._cache, self._watched, group, span, is_final=False)
            except range_reader.BaseDiffers as error:
                if all(item.head is None for item in group.values()):
                    raise
                # What is not final yet is not worth a stop: read it again from where it is.
                log.warning("balance_differs", extra={"source": self._context.name, "reason": str(error)})
                self._cursor_state = self._cursor_state.with_watch_states(
                    {key: replace(item, head=None) for key, item in group.items()}
                )
                continue
            self._note_scan(found, span)
            builder.add(found.movements_by_block)
            unread_blocks.note(self._context, found.movements_by_block, is_final=False)
            balances = {key: replace(item, head=found.balances[key]) for key, item in group.items()}
            coded = {key: replace(item, has_code=True) for key, item in balances.items() if key in found.coded}
            self._cursor_state = self._cursor_state.with_watch_states(balances | coded)
        met = {key: item.met(item.base) for key, item in self._mine() if item.base and item.base.height == head.height}
        self._cursor_state = self._cursor_state.with_watch_states(met)
        reorg.check_still_there(self._cache, self._relied_on | builder.blocks.keys(), head)
        for block, keys in builder.blocks.items():
            self._cursor_state = self._cursor_state.with_pending(block, keys)
        final = self._cursor_state.final.height if self._cursor_state.final else -1
        self._cursor_state = replace(self._cursor_state, blocks=remember(self._cursor_state.blocks, head, above=final))
        self._block = head
        return self._report(builder)

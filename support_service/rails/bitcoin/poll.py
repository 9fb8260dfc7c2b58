"""One turn of the Bitcoin source: rewind if the chain moved, read up to the head, confirm what got deep enough."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from support_service.giving import Cursor, Direction, Report, SourceWarning, WarningKind
from support_service.rails.bitcoin import conflicts, cursor_state, mempool, reorg, report_builder, unread_blocks
from support_service.rails.bitcoin.cursor_state import WatchState
from support_service.rails.bitcoin.node import Chain, ScriptBalance, WantedMoney
from support_service.rails.bitcoin.report_builder import BitcoinReportBuilder
from support_service.rails.bitcoin.source_context import JudgedBlock, SourceContext, ToldBlock, judge, tell, tell_each
from support_service.rails.chain import cursor_state as codec
from support_service.rails.chain.catching_up import CatchingUp
from support_service.rails.chain.cursor_state import WatchKey, key_of
from support_service.rails.chain.search import BlockRef, placed, remember
from support_service.rails.source import SourceDown, SourceError

# A long catch-up tells where it is this often, not once per step.

log = logging.getLogger(__name__)


class Poll:
    """Reads from one chain, once. Raises SourceDown and SourceLied; what was yielded stays good.

    tellers are asked what waits for a block, where the chain itself does not tell.
    """

    def __init__(
        self, context: SourceContext, chain: Chain, after: Cursor | None, tellers: Sequence[Chain] = ()
    ) -> None:
        self._context, self._chain, self._tellers = context, chain, tellers
        self._cursor_state, self._block = cursor_state.read(after), placed(after)
        self._step = 0 if after is None else after.step
        self._catching_up = CatchingUp(log, context.name, context.clock)
        # Transactions told of with their block in this turn.
        self._in_blocks: set[str] = set()
        # Addresses whose sums the node tells otherwise, while something of their blocks cannot be read.
        self._lacking: list[str] = []

    def reports(self) -> Iterator[Report]:
        """Yield what is new; at least one report, which says that we looked."""
        # 1. Look; go back to the last common block where the chain moved, and say what is gone.
        self._chain.forget()
        tip = self._chain.tip()
        if reorg.is_moved(self._chain, self._cursor_state, tip, self._block):
            yield self._rewind(tip)
        # 2. Begin new watches, and read what is new; what could not be read before is asked for again.
        builder = BitcoinReportBuilder(self._context.network.name)
        self._begin(tip, builder)
        is_behind = self._is_behind(tip)
        yield from self._read(tip, builder)
        self._mend(tip, builder)
        self._open(tip, builder)
        # 3. Hold what an address has against what its blocks did; where that differs, read it from its start once more.
        differing = self._differing(tip) if is_behind else []
        if differing and unread_blocks.has_blocks(self._context):
            self._lacking = sorted({key[0] for key in differing})
        elif differing:
            log.warning("read_again_from_start", extra={"source": self._context.name, "node": self._chain.host})
            self._start_again(differing)
            yield from self._read(tip, builder)
            if self._differing(tip):
                raise SourceDown(f"{self._chain.host}: its history and its sums differ; reading again")
        # 4. Confirm what is deep enough, and say what waits for a block and what lost its coins to another.
        self._settle(tip, builder)
        self._cursor_state = self._waiting(tip, builder)
        if is_behind:
            self._cursor_state = conflicts.linked(self._chain, self._cursor_state, self._context.watches, builder)
        # 5. Remember where we stand.
        self._finish(tip)
        yield self._report(builder)

    def warnings(self) -> Iterator[SourceWarning]:
        """Say what people should hear of though all was read."""
        if self._lacking:
            yield SourceWarning(
                WarningKind.DEGRADED,
                f"{self._chain.host}: the sums of {', '.join(self._lacking)} hold more than could be read: something of"
                " their blocks is set aside",
            )
        unknown = [key[0] for key, item in self._mine() if item.is_open and item.opening is None]
        if unknown:
            yield SourceWarning(
                WarningKind.UNPROVED,
                f"what lay at {', '.join(unknown)} before it was watched is not known (the node has no scantxoutset):"
                " sums begin at nothing",
            )

    def _waiting(self, tip: BlockRef, builder: BitcoinReportBuilder) -> cursor_state.CursorState:
        """Say what waits for a block, by a node at the same head: an older one would call waiting what is confirmed.

        It is hearsay: a teller that fails stops nothing.
        """
        told = len(builder.loose)
        for teller in self._tellers:
            try:
                if teller.tip() == tip:
                    return self._told(teller, builder, tip)
            except SourceError as error:
                # What it said half is not remembered, so it must not be told either: nobody would take it back.
                del builder.loose[told:]
                log.info("waiting_not_told", extra={"source": self._context.name, "reason": str(error)})
        return self._told(self._chain, builder, tip)

    def _told(self, teller: Chain, builder: BitcoinReportBuilder, tip: BlockRef) -> cursor_state.CursorState:
        return mempool.told(
            self._context, teller, self._cursor_state, builder, in_blocks=self._in_blocks, height=tip.height
        )

    def _mine(self) -> list[tuple[WatchKey, WatchState]]:
        return [(key, self._cursor_state.watch_states[key]) for key in self._context.watches]

    def _report(self, builder: BitcoinReportBuilder) -> Report:
        self._step += 1
        memo = codec.write(self._cursor_state)
        return builder.report(self._context.name, self._step, block=self._block, memo=memo, at=self._context.clock())

    def _rewind(self, tip: BlockRef) -> Report:
        """Go back to the highest block that we read and the chain still has; say which blocks are gone."""
        told = reorg.rewind(self._chain, self._cursor_state, self._context.network.name, tip)
        facts = {"from_height": self._block and self._block.height, "to_height": told.base and told.base.height}
        log.warning("chain_reorganised", extra={"source": self._context.name, "blocks_gone": len(told.gone), **facts})
        builder = BitcoinReportBuilder(self._context.network.name)
        for one in told.gone:
            for key in sorted(one.moved):
                builder.empty(key, one.block, is_canonical=False)
        self._cursor_state, self._block = conflicts.undone(told.state, told.base.height if told.base else -1), told.base
        return self._report(builder)

    def _begin(self, tip: BlockRef, builder: BitcoinReportBuilder) -> None:
        """Give new watches their start; start anew the ones whose start was moved to an earlier block.

        A later start never unbooks money that was booked. An opening that an earlier start makes
        void is taken back.
        """
        for key, watch in self._context.watches.items():
            wanted = watch.start_block
            # Nothing happened before block 0, so what lies there is an opening, too: it is no gift.
            start = tip.height if wanted is None else max(wanted - 1, 0)
            known = self._cursor_state.watch_states.get(key)
            if known is not None and (wanted is None or wanted == known.wanted or start >= known.start):
                continue
            if known is not None and known.opening and known.start <= tip.height:
                block = BlockRef(
                    known.start, str(reorg.hashes(self._chain, [BlockRef(known.start, "")], tip.height)[known.start])
                )
                builder.empty(key, block, is_canonical=True)
            self._cursor_state = self._cursor_state.with_watch_states({key: WatchState(start, wanted, read=start)})
            log.info("watch_begins", extra={"source": self._context.name, "asset": key[1], "block": start + 1})

    def _is_behind(self, tip: BlockRef) -> bool:
        return any(item.read < tip.height for _, item in self._mine())

    def _read(self, tip: BlockRef, builder: BitcoinReportBuilder) -> Iterator[Report]:
        """Read up to the head, in steps that each survive a kill; the last one is left in the builder."""
        while behind := [item.read for _, item in self._mine() if item.read < tip.height]:
            low = min(behind)
            group = [key for key, item in self._mine() if item.read == low]
            nexts = [height for height in behind if height > low]
            high = min([tip.height, low + self._chain.blocks_per_step, *nexts])
            end = tip if high == tip.height else self._at(high, tip)
            self._step_on(group, builder, first=low + 1, end=end, tip=tip)
            if high < tip.height:
                self._catching_up.tell(high, tip.height)
                self._advance(end, tip)
                yield self._report(builder)
                builder.clear()

    def _step_on(
        self, group: Sequence[WatchKey], builder: BitcoinReportBuilder, *, first: int, end: BlockRef, tip: BlockRef
    ) -> None:
        wanted = WantedMoney(self._context.scripts(group), self._cursor_state.lost_coins)
        blocks = self._chain.scan(first, end.height, wanted)
        told = tell_each(self._context, blocks, group, tip.height)
        unread_blocks.note(self._context, blocks, told, self._cursor_state)
        reorg.check_still_there(self._chain, [end, *(one.judged.block_movements.block for one in told)], tip.height)
        moved = dict.fromkeys(group, 0)
        for one in told:
            builder.prove(one.block)
            self._take(one.judged, builder)
            self._remember(one, tip)
            moved[key_of(one.judged.block_movements.watch)] += one.judged.block_movements.units
        done = {key: self._cursor_state.watch_states[key] for key in group}
        self._cursor_state = self._cursor_state.with_watch_states(
            {
                key: replace(item, read=end.height, moved=None if item.moved is None else item.moved + moved[key])
                for key, item in done.items()
            }
        )

    def _remember(self, told: ToldBlock, tip: BlockRef) -> None:
        """Keep in mind what is not deep yet, with its coins: a reorg may give them to another payment."""
        block, block_movements = told.block, told.judged.block_movements
        if block.height <= tip.height - self._context.network.confirmations:
            return
        for one in block.transactions:
            mine = [movement for movement in block_movements.movements if movement.txid == one.txid]
            gifts = [movement for movement in mine if movement.direction is Direction.IN]
            if gifts:
                key, at = key_of(block_movements.watch), block_movements.occurred_at
                self._cursor_state = conflicts.noted(self._cursor_state, one, key, gifts, at=at, height=block.height)

    def _take(self, told: JudgedBlock, builder: BitcoinReportBuilder) -> None:
        block_movements = told.block_movements
        builder.add(block_movements, told.states)
        self._in_blocks |= {movement.txid for movement in block_movements.movements}
        if told.due is not None:
            is_opening = (
                self._cursor_state.watch_states[key_of(block_movements.watch)].start == block_movements.block.height
            )
            moved = {key_of(block_movements.watch): 0 if is_opening else block_movements.units}
            self._cursor_state = self._cursor_state.with_pending(block_movements.block, told.due, moved)

    def _at(self, height: int, tip: BlockRef) -> BlockRef:
        return BlockRef(height, str(reorg.hashes(self._chain, [BlockRef(height, "")], tip.height)[height]))

    def _advance(self, end: BlockRef, tip: BlockRef) -> None:
        """Move the cursor's place, and what counts as deep enough, up to a block that was read."""
        deep = tip.height - self._context.network.confirmations + 1
        if self._block is None or end.height > self._block.height:
            self._block = end
        held = -1 if self._cursor_state.final is None else self._cursor_state.final.height
        deepest = min(deep, end.height, min((item.read for _, item in self._mine()), default=end.height))
        if deepest > held:
            known = {block.height: block for block in (*self._cursor_state.blocks, end)}
            final = known.get(deepest) or self._at(deepest, tip)
            self._cursor_state = replace(self._cursor_state, final=final)
            held = final.height
        self._cursor_state = replace(
            self._cursor_state, blocks=remember(self._cursor_state.blocks, self._block, above=held)
        )

    def _open(self, tip: BlockRef, builder: BitcoinReportBuilder) -> None:
        """Book what lay there before credits count: what is there now, less all that came since."""
        for key, item in self._mine():
            if item.is_open or item.read != tip.height or item.moved is None:
                continue
            if unread_blocks.has_blocks(self._context):
                # What cannot be read would be taken for what lay there before.
                continue
            block = self._at(item.start, tip)
            told = ScriptBalance(tip, item.moved) if item.start == 0 else self._chain.balance(self._context.script(key))
            if told is not None and told.block != tip:
                raise SourceDown(f"{self._chain.host}: the chain moved while the opening was asked for; asking again")
            opening = None if told is None else told.units - item.moved
            if opening is not None and opening < 0:
                raise SourceDown(f"{self._chain.host}: says that {key[0]} holds less than came there; reading again")
            self._cursor_state = self._cursor_state.with_watch_states(
                {key: replace(item, opening=opening, is_open=True)}
            )
            if opening:
                self._take(self._opening(key, block, opening, tip), builder)

    def _opening(self, key: WatchKey, block: BlockRef, units: int, tip: BlockRef) -> JudgedBlock:
        occurred_at = self._chain.time_of(block)
        return judge(
            self._context, report_builder.opening(self._context.watches[key], block, occurred_at, units), tip.height
        )

    def _differing(self, tip: BlockRef) -> list[WatchKey]:
        """Watches whose sums, where the node tells them in passing, are not what we read."""
        found = []
        for key, item in self._mine():
            if item.opening is None or item.read != tip.height:
                continue
            told = self._chain.checked_balance(self._context.script(key))
            if told is not None and told.block != tip:
                raise SourceDown(f"{self._chain.host}: the chain moved while it was read; reading again")
            if told is not None and item.moved is None:
                self._cursor_state = self._cursor_state.with_watch_states(
                    {key: replace(item, moved=told.units - item.opening)}
                )
            elif told is not None and item.moved is not None and told.units != item.opening + item.moved:
                found.append(key)
        return found

    def _start_again(self, keys: Iterable[WatchKey]) -> None:
        """Read some watches from their start: the node left something out, then or now."""
        self._chain.forget()
        again = {key: self._cursor_state.watch_states[key] for key in keys}
        self._cursor_state = self._cursor_state.with_watch_states(
            {key: replace(item, read=item.start, moved=0) for key, item in again.items()}
        )

    def _settle(self, tip: BlockRef, builder: BitcoinReportBuilder) -> None:
        """Read blocks again of which something got deep enough, and say it."""
        due = {block_ref: one for block_ref, one in self._cursor_state.pending.items() if one.due <= tip.height}
        if not due:
            return
        reorg.check_still_there(self._chain, due, tip.height)
        keys = {key for one in due.values() for key in one.moved if key in self._context.watches}
        found = self._chain.again(list(due), WantedMoney(self._context.scripts(keys)))
        self._cursor_state = self._cursor_state.without_pending(set(due))
        odd = {BlockRef(block.height, block.block_hash) for block in found if block.unread}
        for block_ref, held in due.items():
            kept = {key: units for key, units in held.moved.items() if key in self._context.left_out}
            if kept:
                self._cursor_state = self._cursor_state.with_pending(block_ref, held.due, kept)
        told = {
            (key_of(one.block_movements.watch), one.block_movements.block): one
            for block in found
            for one in tell(self._context, block, keys, tip.height)
        }
        for block_ref, held in sorted(due.items()):
            for key in sorted(set(held.moved) & keys):
                item, one = self._cursor_state.watch_states[key], told.get((key, block_ref))
                if item.start == block_ref.height and item.opening:
                    one = self._opening(key, block_ref, item.opening, tip)
                if one is None and block_ref in odd:
                    # It may be what cannot be read; it stays as sure as it was.
                    self._cursor_state = self._cursor_state.with_pending(
                        block_ref, tip.height + 1, {key: held.moved[key]}
                    )
                elif one is None:
                    builder.empty(key, block_ref, is_canonical=True)
                else:
                    self._take(one, builder)

    def _finish(self, tip: BlockRef) -> None:
        """Leave the cursor at the head."""
        self._advance(tip, tip)
        self._cursor_state = conflicts.settled(
            self._cursor_state, self._cursor_state.final.height if self._cursor_state.final else -1
        )

    def _mend(self, tip: BlockRef, builder: BitcoinReportBuilder) -> None:
        """Read blocks again of which something could not be read, and state them anew as far as they can be now."""
        for item, block_ref, before in unread_blocks.due(self._context):
            mine = {key: one for key, one in self._mine() if one.start < block_ref.height <= one.read}
            if reorg.hashes(self._chain, [block_ref], tip.height)[block_ref.height] != block_ref.block_hash:
                self._context.asides.solve(item.key)
                continue
            blocks = self._chain.again([block_ref], WantedMoney(self._context.scripts(mine)))
            if any(block.unread for block in blocks):
                self._context.asides.note(item.key, unread_blocks.reason(blocks), item.memo)
                continue
            told = tell_each(self._context, blocks, mine, tip.height)
            reorg.check_still_there(self._chain, [block_ref], tip.height)
            for one in told:
                builder.prove(one.block)
                self._take(one.judged, builder)
                key, new = key_of(one.judged.block_movements.watch), one.judged.block_movements.units
                moved = mine[key].moved
                gained = new - before.get(key[0], 0)
                self._cursor_state = self._cursor_state.with_watch_states(
                    {key: replace(mine[key], moved=None if moved is None else moved + gained)}
                )
            self._context.asides.solve(item.key)

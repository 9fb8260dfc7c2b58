"""Reading a method's blocks once more, and asking what addresses hold: beside the live source, never moving it.

Every block from N to the last confirmed one that touched us is stated again, whole; so is every
block in which the ledger holds money of these watches. What is equal is no news to the ledger; what
was missed is added; what the chain does not have becomes `replaced` or `orphaned`.
"""

from collections.abc import Iterator

from support_service.giving import Cursor, HeldBalance, Report
from support_service.rails.bitcoin import cursor_state, reorg
from support_service.rails.bitcoin.cursor_state import CursorState
from support_service.rails.bitcoin.node import Chain, UnreadableAnswer, WantedMoney
from support_service.rails.bitcoin.report_builder import BitcoinReportBuilder
from support_service.rails.bitcoin.source_context import SourceContext, tell_each
from support_service.rails.chain import cursor_state as codec
from support_service.rails.chain.cursor_state import WatchKey
from support_service.rails.chain.search import BlockRef
from support_service.rails.source import Holding, Rescan


def read_again(context: SourceContext, chain: Chain, task: Rescan, after: Cursor | None) -> Iterator[Report]:
    """Yield reports from block task.first up to what is confirmed for the live source, too.

    Money that came before a watch's start is its opening and stays that. Raises SourceDown and SourceLied.
    """
    live = cursor_state.read(task.live)
    chain.forget()
    tip = chain.tip()
    mine = {
        key: live.watch_states[key]
        for key, watch in context.watches.items()
        if watch.method == task.method and key in live.watch_states
    }
    top = -1 if live.final is None else min(live.final.height, tip.height)
    step = 0 if after is None else after.step
    for key, item in sorted(mine.items()):
        low, high = max(task.first - 1, item.start), min(top, item.read)
        reading = _Reading(context, chain, key)
        while low < high:
            end = min(high, low + chain.blocks_per_step)
            builder = reading.step(low + 1, end, task, tip)
            low, step = end, step + 1
            remembered = codec.write(CursorState())
            yield builder.report(context.name, step, block=reading.block, memo=remembered, at=context.clock())


class _Reading:
    """One watch read again."""

    def __init__(self, context: SourceContext, chain: Chain, key: WatchKey) -> None:
        self._context, self._chain, self._key = context, chain, key
        self.block: BlockRef | None = None

    def step(self, first: int, last: int, task: Rescan, tip: BlockRef) -> BitcoinReportBuilder:
        """Read blocks first..last, and state them."""
        key, builder = self._key, BitcoinReportBuilder(self._context.network.name)
        digest = reorg.hashes(self._chain, [BlockRef(last, "")], tip.height)[last]
        self.block = BlockRef(last, str(digest))
        blocks = self._chain.scan(first, last, WantedMoney(self._context.scripts([key])))
        for one in tell_each(self._context, blocks, [key], tip.height):
            builder.prove(one.block)
            builder.add(one.judged.block_movements, one.judged.states)
        held = {BlockRef(one.height, one.block_hash) for one in task.blocks if one.key == key}
        silent = {block_ref for block_ref in held if first <= block_ref.height <= last} - builder.blocks
        # What stands there may be the very transaction that cannot be read.
        silent -= {BlockRef(block.height, block.block_hash) for block in blocks if block.unread}
        now = reorg.hashes(self._chain, [*silent, *builder.blocks, self.block], tip.height)
        reorg.check_still_there(self._chain, [*builder.blocks, self.block], tip.height)
        for block_ref in sorted(silent):
            builder.empty(key, block_ref, is_canonical=now[block_ref.height] == block_ref.block_hash)
        return builder


def holdings(context: SourceContext, chain: Chain, after: Cursor) -> list[Holding]:
    """What every watch held at the last block of which all its money is confirmed; raises SourceDown and SourceLied."""
    held = cursor_state.read(after)
    chain.forget()
    tip = chain.tip()
    return [
        _holding(context, chain, key, held, tip=tip)
        for key in context.watches
        if key in held.watch_states and held.final
    ]


def balances(context: SourceContext, after: Cursor) -> tuple[HeldBalance, ...]:
    """What every watch held at the last block that is deep enough, by all that blocks told; nobody is asked."""
    held = cursor_state.read(after)
    if held.final is None:
        return ()
    told = []
    for key, item in held.watch_states.items():
        pending = {block: one.moved[key] for block, one in held.pending.items() if key in one.moved}
        is_deep = held.final.height >= item.start and all(block.height > held.final.height for block in pending)
        if key in context.watches and is_deep and item.opening is not None and item.moved is not None:
            watch, units = context.watches[key], item.opening + item.moved - sum(pending.values())
            place = HeldBalance(*watch.key, watch.asset.exponent, units, held.final.height, after.checked_at)
            told.append(place)
    return tuple(told)


def _holding(context: SourceContext, chain: Chain, key: WatchKey, held: CursorState, *, tip: BlockRef) -> Holding:
    watch, item = context.watches[key], held.watch_states[key]
    assert held.final is not None
    open_heights = [block_ref.height - 1 for block_ref, one in held.pending.items() if key in one.moved]
    height = min([held.final.height, item.read, tip.height, *open_heights])
    try:
        told = chain.balance(context.script(key))
    except UnreadableAnswer as error:
        return Holding(watch, height, None, str(error))
    if told is None:
        trouble = f"{chain.host} does not tell what an address holds (no scantxoutset)"
        return Holding(watch, height, None, trouble)
    if told.block != tip:
        return Holding(watch, height, None, "the chain moved while it was asked; ask again")
    wanted = WantedMoney(context.scripts([key]))
    since = chain.scan(height + 1, tip.height, wanted) if height < tip.height else []
    moved = sum(one.judged.block_movements.units for one in tell_each(context, since, [key], tip.height))
    return Holding(watch, height, told.units - moved)

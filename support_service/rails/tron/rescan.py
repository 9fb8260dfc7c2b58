"""Reading a method's blocks once more: a Source of its own that never moves the live cursor.

Every block from N to finality with a transfer is stated again, whole; so is every block in which the
ledger holds money. What a balance once proved is kept: an opening and an unexplained row become less
by as much as this reading finds, and nothing is taken back that no reading explains.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from support_service.giving import Cursor, MoneyBlock, Report, State, Watch
from support_service.rails.chain import cursor_state as codec
from support_service.rails.chain.cursor_state import key_of
from support_service.rails.chain.search import BlockRef, RangeSize
from support_service.rails.evm import cursor_state, reorg
from support_service.rails.evm.cursor_state import CursorState, WatchState
from support_service.rails.evm.movements import BlockMovements, net
from support_service.rails.evm.reorg import mark_of
from support_service.rails.evm.report_builder import EvmReportBuilder
from support_service.rails.evm.rpc_cache import LogSearch, RpcCache
from support_service.rails.evm.source_context import SourceContext
from support_service.rails.source import Rescan
from support_service.rails.tron import balance_samples, reconcile
from support_service.rails.tron import log_index as canary
from support_service.rails.tron import rpc_requests as tron_requests
from support_service.rails.tron.address_forms import Forms
from support_service.rails.tron.balance_samples import BalanceSamples, Samples
from support_service.rails.tron.reconcile import RANGE_BLOCKS_MAX

# A step that survives a kill.
STEP_BLOCKS = 5 * RANGE_BLOCKS_MAX


@dataclass(slots=True)
class _RereadWatch:
    """One watch that is read again above block `low`; nets are what each block changed by its logs."""

    watch: Watch
    progress: WatchState
    book: BalanceSamples
    low: int
    nets: dict[int, int] = field(default_factory=dict)

    def gained(self, low: int, high: int) -> int:
        """What logs say that blocks above `low` up to `high` changed."""
        return sum(units for height, units in self.nets.items() if low < height <= high)


def read_again(
    context: SourceContext, reader: RpcCache, task: Rescan, after: Cursor | None, *, forms: Forms
) -> Iterator[Report]:
    """Yield reports from block task.first up to what is final for the live source, too.

    Reading begins earlier where a proof from a balance reaches further back. Raises SourceDown,
    SourceLied and Refusal.
    """
    held, books = cursor_state.read(task.live).progress, balance_samples.read(task.live)
    seen = reorg.look(reader, context.network, CursorState(), None)
    blocks, step = forms.blocks(task.blocks), 0 if after is None else after.step
    for key, watch in context.watched.all.items():
        item, book = held.get(key), books.get(key, BalanceSamples())
        if watch.method != task.method or item is None or item.final is None:
            continue
        one = _RereadWatch(watch, item, book, _low(task.first, item, book))
        high = min(seen.final_height or 0, item.final.height)
        mine = [block for block in blocks if block[:2] == key]
        for builder, mark in _read(context, reader, one, mine, high=high):
            step += 1
            remembered = codec.write(CursorState(), Samples())
            yield forms.told(builder.report(context.name, step, mark=mark, memo=remembered, at=context.clock()))


def _low(first: int, progress: WatchState, book: BalanceSamples) -> int:
    """Where reading begins: no proof from a balance may be cut in two."""
    low = max(first - 1, progress.start)
    proofs = [(gap.low, gap.high) for gap in book.gaps]
    proofs += [(progress.start, book.first.height)] if book.first else []
    while cut := [begin for begin, end in proofs if begin < low < end]:
        low = min(cut)
    return low


def _read(
    context: SourceContext, reader: RpcCache, one: _RereadWatch, blocks: list[MoneyBlock], *, high: int
) -> Iterator[tuple[EvmReportBuilder, BlockRef]]:
    search = LogSearch([one.watch.asset.contract], [one.watch.address])
    search.size = RangeSize(most=RANGE_BLOCKS_MAX)
    low = one.low
    while low < high:
        top = min(high, low + STEP_BLOCKS)
        header = reconcile.block(reader, top)
        for height in {low + 1, top}:
            canary.is_alive(reader, [one.watch.asset.contract], height)
        builder = EvmReportBuilder(context.network.name, State.CONFIRMED)
        found = reconcile.stories_of(reader, one.watch, search.read(reader, low + 1, top), context.watched.own)
        found += _silent(context, reader, one, builder, blocks=[b for b in blocks if low < b[2] <= top], found=found)
        one.nets |= {story.header.height: net(story.rows) for story in found}
        builder.add(found)
        _restate_proofs(reader, one, builder, found, low=low, top=top)
        yield builder, mark_of(header)
        reader.forget()
        low = top


def _silent(
    context: SourceContext,
    reader: RpcCache,
    one: _RereadWatch,
    builder: EvmReportBuilder,
    *,
    blocks: list[MoneyBlock],
    found: list[BlockMovements],
) -> list[BlockMovements]:
    """State blocks with our money in which the search found nothing; what they hold is read without the index."""
    told = {(story.header.height, story.header.block_hash) for story in found}
    told |= {(gap.high, digest) for gap in one.book.gaps for _, _, height, digest in blocks if height == gap.high}
    marks = [BlockRef(height, digest) for _, _, height, digest in blocks if (height, digest) not in told]
    now = reorg.hashes(reader, marks, head=max((mark.height for mark in marks), default=-1))
    missed: list[BlockMovements] = []
    for mark in marks:
        if now[mark.height] != mark.block_hash:
            builder.empty(key_of(one.watch), mark, is_canonical=False)
            continue
        logs = reader.get(tron_requests.logs_of_block(mark.block_hash))
        stories = reconcile.stories_of(reader, one.watch, logs, context.watched.own)
        missed += stories
        if not stories:
            builder.empty(key_of(one.watch), mark, is_canonical=True)
    return missed


def _restate_proofs(
    reader: RpcCache, one: _RereadWatch, builder: EvmReportBuilder, found: list[BlockMovements], *, low: int, top: int
) -> None:
    """State the opening and the unexplained rows whose proof ends in these blocks, as this reading leaves them."""
    start, first = one.progress.start, one.book.first
    is_named = first is not None and any((gap.low, gap.high) == (start, first.height) for gap in one.book.gaps)
    if first is not None and one.low == start and low < first.height <= top and not is_named:
        units = first.units - one.gained(start, first.height)
        builder.add([reconcile.opening(reader, one.watch, start, max(0, units))])
        if units < 0:
            builder.add([_unexplained(reader, one.watch, found, height=first.height, units=units)])
    for gap in one.book.gaps:
        if low < gap.high <= top and gap.low >= one.low:
            rest = gap.delta - one.gained(gap.low, gap.high)
            builder.add([_unexplained(reader, one.watch, found, height=gap.high, units=rest)])


def _unexplained(
    reader: RpcCache, watch: Watch, found: list[BlockMovements], *, height: int, units: int
) -> BlockMovements:
    return reconcile.with_unexplained(watch, reconcile.block(reader, height), found, units)

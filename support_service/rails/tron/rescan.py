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
from support_service.rails.evm.reorg import block_of
from support_service.rails.evm.report_builder import EvmReportBuilder
from support_service.rails.evm.rpc_cache import LogSearch, RpcCache
from support_service.rails.evm.source_context import SourceContext
from support_service.rails.source import Rescan
from support_service.rails.tron import balance_samples, reconcile
from support_service.rails.tron import log_index as canary
from support_service.rails.tron import rpc_requests as tron_requests
from support_service.rails.tron.address_forms import AddressForms
from support_service.rails.tron.balance_samples import BalanceSamples, Samples
from support_service.rails.tron.reconcile import RANGE_BLOCKS_MAX

# A step that survives a kill.
STEP_BLOCKS = 5 * RANGE_BLOCKS_MAX


@dataclass(slots=True)
class _RereadWatch:
    """One watch that is read again above block `low`; nets are what each block changed by its logs."""

    watch: Watch
    watch_state: WatchState
    samples: BalanceSamples
    low: int
    nets: dict[int, int] = field(default_factory=dict)

    def gained(self, low: int, high: int) -> int:
        """What logs say that blocks above `low` up to `high` changed."""
        return sum(units for height, units in self.nets.items() if low < height <= high)


def read_again(
    context: SourceContext, cache: RpcCache, task: Rescan, after: Cursor | None, *, address_forms: AddressForms
) -> Iterator[Report]:
    """Yield reports from block task.first up to what is final for the live source, too.

    Reading begins earlier where a proof from a balance reaches further back. Raises SourceDown,
    SourceLied and Refusal.
    """
    held, samples_by_watch = cursor_state.read(task.live).watch_states, balance_samples.read(task.live)
    seen = reorg.look(cache, context.network, CursorState(), None)
    blocks, step = address_forms.blocks(task.blocks), 0 if after is None else after.step
    for key, watch in context.watched.all.items():
        item, samples = held.get(key), samples_by_watch.get(key, BalanceSamples())
        if watch.method != task.method or item is None or item.final is None:
            continue
        one = _RereadWatch(watch, item, samples, _low(task.first, item, samples))
        high = min(seen.final_height or 0, item.final.height)
        mine = [block for block in blocks if block.key == key]
        for builder, end in _read(context, cache, one, mine, high=high):
            step += 1
            remembered = codec.write(CursorState(), Samples())
            yield address_forms.shown(
                builder.report(context.name, step, block=end, memo=remembered, at=context.clock())
            )


def _low(first: int, watch_state: WatchState, samples: BalanceSamples) -> int:
    """Where reading begins: no proof from a balance may be cut in two."""
    low = max(first - 1, watch_state.start)
    proofs = [(gap.low, gap.high) for gap in samples.gaps]
    proofs += [(watch_state.start, samples.first.height)] if samples.first else []
    while cut := [begin for begin, end in proofs if begin < low < end]:
        low = min(cut)
    return low


def _read(
    context: SourceContext, cache: RpcCache, one: _RereadWatch, blocks: list[MoneyBlock], *, high: int
) -> Iterator[tuple[EvmReportBuilder, BlockRef]]:
    search = LogSearch([one.watch.asset.contract], [one.watch.address])
    search.size = RangeSize(most=RANGE_BLOCKS_MAX)
    low = one.low
    while low < high:
        top = min(high, low + STEP_BLOCKS)
        header = reconcile.block(cache, top)
        for height in {low + 1, top}:
            canary.is_alive(cache, [one.watch.asset.contract], height)
        builder = EvmReportBuilder(context.network.name, State.CONFIRMED)
        found = reconcile.movements_by_block_of(cache, one.watch, search.read(cache, low + 1, top), context.watched.own)
        found += _silent(context, cache, one, builder, blocks=[b for b in blocks if low < b.height <= top], found=found)
        one.nets |= {block_movements.header.height: net(block_movements.movements) for block_movements in found}
        builder.add(found)
        _restate_proofs(cache, one, builder, found, low=low, top=top)
        yield builder, block_of(header)
        cache.forget()
        low = top


def _silent(
    context: SourceContext,
    cache: RpcCache,
    one: _RereadWatch,
    builder: EvmReportBuilder,
    *,
    blocks: list[MoneyBlock],
    found: list[BlockMovements],
) -> list[BlockMovements]:
    """State blocks with our money in which the search found nothing; what they hold is read without the index."""
    told = {(block_movements.header.height, block_movements.header.block_hash) for block_movements in found}
    told |= {(gap.high, block.block_hash) for gap in one.samples.gaps for block in blocks if block.height == gap.high}
    block_refs = [
        BlockRef(money.height, money.block_hash) for money in blocks if (money.height, money.block_hash) not in told
    ]
    now = reorg.hashes(cache, block_refs, head=max((block.height for block in block_refs), default=-1))
    missed: list[BlockMovements] = []
    for block in block_refs:
        if now[block.height] != block.block_hash:
            builder.empty(key_of(one.watch), block, is_canonical=False)
            continue
        logs = cache.get(tron_requests.logs_of_block(block.block_hash))
        movements_by_block = reconcile.movements_by_block_of(cache, one.watch, logs, context.watched.own)
        missed += movements_by_block
        if not movements_by_block:
            builder.empty(key_of(one.watch), block, is_canonical=True)
    return missed


def _restate_proofs(
    cache: RpcCache, one: _RereadWatch, builder: EvmReportBuilder, found: list[BlockMovements], *, low: int, top: int
) -> None:
    """State the opening and the unexplained rows whose proof ends in these blocks, as this reading leaves them."""
    start, first = one.watch_state.start, one.samples.first
    is_named = first is not None and any((gap.low, gap.high) == (start, first.height) for gap in one.samples.gaps)
    if first is not None and one.low == start and low < first.height <= top and not is_named:
        units = first.units - one.gained(start, first.height)
        builder.add([reconcile.opening(cache, one.watch, start, max(0, units))])
        if units < 0:
            builder.add([_unexplained(cache, one.watch, found, height=first.height, units=units)])
    for gap in one.samples.gaps:
        if low < gap.high <= top and gap.low >= one.low:
            rest = gap.delta - one.gained(gap.low, gap.high)
            builder.add([_unexplained(cache, one.watch, found, height=gap.high, units=rest)])


def _unexplained(
    cache: RpcCache, watch: Watch, found: list[BlockMovements], *, height: int, units: int
) -> BlockMovements:
    return reconcile.with_unexplained(watch, reconcile.block(cache, height), found, units)

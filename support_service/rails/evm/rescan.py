"""Reading a method's blocks once more: a Source of its own that never moves the live cursor.

Every block from N to finality that changed a balance is stated again, whole; so is every block in
which the ledger holds money of these watches. What is equal is no news to the ledger; what was
missed is added; what the chain does not have becomes `replaced` or `orphaned`.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from support_service.giving import Cursor, MoneyBlock, Report, State, Watch
from support_service.rails.chain import cursor_state as codec
from support_service.rails.chain.cursor_state import WatchKey, key_of
from support_service.rails.chain.search import BlockRef
from support_service.rails.evm import cursor_state, movements, native_coin, range_reader, reorg, rpc_requests, tokens
from support_service.rails.evm.cursor_state import BalanceAt, CursorState, WatchState
from support_service.rails.evm.range_reader import Range, RangeResult
from support_service.rails.evm.reorg import block_of
from support_service.rails.evm.report_builder import EvmReportBuilder
from support_service.rails.evm.rpc_cache import RpcCache
from support_service.rails.evm.source_context import SourceContext
from support_service.rails.source import Rescan, SourceDown


def read_again(context: SourceContext, cache: RpcCache, task: Rescan, after: Cursor | None) -> Iterator[Report]:
    """Yield reports from block task.first up to what is final for the live source, too.

    Money that came before a watch's start is its opening and stays that: each watch is read from its
    start on. Raises SourceDown, SourceLied and Refusal.
    """
    held = cursor_state.read(task.live).watch_states
    seen = reorg.look(cache, context.network, CursorState(), None)
    mine = {key: held[key] for key, watch in context.watched.all.items() if watch.method == task.method and key in held}
    lows = {key: max(task.first - 1, item.start) for key, item in mine.items() if item.final is not None}
    high = min([seen.final_height or 0, *(item.final.height for item in mine.values() if item.final is not None)])
    step = 0 if after is None else after.step
    for low in sorted({low for low in lows.values() if low < high}):
        group = {key: mine[key] for key in lows if lows[key] == low}
        for builder, block in _read(context, cache, group, Range(low, high, high), blocks=task.blocks):
            step += 1
            yield builder.report(context.name, step, block=block, memo=codec.write(CursorState()), at=context.clock())


def _read(
    context: SourceContext,
    cache: RpcCache,
    group: Mapping[WatchKey, WatchState],
    whole: Range,
    *,
    blocks: Iterable[MoneyBlock],
) -> Iterator[tuple[EvmReportBuilder, BlockRef]]:
    group = {key: _from(cache, context.watched.all[key], item, whole.low) for key, item in group.items()}
    low = whole.low
    while low < whole.high:
        high = min(whole.high, low + context.watched.stride(group.values()))
        header = cache.get(rpc_requests.header(high))
        if header is None:
            raise SourceDown(f"{cache.node.host}: does not know its own final block {high}")
        found = range_reader.read_range(cache, context.watched, group, Range(low, high, high), is_final=True)
        builder = EvmReportBuilder(context.network.name, State.CONFIRMED)
        builder.add(found.movements_by_block)
        group = {key: _advanced(item, key, found) for key, item in group.items()}
        if high == whole.high:
            _reconcile(context, cache, group, builder)
        _restate(context, cache, builder, [one for one in blocks if low < one.height <= high and one.key in group])
        yield builder, block_of(header)
        low = high
        cache.forget()


def _from(cache: RpcCache, watch: Watch, item: WatchState, height: int) -> WatchState:
    if watch.asset.contract:
        balance_at = BalanceAt(
            height, cache.get(rpc_requests.token_balance(watch.asset.contract, watch.address, height))
        )
        return replace(item, final=balance_at, proof=height, booked=())
    return replace(item, final=native_coin.balance_at(height, native_coin.account(cache, watch.address, height)))


def _advanced(item: WatchState, key: WatchKey, found: RangeResult) -> WatchState:
    told = [block_movements for block_movements in found.movements_by_block if key_of(block_movements.watch) == key]
    booked = [(block_movements.header.height, movements.net(block_movements.movements)) for block_movements in told]
    return replace(item, final=found.balances[key], booked=(*item.booked, *booked))


def _reconcile(
    context: SourceContext, cache: RpcCache, group: Mapping[WatchKey, WatchState], builder: EvmReportBuilder
) -> None:
    """Find what tokens gained or lost without a log."""
    for key, item in group.items():
        watch = context.watched.all[key]
        if watch.asset.contract:
            movements_by_block = range_reader.reconcile(cache, watch, item, context.watched.own).movements_by_block
            builder.add(movements_by_block)


def _restate(context: SourceContext, cache: RpcCache, builder: EvmReportBuilder, blocks: Iterable[MoneyBlock]) -> None:
    """State blocks with our money that brought no movement: the block is gone, or nothing is there, or no log tells."""
    told = builder.blocks
    silent = [(BlockRef(one.height, one.block_hash), one.key) for one in blocks]
    silent = [(block, key) for block, key in silent if key not in told.get(block, frozenset())]
    # All of them were final once: a node that knows none of that height has nothing to say about it.
    block_refs = [block for block, _ in silent]
    now = reorg.hashes(cache, block_refs, head=max((block.height for block in block_refs), default=-1))
    for block, key in silent:
        watch, is_canonical = context.watched.all[key], now[block.height] == block.block_hash
        if is_canonical and watch.asset.contract:
            builder.add(tokens.movements_by_block(cache, [tokens.Touch(watch, block.height)], [], context.watched.own))
        else:
            builder.empty(key, block, is_canonical=is_canonical)

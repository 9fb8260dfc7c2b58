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
from support_service.rails.evm import cursor_state as memo
from support_service.rails.evm import movements as rows
from support_service.rails.evm import native_coin as native
from support_service.rails.evm import range_reader as passes
from support_service.rails.evm import reorg as sight
from support_service.rails.evm import rpc_requests as calls
from support_service.rails.evm import tokens
from support_service.rails.evm.cursor_state import BalanceAt, CursorState, WatchState
from support_service.rails.evm.poll import SourceContext
from support_service.rails.evm.range_reader import Range, RangeResult
from support_service.rails.evm.reorg import mark_of
from support_service.rails.evm.report_builder import ReportBuilder
from support_service.rails.evm.rpc_cache import RpcCache
from support_service.rails.source import Rescan, SourceDown


def read_again(post: SourceContext, reader: RpcCache, task: Rescan, after: Cursor | None) -> Iterator[Report]:
    """Yield reports from block task.first up to what is final for the live source, too.

    Money that came before a watch's start is its opening and stays that: each watch is read from its
    start on. Raises SourceDown, SourceLied and Refusal.
    """
    held = memo.read(task.live).progress
    seen = sight.look(reader, post.network, CursorState(), None)
    mine = {key: held[key] for key, watch in post.watched.all.items() if watch.method == task.method and key in held}
    lows = {key: max(task.first - 1, item.start) for key, item in mine.items() if item.final is not None}
    high = min([seen.final_height or 0, *(item.final.height for item in mine.values() if item.final is not None)])
    step = 0 if after is None else after.step
    for low in sorted({low for low in lows.values() if low < high}):
        group = {key: mine[key] for key in lows if lows[key] == low}
        for draft, mark in _read(post, reader, (group, task.blocks), Range(low, high, high)):
            step += 1
            yield draft.report(post.name, step, mark=mark, memo=codec.write(CursorState()), at=post.clock())


def _read(
    post: SourceContext,
    reader: RpcCache,
    what: tuple[Mapping[WatchKey, WatchState], Iterable[MoneyBlock]],
    whole: Range,
) -> Iterator[tuple[ReportBuilder, BlockRef]]:
    group, blocks = what
    group = {key: _from(reader, post.watched.all[key], item, whole.low) for key, item in group.items()}
    low = whole.low
    while low < whole.high:
        high = min(whole.high, low + post.watched.stride(group.values()))
        header = reader.get(calls.header(high))
        if header is None:
            raise SourceDown(f"{reader.node.host}: does not know its own final block {high}")
        found = passes.read_range(reader, post.watched, group, Range(low, high, high), is_final=True)
        draft = ReportBuilder(post.network.name, State.CONFIRMED)
        draft.add(found.stories)
        group = {key: _advanced(item, key, found) for key, item in group.items()}
        if high == whole.high:
            _reconcile(post, reader, group, draft)
        _restate(post, reader, draft, [one for one in blocks if low < one[2] <= high and one[:2] in group])
        yield draft, mark_of(header)
        low = high
        reader.forget()


def _from(reader: RpcCache, watch: Watch, item: WatchState, height: int) -> WatchState:
    if watch.asset.contract:
        point = BalanceAt(height, reader.get(calls.token_balance(watch.asset.contract, watch.address, height)))
        return replace(item, final=point, proof=height, booked=())
    return replace(item, final=native.point(height, native.account(reader, watch.address, height)))


def _advanced(item: WatchState, key: WatchKey, found: RangeResult) -> WatchState:
    told = [story for story in found.stories if key_of(story.watch) == key]
    booked = [(story.header.height, rows.net(story.rows)) for story in told]
    return replace(item, final=found.points[key], booked=(*item.booked, *booked))


def _reconcile(
    post: SourceContext, reader: RpcCache, group: Mapping[WatchKey, WatchState], draft: ReportBuilder
) -> None:
    """Find what tokens gained or lost without a log."""
    for key, item in group.items():
        watch = post.watched.all[key]
        if watch.asset.contract:
            stories, _ = passes.reconcile(reader, watch, item, post.watched.own)
            draft.add(stories)


def _restate(post: SourceContext, reader: RpcCache, draft: ReportBuilder, blocks: Iterable[MoneyBlock]) -> None:
    """State blocks with our money that brought no story: the block is gone, or nothing is there, or no log tells."""
    told = draft.marks
    silent = [(BlockRef(height, digest), (address, asset)) for address, asset, height, digest in blocks]
    silent = [(mark, key) for mark, key in silent if key not in told.get(mark, frozenset())]
    # All of them were final once: a node that knows none of that height has nothing to say about it.
    marks = [mark for mark, _ in silent]
    now = sight.hashes(reader, marks, head=max((mark.height for mark in marks), default=-1))
    for mark, key in silent:
        watch, is_canonical = post.watched.all[key], now[mark.height] == mark.block_hash
        if is_canonical and watch.asset.contract:
            draft.add(tokens.stories(reader, [tokens.Touch(watch, mark.height)], [], post.watched.own))
        else:
            draft.empty(key, mark, is_canonical=is_canonical)

"""Looking at the chain before reading it: whether what we read still stands, and how far to go back."""

from collections.abc import Iterable
from dataclasses import replace

from support_service.rails.bitcoin.cursor_state import CursorState, Pending, WatchState
from support_service.rails.bitcoin.node import Chain
from support_service.rails.chain.cursor_state import WatchKey
from support_service.rails.chain.reorg import Rewind, check_is_fork, check_one_chain, common_block, stands
from support_service.rails.chain.search import BlockRef
from support_service.rails.source import SourceDown


def is_moved(chain: Chain, memo: CursorState, tip: BlockRef, last: BlockRef | None) -> bool:
    """Tell whether the block that we read last has left the chain; SourceDown where the node only lags behind us."""
    if last is None or tip == last:
        return False
    if tip.height < last.height:
        below = [mark for mark in memo.marks if mark.height <= tip.height]
        below += [memo.final] if memo.final and memo.final.height <= tip.height else []
        check_is_fork(chain.host, below, hashes(chain, below, tip.height), head=tip.height, last=last.height)
        return True
    return not stands(last, hashes(chain, [last], tip.height))


def hashes(chain: Chain, marks: Iterable[BlockRef], head: int) -> dict[int, str | None]:
    """The blocks at the heights of marks as the chain has them now; None above head.

    SourceDown where the node does not know one below it.
    """
    found: dict[int, str | None] = {}
    for height in sorted({mark.height for mark in marks}):
        found[height] = chain.hash_at(height) if height <= head else None
        if found[height] is None and height <= head:
            raise SourceDown(f"{chain.host}: does not know block {height}, but has {head}; reading again")
    return found


def check_still_there(chain: Chain, marks: Iterable[BlockRef], head: int) -> None:
    """See that blocks told about are on one chain still: they were read one after another."""
    known = list(marks)
    check_one_chain(chain.host, known, hashes(chain, known, head))


def rewind(chain: Chain, memo: CursorState, name: str, tip: BlockRef) -> Rewind[Pending, CursorState]:
    """Find how far to go back. MustFreeze where a block is gone that was final, which is one deep enough to count."""
    final = memo.final
    now = hashes(chain, [*memo.marks, *([final] if final else []), *memo.pending], tip.height)
    base = common_block(chain.host, name, memo.marks, now, final=final)
    gone = tuple(one for mark, one in sorted(memo.pending.items()) if not stands(mark, now))
    floor = -1 if base is None else base.height
    kept = memo.without_pending({one.mark for one in gone})
    kept = replace(kept, marks=tuple(mark for mark in kept.marks if base and mark.height <= base.height))
    back = {key: _rewound(memo, key, item, floor) for key, item in memo.progress.items()}
    return Rewind(base, gone, kept.with_progress(back))


def _rewound(memo: CursorState, key: WatchKey, item: WatchState, floor: int) -> WatchState:
    """Take back what was read above a block. All money there is pending still, so its sums are known."""
    if item.read <= floor:
        return item
    if floor < item.start:
        return WatchState(item.start, item.wanted, read=item.start)
    above = sum(one.moved.get(key, 0) for mark, one in memo.pending.items() if mark.height > floor)
    return replace(item, read=floor, moved=None if item.moved is None else item.moved - above)

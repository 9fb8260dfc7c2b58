"""Looking at the chain before reading it: whether what we read still stands, and how far to go back."""

from collections.abc import Iterable
from dataclasses import replace

from support_service.rails.bitcoin.cursor_state import CursorState, Pending, WatchState
from support_service.rails.bitcoin.node import Chain
from support_service.rails.chain.cursor_state import WatchKey
from support_service.rails.chain.reorg import Rewind, check_is_fork, check_one_chain, common_block, stands
from support_service.rails.chain.search import BlockRef
from support_service.rails.source import SourceDown


def is_moved(chain: Chain, cursor_state: CursorState, tip: BlockRef, last: BlockRef | None) -> bool:
    """Tell whether the block that we read last has left the chain; SourceDown where the node only lags behind us."""
    if last is None or tip == last:
        return False
    if tip.height < last.height:
        below = [block for block in cursor_state.blocks if block.height <= tip.height]
        below += [cursor_state.final] if cursor_state.final and cursor_state.final.height <= tip.height else []
        check_is_fork(chain.host, below, hashes(chain, below, tip.height), head=tip.height, last=last.height)
        return True
    return not stands(last, hashes(chain, [last], tip.height))


def hashes(chain: Chain, blocks: Iterable[BlockRef], head: int) -> dict[int, str | None]:
    """The hashes at the heights of some blocks, as the chain has them now; None above head.

    SourceDown where the node does not know one below it.
    """
    found: dict[int, str | None] = {}
    for height in sorted({block.height for block in blocks}):
        found[height] = chain.hash_at(height) if height <= head else None
        if found[height] is None and height <= head:
            raise SourceDown(f"{chain.host}: does not know block {height}, but has {head}; reading again")
    return found


def check_still_there(chain: Chain, blocks: Iterable[BlockRef], head: int) -> None:
    """See that blocks told about are on one chain still: they were read one after another."""
    known = list(blocks)
    check_one_chain(chain.host, known, hashes(chain, known, head))


def rewind(chain: Chain, cursor_state: CursorState, name: str, tip: BlockRef) -> Rewind[Pending, CursorState]:
    """Find how far to go back. MustFreeze where a block is gone that was final, which is one deep enough to count."""
    final = cursor_state.final
    now = hashes(chain, [*cursor_state.blocks, *([final] if final else []), *cursor_state.pending], tip.height)
    base = common_block(chain.host, name, cursor_state.blocks, now, final=final)
    gone = tuple(one for block, one in sorted(cursor_state.pending.items()) if not stands(block, now))
    floor = -1 if base is None else base.height
    kept = cursor_state.without_pending({one.block for one in gone})
    kept = replace(kept, blocks=tuple(block for block in kept.blocks if base and block.height <= base.height))
    back = {key: _rewound(cursor_state, key, item, floor) for key, item in cursor_state.watch_states.items()}
    return Rewind(base, gone, kept.with_watch_states(back))


def _rewound(cursor_state: CursorState, key: WatchKey, item: WatchState, floor: int) -> WatchState:
    """Take back what was read above a block. All money there is pending still, so its sums are known."""
    if item.read <= floor:
        return item
    if floor < item.start:
        return WatchState(item.start, item.wanted, read=item.start)
    above = sum(one.moved.get(key, 0) for block, one in cursor_state.pending.items() if block.height > floor)
    return replace(item, read=floor, moved=None if item.moved is None else item.moved - above)

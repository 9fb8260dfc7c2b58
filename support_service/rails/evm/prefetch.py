"""What an ordinary turn will ask, in one go; only for speed."""

from collections.abc import Mapping

from support_service.rails.chain.cursor_state import WatchKey
from support_service.rails.evm import range_reader, rpc_requests
from support_service.rails.evm.cursor_state import WatchState
from support_service.rails.evm.range_reader import Range, Watched
from support_service.rails.evm.reorg import ChainHead
from support_service.rails.evm.rpc import Call


def questions(
    watched: Watched, watch_states: Mapping[WatchKey, WatchState], seen: ChainHead
) -> tuple[list[Call[object]], bool]:
    """Questions about what became final and about the head; also whether something did become final.

    Nothing where the watches have not all come equally far: that is no ordinary turn.
    """
    finals = {item.final and item.final.height for item in watch_states.values()}
    bases = {item.base and item.base.height for item in watch_states.values()}
    if len(finals) != 1 or len(bases) != 1 or None in finals | bases:
        return [], False
    final, base = finals.pop() or 0, bases.pop() or 0
    keys, target, wanted = list(watch_states), seen.final_height, list[Call[object]]()
    is_later = target is not None and target > final
    if target is not None and is_later:
        wanted += [rpc_requests.header(target), *range_reader.questions(watched, keys, Range(final, target, target))]
    near = Range(max(base, final, -1 if target is None else target), seen.head.height, seen.head.block_hash)
    if near.high > near.low:
        wanted += range_reader.questions(watched, keys, near)
    return wanted, is_later

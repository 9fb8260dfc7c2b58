"""What an ordinary turn will ask, in one go; only for speed."""

from collections.abc import Sequence

from support_service.rails.evm import calls, passes
from support_service.rails.evm.memo import Progress, WatchKey
from support_service.rails.evm.passes import Range, Watched
from support_service.rails.evm.rpc import Call
from support_service.rails.evm.sight import Sight


def questions(
    watched: Watched, items: Sequence[tuple[WatchKey, Progress]], seen: Sight
) -> tuple[list[Call[object]], bool]:
    """Questions about what became final and about the head; also whether something did become final.

    Nothing where the watches have not all come equally far: that is no ordinary turn.
    """
    finals = {item.final and item.final.height for _, item in items}
    bases = {item.base and item.base.height for _, item in items}
    if len(finals) != 1 or len(bases) != 1 or None in finals | bases:
        return [], False
    final, base = finals.pop() or 0, bases.pop() or 0
    keys, target, wanted = [key for key, _ in items], seen.final_height, list[Call[object]]()
    is_later = target is not None and target > final
    if target is not None and is_later:
        wanted += [calls.header(target), *passes.questions(watched, keys, Range(final, target, target))]
    near = Range(max(base, final, -1 if target is None else target), seen.head.height, seen.head.block_hash)
    if near.high > near.low:
        wanted += passes.questions(watched, keys, near)
    return wanted, is_later

"""Blocks of which a transaction could not be read: the rest is booked, and they are read again until all is named."""

import json
from collections.abc import Iterable, Iterator, Sequence

from support_service.giving import SetAside
from support_service.rails.bitcoin.cursor_state import CursorState
from support_service.rails.bitcoin.movements import Block
from support_service.rails.bitcoin.source_context import SourceContext, ToldBlock
from support_service.rails.chain.search import BlockRef

# Blocks read again in one turn: on Bitcoin Core each is some megabytes.
AGAIN_MAX = 5


def note(
    context: SourceContext,
    blocks: Iterable[Block],
    told: Sequence[ToldBlock],
    cursor_state: CursorState,
) -> None:
    """Set aside the blocks of which something could not be read, with what the rest of them moved."""
    for block in blocks:
        if not block.unread:
            context.asides.solve(_name(block.height))
            continue
        block_ref = BlockRef(block.height, block.block_hash)
        held = cursor_state.pending.get(block_ref)
        moved = {key[0]: units for key, units in held.moved.items()} if held else {}
        told_here = [one.judged.block_movements for one in told if one.block is block]
        moved |= {one.watch.address: one.units for one in told_here}
        held_memo = {
            "height": block_ref.height,
            "hash": block_ref.block_hash,
            "moved": {a: str(u) for a, u in moved.items()},
        }
        context.asides.note(_name(block.height), reason([block]), json.dumps(held_memo))


def reason(blocks: Iterable[Block]) -> str:
    """Say what of some blocks cannot be read."""
    return "; ".join(why for block in blocks for why in block.unread)


def has_blocks(context: SourceContext) -> bool:
    """Tell whether something of a block is set aside."""
    return any(item.memo for item in context.asides.items)


def due(context: SourceContext) -> Iterator[tuple[SetAside, BlockRef, dict[str, int]]]:
    """What is to be read again now: its block, and what was booked of it, by address."""
    for item in [one for one in context.asides.due() if one.memo][:AGAIN_MAX]:
        held = json.loads(item.memo)
        moved = {address: int(units) for address, units in held["moved"].items()}
        yield item, BlockRef(held["height"], held["hash"]), moved


def _name(height: int) -> str:
    return f"block {height}"

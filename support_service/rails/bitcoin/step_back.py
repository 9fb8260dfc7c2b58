"""Going on after a freeze: a person said that the chain is what it is now, so step back to what is common.

The step ends at the highest block with known hash that the chain still has: one we read, or one in
which the ledger holds money. All money above it that stands in blocks of the lost branch is
orphaned, and the next turn reads everything from there again.
"""

import logging
from collections.abc import Iterable
from dataclasses import replace

from support_service.giving import Cursor, MoneyBlock, Report
from support_service.rails.bitcoin import cursor_state, reorg
from support_service.rails.bitcoin.cursor_state import CursorState, WatchState
from support_service.rails.bitcoin.node import Chain
from support_service.rails.bitcoin.report_builder import BitcoinReportBuilder
from support_service.rails.bitcoin.source_context import SourceContext
from support_service.rails.chain import cursor_state as codec
from support_service.rails.chain.reorg import has_left, orphan_money, stands
from support_service.rails.chain.search import BlockRef, highest_canonical

log = logging.getLogger(__name__)


def step_back(context: SourceContext, chain: Chain, after: Cursor, blocks: Iterable[MoneyBlock]) -> Report | None:
    """Report the step back; None where the final block is still there: then the nodes were mended, and we go on.

    Raises SourceDown and SourceLied.
    """
    held, booked = cursor_state.read(after), list(blocks)
    chain.forget()
    tip = chain.tip()
    known = {*held.blocks, *([held.final] if held.final else []), *held.pending}
    known |= {BlockRef(money.height, money.block_hash) for money in booked}
    now = reorg.hashes(chain, known, tip.height)
    if held.final is None or not has_left(chain.host, held.final, now):
        return None
    base = highest_canonical(known, now)
    builder = BitcoinReportBuilder(context.network.name)
    orphan_money(builder, booked, now)
    log.warning("stepped_back", extra={"source": context.name, "height": base and base.height})
    floor = -1 if base is None else base.height
    state = CursorState(
        final=base,
        # Not confirmed yet though deep enough for others: rewards and large amounts.
        pending={m: one for m, one in held.pending.items() if m.height <= floor and stands(m, now)},
        watch_states={key: _watch_state_at(item, floor) for key, item in held.watch_states.items()},
        waiting=held.waiting,
    )
    return builder.report(context.name, after.step + 1, block=base, memo=codec.write(state), at=context.clock())


def _watch_state_at(item: WatchState, floor: int) -> WatchState:
    """How far a watch has come at the common block; before its opening it begins anew."""
    if floor <= item.start or not item.is_open:
        return WatchState(item.start, item.wanted, read=item.start)
    # What moved up to there is not known here any more; it follows from the balance where a node tells it.
    return item if item.read <= floor else replace(item, read=floor, moved=None)

"""Going on after a freeze: a person said that the chain is what it is now, so step back below finality.

The step ends at the highest block with known hash that the chain still has: one we read, or one in
which the ledger holds money. All money above it that stands in blocks of the lost branch is
orphaned, and the next turn reads everything from there again.
"""

import logging
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Protocol

from support_service.giving import Cursor, MoneyBlock, Report, State
from support_service.rails.chain import cursor_state as codec
from support_service.rails.chain.cursor_state import WatchKey
from support_service.rails.chain.reorg import has_left, orphan_money
from support_service.rails.chain.search import BlockRef, highest_canonical
from support_service.rails.evm import cursor_state, native_coin, reorg, rpc_requests
from support_service.rails.evm.cursor_state import BalanceAt, CursorState, WatchState
from support_service.rails.evm.report_builder import EvmReportBuilder
from support_service.rails.evm.rpc_cache import RpcCache
from support_service.rails.evm.rpc_errors import NoState
from support_service.rails.evm.source_context import SourceContext


class WatchStateAt(Protocol):
    """Tells how far a watch has come at a block."""

    def __call__(
        self, cache: RpcCache, context: SourceContext, key: WatchKey, item: WatchState, *, base: BlockRef | None
    ) -> WatchState:
        """Read its state at the block `base`; None stands for the chain's beginning."""
        ...


log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Place:
    """The common block, and every known hash as the chain has it now."""

    base: BlockRef | None
    now: dict[int, str | None]


@dataclass(frozen=True, slots=True)
class StepBack:
    """A step back that is not written yet: what the report says so far, and where the cursor stands after it."""

    builder: EvmReportBuilder
    state: CursorState

    def report(self, context: SourceContext, after: Cursor, *, remembered: str) -> Report:
        """Write it, with all that the next turn is to remember."""
        return self.builder.report(
            context.name, after.step + 1, block=self.state.final, memo=remembered, at=context.clock()
        )


def step_back(context: SourceContext, cache: RpcCache, after: Cursor, blocks: Iterable[MoneyBlock]) -> Report | None:
    """Report the step back.

    Where the final block is still there, the nodes were mended and we go on: with a report where a
    balance that was read is another one now, else with None.

    Raises SourceDown, SourceLied and Refusal, also where a node keeps no state of the common block.
    """
    held = cursor_state.read(after)
    found = find_step_back(context, cache, held, blocks, watch_state_at=_watch_state_at)
    return (
        found.report(context, after, remembered=codec.write(found.state)) if found else _rebased(context, cache, after)
    )


def find_step_back(
    context: SourceContext,
    cache: RpcCache,
    held: CursorState,
    blocks: Iterable[MoneyBlock],
    *,
    watch_state_at: WatchStateAt,
) -> StepBack | None:
    """Find the step back to the last common block; None where the final block is still there.

    watch_state_at tells how far a watch has come at the common block. Raises as it does, SourceDown and SourceLied.
    """
    booked = list(blocks)
    cache.fetch([rpc_requests.chain_id(), rpc_requests.tip("latest")])
    reorg.check_chain(cache, context.network)
    place = _place(cache, held, booked)
    if held.final is None or not has_left(cache.node.host, held.final, place.now):
        return None
    builder = EvmReportBuilder(context.network.name, State.SEEN)
    orphan_money(builder, booked, place.now)
    log.warning("stepped_back", extra={"source": context.name, "height": place.base and place.base.height})
    held_there = {
        key: watch_state_at(cache, context, key, item, base=place.base) for key, item in held.watch_states.items()
    }
    return StepBack(builder, CursorState(final=place.base, watch_states=held_there))


def _rebased(context: SourceContext, cache: RpcCache, after: Cursor) -> Report | None:
    """Where the blocks are those that were read: take balances as they are told now, if they were told otherwise.

    What was booked by the wrong ones is for `rescan` to mend; None where nothing differs.
    """
    held = cursor_state.read(after)
    mended = {key: _mended(cache, context, key, item) for key, item in held.watch_states.items()}
    changed = {key: item for key, item in mended.items() if item != held.watch_states[key]}
    if not changed or after.height is None or after.block_hash is None:
        return None
    for address, asset in sorted(changed):
        log.warning("balance_taken_anew", extra={"source": context.name, "asset": asset, "address": address})
    block, remembered = BlockRef(after.height, after.block_hash), codec.write(held.with_watch_states(changed))
    builder = EvmReportBuilder(context.network.name, State.SEEN)
    return builder.report(context.name, after.step + 1, block=block, memo=remembered, at=context.clock())


def _mended(cache: RpcCache, context: SourceContext, key: WatchKey, item: WatchState) -> WatchState:
    watch, final = context.watched.all.get(key), item.final
    if watch is None or final is None or item.is_unproven:
        return item
    try:
        if watch.asset.contract and item.proof is not None:
            # From the proof on logs alone were read: what they told stays.
            proven = cache.get(rpc_requests.token_balance(watch.asset.contract, watch.address, item.proof))
            balance_at = BalanceAt(final.height, proven + sum(units for _, units in item.booked))
        else:
            balance_at = native_coin.balance_at(final.height, native_coin.account(cache, watch.address, final.height))
    except NoState:
        return item
    return item if balance_at == final else replace(item, final=balance_at, head=None, known=())


def _place(cache: RpcCache, held: CursorState, booked: list[MoneyBlock]) -> _Place:
    known = [*held.blocks, *([held.final] if held.final else []), *(pending.block for pending in held.pending)]
    known += [BlockRef(money.height, money.block_hash) for money in booked]
    now = reorg.hashes(cache, known)
    return _Place(highest_canonical(known, now), now)


def _watch_state_at(
    cache: RpcCache, context: SourceContext, key: WatchKey, item: WatchState, *, base: BlockRef | None
) -> WatchState:
    """How far a watch has come at the common block; before its opening it begins anew."""
    watch = context.watched.all.get(key)
    if base is None or watch is None or base.height <= item.start:
        return WatchState(item.start, wanted=item.wanted)
    if watch.asset.contract:
        units = cache.get(rpc_requests.token_balance(watch.asset.contract, watch.address, base.block_hash))
        return WatchState(item.start, wanted=item.wanted, final=BalanceAt(base.height, units), proof=base.height)
    account = native_coin.account(cache, watch.address, base.block_hash)
    fresh = WatchState(item.start, wanted=item.wanted, final=native_coin.balance_at(base.height, account))
    return replace(fresh, has_code=item.has_code)

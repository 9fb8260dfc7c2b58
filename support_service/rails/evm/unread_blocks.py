"""Blocks of which something could not be read: booked as far as balances prove, and read again until all is named."""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from support_service.giving import State
from support_service.rails.chain.cursor_state import key_of
from support_service.rails.chain.search import Span
from support_service.rails.evm import native_coin, rpc_requests, tokens
from support_service.rails.evm.cursor_state import CursorState
from support_service.rails.evm.movements import BlockMovements, net
from support_service.rails.evm.report_builder import EvmReportBuilder
from support_service.rails.evm.rpc_cache import RpcCache
from support_service.rails.evm.rpc_errors import Refusal, UnreadableItem
from support_service.rails.evm.source_context import SourceContext
from support_service.rails.source import SourceDown

# Blocks read again in one turn: each costs a few questions.
AGAIN_MAX = 20
NEWEST = "the newest blocks"


@contextmanager
def near_head(context: SourceContext, cache: RpcCache) -> Iterator[None]:
    """Read what is not final: what is unreadable there is mostly late: it is waited for, not for ever."""
    tolerant, is_known = cache.goes_on, any(item.key == NEWEST for item in context.asides.due())
    cache.goes_on = tolerant and is_known
    try:
        yield
    except UnreadableItem as error:
        if tolerant:
            context.asides.note(NEWEST, str(error))
        raise
    else:
        context.asides.solve(NEWEST)
    finally:
        cache.goes_on = tolerant


def note(context: SourceContext, movements_by_block: Iterable[BlockMovements], *, is_final: bool) -> None:
    """Set aside the blocks of which something could not be read, and drop those that are whole now.

    What is not final yet is read again anyway; only a block whose proven change is known can be stated anew.
    """
    for block_movements in movements_by_block:
        if not block_movements.unread:
            context.asides.solve(_name(block_movements))
            continue
        can_mend = is_final and block_movements.delta_units is not None
        context.asides.note(
            _name(block_movements), "; ".join(block_movements.unread), _memo(block_movements) if can_mend else ""
        )


def mended(cache: RpcCache, context: SourceContext, cursor_state: CursorState) -> EvmReportBuilder:
    """Read again what is due, and state the blocks anew that are whole now."""
    builder = EvmReportBuilder(context.network.name, State.CONFIRMED)
    for item in [one for one in context.asides.due() if one.memo][:AGAIN_MAX]:
        try:
            block_movements = _again(cache, context, cursor_state, json.loads(item.memo))
        except (Refusal, SourceDown) as error:
            context.asides.note(item.key, str(error))
            continue
        if block_movements is None:
            # The chain has another block there now, and what it does was stated with it.
            context.asides.solve(item.key)
        elif block_movements.unread:
            note(context, [block_movements], is_final=True)
        else:
            builder.add([block_movements])
            context.asides.solve(item.key)
    return builder


def _again(
    cache: RpcCache, context: SourceContext, cursor_state: CursorState, held: dict[str, Any]
) -> BlockMovements | None:
    key, height, delta = (held["address"], held["asset"]), held["height"], int(held["delta"])
    watch, watch_state = context.watched.all.get(key), cursor_state.watch_states.get(key)
    if watch is None or watch_state is None or watch_state.final is None or watch_state.final.height < height:
        raise SourceDown("is not watched as final now")
    header = cache.get(rpc_requests.header(height))
    if header is None or header.block_hash != held["hash"]:
        return None
    if watch.asset.contract:
        (block_movements,) = tokens.movements_by_block(cache, [tokens.Touch(watch, height)], [], context.watched.own)
    else:
        # A proven change is all that is needed of the balances, which a node may not keep any more.
        change = Span(key[0], height - 1, height, native_coin.AccountState(0, 0), native_coin.AccountState(delta, 0))
        (block_movements,) = native_coin.movements_by_block(cache, [change], context.watched.native, is_near_head=False)
    if net(block_movements.movements) != delta or block_movements.delta_units != delta:
        raise SourceDown("its balances are not told any more, so that nothing proves what it did")
    return block_movements


def _name(block_movements: BlockMovements) -> str:
    watch = block_movements.watch
    return f"{watch.asset.code} in block {block_movements.header.height} at {watch.address}"


def _memo(block_movements: BlockMovements) -> str:
    address, asset = key_of(block_movements.watch)
    held = {
        "address": address,
        "asset": asset,
        "height": block_movements.header.height,
        "hash": block_movements.header.block_hash,
    }
    return json.dumps({**held, "delta": str(block_movements.delta_units)})

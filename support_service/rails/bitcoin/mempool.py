"""Transactions that wait for a block: told as seen, and as replaced when they are gone.

Only Esplora tells of them. One that pays us less, or somebody else, takes the place of another: the
other is gone then, and nothing of it may stay.
"""

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from dataclasses import replace

from support_service.giving import Direction, State
from support_service.rails.bitcoin import conflicts
from support_service.rails.bitcoin.cursor_state import CursorState, Waiting
from support_service.rails.bitcoin.movements import Movement, Transaction, movements
from support_service.rails.bitcoin.node import Chain
from support_service.rails.bitcoin.report_builder import BitcoinReportBuilder
from support_service.rails.bitcoin.source_context import SourceContext
from support_service.rails.chain.cursor_state import WatchKey

# A flood of dust is not asked about one by one, all at once.
GONE_ASKED_MAX = 20


def told(
    context: SourceContext,
    chain: Chain,
    cursor_state: CursorState,
    builder: BitcoinReportBuilder,
    *,
    in_blocks: AbstractSet[str],
    height: int,
) -> CursorState:
    """Say what waits for a block now, and what waited and is gone; in_blocks are the transactions just told of.

    height is that of the chain's head.
    """
    for key in context.watches:
        transactions = chain.waiting(context.script(key))
        rows, gone = _of_watch(
            context, chain, key, builder, cursor_state=cursor_state, transactions=transactions, in_blocks=in_blocks
        )
        cursor_state = replace(cursor_state, waiting={**cursor_state.waiting, key: rows})
        cursor_state = _remembered(context, conflicts.forgotten(cursor_state, gone, height), key, transactions or ())
    return replace(cursor_state, waiting={key: rows for key, rows in cursor_state.waiting.items() if rows})


def _remembered(
    context: SourceContext, cursor_state: CursorState, key: WatchKey, transactions: Iterable[Transaction]
) -> CursorState:
    """Remember what waits with its coins: another payment may take them."""
    since = {one.movement.txid: one.since for one in cursor_state.waiting.get(key, ())}
    for told in transactions:
        if told.txid in since:
            gifts = [
                movement
                for movement in movements(told, context.own).get(key[0], [])
                if movement.direction is Direction.IN
            ]
            cursor_state = conflicts.noted(cursor_state, told, key, gifts, at=since[told.txid], height=None)
    return cursor_state


def _of_watch(
    context: SourceContext,
    chain: Chain,
    key: WatchKey,
    builder: BitcoinReportBuilder,
    *,
    cursor_state: CursorState,
    transactions: list[Transaction] | None,
    in_blocks: AbstractSet[str],
) -> tuple[tuple[Waiting, ...], list[str]]:
    watch = context.watches[key]
    held = {(one.movement.direction, one.movement.locator): one for one in cursor_state.waiting.get(key, ())}
    now = _now(context, key, transactions)
    silent = [one for place, one in held.items() if one.movement.txid not in in_blocks and place not in (now or {})]
    asked = list(dict.fromkeys(one.movement.txid for one in silent))[:GONE_ASKED_MAX] if now is not None else []
    # The server lists a few at a time, and a block may have come meanwhile: it must say that it knows it no more.
    gone = [txid for txid in asked if chain.is_gone(txid)]
    # Those asked about go to the end, so that all of them have their turn.
    kept = sorted((one for one in silent if one.movement.txid not in gone), key=lambda one: one.movement.txid in asked)
    for one in silent:
        if one.movement.txid in gone:
            builder.wait(watch, one, State.REPLACED)
    for place, movement in (now or {}).items():
        if movement.txid in in_blocks:
            continue
        known = held.get(place)
        if known is None or known.movement != movement:
            known = Waiting(movement, context.clock() if known is None else known.since)
            builder.wait(watch, known, State.SEEN)
        kept.append(known)
    return tuple(kept), gone


def _now(
    context: SourceContext, key: WatchKey, transactions: list[Transaction] | None
) -> dict[tuple[Direction, str], Movement] | None:
    """What waits now for one address, by direction and locator; None where the node does not tell."""
    if transactions is None:
        return None
    own = context.own
    found = [movement for transaction in transactions for movement in movements(transaction, own).get(key[0], [])]
    return {(movement.direction, movement.locator): movement for movement in found}

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
from support_service.rails.bitcoin.movements import Movement, Transaction, moves
from support_service.rails.bitcoin.node import Chain
from support_service.rails.bitcoin.report_builder import BitcoinReportBuilder
from support_service.rails.bitcoin.source_context import SourceContext
from support_service.rails.chain.cursor_state import WatchKey

# A flood of dust is not asked about one by one, all at once.
GONE_ASKED_MAX = 20


def told(
    context: SourceContext,
    chain: Chain,
    memo: CursorState,
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
        rows, gone = _of_watch(context, chain, key, builder, memo=memo, transactions=transactions, in_blocks=in_blocks)
        memo = replace(memo, waiting={**memo.waiting, key: rows})
        memo = _remembered(context, conflicts.forgotten(memo, gone, height), key, transactions or ())
    return replace(memo, waiting={key: rows for key, rows in memo.waiting.items() if rows})


def _remembered(
    context: SourceContext, memo: CursorState, key: WatchKey, transactions: Iterable[Transaction]
) -> CursorState:
    """Remember what waits with its coins: another payment may take them."""
    since = {one.move.txid: one.since for one in memo.waiting.get(key, ())}
    for told in transactions:
        if told.txid in since:
            gifts = [move for move in moves(told, context.own).get(key[0], []) if move.direction is Direction.IN]
            memo = conflicts.noted(memo, told, [(key, move) for move in gifts], since[told.txid], height=None)
    return memo


def _of_watch(
    context: SourceContext,
    chain: Chain,
    key: WatchKey,
    builder: BitcoinReportBuilder,
    *,
    memo: CursorState,
    transactions: list[Transaction] | None,
    in_blocks: AbstractSet[str],
) -> tuple[tuple[Waiting, ...], list[str]]:
    watch = context.watches[key]
    held = {(one.move.direction, one.move.locator): one for one in memo.waiting.get(key, ())}
    now = _now(context, key, transactions)
    silent = [one for place, one in held.items() if one.move.txid not in in_blocks and place not in (now or {})]
    asked = list(dict.fromkeys(one.move.txid for one in silent))[:GONE_ASKED_MAX] if now is not None else []
    # The server lists a few at a time, and a block may have come meanwhile: it must say that it knows it no more.
    gone = [txid for txid in asked if chain.is_gone(txid)]
    # Those asked about go to the end, so that all of them have their turn.
    kept = sorted((one for one in silent if one.move.txid not in gone), key=lambda one: one.move.txid in asked)
    for one in silent:
        if one.move.txid in gone:
            builder.wait(watch, one, State.REPLACED)
    for place, move in (now or {}).items():
        if move.txid in in_blocks:
            continue
        known = held.get(place)
        if known is None or known.move != move:
            known = Waiting(move, context.clock() if known is None else known.since)
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
    found = [move for transaction in transactions for move in moves(transaction, own).get(key[0], [])]
    return {(move.direction, move.locator): move for move in found}

"""Payments that were lost because another took their coins: the two are linked, for whoever looks into it.

A payment that may still be undone is remembered with some of its coins. Once neither a block nor the pool
has it, whoever spends one of them in a block is named beside it. It moves no money: what was lost is
orphaned or replaced with or without it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from support_service.giving import State, Watch
from support_service.rails.bitcoin.cursor_state import CursorState, Recent, Waiting
from support_service.rails.bitcoin.movements import Movement, Transaction
from support_service.rails.bitcoin.node import Chain
from support_service.rails.bitcoin.report_builder import BitcoinReportBuilder, TakenCoin
from support_service.rails.chain.cursor_state import WatchKey
from support_service.rails.source import SourceError

# Enough for honest traffic; of a flood of dust most payments are left unlinked.
TRANSACTIONS_MAX, ROWS_MAX, OUTPOINTS_MAX = 50, 4, 4


def noted(
    cursor_state: CursorState,
    told: Transaction,
    key: WatchKey,
    gifts: Iterable[Movement],
    *,
    at: datetime,
    height: int | None,
) -> CursorState:
    """Remember a transaction that may still be undone, with what it gave to a watch; one that is here is not lost."""
    known = cursor_state.recent.get(told.txid)
    before = {} if known is None or known.height != height else {(key, row.movement): row for key, row in known.rows}
    now = {(key, movement): before.get((key, movement), Waiting(movement, at)) for movement in gifts}
    kept = tuple((key, row) for (key, _), row in (before | now).items())[:ROWS_MAX]
    others = {txid: one for txid, one in cursor_state.recent.items() if txid != told.txid}
    if not kept or told.is_coinbase or len(others) >= TRANSACTIONS_MAX:
        return replace(cursor_state, recent=others)
    outpoints = tuple(one.outpoint for one in told.inputs[:OUTPOINTS_MAX])
    return replace(cursor_state, recent={**others, told.txid: Recent(height, None, outpoints, kept)})


def undone(cursor_state: CursorState, above: int) -> CursorState:
    """Mark what stood in blocks above a height as lost, until it is met again."""
    marked = {
        txid: replace(one, lost_at=one.height) for txid, one in cursor_state.recent.items() if (one.height or 0) > above
    }
    return replace(cursor_state, recent={**cursor_state.recent, **marked})


def forgotten(cursor_state: CursorState, txids: Iterable[str], height: int) -> CursorState:
    """Mark what the pool knows no more as lost, at the height that the chain has then."""
    marked = {txid: replace(cursor_state.recent[txid], lost_at=height) for txid in txids if txid in cursor_state.recent}
    return replace(cursor_state, recent={**cursor_state.recent, **marked})


def settled(cursor_state: CursorState, deep: int) -> CursorState:
    """Forget what can be undone no more, what was lost long ago, and what waits no more."""
    waits = {one.movement.txid for rows in cursor_state.waiting.values() for one in rows}
    kept = {txid: one for txid, one in cursor_state.recent.items() if _is_recent(one, deep, waits=txid in waits)}
    return replace(cursor_state, recent=kept)


def _is_recent(one: Recent, deep: int, *, waits: bool) -> bool:
    at = one.height if one.lost_at is None else one.lost_at
    return waits if at is None else at > deep


def linked(
    chain: Chain, cursor_state: CursorState, watches: Mapping[WatchKey, Watch], builder: BitcoinReportBuilder
) -> CursorState:
    """Name who took the coins of what was lost. A node that cannot tell stops nothing."""
    recent = dict(cursor_state.recent)
    for txid, one in cursor_state.recent.items():
        taken = _taken(chain, one, txid) if one.lost_at is not None else None
        if taken is None:
            continue
        for key, row in one.rows:
            if key in watches:
                builder.link(watches[key], row, State.REPLACED if one.height is None else State.ORPHANED, taken)
        del recent[txid]
    return replace(cursor_state, recent=recent)


def _taken(chain: Chain, one: Recent, txid: str) -> TakenCoin | None:
    try:
        takers = {coin: chain.spender(coin) for coin in one.outpoints}
    except SourceError:
        return None
    return next((TakenCoin(coin, taker) for coin, taker in takers.items() if taker is not None and taker != txid), None)

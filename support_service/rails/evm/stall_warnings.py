"""What people should hear of though all was read: finality or head that stands still, balances nobody keeps."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from support_service.giving import SourceWarning, WarningKind
from support_service.rails.evm.cursor_state import CursorState, Finality, Newest, Scanned
from support_service.rails.evm.reorg import ChainHead

# Finality that stands still for longer, while the head goes on, is told loudly; nothing is confirmed by depth instead.
FINALITY_STILL_MAX = timedelta(minutes=30)
# A head that stands still for longer, and for so many polls: the chain has stopped, or the node has.
HEAD_STILL_MIN = timedelta(minutes=5)
HEAD_STILL_POLLS = 20
# How long health says that blocks had to be read one by one.
SCANNED_TOLD = timedelta(hours=1)


def noted(cursor_state: CursorState, seen: ChainHead, now: datetime) -> CursorState:
    """Remember since when head and finality are what they are."""
    height, finality, newest = _final_height(seen), cursor_state.finality, cursor_state.newest
    if finality is None or finality.height != height:
        cursor_state = replace(cursor_state, finality=Finality(height, now, seen.head.height))
    if newest is None or newest.block != seen.head:
        cursor_state = replace(cursor_state, newest=Newest(seen.head, now))
    return cursor_state


def told(cursor_state: CursorState, seen: ChainHead, now: datetime, *, poll_seconds: float) -> Iterator[SourceWarning]:
    """Say what is wrong with what was noted."""
    most = max(HEAD_STILL_MIN, HEAD_STILL_POLLS * timedelta(seconds=poll_seconds))
    if of_head := _of_head(cursor_state, seen, now, most):
        yield SourceWarning(WarningKind.LATE, of_head)
    if of_finality := _of_finality(cursor_state, seen, now):
        yield SourceWarning(WarningKind.UNFINAL, of_finality)
    if of_scan := _of_scan(cursor_state, now):
        yield SourceWarning(WarningKind.DEGRADED, of_scan)


def scanned(cursor_state: CursorState, blocks: tuple[int, int], now: datetime) -> CursorState:
    """Remember that these blocks were read one by one, beside those of which people still hear."""
    first, last = blocks
    held = cursor_state.scanned
    if held is not None and now - held.at <= SCANNED_TOLD:
        first, last = min(first, held.first), max(last, held.last)
    return replace(cursor_state, scanned=Scanned(first, last, now))


def _of_head(cursor_state: CursorState, seen: ChainHead, now: datetime, most: timedelta) -> str:
    if cursor_state.newest is not None and now - cursor_state.newest.since > most:
        return f"no new block since {_shown(cursor_state.newest.since)} (block {seen.head.height}): is the node stuck?"
    if now - seen.head_at > most:
        # It may come nearer with every block: a node that is still catching up, or one that lost its peers.
        return f"the node's newest block is of {_shown(seen.head_at)} (block {seen.head.height}): is it stuck?"
    return ""


def _of_finality(cursor_state: CursorState, seen: ChainHead, now: datetime) -> str:
    held = cursor_state.finality
    if held is None or now - held.since <= FINALITY_STILL_MAX or seen.head.height <= held.head:
        return ""
    return f"nothing has become final since {_shown(held.since)} (block {_final_height(seen)}) while the chain goes on"


def _of_scan(cursor_state: CursorState, now: datetime) -> str:
    """Say that balances of some blocks could not be asked for, for a while."""
    scanned = cursor_state.scanned
    if scanned is None or now - scanned.at > SCANNED_TOLD:
        return ""
    return (
        f"no node keeps the balances of blocks {scanned.first} to {scanned.last}: they were read one by one,"
        " and what they do not explain is booked as unexplained; an archive node in `rpc` would name it"
    )


def _final_height(seen: ChainHead) -> int:
    return -1 if seen.final_height is None else seen.final_height


def _shown(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"

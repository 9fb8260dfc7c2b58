"""What people should hear of though all was read: finality or head that stands still, balances nobody keeps."""

from dataclasses import replace
from datetime import datetime, timedelta

from support_service.rails.evm.cursor_state import CursorState, Finality, Newest, Scanned
from support_service.rails.evm.reorg import ChainHead

# Finality that stands still for longer, while the head goes on, is told loudly; nothing is confirmed by depth instead.
FINALITY_STILL_MAX = timedelta(minutes=30)
# A head that stands still for longer, and for so many polls: the chain has stopped, or the node has.
HEAD_STILL_MIN = timedelta(minutes=5)
HEAD_STILL_POLLS = 20
# How long health says that blocks had to be read one by one.
SCANNED_TOLD = timedelta(hours=1)


def noted(memo: CursorState, seen: ChainHead, now: datetime, *, poll_seconds: float) -> tuple[CursorState, str]:
    """Remember since when head and finality are what they are; also what is wrong with that, "" if nothing."""
    memo, of_finality = _finality(memo, seen, now)
    memo, of_head = _head(memo, seen, now, max(HEAD_STILL_MIN, HEAD_STILL_POLLS * timedelta(seconds=poll_seconds)))
    return memo, "; ".join(text for text in (of_head, of_finality) if text)


def told_of_scan(memo: CursorState, now: datetime) -> str:
    """Say that balances of some blocks could not be asked for, for a while; "" if it was not so."""
    scanned = memo.scanned
    if scanned is None or now - scanned.at > SCANNED_TOLD:
        return ""
    return (
        f"no node keeps the balances of blocks {scanned.first} to {scanned.last}: they were read one by one,"
        " and what they do not explain is booked as unexplained; an archive node in `rpc` would name it"
    )


def scanned(memo: CursorState, blocks: tuple[int, int], now: datetime) -> CursorState:
    """Remember that these blocks were read one by one, beside those of which people still hear."""
    first, last = blocks
    held = memo.scanned
    if held is not None and now - held.at <= SCANNED_TOLD:
        first, last = min(first, held.first), max(last, held.last)
    return replace(memo, scanned=Scanned(first, last, now))


def _finality(memo: CursorState, seen: ChainHead, now: datetime) -> tuple[CursorState, str]:
    height, held = -1 if seen.final_height is None else seen.final_height, memo.finality
    if held is None or held.height != height:
        return replace(memo, finality=Finality(height, now, seen.head.height)), ""
    if now - held.since > FINALITY_STILL_MAX and seen.head.height > held.head:
        return memo, f"nothing has become final since {_shown(held.since)} (block {height}) while the chain goes on"
    return memo, ""


def _head(memo: CursorState, seen: ChainHead, now: datetime, most: timedelta) -> tuple[CursorState, str]:
    held = memo.newest
    if held is None or held.mark != seen.head:
        memo, held = replace(memo, newest=Newest(seen.head, now)), None
    if held is not None and now - held.since > most:
        return memo, f"no new block since {_shown(held.since)} (block {seen.head.height}): is the node stuck?"
    if now - seen.head_at > most:
        # It may come nearer with every block: a node that is still catching up, or one that lost its peers.
        return memo, f"the node's newest block is of {_shown(seen.head_at)} (block {seen.head.height}): is it stuck?"
    return memo, ""


def _shown(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"

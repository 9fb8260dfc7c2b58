"""What the source keeps in its cursor beside height and hash, as JSON. Pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, TypeAlias

from support_service.giving import Cursor, Direction, Kind, Watch
from support_service.rails.bitcoin.coins import Coins, Held
from support_service.rails.bitcoin.movements import Coin, Movement, Outpoint
from support_service.rails.chain.search import BlockRef

MEMO_VERSION = 1

# (address, asset code) of a watch of this network.
WatchKey: TypeAlias = tuple[str, str]


@dataclass(frozen=True, slots=True)
class WatchState:
    """How far one watch has come.

    start is the block at whose end the opening balance stands: credits count from the next block on.
    moved is the sum of all since; opening what lay there before. Each is None where it is not known.
    is_open tells that the opening was looked for, and found unless it is None.
    """

    start: int
    wanted: int | None
    read: int
    moved: int | None = 0
    opening: int | None = None
    is_open: bool = False


@dataclass(frozen=True, slots=True)
class Pending:
    """A block that was stated with money not confirmed yet: what it moved, by watch.

    due is the height at which the next of it is confirmed.
    """

    mark: BlockRef
    due: int
    moved: Mapping[WatchKey, int]


@dataclass(frozen=True, slots=True)
class Waiting:
    """A row of a transaction without a block, and when it was first seen."""

    move: Movement
    since: datetime


@dataclass(frozen=True, slots=True)
class Recent:
    """A transaction that may still be undone: what it did to us, and some of the coins that it spends.

    height is its block's, None where it only waited; lost_at is the height at which neither block nor pool had it
    any more, None while one has.
    """

    rows: tuple[tuple[WatchKey, Waiting], ...]
    outpoints: tuple[Outpoint, ...]
    height: int | None
    lost_at: int | None = None


@dataclass(frozen=True, slots=True)
class CursorState:
    """All the source remembers. final is the highest block that is deep enough; it may not change any more."""

    final: BlockRef | None = None
    marks: tuple[BlockRef, ...] = ()
    pending: Mapping[BlockRef, Pending] = field(default_factory=dict)
    progress: Mapping[WatchKey, WatchState] = field(default_factory=dict)
    waiting: Mapping[WatchKey, tuple[Waiting, ...]] = field(default_factory=dict)
    coins: Coins = field(default_factory=Coins)
    recent: Mapping[str, Recent] = field(default_factory=dict)

    @property
    def lost_coins(self) -> dict[Outpoint, str]:
        """The coins of what was lost, and by which transaction they were spent before: another may take them."""
        return {
            outpoint: txid for txid, one in self.recent.items() if one.lost_at is not None for outpoint in one.outpoints
        }

    def with_progress(self, changed: Mapping[WatchKey, WatchState]) -> "CursorState":
        """Replace the progress of some watches."""
        return replace(self, progress={**self.progress, **changed})

    def with_pending(self, mark: BlockRef, due: int, moved: Mapping[WatchKey, int]) -> "CursorState":
        """Remember that a block holds money that is not confirmed yet, for these watches too."""
        held = self.pending.get(mark, Pending(mark, due, {}))
        told = Pending(mark, min(due, held.due), {**held.moved, **moved})
        return replace(self, pending={**self.pending, mark: told})

    def without_pending(self, marks: set[BlockRef]) -> "CursorState":
        """Forget blocks that are settled or gone."""
        return replace(self, pending={mark: one for mark, one in self.pending.items() if mark not in marks})


def key_of(watch: Watch) -> WatchKey:
    """Name a watch within its network."""
    return (watch.address, watch.asset.code)


def write(memo: CursorState) -> str:
    """Write the memo as compact JSON; units as text, for other readers of JSON would round them."""
    return json.dumps(
        {
            "v": MEMO_VERSION,
            "final": _mark(memo.final) if memo.final else None,
            "marks": [_mark(mark) for mark in memo.marks],
            "pending": [
                [*_mark(one.mark), one.due, [[*key, str(units)] for key, units in sorted(one.moved.items())]]
                for _, one in sorted(memo.pending.items())
            ],
            "watches": [[*key, *_progress(item)] for key, item in sorted(memo.progress.items())],
            "waiting": [[*key, *_waiting(one)] for key, rows in sorted(memo.waiting.items()) for one in rows],
            "coins": _coins(memo.coins),
            "recent": [
                [txid, one.height, one.lost_at, list(one.outpoints), [[*key, *_waiting(row)] for key, row in one.rows]]
                for txid, one in memo.recent.items()
            ],
        },
        separators=(",", ":"),
    )


def read(cursor: Cursor | None) -> CursorState:
    """Read the memo of a cursor; an absent cursor remembers nothing. What we wrote ourselves is trusted."""
    told: dict[str, Any] = json.loads(cursor.memo) if cursor is not None else {}
    if not told:
        return CursorState()
    if told["v"] != MEMO_VERSION:
        raise ValueError(f"the cursor was written by another version ({told['v']}); this one reads {MEMO_VERSION}")
    pending = {
        BlockRef(height, digest): Pending(
            BlockRef(height, digest), due, {(a, code): int(units) for a, code, units in moved}
        )
        for height, digest, due, moved in told["pending"]
    }
    waiting: dict[WatchKey, tuple[Waiting, ...]] = {}
    for address, code, *row in told["waiting"]:
        waiting[address, code] = (*waiting.get((address, code), ()), _read_waiting(row))
    return CursorState(
        final=BlockRef(*told["final"]) if told["final"] else None,
        marks=tuple(BlockRef(*item) for item in told["marks"]),
        pending=pending,
        progress={(address, code): _read_progress(row) for address, code, *row in told["watches"]},
        waiting=waiting,
        coins=_read_coins(told["coins"]),
        recent={
            txid: Recent(
                tuple(((address, code), _read_waiting(row)) for address, code, *row in rows),
                tuple(outpoints),
                height,
                lost_at,
            )
            # Cursors written before there was such a thing have none.
            for txid, height, lost_at, outpoints, rows in told.get("recent", [])
        },
    )


def _mark(mark: BlockRef) -> list[object]:
    return [mark.height, mark.block_hash]


def _text(units: int | None) -> str | None:
    return None if units is None else str(units)


def _units(told: str | None) -> int | None:
    return None if told is None else int(told)


def _progress(item: WatchState) -> list[object]:
    return [item.start, item.wanted, item.read, _text(item.moved), _text(item.opening), item.is_open]


def _read_progress(row: list[Any]) -> WatchState:
    start, wanted, read_to, moved, opening, is_open = row
    return WatchState(start, wanted, read_to, _units(moved), _units(opening), is_open)


def _waiting(one: Waiting) -> list[object]:
    move = one.move
    return [move.direction, move.kind, move.locator, str(move.units), move.txid, one.since.isoformat()]


def _read_waiting(row: list[Any]) -> Waiting:
    direction, kind, locator, units, txid, since = row
    move = Movement(Direction(direction), Kind(kind), locator, int(units), txid)
    return Waiting(move, datetime.fromisoformat(since).astimezone(UTC))


def _coins(coins: Coins) -> list[object] | None:
    if not coins.is_kept:
        return None
    return [[outpoint, h.coin.script, str(h.coin.units), h.made, h.spent] for outpoint, h in coins.held.items()]


def _read_coins(told: list[Any] | None) -> Coins:
    if told is None:
        return Coins(is_kept=False)
    rows = {outpoint: Held(Coin(script, int(units)), made, spent) for outpoint, script, units, made, spent in told}
    return Coins(rows)

"""What the source keeps in its cursor beside height and hash, as JSON. Pure.

Balances once proven are kept, so that old state need not be asked again: an ordinary node keeps
some 128 blocks of it, and finality on Ethereum trails by up to 96.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, TypeAlias

from support_service.giving import Cursor, Watch
from support_service.rails.chain.search import BlockRef

MEMO_VERSION = 1
# Values remembered of blocks above finality, one for each block that changed them; the oldest go first.
KNOWN_MAX = 128

# (address, asset code) of a watch of this network.
WatchKey: TypeAlias = tuple[str, str]


@dataclass(frozen=True, slots=True)
class BalanceAt:
    """What we know of one watch at the end of one block: native balance and nonce, or the token balance."""

    height: int
    units: int
    nonce: int = 0


@dataclass(frozen=True, slots=True)
class WatchState:
    """How far one watch has come.

    start is the block at whose end the opening balance stands: credits count from the next block on.
    final and head are as far as confirmed and merely seen blocks are read; None before the opening.
    proof is where a token's balance was last asked for and agreed; booked are the changes since.
    known are values at blocks that we met as the head, where they changed: a node may not keep them
    until these blocks are final. is_unproven tells that `final` is a sum of what blocks told, which
    no balance was held against yet.
    """

    start: int
    wanted: int | None
    final: BalanceAt | None = None
    head: BalanceAt | None = None
    has_code: bool = False
    proof: int | None = None
    booked: tuple[tuple[int, int], ...] = ()
    known: tuple[BalanceAt, ...] = ()
    is_unproven: bool = False

    def at(self, height: int) -> BalanceAt | None:
        """What a block held that we met as the head; None from before the first of them."""
        point = max((point for point in self.known if point.height <= height), key=lambda p: p.height, default=None)
        return None if point is None else replace(point, height=height)

    def met(self, point: BalanceAt) -> "WatchState":
        """Remember what the present head holds, where it is not what the one before held."""
        final = -1 if self.final is None else self.final.height
        old = [known for known in self.known if known.height <= final][-1:]
        kept = [*old, *(known for known in self.known if final < known.height < point.height)]
        is_new = not kept or (kept[-1].units, kept[-1].nonce) != (point.units, point.nonce)
        return replace(self, known=tuple([*kept, point] if is_new else kept)[-KNOWN_MAX:])

    def is_behind(self, height: int) -> bool:
        """Tell whether there is something to read up to this final block."""
        return self.start <= height if self.final is None else self.final.height < height

    @property
    def base(self) -> BalanceAt | None:
        """From where the blocks up to the head are read."""
        known = [point for point in (self.final, self.head) if point is not None]
        return max(known, key=lambda point: point.height, default=None)


@dataclass(frozen=True, slots=True)
class Pending:
    """A block that was stated as seen, for some watches, and is not final yet."""

    mark: BlockRef
    keys: frozenset[WatchKey]


@dataclass(frozen=True, slots=True)
class Finality:
    """Since when the chain has called this height final (-1: none), and where its head was then."""

    height: int
    since: datetime
    head: int


@dataclass(frozen=True, slots=True)
class Newest:
    """Since when the chain has had this head."""

    mark: BlockRef
    since: datetime


@dataclass(frozen=True, slots=True)
class Scanned:
    """Blocks that were read one by one since no node keeps their balances, and when that was."""

    first: int
    last: int
    at: datetime


@dataclass(frozen=True, slots=True)
class CursorState:
    """All the source remembers. final is the highest block read as final."""

    final: BlockRef | None = None
    marks: tuple[BlockRef, ...] = ()
    pending: tuple[Pending, ...] = ()
    progress: Mapping[WatchKey, WatchState] = field(default_factory=dict)
    finality: Finality | None = None
    newest: Newest | None = None
    scanned: Scanned | None = None

    def with_progress(self, changed: Mapping[WatchKey, WatchState]) -> "CursorState":
        """Replace the progress of some watches."""
        return replace(self, progress={**self.progress, **changed})

    def with_pending(self, mark: BlockRef, keys: frozenset[WatchKey]) -> "CursorState":
        """Remember that a block was stated as seen for these watches."""
        known = {pending.mark: pending.keys for pending in self.pending}
        known[mark] = known.get(mark, frozenset()) | keys
        return replace(self, pending=tuple(Pending(m, known[m]) for m in sorted(known) if known[m]))

    def without_pending(self, settled: Mapping[BlockRef, frozenset[WatchKey]]) -> "CursorState":
        """Forget what was settled: confirmed, replaced or orphaned."""
        rest = [Pending(p.mark, p.keys - settled.get(p.mark, frozenset())) for p in self.pending]
        return replace(self, pending=tuple(pending for pending in rest if pending.keys))


def key_of(watch: Watch) -> WatchKey:
    """Name a watch within its network."""
    return (watch.address, watch.asset.code)


def write(memo: CursorState) -> str:
    """Write the memo as compact JSON."""
    return json.dumps(
        {
            "v": MEMO_VERSION,
            "final": _mark(memo.final) if memo.final else None,
            "marks": [_mark(mark) for mark in memo.marks],
            "pending": [[*_mark(p.mark), sorted(map(list, p.keys))] for p in memo.pending],
            "watches": [[*key, _progress(progress)] for key, progress in sorted(memo.progress.items())],
            **({"finality": _finality(memo.finality)} if memo.finality else {}),
            **({"newest": _newest(memo.newest)} if memo.newest else {}),
            **({"scanned": _scanned(memo.scanned)} if memo.scanned else {}),
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
    return CursorState(
        final=BlockRef(*told["final"]) if told["final"] else None,
        marks=tuple(BlockRef(*item) for item in told["marks"]),
        pending=tuple(
            Pending(BlockRef(height, digest), frozenset((address, asset) for address, asset in keys))
            for height, digest, keys in told["pending"]
        ),
        progress={(address, asset): _read_progress(item) for address, asset, item in told["watches"]},
        finality=_read_finality(told["finality"]) if "finality" in told else None,
        newest=_read_newest(told["newest"]) if "newest" in told else None,
        scanned=_read_scanned(told["scanned"]) if "scanned" in told else None,
    )


def _finality(finality: Finality) -> list[object]:
    return [finality.height, finality.since.isoformat(), finality.head]


def _read_finality(told: list[Any]) -> Finality:
    return Finality(told[0], _read_time(told[1]), told[2])


def _newest(newest: Newest) -> list[object]:
    return [*_mark(newest.mark), newest.since.isoformat()]


def _read_newest(told: list[Any]) -> Newest:
    return Newest(BlockRef(told[0], told[1]), _read_time(told[2]))


def _scanned(scanned: Scanned) -> list[object]:
    return [scanned.first, scanned.last, scanned.at.isoformat()]


def _read_scanned(told: list[Any]) -> Scanned:
    return Scanned(told[0], told[1], _read_time(told[2]))


def _read_time(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def _mark(mark: BlockRef) -> list[object]:
    return [mark.height, mark.block_hash]


def _point(point: BalanceAt | None) -> list[object] | None:
    # Units go as text: other readers of JSON would round them.
    return None if point is None else [point.height, str(point.units), point.nonce]


def _progress(progress: WatchState) -> dict[str, object]:
    told: dict[str, object] = {"start": progress.start, "final": _point(progress.final), "head": _point(progress.head)}
    if progress.wanted is not None:
        told["wanted"] = progress.wanted
    if progress.has_code:
        told["code"] = True
    if progress.proof is not None:
        told["proof"] = progress.proof
    if progress.booked:
        told["booked"] = [[height, str(units)] for height, units in progress.booked]
    if progress.known:
        told["known"] = [_point(point) for point in progress.known]
    if progress.is_unproven:
        told["unproven"] = True
    return told


def _some_point(told: list[Any]) -> BalanceAt:
    return BalanceAt(told[0], int(told[1]), told[2])


def _read_point(told: list[Any] | None) -> BalanceAt | None:
    return None if told is None else _some_point(told)


def _read_progress(told: dict[str, Any]) -> WatchState:
    return WatchState(
        start=told["start"],
        wanted=told.get("wanted"),
        final=_read_point(told["final"]),
        head=_read_point(told["head"]),
        has_code=told.get("code", False),
        proof=told.get("proof"),
        booked=tuple((height, int(units)) for height, units in told.get("booked", ())),
        known=tuple(_some_point(item) for item in told.get("known", ())),
        is_unproven=told.get("unproven", False),
    )

"""What the source keeps in its cursor beside height and hash. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from support_service.giving import Cursor
from support_service.rails.bitcoin.movements import Movement, Outpoint
from support_service.rails.chain import cursor_state as codec
from support_service.rails.chain.cursor_state import TextUnits, WatchKey, named
from support_service.rails.chain.search import BlockRef


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
    moved: TextUnits | None = 0
    opening: TextUnits | None = None
    is_open: bool = False


@dataclass(frozen=True, slots=True)
class Pending:
    """A block that was stated with money not confirmed yet: what it moved, by watch.

    due is the height at which the next of it is confirmed.
    """

    block: BlockRef
    due: int
    moved: Mapping[WatchKey, TextUnits]


@dataclass(frozen=True, slots=True)
class Waiting:
    """A row of a transaction without a block, and when it was first seen."""

    movement: Movement
    since: datetime


@dataclass(frozen=True, slots=True)
class Recent:
    """A transaction that may still be undone: what it did to us, and some of the coins that it spends.

    height is its block's, None where it only waited; lost_at is the height at which neither block nor pool had it
    any more, None while one has.
    """

    height: int | None
    lost_at: int | None
    outpoints: tuple[Outpoint, ...]
    rows: tuple[tuple[WatchKey, Waiting], ...]


@dataclass(frozen=True, slots=True)
class CursorState:
    """All the source remembers. final is the highest block that is deep enough; it may not change any more.

    A cursor of an earlier version may also hold `coins`, our own of that time: every node tells now what is spent.
    """

    final: BlockRef | None = None
    blocks: tuple[BlockRef, ...] = field(default=(), metadata=named("marks"))
    pending: Mapping[BlockRef, Pending] = field(default_factory=dict)
    watch_states: Mapping[WatchKey, WatchState] = field(default_factory=dict, metadata=named("watches"))
    waiting: Mapping[WatchKey, tuple[Waiting, ...]] = field(default_factory=dict)
    recent: Mapping[str, Recent] = field(default_factory=dict)

    @property
    def lost_coins(self) -> dict[Outpoint, str]:
        """The coins of what was lost, and by which transaction they were spent before: another may take them."""
        return {
            outpoint: txid for txid, one in self.recent.items() if one.lost_at is not None for outpoint in one.outpoints
        }

    def with_watch_states(self, changed: Mapping[WatchKey, WatchState]) -> "CursorState":
        """Replace the states of some watches."""
        return replace(self, watch_states={**self.watch_states, **changed})

    def with_pending(self, block: BlockRef, due: int, moved: Mapping[WatchKey, int]) -> "CursorState":
        """Remember that a block holds money that is not confirmed yet, for these watches too."""
        held = self.pending.get(block, Pending(block, due, {}))
        told = Pending(block, min(due, held.due), {**held.moved, **moved})
        return replace(self, pending={**self.pending, block: told})

    def without_pending(self, blocks: set[BlockRef]) -> "CursorState":
        """Forget blocks that are settled or gone."""
        return replace(self, pending={block: one for block, one in self.pending.items() if block not in blocks})


def read(cursor: Cursor | None) -> CursorState:
    """Read what a cursor remembers; an absent one remembers nothing."""
    return codec.read(cursor, CursorState)

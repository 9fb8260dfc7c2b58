"""What is known of a watch's balance, kept in the cursor beside the memo. Pure.

A TRON node tells balances of its newest state alone, so they cannot be asked for a block. What was
told once is kept until the blocks below it are final and can be held against it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from support_service.giving import Cursor
from support_service.rails.chain import cursor_state as codec
from support_service.rails.chain.cursor_state import TextUnits, WatchKey, named


@dataclass(frozen=True, slots=True)
class BalanceSample:
    """A balance in the token's smallest units, as it was told at the end of one block."""

    height: int
    block_hash: str
    units: TextUnits


@dataclass(frozen=True, slots=True)
class Gap:
    """Blocks above `low` up to `high` whose logs did not bear out what the balance changed in them: delta units."""

    low: int
    high: int
    delta: TextUnits


@dataclass(frozen=True, slots=True)
class BalanceSamples:
    """What balances have proven of one watch.

    sample waits for finality. doubt is what the last one could not explain; only when another says
    the same is it booked. first is the sample that the opening was derived from. gaps are the
    unexplained rows in the ledger, for whoever reads these blocks again.
    """

    sample: BalanceSample | None = field(default=None, metadata=named(is_left_out=True))
    doubt: TextUnits | None = field(default=None, metadata=named(is_left_out=True))
    first: BalanceSample | None = field(default=None, metadata=named(is_left_out=True))
    gaps: tuple[Gap, ...] = field(default=(), metadata=named(is_left_out=True))


@dataclass(frozen=True, slots=True)
class Samples:
    """What the cursor remembers of all watches, beside what it does on every chain of this kind."""

    by_watch: Mapping[WatchKey, BalanceSamples] = field(default_factory=dict, metadata=named("tron"))


def read(cursor: Cursor | None) -> dict[WatchKey, BalanceSamples]:
    """Read what a cursor remembers; nothing for an absent one."""
    return dict(codec.read(cursor, Samples).by_watch)

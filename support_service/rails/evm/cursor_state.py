"""What the source keeps in its cursor beside height and hash. Pure.

Balances once proven are kept, so that old state need not be asked again: an ordinary node keeps
some 128 blocks of it, and finality on Ethereum trails by up to 96.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from support_service.giving import Cursor, Watch
from support_service.rails.chain import cursor_state as codec
from support_service.rails.chain.cursor_state import TextUnits, WatchKey, named
from support_service.rails.chain.search import BlockRef

# Values remembered of blocks above finality, one for each block that changed them; the oldest go first.
KNOWN_MAX = 128


@dataclass(frozen=True, slots=True)
class BalanceAt:
    """What we know of one watch at the end of one block: native balance and nonce, or the token balance."""

    height: int
    units: TextUnits
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
    final: BalanceAt | None = None
    head: BalanceAt | None = None
    wanted: int | None = field(default=None, metadata=named(is_left_out=True))
    has_code: bool = field(default=False, metadata=named("code", is_left_out=True))
    proof: int | None = field(default=None, metadata=named(is_left_out=True))
    booked: tuple[tuple[int, TextUnits], ...] = field(default=(), metadata=named(is_left_out=True))
    known: tuple[BalanceAt, ...] = field(default=(), metadata=named(is_left_out=True))
    is_unproven: bool = field(default=False, metadata=named("unproven", is_left_out=True))

    def proven(self, watch: Watch) -> BalanceAt | None:
        """What the chain's own balance was last; a token's without what blocks told since it was asked for."""
        if self.final is None or self.is_unproven:
            return None
        if self.proof is None:
            return None if watch.asset.contract else self.final
        since = sum(units for height, units in self.booked if height > self.proof)
        return BalanceAt(self.proof, self.final.units - since)

    def at(self, height: int) -> BalanceAt | None:
        """What a block held that we met as the head; None from before the first of them."""
        balance_at = max(
            (balance_at for balance_at in self.known if balance_at.height <= height),
            key=lambda p: p.height,
            default=None,
        )
        return None if balance_at is None else replace(balance_at, height=height)

    def met(self, balance_at: BalanceAt) -> "WatchState":
        """Remember what the present head holds, where it is not what the one before held."""
        final = -1 if self.final is None else self.final.height
        old = [known for known in self.known if known.height <= final][-1:]
        kept = [*old, *(known for known in self.known if final < known.height < balance_at.height)]
        is_new = not kept or (kept[-1].units, kept[-1].nonce) != (balance_at.units, balance_at.nonce)
        return replace(self, known=tuple([*kept, balance_at] if is_new else kept)[-KNOWN_MAX:])

    def is_behind(self, height: int) -> bool:
        """Tell whether there is something to read up to this final block."""
        return self.start <= height if self.final is None else self.final.height < height

    @property
    def base(self) -> BalanceAt | None:
        """From where the blocks up to the head are read."""
        known = [balance_at for balance_at in (self.final, self.head) if balance_at is not None]
        return max(known, key=lambda balance_at: balance_at.height, default=None)


@dataclass(frozen=True, slots=True)
class Pending:
    """A block that was stated as seen, for some watches, and is not final yet."""

    block: BlockRef
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

    block: BlockRef
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
    blocks: tuple[BlockRef, ...] = field(default=(), metadata=named("marks"))
    pending: tuple[Pending, ...] = ()
    watch_states: Mapping[WatchKey, WatchState] = field(default_factory=dict, metadata=named("watches"))
    finality: Finality | None = field(default=None, metadata=named(is_left_out=True))
    newest: Newest | None = field(default=None, metadata=named(is_left_out=True))
    scanned: Scanned | None = field(default=None, metadata=named(is_left_out=True))

    def with_watch_states(self, changed: Mapping[WatchKey, WatchState]) -> "CursorState":
        """Replace the states of some watches."""
        return replace(self, watch_states={**self.watch_states, **changed})

    def with_pending(self, block: BlockRef, keys: frozenset[WatchKey]) -> "CursorState":
        """Remember that a block was stated as seen for these watches."""
        known = {pending.block: pending.keys for pending in self.pending}
        known[block] = known.get(block, frozenset()) | keys
        return replace(self, pending=tuple(Pending(m, known[m]) for m in sorted(known) if known[m]))

    def without_pending(self, settled: Mapping[BlockRef, frozenset[WatchKey]]) -> "CursorState":
        """Forget what was settled: confirmed, replaced or orphaned."""
        rest = [Pending(p.block, p.keys - settled.get(p.block, frozenset())) for p in self.pending]
        return replace(self, pending=tuple(pending for pending in rest if pending.keys))


def read(cursor: Cursor | None) -> CursorState:
    """Read what a cursor remembers; an absent one remembers nothing."""
    return codec.read(cursor, CursorState)

"""Rows: what one block did to one watch, before it becomes observations and a statement. Pure."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass

from support_service.giving import (
    Direction,
    Flag,
    Identity,
    Kind,
    Observation,
    PaymentClaim,
    Personal,
    State,
    Statement,
    Watch,
)
from support_service.rails.chain.strict_fields import Object
from support_service.rails.evm.rpc_schema import Header, shown_address

RAIL = "evm"
# Calldata beyond this is kept as its digest: nobody reads it, and anyone may send 100 kB.
INPUT_CHARS_MAX = 1_024


@dataclass(frozen=True, slots=True)
class Movement:
    """One movement of one watch's money in one block; units are positive in both directions."""

    direction: Direction
    kind: Kind
    locator: str
    units: int
    tx: str | None = None
    payer: str | None = None
    flags: frozenset[Flag] = frozenset()

    def __post_init__(self) -> None:
        assert self.units > 0

    @property
    def signed_units(self) -> int:
        """What the row adds to the balance."""
        return self.units if self.direction is Direction.IN else -self.units


@dataclass(frozen=True, slots=True)
class BlockMovements:
    """Everything one block did to one watch. delta_units is the proven change, None where it was not asked."""

    watch: Watch
    header: Header
    rows: tuple[Movement, ...]
    delta_units: int | None
    evidence: tuple[Object, ...] = ()
    # Why some of it could not be read: what is proven of it stands without a transaction's name.
    unread: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        assert self.delta_units is None or self.delta_units == net(self.rows), "every unit is explained"


def net(rows: Iterable[Movement]) -> int:
    """What rows add to the balance together."""
    return sum(row.signed_units for row in rows)


def block_locator(watch: Watch, height: int, what: str) -> str:
    """Name money that no transaction names, by its block."""
    return f"block:{height}:{watch.asset.code}:{watch.address}:{what}"


def unexplained(watch: Watch, height: int, units: int) -> list[Movement]:
    """The row for a change that no transaction accounts for; none if nothing is left. units may be negative."""
    if not units:
        return []
    way = (Direction.IN, Kind.UNATTRIBUTED) if units > 0 else (Direction.OUT, Kind.OUTFLOW)
    return [Movement(*way, block_locator(watch, height, "unexplained"), abs(units))]


def opening(watch: Watch, header: Header, units: int) -> BlockMovements:
    """The story of what lay there before credits count. Its delta is from nothing, not from the block before."""
    row = [Movement(Direction.IN, Kind.OPENING, block_locator(watch, header.height, "opening"), units)] if units else []
    return BlockMovements(watch, header, tuple(row), units)


def observations(story: BlockMovements, state: State) -> list[Observation]:
    """Turn a story's rows into claims."""
    return [_observation(story, row, state) for row in story.rows]


def statement(story: BlockMovements) -> Statement:
    """Say that the story is complete for its block."""
    watch = story.watch
    return Statement(
        watch.network, watch.address, watch.asset.code, story.header.block_hash, delta_units=story.delta_units
    )


def _observation(story: BlockMovements, row: Movement, state: State) -> Observation:
    watch, header = story.watch, story.header
    flags = row.flags | ({Flag.OFF_ROUTE} if watch.is_off_route else set())
    claim = PaymentClaim(
        state=state,
        kind=row.kind,
        rail=RAIL,
        method=watch.method,
        units=row.units,
        exponent=watch.asset.exponent,
        occurred_at=header.occurred_at,
        block_height=header.height,
        block_hash=header.block_hash,
        tx=row.tx,
        flags=tuple(sorted(flags)),
        personal=Personal(payer=None if row.payer is None else shown_address(row.payer)),
    )
    return Observation(Identity(watch.network, watch.asset.code, watch.address, row.direction, row.locator), claim)


def raw(stories: Iterable[BlockMovements]) -> str | None:
    """The evidence behind stories as compact JSON; None where there is none."""
    items = [item for story in stories for item in (story.header.raw, *story.evidence)]
    texts = dict.fromkeys(json.dumps(_brief(item), sort_keys=True, separators=(",", ":")) for item in items)
    return f"[{','.join(texts)}]" if texts else None


def _brief(item: Object) -> Object:
    calldata = item.get("input")
    if not isinstance(calldata, str) or len(calldata) <= INPUT_CHARS_MAX:
        return item
    digest = hashlib.sha256(calldata.encode()).hexdigest()
    return {**item, "input": f"sha256:{digest} of {len(calldata)} characters"}

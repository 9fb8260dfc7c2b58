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
    movements: tuple[Movement, ...]
    delta_units: int | None
    evidence: tuple[Object, ...] = ()
    # Why some of it could not be read: what is proven of it stands without a transaction's name.
    unread: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        assert self.delta_units is None or self.delta_units == net(self.movements), "every unit is explained"


def net(movements: Iterable[Movement]) -> int:
    """What rows add to the balance together."""
    return sum(movement.signed_units for movement in movements)


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
    """As movements of its block: what lay there before credits count. Its delta is from nothing, not from before."""
    movement = (
        [Movement(Direction.IN, Kind.OPENING, block_locator(watch, header.height, "opening"), units)] if units else []
    )
    return BlockMovements(watch, header, tuple(movement), units)


def observations(block_movements: BlockMovements, state: State) -> list[Observation]:
    """Turn a block's movements into claims."""
    return [_observation(block_movements, movement, state) for movement in block_movements.movements]


def statement(block_movements: BlockMovements) -> Statement:
    """Say that the movements are complete for their block."""
    watch = block_movements.watch
    return Statement(
        watch.network,
        watch.address,
        watch.asset.code,
        block_movements.header.block_hash,
        delta_units=block_movements.delta_units,
    )


def _observation(block_movements: BlockMovements, movement: Movement, state: State) -> Observation:
    watch, header = block_movements.watch, block_movements.header
    flags = movement.flags | ({Flag.OFF_ROUTE} if watch.is_off_route else set())
    claim = PaymentClaim(
        state=state,
        kind=movement.kind,
        rail=RAIL,
        method=watch.method,
        units=movement.units,
        exponent=watch.asset.exponent,
        occurred_at=header.occurred_at,
        block_height=header.height,
        block_hash=header.block_hash,
        tx=movement.tx,
        flags=tuple(sorted(flags)),
        personal=Personal(payer=None if movement.payer is None else shown_address(movement.payer)),
    )
    return Observation(
        Identity(watch.network, watch.asset.code, watch.address, movement.direction, movement.locator), claim
    )


def raw(movements_by_block: Iterable[BlockMovements]) -> str | None:
    """The evidence behind movements as compact JSON; None where there is none."""
    items = [
        item
        for block_movements in movements_by_block
        for item in (block_movements.header.raw, *block_movements.evidence)
    ]
    texts = dict.fromkeys(json.dumps(_brief(item), sort_keys=True, separators=(",", ":")) for item in items)
    return f"[{','.join(texts)}]" if texts else None


def _brief(item: Object) -> Object:
    calldata = item.get("input")
    if not isinstance(calldata, str) or len(calldata) <= INPUT_CHARS_MAX:
        return item
    digest = hashlib.sha256(calldata.encode()).hexdigest()
    return {**item, "input": f"sha256:{digest} of {len(calldata)} characters"}

"""What Bitcoin's blocks did, as a report in the making. Pure."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime

from support_service.giving import Direction, Flag, Identity, Kind, Observation, PaymentClaim, State, Statement, Watch
from support_service.rails.bitcoin.cursor_state import Waiting
from support_service.rails.bitcoin.movements import Block, Movement, Outpoint, net
from support_service.rails.chain.cursor_state import WatchKey, key_of
from support_service.rails.chain.report_builder import ReportBuilder, Written
from support_service.rails.chain.search import BlockRef

RAIL = "bitcoin"
# A longer script is data of some stranger; who wants it has the txid.
SCRIPT_CHARS_MAX = 200


@dataclass(frozen=True, slots=True)
class BlockMovements:
    """What one block did to one watch: everything where whole, else it says nothing of what else stands there."""

    watch: Watch
    block: BlockRef
    occurred_at: datetime
    movements: tuple[Movement, ...]
    is_whole: bool = True

    @property
    def units(self) -> int:
        """What the block changed in the balance."""
        return net(self.movements)


@dataclass(frozen=True, slots=True)
class TakenCoin:
    """A coin of a payment that was lost, and the transaction that took it."""

    outpoint: Outpoint
    taken_by: str


@dataclass(slots=True)
class BitcoinReportBuilder(ReportBuilder):
    """What one report will say."""

    movements_by_block: dict[tuple[WatchKey, str], BlockMovements] = field(default_factory=dict)
    states: dict[tuple[WatchKey, str], tuple[State, ...]] = field(default_factory=dict)
    loose: list[Observation] = field(default_factory=list)
    evidence: list[object] = field(default_factory=list)

    def add(self, block_movements: BlockMovements, states: Iterable[State]) -> None:
        """Take a block's movements in, with the state of each; later ones about the same block are better."""
        place = (key_of(block_movements.watch), block_movements.block.block_hash)
        self.movements_by_block[place], self.states[place] = block_movements, tuple(states)

    def wait(self, watch: Watch, one: Waiting, state: State) -> None:
        """Say what became of a row without a block."""
        self.loose.append(_observation(watch, one.movement, None, state=state, occurred_at=one.since))

    def link(self, watch: Watch, one: Waiting, state: State, taken: TakenCoin) -> None:
        """Say that a lost payment's coin went another way."""
        lost = _observation(watch, one.movement, None, state=state, occurred_at=one.since)
        assert isinstance(lost.claim, PaymentClaim)
        flags = tuple(sorted({*lost.claim.flags, Flag.CONFLICT}))
        self.loose.append(replace(lost, claim=replace(lost.claim, flags=flags)))
        self.evidence.append({"lost": one.movement.txid, "coin": taken.outpoint, "taken_by": taken.taken_by})

    def prove(self, block: Block) -> None:
        """Keep a block's transactions as evidence."""
        told = [
            {
                "txid": one.txid,
                "vin": [[i.outpoint, i.coin.script, str(i.coin.units)] for i in one.inputs],
                "vout": [[coin.script[:SCRIPT_CHARS_MAX], str(coin.units)] for coin in one.outputs],
            }
            for one in block.transactions
        ]
        self.evidence.append({"block": block.block_hash, "height": block.height, "tx": told})

    def clear(self) -> None:
        """Begin the next report."""
        for part in (self.movements_by_block, self.states, self.statements, self.loose, self.evidence):
            part.clear()

    @property
    def claims_nothing(self) -> bool:
        """Tell whether only the cursor would move."""
        return not self.movements_by_block and not self.statements and not self.loose

    @property
    def blocks(self) -> set[BlockRef]:
        """The blocks told about."""
        return {block_movements.block for block_movements in self.movements_by_block.values()}

    def written(self) -> Written:
        """Write what the blocks did, in the order of the chain, after the rows without a block."""
        claims: list[Observation] = list(self.loose)
        told: list[Statement] = []
        for where in sorted(self.movements_by_block, key=lambda where: (self.movements_by_block[where].block, where)):
            block_movements = self.movements_by_block[where]
            claims += [
                _observation(
                    block_movements.watch,
                    movement,
                    block_movements.block,
                    state=state,
                    occurred_at=block_movements.occurred_at,
                )
                for movement, state in zip(block_movements.movements, self.states[where], strict=True)
            ]
            if block_movements.is_whole:
                told.append(
                    Statement(
                        self.network, *where[0], block_movements.block.block_hash, delta_units=block_movements.units
                    )
                )
        raw = json.dumps(self.evidence, separators=(",", ":")) if self.evidence else None
        return Written(claims, told, raw)


def opening(watch: Watch, block: BlockRef, occurred_at: datetime, units: int) -> BlockMovements:
    """As movements of its block: what lay there before credits count."""
    locator = f"block:{block.height}:{watch.asset.code}:{watch.address}:opening"
    movements = (Movement(Direction.IN, Kind.OPENING, locator, units, ""),) if units else ()
    return BlockMovements(watch, block, occurred_at, movements)


def _observation(
    watch: Watch, movement: Movement, block: BlockRef | None, *, state: State, occurred_at: datetime
) -> Observation:
    claim = PaymentClaim(
        state=state,
        kind=movement.kind,
        rail=RAIL,
        method=watch.method,
        units=movement.units,
        exponent=watch.asset.exponent,
        occurred_at=occurred_at,
        block_height=None if block is None else block.height,
        block_hash=None if block is None else block.block_hash,
        tx=movement.txid or None,
        flags=(Flag.OFF_ROUTE,) if watch.is_off_route else (),
    )
    return Observation(
        Identity(watch.network, watch.asset.code, watch.address, movement.direction, movement.locator), claim
    )

"""What an EVM chain's blocks did, as a report in the making: movements by block and watch. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from support_service.giving import State
from support_service.rails.chain.cursor_state import WatchKey, key_of
from support_service.rails.chain.report_builder import ReportBuilder, Written
from support_service.rails.chain.search import BlockRef
from support_service.rails.evm import movements
from support_service.rails.evm.movements import BlockMovements


@dataclass(slots=True)
class EvmReportBuilder(ReportBuilder):
    """What one report will say; `state` is that of every claim in it."""

    state: State
    movements_by_block: dict[tuple[WatchKey, str], BlockMovements] = field(default_factory=dict)

    def add(self, movements_by_block: Iterable[BlockMovements]) -> None:
        """Take movements in; later ones about the same block and watch are the better ones."""
        self.movements_by_block |= {
            (key_of(block_movements.watch), block_movements.header.block_hash): block_movements
            for block_movements in movements_by_block
        }

    @property
    def claims_nothing(self) -> bool:
        """Tell whether only the cursor would move."""
        return not self.movements_by_block and not self.statements

    @property
    def blocks(self) -> dict[BlockRef, frozenset[WatchKey]]:
        """The blocks told about, with the watches they concern."""
        told: dict[BlockRef, frozenset[WatchKey]] = {}
        for (key, _), block_movements in self.movements_by_block.items():
            block = BlockRef(block_movements.header.height, block_movements.header.block_hash)
            told[block] = told.get(block, frozenset()) | {key}
        return told

    def written(self) -> Written:
        """Write what the blocks did, in the order of the chain."""
        movements_by_block = sorted(
            self.movements_by_block.values(), key=lambda block_movements: block_movements.header.height
        )
        claims = [
            claim
            for block_movements in movements_by_block
            for claim in movements.observations(block_movements, self.state)
        ]
        return Written(
            claims,
            [movements.statement(block_movements) for block_movements in movements_by_block],
            movements.raw(movements_by_block),
        )

"""A report in the making: what blocks did to watches, and the statements that go with it. Pure."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from support_service.giving import Cursor, Observation, Report, Statement
from support_service.rails.chain.cursor_state import WatchKey
from support_service.rails.chain.search import BlockRef


@dataclass(frozen=True, slots=True)
class Written:
    """What the blocks of a report claim, what it states about them, and its evidence as JSON text."""

    observations: Sequence[Observation]
    statements: Sequence[Statement]
    raw: str | None


@dataclass(slots=True)
class ReportBuilder(ABC):
    """What one report will say; a chain adds how it tells what its blocks did."""

    network: str
    statements: list[Statement] = field(default_factory=list, kw_only=True)

    def empty(self, key: WatchKey, block: BlockRef, *, is_canonical: bool) -> None:
        """Say that a block did nothing to a watch: what stands there is replaced, or orphaned if the block is gone."""
        self.statements.append(Statement(self.network, *key, block.block_hash, is_canonical=is_canonical))

    @property
    @abstractmethod
    def claims_nothing(self) -> bool:
        """Tell whether only the cursor would move."""

    @abstractmethod
    def written(self) -> Written:
        """Write what the blocks did, in the order of the chain."""

    def report(self, source: str, step: int, *, block: BlockRef | None, memo: str, at: datetime) -> Report:
        """Write the report that follows step - 1, and leaves the cursor at a block with what it is to remember."""
        written = self.written()
        return Report(
            source=source,
            key=str(step),
            observations=tuple(written.observations),
            statements=(*self.statements, *written.statements),
            cursor=Cursor(
                step=step,
                height=None if block is None else block.height,
                block_hash=None if block is None else block.block_hash,
                checked_at=at,
                memo=memo,
            ),
            raw=written.raw,
        )

"""A report in the making: stories by block and watch, and the statements that go with them. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from support_service.giving import Cursor, Observation, Report, State, Statement
from support_service.rails.chain.cursor_state import WatchKey, key_of
from support_service.rails.chain.search import BlockRef
from support_service.rails.evm import movements
from support_service.rails.evm.movements import BlockMovements


@dataclass(slots=True)
class ReportBuilder:
    """What one report will say; `state` is that of every claim in it."""

    network: str
    state: State
    stories: dict[tuple[WatchKey, str], BlockMovements] = field(default_factory=dict)
    statements: list[Statement] = field(default_factory=list)

    def add(self, stories: Iterable[BlockMovements]) -> None:
        """Take stories in; a later one about the same block and watch is the better one."""
        self.stories |= {(key_of(story.watch), story.header.block_hash): story for story in stories}

    def empty(self, key: WatchKey, mark: BlockRef, *, is_canonical: bool) -> None:
        """Say that a block did nothing to a watch: what stands there is replaced, or orphaned if the block is gone."""
        self.statements.append(Statement(self.network, *key, mark.block_hash, is_canonical=is_canonical))

    @property
    def claims_nothing(self) -> bool:
        """Tell whether only the cursor would move."""
        return not self.stories and not self.statements

    @property
    def marks(self) -> dict[BlockRef, frozenset[WatchKey]]:
        """The blocks told about, with the watches they concern."""
        told: dict[BlockRef, frozenset[WatchKey]] = {}
        for (key, _), story in self.stories.items():
            mark = BlockRef(story.header.height, story.header.block_hash)
            told[mark] = told.get(mark, frozenset()) | {key}
        return told

    def report(self, source: str, step: int, *, mark: BlockRef | None, memo: str, at: datetime) -> Report:
        """Write the report that follows step - 1, and leaves the cursor at a block with what it is to remember."""
        stories = sorted(self.stories.values(), key=lambda story: story.header.height)
        claims: list[Observation] = [claim for story in stories for claim in movements.observations(story, self.state)]
        cursor = Cursor(
            step=step,
            height=None if mark is None else mark.height,
            block_hash=None if mark is None else mark.block_hash,
            checked_at=at,
            memo=memo,
        )
        return Report(
            source=source,
            key=str(step),
            observations=tuple(claims),
            statements=(*self.statements, *(movements.statement(story) for story in stories)),
            cursor=cursor,
            raw=movements.raw(stories),
        )

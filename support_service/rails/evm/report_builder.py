"""What an EVM chain's blocks did, as a report in the making: stories by block and watch. Pure."""

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
    stories: dict[tuple[WatchKey, str], BlockMovements] = field(default_factory=dict)

    def add(self, stories: Iterable[BlockMovements]) -> None:
        """Take stories in; a later one about the same block and watch is the better one."""
        self.stories |= {(key_of(story.watch), story.header.block_hash): story for story in stories}

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

    def written(self) -> Written:
        """Write what the blocks did, in the order of the chain."""
        stories = sorted(self.stories.values(), key=lambda story: story.header.height)
        claims = [claim for story in stories for claim in movements.observations(story, self.state)]
        return Written(claims, [movements.statement(story) for story in stories], movements.raw(stories))

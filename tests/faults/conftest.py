"""What every test of a fault gets: a ledger of its own and a world whose watches have just begun."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import pytest

from support_service.giving import Watch
from support_service.ledger import Ledger
from tests.fixtures.database import prepare
from tests.fixtures.node import Node
from tests.fixtures.world import World, fixed_clock, watch

MakeWorld: TypeAlias = Callable[..., World]


@pytest.fixture
def books(tmp_path: Path) -> Iterator[Ledger]:
    url = f"sqlite:///{tmp_path}/books.db"
    prepare(url)
    ledger = Ledger(url, clock=fixed_clock)
    yield ledger
    ledger.dispose()


@pytest.fixture
def world(node: Node, books: Ledger) -> MakeWorld:
    """Make a world whose watches have begun at the node's present head."""

    def make(*watches: Watch, url: str = "", **settings: object) -> World:
        made = World(node, books, watches or (watch(),), url, settings)
        made.look()
        return made

    return make

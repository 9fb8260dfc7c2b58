"""Where journeys of staff begin: the first user's block over a fresh ledger, and Anna, who may do everything."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fixtures.staff import ANNA, PASSWORD, House, build_house


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = build_house(tmp_path, f"sqlite:///{tmp_path}/support.db")
    house.ledger.people.add(ANNA, "admin", PASSWORD)
    yield house
    house.ledger.dispose()

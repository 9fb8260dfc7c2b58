"""The bytecode that the demo ships is what its sources compile to."""

import json
from pathlib import Path

import pytest

from tests.fixtures.node import compiled

SHIPPED = json.loads((Path(__file__).parents[2] / "support_service" / "demo" / "contracts.json").read_text())


@pytest.mark.node
@pytest.mark.parametrize("name", ["PlainToken", "Payer"])
def test_recompiling_gives_the_shipped_bytecode(name: str) -> None:
    shipped = SHIPPED["contracts"][name]
    fresh = compiled()[name]
    assert (shipped["bytecode"], shipped["source_sha256"]) == (fresh.bytecode, fresh.source_sha256)

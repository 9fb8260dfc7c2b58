"""A long catch-up tells where it is, and not at each step."""

import logging

import pytest

from support_service.rails.chain.catching_up import CatchingUp
from tests.fixtures.staff import FrozenClock


def test_it_is_told_at_once_and_then_every_ten_seconds(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    clock = FrozenClock()
    turn = CatchingUp(logging.getLogger("a.rail"), "evm:ethereum", clock)
    for height in range(100, 125):
        turn.tell(height, 200)
        clock.advance(seconds=1)
    told = [(record.name, vars(record)["height"], vars(record)["target"]) for record in caplog.records]
    assert told == [("a.rail", 100, 200), ("a.rail", 110, 200), ("a.rail", 120, 200)]

"""A chain whose finality stands still: nothing is confirmed by depth, and that is told loudly."""

import logging
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from support_service import watcher
from support_service.ledger import Health, Ledger, migrate
from support_service.rails.evm.network import read_network
from support_service.rails.evm.source import EvmSource
from tests.fixtures.node import OURS, Json, Node
from tests.fixtures.wire import Proxy
from tests.fixtures.world import NETWORK, fixed_clock, table, watch

pytestmark = pytest.mark.node


@dataclass
class Later:
    """A clock that moves when told."""

    passed: timedelta = field(default_factory=timedelta)

    def __call__(self) -> datetime:
        return fixed_clock() + self.passed


@pytest.fixture
def books(tmp_path: Path) -> Iterator[Ledger]:
    url = f"sqlite:///{tmp_path}/books.db"
    migrate(url)
    ledger = Ledger(url, clock=fixed_clock)
    yield ledger
    ledger.dispose()


def test_r9_finality_that_stands_still_is_told_and_confirms_nothing(
    node: Node, books: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    node.mine(8)
    final = node.ask("eth_getBlockByNumber", "finalized", False)
    clock = Later()

    def stand_still(request: Json, answer: Json) -> Json:
        is_final = request["params"] and request["params"][0] == "finalized"
        return {**answer, "result": final} if is_final else answer

    with Proxy(node.url) as proxy:
        proxy.bend = stand_still
        source = EvmSource(read_network(NETWORK, table(proxy.url)), (watch(),), clock=clock)
        turns = watcher.SourceWatch(source, books, threading.Event(), clock)
        turns.step()
        node.send(OURS[0], 5)
        for minutes in range(1, 31):
            node.mine(5)
            clock.passed = timedelta(minutes=minutes)
            turns.step()
        assert books.health()["evm:local"].reason == ""
        with caplog.at_level(logging.INFO):
            for _ in range(6):
                node.mine(1)
                clock.passed += timedelta(seconds=20)
                turns.step()
        told = [record for record in caplog.records if record.message == "source_faulty"]
        assert len(told) == 2, "once a minute"
        held = books.health()["evm:local"]
        assert held.state is Health.OK
        assert held.reason == "nothing has become final since 2026-11-01T12:00:00Z (block 4) while the chain goes on"
        assert [row["state"] for row in books.export()] == ["seen"]
        proxy.bend = lambda _request, answer: answer
        turns.step()
    assert books.health()["evm:local"].reason == ""
    assert [row["state"] for row in books.export()] == ["confirmed"]


def test_a_chain_that_stands_still_altogether_has_no_trouble_with_finality(node: Node, books: Ledger) -> None:
    node.mine(8)
    clock = Later()
    source = EvmSource(read_network(NETWORK, table(node.url)), (watch(),), clock=clock)
    watcher.turn(source, books)
    clock.passed = timedelta(hours=3)
    watcher.turn(source, books)
    assert source.warning == ""

"""A chain whose finality stands still: nothing is confirmed by depth, and that is told loudly."""

import logging
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from support_service import watcher
from support_service.ledger import Health, Ledger
from support_service.rails.evm.network import read_network
from support_service.rails.evm.source import EvmSource
from tests.fixtures.database import prepare
from tests.fixtures.http_servers import Proxy
from tests.fixtures.node import OURS, Json, Node
from tests.fixtures.world import NETWORK, fixed_clock, table, warned, watch

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
    prepare(url)
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


def test_a_head_that_stands_still_is_told_and_its_end_too(
    node: Node, books: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    node.mine(8)
    clock = Later()
    source = EvmSource(read_network(NETWORK, table(node.url)), (watch(),), clock=clock)
    turns = watcher.SourceWatch(source, books, threading.Event(), clock)
    turns.step()
    clock.passed = timedelta(minutes=5)
    turns.step()
    assert books.health()["evm:local"].reason == ""
    with caplog.at_level(logging.INFO):
        for _ in range(6):
            clock.passed += timedelta(seconds=20)
            turns.step()
    told = [record for record in caplog.records if record.message == "source_faulty"]
    assert len(told) == 2, "once a minute"
    assert books.health()["evm:local"].reason == (
        "no new block since 2026-11-01T12:00:00Z (block 8): is the node stuck?"
    ), "and nothing of finality, which cannot go on without"
    node.mine()
    turns.step()
    assert books.health()["evm:local"].reason == ""


def test_a_slow_poll_gives_the_head_more_time(node: Node, books: Ledger) -> None:
    clock = Later()
    source = EvmSource(read_network(NETWORK, table(node.url, poll_seconds=60)), (watch(),), clock=clock)
    for minutes, is_told in ((0, False), (20, False), (21, True)):
        clock.passed = timedelta(minutes=minutes)
        watcher.turn(source, books)
        assert ("no new block" in warned(source)) is is_told


def test_a_head_of_long_ago_is_told_at_once_though_it_moves(node: Node, books: Ledger) -> None:
    node.ask("anvil_setTime", int(fixed_clock().timestamp()))
    node.ask("evm_setNextBlockTimestamp", int(fixed_clock().timestamp()) + 86_400 * 60)
    node.mine()
    clock = Later(timedelta(days=60, minutes=6))
    source = EvmSource(read_network(NETWORK, table(node.url)), (watch(),), clock=clock)
    watcher.turn(source, books)
    assert warned(source) == "the node's newest block is of 2026-12-31T12:00:00Z (block 1): is it stuck?"

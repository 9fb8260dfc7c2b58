"""Cursors as the first code of each form stored them, on chains that go on: no gift is lost, and none comes twice.

tests/vectors/cursors-first.json holds what that code stored in real runs of the histories below, a block's hash
written as "@" and its height: a local chain has other hashes on every run. Bitcoin's, whose chain in memory has always
the same, are in test_stored_cursors.py with later ones.
"""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from support_service.ledger import Ledger
from support_service.ledger.engine import Database
from tests.faults.test_evm_nodes import rich_world, state_only_from
from tests.fixtures import tron as on_tron
from tests.fixtures.database import prepare
from tests.fixtures.http_servers import Proxy
from tests.fixtures.node import ETHER, OURS, Node
from tests.fixtures.tron import MakeTron, TronWorld
from tests.fixtures.world import World, fixed_clock, token, warned, watch

FIRST: dict[str, Any] = json.loads(
    (Path(__file__).parents[1] / "vectors" / "cursors-first.json").read_text(encoding="utf-8")
)
US, SEND = OURS[0], on_tron.SEND
pytestmark = pytest.mark.node


@pytest.fixture
def books(tmp_path: Path) -> Iterator[Ledger]:
    url = f"sqlite:///{tmp_path}/books.db"
    prepare(url)
    ledger = Ledger(url, clock=fixed_clock)
    yield ledger
    ledger.dispose()


def as_first_stored(here: World | TronWorld, name: str, url: str, hash_at: Callable[[int], str]) -> None:
    """Let the ledger's cursor be what the first code stored at this place, and start anew."""
    now = here.ledger.cursor(here.source.name)
    assert now is not None
    memo = re.sub(r"@(\d+)", lambda height: hash_at(int(height[1])), FIRST[name])
    told, known = json.loads(memo), json.loads(now.memo)
    place = ("final", "marks", "pending")
    assert [told[part] for part in place] == [known[part] for part in place], "the histories stand at one place"
    with Database(url).write() as tx:
        assert tx.execute(text("UPDATE cursor SET memo = :memo"), {"memo": memo}).rowcount == 1
    here.restart()


@pytest.fixture
def seen(node: Node, books: Ledger, tmp_path: Path) -> tuple[World, str]:
    """Ether and a token, confirmed and merely seen, read by the first code up to here; the token's address beside."""
    coin = node.deploy("PlainToken")
    node.mine(8)
    here = World(node, books, [watch(), watch(token(coin))])
    here.look()
    node.send(US, 3 * ETHER)
    node.call(coin, SEND, US, 5)
    node.mine()
    here.look()
    here.settle()
    node.call(coin, SEND, US, 7)
    node.mine(6)
    here.look()
    node.send(US, ETHER)
    node.call(coin, SEND, US, 11)
    node.mine()
    here.look()
    as_first_stored(here, "evm_seen", f"sqlite:///{tmp_path}/books.db", node.block_hash)
    return here, coin


def test_an_evm_watcher_goes_on_from_the_first_cursor(seen: tuple[World, str], node: Node) -> None:
    here, coin = seen
    node.send(US, 2)
    node.call(coin, SEND, US, 13)
    node.mine()
    here.look()
    here.settle()
    assert here.told("confirmed") == [
        ("donation", "ETH", "tx:value", 2),
        ("donation", "ETH", "tx:value", ETHER),
        ("donation", "ETH", "tx:value", 3 * ETHER),
        *(("donation", "USDT", "tx:log:0", units) for units in (5, 7, 11, 13)),
    ]
    assert here.told("seen", "orphaned", "replaced") == []
    here.check()


def test_an_evm_watcher_of_the_first_cursor_takes_back_what_a_reorganisation_takes(
    seen: tuple[World, str], node: Node
) -> None:
    here, _ = seen
    node.reorg(1)
    node.mine(2)
    here.look()
    here.settle()
    assert here.told("orphaned") == [("donation", "ETH", "tx:value", ETHER), ("donation", "USDT", "tx:log:0", 11)]
    assert [row[-1] for row in here.told("seen", "confirmed")] == [3 * ETHER, 5, 7]
    here.check()


def test_an_evm_watcher_goes_on_within_a_gap_that_was_half_read_without_balances(
    node: Node, books: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("support_service.rails.evm.without_archive.BLOCKS_MAX", 6)
    coin, payer = node.deploy("PlainToken"), node.deploy("Payer")
    with Proxy(node.url) as lite:
        here = rich_world(node, books, coin, [lite.url])
        here.settle()
        node.mine(20)
        node.send(US, 5_000)
        node.mine(3)
        node.call(payer, "pay(address)", US, value=9)
        node.mine(2)
        node.call(coin, SEND, US, 5)
        node.mine(20)
        lite.bend = state_only_from(node, lambda: node.height - 6)
        for _ in range(6):
            books.accept(next(iter(here.source.reports(books.cursor(here.source.name)))))
            here.restart()
        as_first_stored(here, "evm_gap_half_read", f"sqlite:///{tmp_path}/books.db", node.block_hash)
        assert '"unproven":true' in FIRST["evm_gap_half_read"], "a sum that no balance was held against yet"
        for _ in range(3):
            here.look()
        assert here.told("confirmed") == [
            ("donation", "ETH", "tx:value", 5_000),
            ("donation", "USDT", "tx:log:0", 5),
            ("opening", "ETH", "block:opening", ETHER),
            ("unattributed", "ETH", "block:unexplained", 9),
        ]
        assert here.told("seen", "orphaned", "replaced") == []
        assert books.verify() == []


@pytest.fixture
def granted(tron: MakeTron, node: Node) -> tuple[TronWorld, str]:
    """A token of which no log tells that it grew by 77, up to where the balance was asked for twice."""
    coin = node.deploy("StandardToken", 6)
    here = tron(on_tron.watch(on_tron.token(coin)), rpc_solid=[])
    node.call(coin, SEND, US, 5)
    here.settle(6)
    node.call(coin, "grant(address,uint256)", US, 77)
    here.settle(3)
    return here, coin


def tron_hash(here: TronWorld, height: int) -> str:
    question = {"id": 1, "method": "eth_getBlockByNumber", "params": [hex(height), False]}
    return str(here.tron.answer(question, is_solid=False)["result"]["hash"])


def goes_on(here: TronWorld, coin: str, *later: int) -> None:
    """See that all is confirmed once, with what comes after the first code."""
    here.node.call(coin, SEND, US, 9)
    here.settle(6)
    units = sorted((5, 9, *later))
    assert here.told("confirmed") == [
        *(("donation", "USDT", "tx:log:0", one) for one in units),
        ("unattributed", "USDT", "block:unexplained", 77),
    ]
    assert (here.told("seen", "orphaned", "replaced"), warned(here.source)) == ([], "")
    here.check()


def test_a_tron_watcher_goes_on_with_a_doubt_that_waits_for_another_balance(
    granted: tuple[TronWorld, str], tmp_path: Path
) -> None:
    here, coin = granted
    as_first_stored(here, "tron_in_doubt", f"sqlite:///{tmp_path}/tron.db", lambda height: tron_hash(here, height))
    assert here.told() == [("donation", "USDT", "tx:log:0", 5)], "one balance alone books nothing"
    goes_on(here, coin)


def test_a_tron_watcher_goes_on_with_a_gap_that_is_named_and_a_gift_on_its_way(
    granted: tuple[TronWorld, str], tmp_path: Path
) -> None:
    here, coin = granted
    here.settle(3)
    here.node.call(coin, SEND, US, 6)
    here.node.mine()
    here.look()
    as_first_stored(here, "tron_seen", f"sqlite:///{tmp_path}/tron.db", lambda height: tron_hash(here, height))
    goes_on(here, coin, 6)

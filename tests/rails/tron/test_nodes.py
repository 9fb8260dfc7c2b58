"""TRON nodes that fail, differ or rewrite what was final; reading again; and going on after a freeze."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from support_service import watcher
from support_service.assembly import Assembly, assemble
from support_service.commands.check import ask_nodes
from support_service.commands.freezes import unfreeze
from support_service.commands.rehearse import rehearse
from support_service.commands.rescan import rescan
from support_service.commands.verify_online import compare
from support_service.demo.tron_node import CHAIN_ID
from support_service.ledger import Health, SourceFrozen
from support_service.rails.options import Mistake
from support_service.rails.source import MustFreeze, SourceDown
from support_service.rails.tron.network import read_network
from support_service.rails.tron.source import TronSource
from tests.fixtures.http_servers import Proxy
from tests.fixtures.node import OURS, Json, Node
from tests.fixtures.tron import MINE, NETWORK, SEND, MakeTron, TronWorld, table, token, watch
from tests.fixtures.world import fixed_clock, warned

pytestmark = pytest.mark.node

US = OURS[0]
SETTINGS = """
[publisher]
name = "A paper"
url = "http://127.0.0.1:8000"
languages = ["en"]

[database]
url = "sqlite:///tron.db"

[[methods]]
key = "usdt"
rail = "tron"
network = "tron"
address = "{us}"
assets = ["USDT"]

[networks.tron]
rail = "tron"
chain_id = {chain}
rpc = ["{rpc}"]
rpc_solid = ["{solid}"]

[[assets]]
code = "USDT"
network = "tron"
contract = "{coin}"
exponent = 6
"""


def publisher(here: TronWorld, folder: Path) -> Assembly:
    """The same watch, from a settings file."""
    file, coin = folder / "support.toml", here.watches[0].asset.contract
    told = {"us": MINE[0], "chain": CHAIN_ID, "rpc": here.ports.rpc, "solid": here.ports.solid, "coin": coin}
    file.write_text(SETTINGS.format(**told))
    return assemble(file)


def again(here: TronWorld, folder: Path, first: int = 0) -> list[str]:
    """Rescan the method through its settings; return what was said."""
    said: list[str] = []
    rescan(publisher(here, folder), here.ledger, "usdt", first, say=said.append)
    return said


def hiding(request: Json, answer: Json) -> Json:
    """Answer every search for our transfers as if there were none."""
    is_search = request["method"] == "eth_getLogs" and len(request["params"][0].get("topics", [])) > 1
    return {**answer, "result": []} if is_search else answer


@pytest.fixture
def proxies(tron: MakeTron) -> Iterator[list[Proxy]]:
    """Three faulty servers in front of the TRON node."""
    rpc = tron().ports.rpc
    with Proxy(rpc) as first, Proxy(rpc) as second, Proxy(rpc) as third:
        yield [first, second, third]


def world_of(tron: MakeTron, node: Node, proxies: list[Proxy], quorum: int) -> TronWorld:
    rpc = [proxy.url for proxy in proxies]
    return tron(watch(token(node.deploy("PlainToken"))), rpc=rpc, quorum=quorum)


def coin_of(here: TronWorld) -> str:
    """The watched token as the EVM node knows it."""
    return here.source._watched_together.tokens[0].asset.contract


def test_a_node_that_fails_is_passed_over_within_the_same_turn(
    tron: MakeTron, node: Node, proxies: list[Proxy]
) -> None:
    here = world_of(tron, node, proxies, 1)
    proxies[0].is_unplugged = True
    node.call(coin_of(here), SEND, US, 5)
    here.settle()
    assert here.told("confirmed") == [("donation", "USDT", "tx:log:0", 5)]
    here.check()


def test_a_node_whose_log_index_is_off_is_passed_over(tron: MakeTron, node: Node, proxies: list[Proxy]) -> None:
    def dead(request: Json, answer: Json) -> Json:
        is_search = request["method"] == "eth_getLogs" and request["params"][0].get("address")
        return {**answer, "result": []} if is_search else answer

    proxies[0].bend = dead
    here = world_of(tron, node, proxies[:2], 1)
    node.call(coin_of(here), SEND, US, 5)
    here.settle()
    assert here.told("confirmed") == [("donation", "USDT", "tx:log:0", 5)]
    here.check()


@pytest.mark.parametrize("has_port", [True, False])
def test_a_quorum_that_agrees_books_like_one_node(
    tron: MakeTron, node: Node, proxies: list[Proxy], has_port: bool
) -> None:
    here = world_of(tron, node, proxies, 2)
    if not has_port:
        here.settings["rpc_solid"] = []
        here.restart()
    node.call(coin_of(here), SEND, US, 5)
    here.settle(6)
    proxies[2].is_unplugged = True
    node.call(coin_of(here), SEND, US, 6)
    here.settle(6)
    assert [item[3] for item in here.told("confirmed")] == [5, 6]
    here.check()


def test_one_of_three_that_hides_a_gift_freezes_and_books_nothing(
    tron: MakeTron, node: Node, proxies: list[Proxy]
) -> None:
    here = world_of(tron, node, proxies, 2)
    here.settle()
    node.call(coin_of(here), SEND, US, 5)
    proxies[1].bend = hiding
    node.mine(8)
    with pytest.raises(MustFreeze, match="nodes differ about eth_getLogs"):
        here.look()
    assert here.rows("confirmed", "seen") == []
    assert here.ledger.verify() == []


def test_fewer_nodes_than_the_quorum_confirm_nothing(tron: MakeTron, node: Node, proxies: list[Proxy]) -> None:
    here = world_of(tron, node, proxies, 3)
    node.call(coin_of(here), SEND, US, 5)
    node.mine(8)
    proxies[0].is_unplugged = True
    with pytest.raises(SourceDown, match="2 nodes answered where 3 must agree"):
        here.look()
    assert here.rows("confirmed", "seen") == []


def test_a_node_without_finality_confirms_nothing_and_says_what_to_set(tron: MakeTron, node: Node) -> None:
    here = tron(watch(token(node.deploy("PlainToken"))))

    def older(request: Json, answer: Json) -> Json:
        if request["params"] and request["params"][0] == "finalized":
            del answer["result"]
            return {**answer, "error": {"code": -32602, "message": "invalid block number"}}
        return answer

    with Proxy(here.ports.rpc) as proxy:
        proxy.bend = older
        here.settings["rpc"] = proxy.url
        here.restart()
        with pytest.raises(
            SourceDown, match=r"does not tell the finalized block .* set `confirm` to a number of blocks"
        ):
            here.look()


def test_a_watcher_that_died_while_going_back_looks_again_at_what_it_kept(tron: MakeTron, node: Node) -> None:
    coin = node.deploy("PlainToken")
    node.mine(2)
    here = tron(watch(token(coin)))
    node.call(coin, SEND, US, 5)
    node.mine(3)
    here.look()
    # The block read last is gone, that of the gift below it is not yet.
    node.reorg(1)
    here.ledger.accept(next(here.source.reports(here.ledger.cursor("tron:tron"))))
    assert [item[3] for item in here.told("seen")] == [5]
    node.reorg(3)
    here.look()
    assert here.told("seen") == []
    here.settle()
    here.check()


@dataclass
class Later:
    """A clock that moves when told."""

    passed: timedelta = field(default_factory=timedelta)

    def __call__(self) -> datetime:
        return fixed_clock() + self.passed


def test_finality_that_stands_still_is_told_and_confirms_nothing(tron: MakeTron, node: Node) -> None:
    here, clock = tron(watch(token(node.deploy("PlainToken")))), Later()
    node.mine(8)
    final = here.tron.answer(
        {"id": 1, "method": "eth_getBlockByNumber", "params": ["finalized", False]}, is_solid=False
    )

    def stand_still(request: Json, answer: Json) -> Json:
        is_final = request["params"] and request["params"][0] == "finalized"
        return {**answer, "result": final["result"]} if is_final else answer

    with Proxy(here.ports.rpc) as proxy:
        proxy.bend = stand_still
        network = read_network(NETWORK, table(proxy.url, rpc_solid=[here.ports.solid]))
        source = TronSource(network, tuple(here.watches), clock=clock)
        turns = watcher.SourceWatch(source, here.ledger, threading.Event(), clock)
        turns.step()
        node.call(coin_of(here), SEND, US, 5)
        for _ in range(4):
            node.mine(5)
            clock.passed += timedelta(minutes=10)
            turns.step()
    assert "nothing has become final since" in warned(source)
    assert here.told("confirmed") == []
    assert here.told("seen") == [("donation", "USDT", "tx:log:0", 5)]
    assert here.ledger.health()["tron:tron"].state is Health.OK


def test_a_rescan_changes_nothing_that_is_true(tron: MakeTron, node: Node, tmp_path: Path) -> None:
    coin = node.deploy("StandardToken", 6)
    node.call(coin, SEND, US, 70)
    node.mine()
    here = tron(watch(token(coin)))
    here.settle()
    node.call(coin, SEND, US, 5)
    node.call(coin, "grant(address,uint256)", US, 9)
    node.mine()
    here.settle(4)
    node.call(coin, SEND, US, 6)
    here.settle()
    before, cursor, head = list(here.ledger.export()), here.ledger.cursor("tron:tron"), here.ledger.head()
    assert [item[3] for item in here.told()] == [5, 6, 70, 9]
    for first in (0, node.height - 8, node.height - 20):
        assert again(here, tmp_path, first)[-1] == "tron:tron: nothing changed"
    assert (list(here.ledger.export()), here.ledger.cursor("tron:tron")) == (before, cursor)
    assert here.ledger.head() == head
    here.check()


def test_a_rescan_finds_the_gift_behind_an_unexplained_row(tron: MakeTron, node: Node, tmp_path: Path) -> None:
    coin = node.deploy("PlainToken")
    here = tron(watch(token(coin)))
    here.settle()
    with Proxy(here.ports.rpc) as proxy:
        here.settings["rpc"] = proxy.url
        here.restart()
        here.settle()
        # Neither the search nor the blocks themselves tell.
        proxy.bend = lambda request, answer: {**answer, "result": []} if request["method"] == "eth_getLogs" else answer
        sent = node.call(coin, SEND, US, 5)
        here.settle(4)
    assert here.told("confirmed") == [("unattributed", "USDT", "block:unexplained", 5)]
    here.settings.clear()
    here.restart()
    here.settle()
    assert f"  confirmed donation 0.000005 USDT {sent}:log:0" in again(here, tmp_path)
    assert here.told("confirmed") == [("donation", "USDT", "tx:log:0", 5)]
    assert here.told("replaced") == [("unattributed", "USDT", "block:unexplained", 5)]
    assert again(here, tmp_path)[-1] == "tron:tron: nothing changed"
    here.settle()
    here.check()


@pytest.fixture
def frozen(tron: MakeTron, node: Node) -> TronWorld:
    """A world whose final blocks were replaced: 70 lay there, 5 stays, 7 went, 3 came."""
    coin = node.deploy("StandardToken", 6)
    node.call(coin, SEND, US, 70)
    node.mine(2)
    here = tron(watch(token(coin)))
    here.settle()
    node.call(coin, SEND, US, 5)
    here.settle()
    node.call(coin, SEND, US, 7)
    node.mine()
    node.mine(10)
    here.look()
    assert [item[3] for item in here.told("confirmed")] == [5, 7, 70]
    node.reorg(11)
    node.call(coin, SEND, US, 3)
    node.mine(12)
    with pytest.raises(MustFreeze, match="was final as"):
        here.look()
    return here


def test_a_reorg_below_finality_freezes_and_a_person_lets_it_go_on(frozen: TronWorld, tmp_path: Path) -> None:
    with pytest.raises(SourceFrozen, match="support-service unfreeze tron --note TEXT"):
        frozen.look()
    said = unfreeze(publisher(frozen, tmp_path), frozen.ledger, "tron", "the chain was rolled back")
    assert "goes on from block" in said
    frozen.restart()
    frozen.settle(4)
    assert [(item[0], item[3]) for item in frozen.told("confirmed")] == [
        ("donation", 3),
        ("donation", 5),
        ("opening", 70),
    ]
    assert [item[3] for item in frozen.told("orphaned")] == [7]
    frozen.check()
    assert again(frozen, tmp_path)[-1] == "tron:tron: nothing changed"


def test_the_ledger_is_held_against_the_chain_by_verify_online(tron: MakeTron, node: Node, tmp_path: Path) -> None:
    coin = node.deploy("PlainToken")
    here = tron(watch(token(coin)))
    node.call(coin, SEND, US, 5)
    here.settle()
    node.call(coin, SEND, US, 6)
    node.mine(7)
    said: list[str] = []
    assert compare(publisher(here, tmp_path), here.ledger, say=said.append) == []
    assert len(said) == 1 and said[0].endswith("0.000005 USDT, as on the chain")


def test_check_online_asks_every_port_which_chain_it_is_on(tron: MakeTron, node: Node, tmp_path: Path) -> None:
    here = tron(watch(token(node.deploy("PlainToken"))))
    assert len(ask_nodes(publisher(here, tmp_path))) == 2
    file = tmp_path / "support.toml"
    file.write_text(file.read_text().replace(here.ports.solid, node.url))
    wrong = [told for told in ask_nodes(assemble(file)) if isinstance(told, Mistake)]
    assert [mistake.key for mistake in wrong] == ["networks.tron.rpc_solid"]
    assert "is on chain 31337, not on 728126428" in wrong[0].reason


def test_a_rehearsal_prints_what_a_node_tells_and_opens_no_ledger(tron: MakeTron, node: Node, tmp_path: Path) -> None:
    coin = node.deploy("PlainToken")
    here = tron(watch(token(coin)))
    sent = node.call(coin, SEND, US, 5)
    node.mine(8)
    publisher(here, tmp_path)
    line = ["--network", "tron", "--rpc", here.ports.rpc, "--config", str(tmp_path / "support.toml")]
    told = CliRunner().invoke(rehearse, line)
    assert told.exit_code == 0, told.output
    assert f"confirmed\tdonation\t0.000005\tUSDT\t{sent}:log:0" in told.stdout
    assert "verify: the ledger is sound" in told.stdout
    assert here.rows() == []

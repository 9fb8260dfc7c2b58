"""rescan: true things stay, missed ones come, wrong ones go; the live source notices nothing."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from eth_utils.address import to_checksum_address

from support_service.assembly import assemble
from support_service.commands.rescan import rescan
from support_service.giving import Watch
from support_service.ledger import Ledger
from tests.commands.test_freezes import SETTINGS
from tests.fixtures.database import prepare
from tests.fixtures.http_servers import Proxy
from tests.fixtures.node import ETHER, OURS, Json, Node
from tests.fixtures.world import NETWORK, World, token, watch

pytestmark = pytest.mark.node

US = OURS[0]


@pytest.fixture
def books(tmp_path: Path) -> Iterator[Ledger]:
    url = f"sqlite:///{tmp_path}/books.db"
    prepare(url)
    ledger = Ledger(url)
    yield ledger
    ledger.dispose()


@pytest.fixture
def coin(node: Node) -> str:
    return str(to_checksum_address(node.deploy("PlainToken")))


def again(folder: Path, books: Ledger, node: Node, coin: str, first: int = 0) -> list[str]:
    """Rescan the method through its settings; return what was said."""
    file = folder / "support.toml"
    file.write_text(SETTINGS.format(us=US, rpc=f'"{node.url}"', quorum=1, coin=coin))
    said: list[str] = []
    rescan(assemble(file), books, "eth", first, say=said.append)
    return said


def test_a_rescan_changes_nothing_that_is_true(node: Node, books: Ledger, coin: str, tmp_path: Path) -> None:
    payer = node.deploy("Payer")
    node.send(US, 3)
    node.mine()
    here = World(node, books, [watch(), watch(token(coin))])
    here.look()
    start = node.height + 1
    node.send(US, ETHER)
    node.call(payer, "pay(address)", US, value=7)
    node.call(coin, "transfer(address,uint256)", US, 5)
    node.mine(30)
    here.settle()
    before, cursor, head = list(books.export()), books.cursor("evm:local"), books.head()
    for first in (0, node.height - 20):
        said = again(tmp_path, books, node, coin, first)
        assert said[-1] == "evm:local: nothing changed"
    assert (list(books.export()), books.cursor("evm:local"), books.head()) == (before, cursor, head)
    here.settle()
    here.check(first=start)


def test_a_rescan_adds_what_was_missed_and_replaces_what_was_wrong(
    node: Node, books: Ledger, coin: str, tmp_path: Path
) -> None:
    here = World(node, books, [watch(), watch(token(coin))])
    here.look()
    missed = node.send(US, ETHER)
    called = node.call(coin, "transfer(address,uint256)", US, 5)
    node.mine()
    place = node.height

    def hide(request: Json, answer: Json) -> Json:
        """Answer as if nothing had ever arrived."""
        match request["method"]:
            case "eth_getBalance":
                return {**answer, "result": "0x0"}
            case "eth_getLogs":
                return {**answer, "result": []}
            case "eth_call" if request["params"][0]["data"].startswith("0x70a08231"):
                return {**answer, "result": "0x" + "0" * 64}
        return answer

    with Proxy(node.url) as proxy:
        proxy.bend = hide
        here.url = proxy.url
        here.restart()
        node.mine(20)
        here.look()
    assert here.told() == []
    said = again(tmp_path, books, node, coin, place)
    assert [line for line in said if line.startswith("  ")] == [
        f"  confirmed donation 1 ETH {missed}:value",
        f"  confirmed donation 0.000005 USDT {called}:log:0",
    ]
    assert said[-1] == "evm:local: 2 changes"
    assert again(tmp_path, books, node, coin, place)[-1] == "evm:local: nothing changed"
    assert books.verify() == []


def test_a_rescan_replaces_what_the_chain_does_not_have(node: Node, books: Ledger, coin: str, tmp_path: Path) -> None:
    here = World(node, books, [watch(), watch(token(coin))])
    here.look()
    tx = node.send(US, ETHER)
    node.mine()
    place, other = node.height, hex(2 * ETHER)

    def boast(request: Json, answer: Json) -> Json:
        if request["method"] == "eth_getBalance" and answer["result"] == hex(ETHER):
            return {**answer, "result": other}
        return answer

    with Proxy(node.url) as proxy:
        proxy.bend = boast
        here.url = proxy.url
        here.restart()
        node.mine(20)
        here.look()
    assert here.told("confirmed") == [
        ("donation", "ETH", "tx:value", ETHER),
        ("unattributed", "ETH", "block:unexplained", ETHER),
    ]
    again(tmp_path, books, node, coin, place)
    assert here.told("confirmed") == [("donation", "ETH", "tx:value", ETHER)]
    assert [row["tx"] for row in here.rows("confirmed")] == [tx]
    assert here.told("replaced") == [("unattributed", "ETH", "block:unexplained", ETHER)]


def test_what_came_before_the_start_stays_an_opening(node: Node, books: Ledger, coin: str, tmp_path: Path) -> None:
    node.send(US, ETHER)
    node.mine(3)
    here = World(node, books, [Watch(NETWORK, US, watch().asset, "eth")])
    here.settle()
    again(tmp_path, books, node, coin, 0)
    assert here.told() == [("opening", "ETH", "block:opening", ETHER)]

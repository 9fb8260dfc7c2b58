"""One node that lied once: what it said is not explained away, and after a person has looked all is right again."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import pytest
from eth_utils.address import to_checksum_address

from support_service.commands.freezes import unfreeze
from support_service.commands.rescan import rescan
from support_service.ledger import Ledger
from support_service.rails.source import MustFreeze
from tests.commands.test_freezes import publisher
from tests.fixtures.database import prepare
from tests.fixtures.http_servers import Proxy
from tests.fixtures.node import OURS, Json, Node
from tests.fixtures.world import World, fixed_clock, token, watch

pytestmark = pytest.mark.node

US = OURS[0]
Bend: TypeAlias = Callable[[Json, Json], Json]


@pytest.fixture
def books(tmp_path: Path) -> Iterator[Ledger]:
    url = f"sqlite:///{tmp_path}/books.db"
    prepare(url)
    ledger = Ledger(url, clock=fixed_clock)
    yield ledger
    ledger.dispose()


@pytest.fixture
def coin(node: Node) -> str:
    return node.deploy("PlainToken")


def adding(node: Node, method: str, units: int, first: int) -> Bend:
    """Say of every block from `first` on that we hold more than we do."""
    place_of = {"eth_getBalance": 1, "eth_call": 1}[method]

    def bend(request: Json, answer: Json) -> Json:
        if request["method"] != method or request["params"][place_of] == "latest":
            return answer
        place = request["params"][place_of]
        if isinstance(place, dict):
            place = node.ask("eth_getBlockByHash", place["blockHash"], False)["number"]
        if int(place, 16) < first or len(answer["result"]) > 66:
            return answer
        told = answer["result"]
        return {
            **answer,
            "result": f"0x{int(told, 16) + units:0{len(told) - 2}x}" if len(told) == 66 else hex(int(told, 16) + units),
        }

    return bend


def refuse_programs(bend: Bend) -> Bend:
    """The same by a node that does not tell all balances at once."""

    def both(request: Json, answer: Json) -> Json:
        if request["method"] == "eth_call" and "to" not in request["params"][0]:
            return {"id": request["id"], "error": {"code": -32000, "message": "execution reverted"}}
        return bend(request, answer)

    return both


@pytest.mark.parametrize("order", ["rescan last", "rescan first"])
@pytest.mark.parametrize(("method", "units"), [("eth_getBalance", 100), ("eth_call", 100), ("eth_getBalance", -60)])
def test_a_balance_that_was_a_lie_is_not_explained_away(
    node: Node, books: Ledger, coin: str, tmp_path: Path, method: str, units: int, order: str
) -> None:
    with Proxy(node.url) as proxy:
        here = World(node, books, [watch(), watch(token(coin))], proxy.url)
        node.send(US, 60)
        node.call(coin, "transfer(address,uint256)", US, 5)
        node.mine()
        here.look()
        here.settle()
        first = node.height + 1
        proxy.bend = refuse_programs(adding(node, method, units, first))
        node.mine(12)
        here.look()
        assert [row[3] for row in here.told("confirmed") if row[2] == "block:unexplained"] == [abs(units)]
        proxy.bend = lambda _request, answer: answer
        house = publisher(tmp_path, str(to_checksum_address(coin)), proxy.url)
        if order == "rescan first":
            rescan(house, books, "eth", first, say=lambda _line: None)
        node.send(US, 7)
        node.call(coin, "transfer(address,uint256)", US, 8)
        node.mine(12)
        before = here.told("confirmed")
        with pytest.raises(MustFreeze, match=r"was read as .* and is .* now"):
            here.look()
        assert here.told("confirmed") == before, "nothing is invented meanwhile"
        unfreeze(house, books, "local", "the node was replaced")
        if order == "rescan last":
            rescan(house, books, "eth", first, say=lambda _line: None)
        here.restart()
        here.look()
        here.settle()
    assert [row for row in here.told("confirmed") if row[2] == "block:unexplained"] == []
    assert sorted(row[3] for row in here.told("confirmed") if row[0] == "donation") == [7, 8]
    here.check(first=first)


def test_a_lie_about_the_newest_block_is_read_again_without_a_stop(node: Node, books: Ledger) -> None:
    with Proxy(node.url) as proxy:
        here = World(node, books, [watch()], proxy.url)
        here.look()
        here.settle()
        proxy.bend = adding(node, "eth_getBalance", 100, node.height + 1)
        node.mine()
        here.look()
        assert here.told("seen") == [("unattributed", "ETH", "block:unexplained", 100)]
        proxy.bend = lambda _request, answer: answer
        node.send(US, 7)
        node.mine()
        here.look()
        assert ("donation", "ETH", "tx:value", 7) in here.told("seen")
        here.settle()
    assert here.told() == [("donation", "ETH", "tx:value", 7)]
    here.check()

"""Nodes that refuse to name a block by its hash: the same is booked, and no two forks are mixed."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support_service.ledger import Ledger
from support_service.rails.source import SourceDown
from tests.fixtures.database import prepare
from tests.fixtures.http_servers import Proxy
from tests.fixtures.node import ETHER, OURS, Json, Node
from tests.fixtures.world import World, fixed_clock, token, watch

pytestmark = pytest.mark.node

US = OURS[0]
WORDS = "invalid argument 1: json: cannot unmarshal object into Go value of type string"


@pytest.fixture
def books(tmp_path: Path) -> Iterator[Ledger]:
    url = f"sqlite:///{tmp_path}/books.db"
    prepare(url)
    ledger = Ledger(url, clock=fixed_clock)
    yield ledger
    ledger.dispose()


def heights_only(code: int, words: str) -> Callable[[Json, Json], Json]:
    """Answer as a node before EIP-1898."""

    def bend(request: Json, answer: Json) -> Json:
        is_hash = len(request["params"]) > 1 and isinstance(request["params"][1], dict)
        of_state = request["method"] in ("eth_getBalance", "eth_getTransactionCount", "eth_getCode", "eth_call")
        error = {"code": code, "message": words}
        return {"id": request["id"], "error": error} if is_hash and of_state else answer

    return bend


def give(node: Node, coin: str, units: int) -> None:
    node.send(US, units)
    node.call(coin, "transfer(address,uint256)", US, 5)
    node.mine()


@pytest.mark.parametrize(("code", "words"), [(-32602, WORDS), (-32000, WORDS), (-32602, "invalid params")])
def test_a_node_that_takes_no_block_hashes_is_asked_by_height(node: Node, books: Ledger, code: int, words: str) -> None:
    coin = node.deploy("PlainToken")
    node.send(US, ETHER)
    node.mine()
    with Proxy(node.url) as proxy:
        proxy.bend = heights_only(code, words)
        here = World(node, books, [watch(), watch(token(coin))], proxy.url)
        here.look()
        give(node, coin, 100)
        here.look()
        assert [row[3] for row in here.told("seen") if row[0] == "donation"] == [100, 5]
        node.mine()
        before = proxy.requests
        here.look()
        assert proxy.requests - before <= 6
        here.settle()
    assert [row for row in here.told("confirmed") if row[0] == "donation"] == [
        ("donation", "ETH", "tx:value", 100),
        ("donation", "USDT", "tx:log:0", 5),
    ]
    assert books.verify() == []


def test_a_block_that_changes_under_the_question_is_read_again(node: Node, books: Ledger) -> None:
    coin = node.deploy("PlainToken")
    with Proxy(node.url) as proxy:
        refuse = heights_only(-32602, WORDS)
        proxy.bend = refuse
        here = World(node, books, [watch(), watch(token(coin))], proxy.url)
        here.look()
        give(node, coin, 100)
        moved: list[int] = []

        def move(request: Json, answer: Json) -> Json:
            # The chain moves between the hash asked before and the balance: what is said is of another block.
            if request["method"] == "eth_getBalance" and isinstance(request["params"][1], str) and not moved:
                moved.append(1)
                node.reorg(1)
                node.send(US, 7)
                node.mine()
                return {**answer, "result": node.ask("eth_getBalance", *request["params"])}
            return refuse(request, answer)

        proxy.bend = move
        with pytest.raises(SourceDown, match="the chain moved while it was read"):
            here.look()
        assert moved
        proxy.bend = refuse
        here.look()
        assert [row[3] for row in here.told("seen")] == [7]
        here.settle()
    assert here.told("confirmed") == [("donation", "ETH", "tx:value", 7)]
    here.check()


def test_a_node_that_takes_hashes_is_never_asked_by_height_for_want_of_one(node: Node, books: Ledger) -> None:
    with Proxy(node.url) as proxy:
        here = World(node, books, [watch()], proxy.url)
        here.look()
        give(node, node.deploy("PlainToken"), 100)
        here.look()
        (asked,) = here.source.nodes
        assert getattr(asked, "takes_hashes", False)

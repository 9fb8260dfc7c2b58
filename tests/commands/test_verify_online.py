"""verify --online: every watch against its chain, to the last unit."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from eth_utils.address import to_checksum_address

from support_service.assembly import Assembly, assemble
from support_service.commands.verify_online import compare
from support_service.ledger import Ledger
from tests.commands.test_freezes import SETTINGS
from tests.fixtures.database import prepare
from tests.fixtures.http_servers import Proxy
from tests.fixtures.node import ETHER, OURS, Json, Node
from tests.fixtures.world import World, token, watch

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


def publisher(folder: Path, url: str, coin: str) -> Assembly:
    file = folder / "support.toml"
    file.write_text(SETTINGS.format(us=US, rpc=f'"{url}"', quorum=1, coin=coin))
    return assemble(file)


def test_a_sound_ledger_holds_what_the_chain_holds(node: Node, books: Ledger, coin: str, tmp_path: Path) -> None:
    node.become(US)
    node.give(US, 20 * ETHER)
    node.mine()
    here = World(node, books, [watch(), watch(token(coin))])
    here.look()
    node.send(US, 3, **{"from": US})
    node.call(coin, "transfer(address,uint256)", US, 7)
    node.mine()
    here.settle()
    node.send(US, ETHER)
    node.mine()
    here.look()
    said: list[str] = []
    assert compare(publisher(tmp_path, node.url, coin), books, say=said.append) == []
    assert len(said) == 2
    assert all(line.endswith("as on the chain") for line in said)
    assert "0.000007 USDT" in said[1]


def test_a_difference_is_named_with_its_watch(node: Node, books: Ledger, coin: str, tmp_path: Path) -> None:
    here = World(node, books, [watch(), watch(token(coin))])
    here.look()
    node.send(US, ETHER)
    node.mine()
    here.settle()

    def less(request: Json, answer: Json) -> Json:
        return {**answer, "result": hex(ETHER - 1)} if request["method"] == "eth_getBalance" else answer

    with Proxy(node.url) as proxy:
        proxy.bend = less
        (problem,) = compare(publisher(tmp_path, proxy.url, coin), books, say=lambda _line: None)
        assert f"ETH at {US}" in problem
        assert problem.endswith("the ledger says 1 ETH, the chain has 0.000000000000000001 less")
        proxy.is_unplugged = True
        (problem,) = compare(publisher(tmp_path, proxy.url, coin), books, say=lambda _line: None)
        assert "evm:local: could not be compared" in problem and "SECRETKEY" not in problem


def test_what_was_never_read_is_a_problem(node: Node, books: Ledger, coin: str, tmp_path: Path) -> None:
    (problem,) = compare(publisher(tmp_path, node.url, coin), books, say=lambda _line: None)
    assert problem == "evm:local: never read yet, so there is nothing to compare"

"""Freezes: a reorg below finality or a lying node stops one network until a person has looked."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from eth_utils.address import to_checksum_address

from support_service import watcher
from support_service.assembly import Assembly, assemble
from support_service.commands.freezes import freeze_lines, unfreeze
from support_service.ledger import Health, Ledger, LedgerError, SourceFrozen
from support_service.rails.source import MustFreeze
from tests.fixtures.database import prepare
from tests.fixtures.door import create_site
from tests.fixtures.http_servers import Proxy
from tests.fixtures.node import ETHER, OURS, Node
from tests.fixtures.world import World, token, watch

pytestmark = pytest.mark.node

US = OURS[0]
SETTINGS = """
[publisher]
name = "A paper"
url = "http://127.0.0.1:8000"
languages = ["en"]

[database]
url = "sqlite:///books.db"

[[methods]]
key = "eth"
rail = "evm"
network = "local"
address = "{us}"
assets = ["ETH", "USDT"]

[networks.local]
rail = "evm"
chain_id = 31337
rpc = [{rpc}]
quorum = {quorum}

[[assets]]
code = "ETH"
network = "local"
exponent = 18

[[assets]]
code = "USDT"
network = "local"
contract = "{coin}"
exponent = 6
"""


@pytest.fixture
def books(tmp_path: Path) -> Iterator[Ledger]:
    url = f"sqlite:///{tmp_path}/books.db"
    prepare(url)
    ledger = Ledger(url)
    yield ledger
    ledger.dispose()


def publisher(folder: Path, coin: str, *rpc: str, quorum: int = 1) -> Assembly:
    file = folder / "support.toml"
    listed = ", ".join(f'"{url}"' for url in rpc)
    file.write_text(SETTINGS.format(us=US, rpc=listed, quorum=quorum, coin=coin))
    return assemble(file)


@pytest.fixture
def coin(node: Node) -> str:
    return str(to_checksum_address(node.deploy("PlainToken")))


@pytest.fixture
def frozen(node: Node, books: Ledger, coin: str) -> World:
    """A world whose final blocks were replaced: 1 ETH stays, 2 ETH and 7 USDT went, 3 ETH came."""
    here = World(node, books, [watch(), watch(token(coin))])
    here.look()
    node.send(US, ETHER)
    node.mine()
    here.settle()
    node.send(US, 2 * ETHER)
    node.call(coin, "transfer(address,uint256)", US, 7)
    node.mine()
    node.mine(10)
    here.look()
    assert len(here.told("confirmed")) == 3
    node.reorg(11)
    node.send(US, 3 * ETHER)
    node.mine(12)
    with pytest.raises(MustFreeze, match="was final as"):
        here.look()
    return here


def test_r7_a_reorg_below_finality_freezes_the_network(frozen: World, books: Ledger) -> None:
    (held,) = books.freezes()
    assert (held.source, held.network) == ("evm:local", "local")
    assert {"height", "final_before", frozen.node.url.split("/")[2]} == held.evidence.keys()
    before, cursor = list(books.export()), books.cursor("evm:local")
    frozen.restart()
    with pytest.raises(SourceFrozen, match="support-service unfreeze local --note TEXT"):
        frozen.look()
    assert (list(books.export()), books.cursor("evm:local")) == (before, cursor)
    (outcome,) = watcher.run_once([frozen.source], books)
    assert not outcome.is_good and "frozen" in outcome.reason
    assert books.health()["evm:local"].state is Health.LIED
    assert "was final as" in "\n".join(freeze_lines(books))
    assert books.verify() == []


def test_r7_a_report_that_was_on_its_way_is_refused_too(frozen: World, books: Ledger, node: Node) -> None:
    source = World(node, books, [watch()]).source
    report = next(source.reports(None))
    with pytest.raises(SourceFrozen):
        books.accept(report)


def test_r7_after_a_person_has_looked_the_other_branch_is_booked(
    frozen: World, books: Ledger, tmp_path: Path, coin: str
) -> None:
    said = unfreeze(publisher(tmp_path, coin, frozen.node.url), books, "local", "the dev chain was rolled back")
    assert "goes on from block" in said
    assert books.freezes() == ()
    frozen.restart()
    frozen.settle()
    assert frozen.told("confirmed") == [
        ("donation", "ETH", "tx:value", ETHER),
        ("donation", "ETH", "tx:value", 3 * ETHER),
    ]
    assert frozen.told("orphaned") == [("donation", "ETH", "tx:value", 2 * ETHER), ("donation", "USDT", "tx:log:0", 7)]
    frozen.check()


def test_unfreezing_is_a_staff_report_in_the_chain(frozen: World, books: Ledger, tmp_path: Path, coin: str) -> None:
    before = books.head().number
    unfreeze(publisher(tmp_path, coin, frozen.node.url), books, "local", "looked, all is well")
    (ended,) = books.freezes(with_ended=True)
    assert (ended.ended_by, ended.note) == ("cli", "looked, all is well")
    assert books.head().number == before + 2
    with pytest.raises(LedgerError, match="local is not frozen"):
        unfreeze(publisher(tmp_path, coin, frozen.node.url), books, "local", "again")
    assert books.verify() == []


def test_when_the_node_was_mended_everything_goes_on_where_it_stood(
    node: Node, books: Ledger, tmp_path: Path, coin: str
) -> None:
    with Proxy(node.url) as proxy:
        settings = {"rpc": [node.url, proxy.url], "quorum": 2}
        here = World(node, books, [watch(), watch(token(coin))], settings=settings)
        here.look()
        node.send(US, ETHER)
        node.mine(10)
        proxy.bend = lambda request, answer: (
            {**answer, "result": "0x1"} if request["method"] == "eth_getBalance" else answer
        )
        with pytest.raises(MustFreeze, match="nodes differ about eth_getBalance"):
            here.look()
        proxy.bend = lambda _request, answer: answer
        with pytest.raises(SourceFrozen):
            here.look()
        assert "where it stood" in unfreeze(
            publisher(tmp_path, coin, node.url, proxy.url, quorum=2), books, "local", "replaced a bad node"
        )
        here.settle()
    assert here.told("confirmed") == [("donation", "ETH", "tx:value", ETHER)]
    here.check()


def test_what_is_frozen_is_shown_wherever_freshness_is(frozen: World, books: Ledger, tmp_path: Path, coin: str) -> None:
    client = create_site(publisher(tmp_path, coin, frozen.node.url)).test_client()
    ready = client.get("/readyz")
    assert ready.status_code == 503
    assert ready.get_json()["reasons"] == ["evm:local: frozen until a person has looked; see `support-service freezes`"]
    assert [source["state"] for source in client.get("/totals.json").get_json()["sources"]] == ["frozen"]
    assert 'support_source_state{source="evm:local",state="frozen"} 1' in client.get("/metrics").text
    assert frozen.node.url.split("/")[2] not in ready.text
    assert len(books.freezes()) == 1

"""The whole line on a real chain: transfers, reorgs, flips, kills and races; the ledger ends equal to the chain."""

import json
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from eth_utils.address import to_checksum_address

from support_service import watcher
from support_service.ledger import Health, Ledger, SourceFrozen
from support_service.rails.source import SourceDown, SourceLied
from tests.fixtures.database import prepare
from tests.fixtures.forked import Forked, forked
from tests.fixtures.http_servers import Proxy
from tests.fixtures.node import ACCOUNTS, CHAIN_ID, ETHER, OURS, Node, start_node
from tests.fixtures.service import Start
from tests.fixtures.world import World, token, watch

pytestmark = pytest.mark.node

US = OURS[0]
DEADLINE_SECONDS = 60.0


@pytest.fixture
def books(database_url: str) -> Iterator[Ledger]:
    prepare(database_url)
    ledger = Ledger(database_url)
    yield ledger
    ledger.dispose()


def test_from_seen_to_confirmed(node: Node, books: Ledger) -> None:
    coin, payer = node.deploy("PlainToken"), node.deploy("Payer")
    node.become(US)
    node.give(US, ETHER)
    here = World(node, books, [watch(), watch(token(coin))])
    here.look()
    given = [
        node.send(US, 10_000),
        node.call(coin, "transfer(address,uint256)", US, 2_500_000),
        node.call(payer, "pay(address)", US, value=77),
    ]
    failed = node.call(payer, "payAndFail(address)", US, value=1_000)
    spent = node.send(ACCOUNTS[1], 5, **{"from": US})
    node.mine()
    here.look()
    assert {row["tx"] for row in here.rows("seen")} == {*given, spent, None}
    assert books.totals() == ()
    here.check()
    here.settle()
    assert {row["tx"] for row in here.rows("confirmed")} == {*given, spent, None}
    assert failed not in {row["tx"] for row in books.export()}
    assert {(total.asset, total.units) for total in books.totals()} == {("ETH", 10_077), ("USDT", 2_500_000)}
    here.check()


def test_a_reorg_drops_two_gifts(node: Node, books: Ledger) -> None:
    here = World(node, books, [watch()])
    here.look()
    node.send(US, 100)
    node.mine()
    node.send(US, 23)
    node.mine(2)
    here.look()
    assert [row["units"] for row in here.rows("seen")] == ["100", "23"]
    node.reorg(3)
    here.look()
    assert here.rows() == []
    assert sorted(row["units"] for row in here.rows("orphaned")) == ["100", "23"]
    here.check()
    here.settle()
    here.check()
    assert books.totals() == ()


def test_r2_a_gift_that_a_reorg_moves_to_another_block_stays_one_gift(node: Node, books: Ledger) -> None:
    coin = node.deploy("PlainToken")
    node.mine(4)
    here = World(node, books, [watch(), watch(token(coin))])
    here.look()
    # Another log stands before ours in the old block, not in the new one: only the place in the receipt stays.
    node.call(coin, "transfer(address,uint256)", ACCOUNTS[1], 9, by=ACCOUNTS[2])
    raws = [node.raw(node.call(coin, "transfer(address,uint256)", US, 5)), node.raw(node.send(US, 100))]
    node.mine(3)
    here.look()
    before = {str(row["locator"]): row for row in here.rows("seen")}
    node.reorg(3, [(raw, 1) for raw in raws])
    here.look()
    after = {str(row["locator"]): row for row in here.rows("seen")}
    assert {row["id"] for row in after.values()} == {row["id"] for row in before.values()}
    assert all(after[name]["block_height"] == before[name]["block_height"] + 1 for name in before)
    here.settle()
    assert len(list(books.export())) == 2
    here.check()


def test_r4_a_chain_that_flips_between_two_forks_keeps_one_gift(node: Node, books: Ledger) -> None:
    coin = node.deploy("PlainToken")
    node.mine(4)
    other = start_node()
    try:
        node.copy_to(other)
        with Proxy(node.url) as proxy:
            here = World(node, books, [watch(), watch(token(coin))], proxy.url)
            here.look()
            shared = node.raw(node.call(coin, "transfer(address,uint256)", US, 5))
            node.send(US, 100)
            node.mine(2)
            other.ask("eth_sendRawTransaction", shared)
            other.mine()
            other.send(US, 23, **{"from": ACCOUNTS[2]})
            other.mine()
            for side in (node, other, node, other, node, other):
                proxy.upstream = here.node.url if side is node else other.url
                here.look()
                amounts = sorted(int(str(row["units"])) for row in here.rows("seen"))
                assert amounts == ([5, 100] if side is node else [5, 23])
            here.node = other
            here.settle()
            here.check()
        flips = {str(row["units"]): len(history(books, str(row["id"]))) for row in books.export()}
        assert flips["100"] == 6, "seen and orphaned three times each"
        assert books.verify() == []
    finally:
        other.stop()


def history(books: Ledger, ref: str) -> list[str]:
    found = books.donation(ref)
    assert found is not None
    return [type(seen.claim).__name__ for seen in found.observations]


def test_r5_a_reorg_while_nobody_watched_is_walked_back(node: Node, books: Ledger) -> None:
    here = World(node, books, [watch()])
    for units in (1, 2, 3, 4):
        node.send(US, units)
        node.mine()
        here.look()
    node.reorg(4)
    node.send(US, 50)
    node.mine(2)
    here.restart()
    here.look()
    here.check()
    here.settle()
    assert [row[3] for row in here.told("confirmed")] == [50]
    here.check()


def test_a_reorg_below_finality_freezes_until_a_person_has_looked(node: Node, books: Ledger) -> None:
    here = World(node, books, [watch()])
    here.look()
    node.send(US, 100)
    node.mine(8)
    here.look()
    before = list(books.export())
    node.reorg(8)
    with pytest.raises(SourceLied, match=r"was final as 0x[0-9a-f]{64} and is 0x"):
        here.look()
    with pytest.raises(SourceFrozen, match="unfreeze"):
        here.look()
    assert list(books.export()) == before
    assert before[0]["state"] == "confirmed"
    assert books.verify() == []


def test_n10_a_node_that_falls_behind_changes_nothing(node: Node, books: Ledger) -> None:
    other = start_node()
    try:
        node.mine(2)
        node.copy_to(other)
        with Proxy(node.url) as proxy:
            here = World(node, books, [watch()], proxy.url)
            here.look()
            node.send(US, 100)
            node.mine(3)
            here.look()
            proxy.upstream = other.url
            with pytest.raises(SourceDown, match="its head went back to 2, we have read 5"):
                here.look()
            assert [row["units"] for row in here.rows("seen")] == ["100"]
            proxy.upstream = node.url
            here.settle()
        here.check()
    finally:
        other.stop()


def test_a_node_unplugged_and_back(node: Node, books: Ledger) -> None:
    with Proxy(node.url) as proxy:
        here = World(node, books, [watch()], proxy.url)
        here.look()
        node.send(US, 100)
        node.mine()
        proxy.is_unplugged = True
        (outcome,) = watcher.run_once([here.source], books)
        assert "cannot be reached" in outcome.reason
        assert books.health()["evm:local"].state is Health.DOWN
        proxy.is_unplugged = False
        (outcome,) = watcher.run_once([here.source], books)
        assert outcome.is_good
        assert books.health()["evm:local"].state is Health.OK
        here.settle()
    here.check()


SETTINGS = """
[publisher]
name = "Newsroom"
[database]
url = "{database_url}"
[[methods]]
key = "eth"
rail = "evm"
network = "local"
address = "{address}"
assets = ["ETH", "USDT"]
start_block = 1
[networks.local]
rail = "evm"
chain_id = {chain_id}
rpc = ["{url}"]
poll_seconds = 1
[[assets]]
code = "ETH"
network = "local"
exponent = 18
[[assets]]
code = "USDT"
network = "local"
contract = "{contract}"
exponent = 6
"""


def write_settings(folder: Path, url: str, database_url: str, contract: str, more: str = "") -> Path:
    file = folder / "support.toml"
    known = {"database_url": database_url, "address": US, "url": url, "contract": contract, "chain_id": CHAIN_ID}
    file.write_text(SETTINGS.format(**known) + more)
    return file


@contextmanager
def watching(file: Path) -> Iterator[Forked]:
    """A real watcher process; killed without warning at the end if it still lives."""
    process = forked("support_service", ["--config", str(file), "watch"])
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.wait()


def await_that(is_so: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not is_so():
        assert time.monotonic() < deadline, f"waited {DEADLINE_SECONDS:.0f} s for {what}"
        time.sleep(0.05)  # between two looks at a real process, so that it has the machine to itself


def contracts_address(node: Node) -> str:
    """A token, with checksum as settings want it."""
    return str(to_checksum_address(node.deploy("PlainToken")))


@dataclass
class Traffic:
    """Mixed gifts without end. A step adds a few blocks, but only when the watcher has seen those before."""

    node: Node
    books: Ledger
    coin: str

    def __post_init__(self) -> None:
        self.payer, self.number, self.read_height = self.node.deploy("Payer"), 0, -1

    def step(self) -> None:
        cursor = self.books.cursor("evm:local")
        height = cursor.height if cursor is not None and cursor.height is not None else 0
        if height > self.read_height:
            self.read_height, self.number = height, self.number + 1
            self.node.send(US, self.number)
            self.node.call(self.coin, "transfer(address,uint256)", US, self.number)
            self.node.call(self.payer, "pay(address)", US, value=1_000 + self.number)
            self.node.mine(1 + self.number % 3)

    def await_rows(self, least: int) -> None:
        def has_worked() -> bool:
            self.step()
            return len(list(self.books.export())) >= least

        await_that(has_worked, f"{least} rows")


def test_a_watcher_killed_again_and_again_leaves_no_gap_and_no_double(
    node: Node, books: Ledger, database_url: str, tmp_path: Path, start: Start
) -> None:
    coin = contracts_address(node)
    file = write_settings(tmp_path, node.url, database_url, coin)
    here = World(node, books, [watch(start=1), watch(token(coin), start=1)])
    gifts = Traffic(node, books, coin)
    for wanted in (1, 3):
        with watching(file) as process:
            gifts.await_rows(len(list(books.export())) + wanted)
            assert process.poll() is None
        gifts.read_height = -1
        gifts.step()
    node.mine(10)
    done = start("--config", file, "watch", "--once")
    assert done.process.wait(DEADLINE_SECONDS) == 0, done.complained()
    assert {row["state"] for row in books.export()} == {"confirmed"}
    here.check()


def test_two_watchers_race_and_nothing_is_lost_or_doubled(
    node: Node, books: Ledger, database_url: str, tmp_path: Path
) -> None:
    coin = contracts_address(node)
    file = write_settings(tmp_path, node.url, database_url, coin)
    here = World(node, books, [watch(start=1), watch(token(coin), start=1)])
    with watching(file), watching(file):
        Traffic(node, books, coin).await_rows(12)
        node.mine(10)

        def is_settled() -> bool:
            cursor = books.cursor("evm:local")
            return cursor is not None and cursor.height == node.height

        await_that(is_settled, "the head")
    assert {row["state"] for row in books.export()} == {"confirmed"}
    here.check()


def test_sigterm_ends_the_watcher_cleanly(node: Node, books: Ledger, database_url: str, tmp_path: Path) -> None:
    file = write_settings(tmp_path, node.url, database_url, contracts_address(node))
    with watching(file) as process:
        await_that(lambda: books.cursor("evm:local") is not None, "the first turn")
        process.terminate()
        assert process.wait(DEADLINE_SECONDS) == 0


def test_a_wrong_chain_stops_that_source_and_no_other(
    node: Node, books: Ledger, database_url: str, tmp_path: Path, start: Start
) -> None:
    coin = contracts_address(node)
    wrong = f"""
[[methods]]
key = "eth-elsewhere"
rail = "evm"
network = "elsewhere"
address = "{US}"
assets = ["ETH"]
[networks.elsewhere]
rail = "evm"
chain_id = 1
rpc = ["{node.url}"]
[[assets]]
code = "ETH"
network = "elsewhere"
exponent = 18
"""
    file = write_settings(tmp_path, node.url, database_url, coin, wrong)
    node.send(US, 100)
    node.mine(10)
    done = start("--config", file, "watch", "--once")
    assert done.process.wait(DEADLINE_SECONDS) == 1
    assert "evm:elsewhere" in done.printed() + done.complained()
    assert "is on chain 31337" in done.printed() + done.complained()
    assert [(row["network"], row["units"], row["state"]) for row in books.export()] == [("local", "100", "confirmed")]
    assert books.health()["evm:elsewhere"].state is Health.LIED
    assert books.health()["evm:local"].state is Health.OK
    assert json.loads(books.cursors()["evm:local"].memo)["final"]
    World(node, books, [watch(start=1), watch(token(coin), start=1)]).check()

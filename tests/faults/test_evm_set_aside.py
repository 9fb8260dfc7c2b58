"""One receipt or token that cannot be read is set aside: all others are read, and what balances prove is booked."""

import contextlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest

from support_service.ledger import Ledger
from support_service.rails.source import SourceDown
from tests.fixtures.database import prepare
from tests.fixtures.http_servers import Proxy
from tests.fixtures.node import OURS, Json, Node
from tests.fixtures.world import World, fixed_clock, token, watch

pytestmark = pytest.mark.node

US = OURS[0]
GIFT = 10**15
SEND = "transfer(address,uint256)"


class Later:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.passed = timedelta(0)

    def __call__(self):  # type: ignore[no-untyped-def]
        return fixed_clock() + self.passed


@pytest.fixture
def clock() -> Later:
    return Later()


@pytest.fixture
def ledger(tmp_path: Path, clock: Later) -> Iterator[Ledger]:
    url = f"sqlite:///{tmp_path}/books.db"
    prepare(url)
    made = Ledger(url, clock=clock)
    yield made
    made.dispose()


@pytest.fixture
def proxy(node: Node) -> Iterator[Proxy]:
    with ExitStack() as stack:
        yield stack.enter_context(Proxy(node.url))


def world_of(node: Node, ledger: Ledger, proxy: Proxy, *coins: str) -> World:
    watches = [watch(), *(watch(token(coin, code=f"T{place}")) for place, coin in enumerate(coins))]
    made = World(node, ledger, watches, settings={"rpc": [proxy.url]})
    hurry(made)
    made.look()
    return made


def hurry(world: World) -> None:
    """Let no test wait, and let the source read the ledger's clock."""
    for one in world.source.nodes:
        one._pause = lambda _seconds: None
    world.source._clock = world.ledger._clock
    world.source.asides._clock = world.ledger._clock


def receipts(change: Callable[[Json], Json]) -> Callable[[Json, Json], Json]:
    def bend(request: Json, answer: Json) -> Json:
        is_one = request["method"] == "eth_getTransactionReceipt" and answer.get("result")
        return {**answer, "result": change(answer["result"])} if is_one else answer

    return bend


@pytest.mark.parametrize(
    "lacking",
    [
        pytest.param(lambda told: {**told, "effectiveGasPrice": None}, id="price-null"),
        pytest.param(lambda told: {k: v for k, v in told.items() if k != "effectiveGasPrice"}, id="price-missing"),
        pytest.param(lambda told: {**told, "gasUsed": None}, id="used-null"),
        pytest.param(lambda told: {**told, "l1Fee": "lots"}, id="fee-odd"),
        pytest.param(lambda told: {**told, "logs": None}, id="logs-null"),
    ],
)
def test_a_gift_is_booked_though_its_receipt_lacks_what_only_senders_need(
    node: Node, ledger: Ledger, proxy: Proxy, lacking: Callable[[Json], Json]
) -> None:
    here = world_of(node, ledger, proxy)
    proxy.bend = receipts(lacking)
    node.send(US, GIFT)
    node.mine()
    here.settle()
    assert here.told("confirmed") == [("donation", "ETH", "tx:value", GIFT)]
    assert ledger.set_aside() == ()


def test_a_gift_whose_receipt_is_null_is_booked_unattributed_and_named_as_soon_as_it_can_be_read(
    node: Node, ledger: Ledger, proxy: Proxy, clock: Later
) -> None:
    coin = node.deploy("StandardToken", 6)
    here = world_of(node, ledger, proxy, coin)
    poisoned = node.send(US, GIFT)
    node.mine()
    good = node.call(coin, SEND, US, 7)
    node.mine()
    proxy.bend = lambda request, answer: (
        {**answer, "result": None}
        if request["method"] == "eth_getTransactionReceipt" and request["params"] == [poisoned]
        else answer
    )
    here.settle()
    assert [(row["kind"], row["units"]) for row in here.rows("confirmed")] == [
        ("unattributed", str(GIFT)),
        ("donation", "7"),
    ]
    (item,) = ledger.set_aside("evm:local")
    assert poisoned in item.reason and item.key.startswith("ETH in block ")
    assert good not in item.reason
    proxy.bend = lambda _request, answer: answer
    clock.passed += timedelta(minutes=2)
    here.restart()
    hurry(here)
    here.look()
    assert {(row["kind"], row["units"]) for row in here.rows("confirmed")} == {
        ("donation", str(GIFT)),
        ("donation", "7"),
    }
    assert ledger.set_aside() == ()
    assert ledger.verify() == []


@pytest.mark.parametrize("word", ["reverts", "nothing", "odd"])
def test_a_token_that_tells_no_balance_stops_alone_and_catches_up(
    node: Node, ledger: Ledger, proxy: Proxy, clock: Later, word: str
) -> None:
    silent, coin = node.deploy("StandardToken", 6), node.deploy("StandardToken", 6)
    here = world_of(node, ledger, proxy, silent, coin)
    node.call(silent, SEND, US, 5)
    node.mine()
    here.settle()

    def bend(request: Json, answer: Json) -> Json:
        asked = request["params"]
        if request["method"] == "eth_call" and asked[0].get("to", "").lower() == silent.lower():
            if asked[0]["data"].startswith("0x313ce567"):
                return answer
            if word == "reverts":
                told = {name: item for name, item in answer.items() if name != "result"}
                return {**told, "error": {"code": 3, "message": "execution reverted: paused"}}
            return {**answer, "result": "0x" if word == "nothing" else "0x" + "00" * 64}
        if request["method"] == "eth_call" and "to" not in asked[0]:
            return {k: v for k, v in answer.items() if k != "result"} | {"error": {"code": -32000, "message": "no"}}
        if word == "nothing" and request["method"] == "eth_getCode" and asked[0].lower() == silent.lower():
            return {**answer, "result": "0x"}
        return answer

    proxy.bend = bend
    node.call(silent, SEND, US, 6)
    node.call(coin, SEND, US, 7)
    node.send(US, GIFT)
    node.mine()
    here.settle()
    assert {row["units"] for row in here.rows("confirmed")} == {"5", "7", str(GIFT)}
    (item,) = ledger.set_aside("evm:local")
    assert item.key == "watch T0 on local" and silent in item.reason
    proxy.bend = lambda _request, answer: answer
    clock.passed += timedelta(minutes=5)
    here.restart()
    hurry(here)
    here.settle()
    assert {row["units"] for row in here.rows("confirmed")} == {"5", "6", "7", str(GIFT)}
    assert ledger.set_aside() == ()
    assert ledger.verify() == []


def test_a_token_of_other_decimals_stops_alone_and_one_that_tells_none_has_those_of_the_settings(
    node: Node, ledger: Ledger, proxy: Proxy
) -> None:
    wrong, mute = node.deploy("StandardToken", 18), node.deploy("StandardToken", 6)

    def bend(request: Json, answer: Json) -> Json:
        asked = request["params"]
        is_mute = request["method"] == "eth_call" and asked[0].get("to", "").lower() == mute.lower()
        return {**answer, "result": "0x"} if is_mute and asked[0]["data"].startswith("0x313ce567") else answer

    proxy.bend = bend
    here = world_of(node, ledger, proxy, wrong, mute)
    node.call(wrong, SEND, US, 5)
    node.call(mute, SEND, US, 6)
    node.send(US, GIFT)
    node.mine()
    here.settle()
    assert {row["units"] for row in here.rows("confirmed")} == {"6", str(GIFT)}
    (item,) = ledger.set_aside("evm:local")
    assert item.key == "watch T0 on local" and "has 18 decimals, settings say 6" in item.reason


def blocks(change: Callable[[list[Json]], list[Json]]) -> Callable[[Json, Json], Json]:
    def bend(request: Json, answer: Json) -> Json:
        told = answer.get("result")
        is_whole = request["method"] == "eth_getBlockByNumber" and request["params"][1] is True and told
        return {**answer, "result": {**told, "transactions": change(told["transactions"])}} if is_whole else answer

    return bend


@pytest.mark.parametrize(
    "odd",
    [
        pytest.param(lambda sent: {**sent, "value": None}, id="value-null"),
        pytest.param(lambda sent: {**sent, "from": "somebody"}, id="sender-odd"),
        pytest.param(lambda sent: {name: told for name, told in sent.items() if name != "hash"}, id="hash-missing"),
        pytest.param(lambda _sent: None, id="null"),
        pytest.param(lambda _sent: "0x00", id="text"),
    ],
)
def test_a_strangers_transaction_that_cannot_be_read_stops_no_gift_of_its_block(
    node: Node, ledger: Ledger, proxy: Proxy, odd: Callable[[Json], Json]
) -> None:
    here = world_of(node, ledger, proxy)
    proxy.bend = blocks(lambda listed: [*listed, *(odd(sent) for sent in listed[:1])])
    node.send(US, GIFT)
    node.mine()
    here.settle()
    assert here.told("confirmed") == [("donation", "ETH", "tx:value", GIFT)]
    assert ledger.set_aside() == ()


def test_a_gift_whose_own_transaction_cannot_be_read_is_booked_unattributed_and_named_later(
    node: Node, ledger: Ledger, proxy: Proxy, clock: Later
) -> None:
    here = world_of(node, ledger, proxy)
    poisoned = node.send(US, GIFT)
    node.mine()
    proxy.bend = blocks(
        lambda listed: [{**sent, "value": "much"} if sent["hash"] == poisoned else sent for sent in listed]
    )
    here.settle()
    assert [(row["kind"], row["units"]) for row in here.rows("confirmed")] == [("unattributed", str(GIFT))]
    (item,) = [one for one in ledger.set_aside("evm:local") if one.key.startswith("ETH in block ")]
    assert "a transaction (number 0): 'much' is not a quantity" in item.reason
    proxy.bend = lambda _request, answer: answer
    clock.passed += timedelta(minutes=5)
    here.restart()
    hurry(here)
    here.look()
    assert [(row["kind"], row["units"]) for row in here.rows("confirmed")] == [("donation", str(GIFT))]
    assert ledger.set_aside() == ()
    assert ledger.verify() == []


@pytest.mark.parametrize("lacking", ["data", "topics", "logIndex", "blockNumber", "transactionHash", "all"])
def test_a_log_that_cannot_be_read_leads_to_the_transfer_behind_it(
    node: Node, ledger: Ledger, proxy: Proxy, clock: Later, lacking: str
) -> None:
    coin, other = node.deploy("StandardToken", 6), node.deploy("StandardToken", 6)
    here = world_of(node, ledger, proxy, coin, other)
    bent: list[Json] = []

    def bend(request: Json, answer: Json) -> Json:
        told = answer.get("result")
        if request["method"] != "eth_getLogs" or not told:
            return answer
        bent.append(request)
        is_all = lacking == "all"
        return {
            **answer,
            "result": [
                log if log["address"].lower() != coin.lower() else ({} if is_all else {**log, lacking: None})
                for log in told
            ],
        }

    proxy.bend = bend
    node.call(coin, SEND, US, 6)
    node.mine()
    node.call(other, SEND, US, 7)
    node.send(US, GIFT)
    node.mine()
    with contextlib.suppress(SourceDown):
        here.settle()
    clock.passed += timedelta(minutes=2)
    here.settle()
    assert bent
    is_named = lacking not in ("transactionHash", "all")
    assert {(row["kind"], row["units"]) for row in here.rows("confirmed")} == {
        ("donation" if is_named else "unattributed", "6"),
        ("donation", "7"),
        ("donation", str(GIFT)),
    }
    kept = [one for one in ledger.set_aside("evm:local") if one.key.startswith("T0 in block ")]
    assert bool(kept) is not is_named
    assert ledger.verify() == []

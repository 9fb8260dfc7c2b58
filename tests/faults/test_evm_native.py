"""The chain's own coin under attack: what is told, what is paid, and what the ledger says of it."""

import logging
import time
from pathlib import Path
from typing import Any

import pytest

from tests.faults.conftest import MakeWorld
from tests.fixtures.http_servers import Proxy
from tests.fixtures.node import ACCOUNTS, GWEI, OURS, Json, Node, word
from tests.fixtures.staff import build_house
from tests.fixtures.world import TRACES, World, token, watch

pytestmark = pytest.mark.node

US = OURS[0]
GIFT = 10**15
SYSTEM = "0x" + "f" * 38 + "fe"
TRANSFER = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
# A page of the staff list; and far more than it takes, far less than ten thousand rows would.
PAGE_ROWS, VIEWS_SECONDS_MAX = 50, 2.0


def test_e2_a_transaction_that_failed_gave_nothing(world: MakeWorld, node: Node) -> None:
    here = world()
    # Only an address with code can refuse; this code reverts whatever comes.
    node.ask("anvil_setCode", US, "0x60006000fd")
    refused = node.send(US, GIFT)
    node.mine()
    here.settle()
    assert node.receipt(refused)["status"] == "0x0"
    assert here.rows("seen", "confirmed", "orphaned", "replaced") == []
    assert here.ledger.totals() == ()
    here.check()


@pytest.mark.parametrize("has_traces", [True, False])
def test_e6_a_contract_that_dies_leaves_us_money_that_only_a_trace_attributes(
    world: MakeWorld, node: Node, has_traces: bool
) -> None:
    destroyer = node.deploy("Destroyer")
    with Proxy(node.url) as proxy:
        proxy.refused = set() if has_traces else set(TRACES)
        here = world(url=proxy.url)
        node.call(destroyer, "destroy(address)", US, value=GIFT)
        node.mine()
        here.settle()
    named = ("donation", "ETH", "tx:trace:0", GIFT)
    unnamed = ("unattributed", "ETH", "block:unexplained", GIFT)
    assert here.told("confirmed") == [named if has_traces else unnamed]
    assert here.ledger.verify() == []


def with_withdrawal(node: Node, height: int, gwei: int) -> Any:
    """Answer as a node whose block `height` paid us a validator's withdrawal, which no dev node makes."""

    def is_after(place: Json) -> bool:
        if isinstance(place, dict):
            return int(node.ask("eth_getBlockByHash", place["blockHash"], False)["number"], 16) >= height
        return int(place, 16) >= height

    def bend(request: Json, answer: Json) -> Json:
        method, params = request["method"], request["params"]
        if method == "eth_getBalance" and params[0].lower() == US.lower() and is_after(params[1]):
            return {**answer, "result": hex(int(answer["result"], 16) + gwei * GWEI)}
        if method.startswith("eth_getBlockBy") and answer["result"] and int(answer["result"]["number"], 16) == height:
            paid = {"index": "0x7", "validatorIndex": "0x1", "address": US.lower(), "amount": hex(gwei)}
            return {**answer, "result": {**answer["result"], "withdrawals": [paid]}}
        return answer

    return bend


def test_e7_withdrawals_and_tips_are_explained_and_no_donations(world: MakeWorld, node: Node) -> None:
    with Proxy(node.url) as proxy:
        here = world(url=proxy.url)
        proxy.bend = with_withdrawal(node, node.height + 1, 3_000)
        node.ask("anvil_setCoinbase", US)
        node.send(ACCOUNTS[1], 1, maxPriorityFeePerGas=hex(GWEI), maxFeePerGas=hex(100 * GWEI))
        node.mine()
        node.ask("anvil_setCoinbase", ACCOUNTS[1])
        here.settle()
    assert here.told("confirmed") == [
        ("protocol", "ETH", "block:7", 3_000 * GWEI),
        ("protocol", "ETH", "block:reward", 21_000 * GWEI),
    ]
    assert here.ledger.totals() == ()
    assert here.ledger.verify() == []


def with_system_logs(node: Node) -> Any:
    """Answer as a node after EIP-7708: value that moves is told by a log of 0xff..fe as well."""

    def log_of(tx: str) -> Json:
        sent, receipt = node.ask("eth_getTransactionByHash", tx), node.receipt(tx)
        if receipt["status"] != "0x1" or sent["value"] == "0x0" or not sent["to"]:
            return None
        place = {name: receipt[name] for name in ("blockHash", "blockNumber", "transactionHash", "transactionIndex")}
        topics = [TRANSFER, "0x" + word(sent["from"]), "0x" + word(sent["to"])]
        data = "0x" + word(int(sent["value"], 16))
        return {**place, "address": SYSTEM, "topics": topics, "data": data, "logIndex": "0x0", "removed": False}

    def bend(request: Json, answer: Json) -> Json:
        if request["method"] == "eth_getTransactionReceipt":
            told = log_of(request["params"][0])
            result = {
                **answer["result"],
                "logs": [told, *answer["result"]["logs"]] if told else answer["result"]["logs"],
            }
            return {**answer, "result": result}
        if request["method"] == "eth_getLogs" and "result" in answer:
            # Told whatever the filter says: were it obeyed, there would be nothing to get wrong.
            return {**answer, "result": [*answer["result"], *_logs_of(request["params"][0])]}
        return answer

    def _logs_of(query: Json) -> list[Json]:
        if "blockHash" in query:
            blocks = [node.ask("eth_getBlockByHash", query["blockHash"], False)]
        else:
            first, last = int(query["fromBlock"], 16), min(int(query["toBlock"], 16), node.height)
            blocks = [node.ask("eth_getBlockByNumber", hex(height), False) for height in range(first, last + 1)]
        told = [log_of(tx) for block in blocks for tx in block["transactions"]]
        return [log for log in told if log]

    return bend


@pytest.mark.parametrize("is_after_the_fork", [False, True])
def test_e9_value_that_a_log_tells_of_too_counts_once(world: MakeWorld, node: Node, is_after_the_fork: bool) -> None:
    coin, payer = node.deploy("PlainToken"), node.deploy("Payer")
    with Proxy(node.url) as proxy:
        if is_after_the_fork:
            proxy.bend = with_system_logs(node)
        here = world(watch(), watch(token(coin)), url=proxy.url)
        node.send(US, GIFT)
        node.call(payer, "pay(address)", US, value=7)
        node.call(coin, "transfer(address,uint256)", US, 5)
        node.mine()
        here.look()
        here.settle()
    told = here.told()
    assert [row for row in told if row[1] == "ETH"] == [
        ("donation", "ETH", "tx:trace:0", 7),
        ("donation", "ETH", "tx:value", GIFT),
    ]
    assert [row for row in told if row[1] == "USDT"] == [("donation", "USDT", "tx:log:0", 5)]
    here.check()


def test_e10_another_contracts_log_of_the_same_form_is_no_money(world: MakeWorld, node: Node) -> None:
    coin, liar = node.deploy("PlainToken"), node.deploy("NoisyToken")
    # Anybody's contract at an ordinary address, and one set where only the chain itself will speak from.
    node.ask("anvil_setCode", SYSTEM, node.ask("eth_getCode", liar, "latest"))
    here = world(watch(), watch(token(coin)))
    node.call(liar, "say(address,address,uint256)", ACCOUNTS[1], US, GIFT)
    node.call(SYSTEM, "say(address,address,uint256)", ACCOUNTS[1], US, GIFT)
    node.mine()
    here.look()
    here.settle()
    assert here.rows("seen", "confirmed", "orphaned", "replaced") == []
    here.check()


def test_e11_ten_thousand_times_one_wei_are_recorded_and_hold_nothing_up(
    node: Node, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    house = build_house(tmp_path, f"sqlite:///{tmp_path}/books.db")
    node.ask("evm_setBlockGasLimit", hex(200_000_000))
    dust = node.deploy("Dust")
    here = World(node, house.ledger, [watch()])
    here.look()
    node.send(US, GIFT)
    for _ in range(10):
        node.call(dust, "pay(address,uint256)", US, 1_000, value=1_000, gas=hex(15_000_000))
    node.mine()
    with caplog.at_level(logging.INFO):
        here.settle()
    assert len(caplog.records) < 20, "nothing is told per gift"
    (total,) = house.ledger.totals()
    assert (total.count, total.units) == (10_001, GIFT + 10_000)
    person = house.person()
    begun = time.monotonic()
    listed, told = person.get("/staff/donations"), person.get("/totals.json")
    assert time.monotonic() - begun < VIEWS_SECONDS_MAX, "views cost what they show, not what was sent"
    assert (listed.status_code, told.status_code) == (200, 200)
    assert listed.text.count("0.000000000000000001") <= 2 * PAGE_ROWS
    here.check()


def test_e12_hostile_calldata_is_inert(world: MakeWorld, node: Node) -> None:
    here = world()
    hostile = "<script>alert(1)</script>=HYPERLINK(1)\u202e".encode()
    calldata = (hostile * (100_000 // len(hostile) + 1))[:100_000]
    tx = node.send(US, GIFT, "0x" + calldata.hex(), gas=hex(10_000_000))
    node.mine()
    here.settle()
    assert here.told() == [("donation", "ETH", "tx:value", GIFT)]
    (row,) = here.rows()
    found = here.ledger.donation(str(row["id"]))
    assert found is not None
    kept = "".join(str(facts.raw) for facts in found.sources.values())
    assert tx in kept and "sha256:" in kept
    assert hostile.hex() not in kept and "script" not in kept + repr(row)
    here.check()

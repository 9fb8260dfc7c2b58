"""TRON under attack and with its quirks: listed contracts' transfers count, once each, and only when final."""

from datetime import timedelta

import pytest

from support_service.rails.options import BadOption
from support_service.rails.source import SourceDown
from support_service.rails.tron.address import any_form, from_evm, read_address, to_evm, to_hex
from tests.fixtures.node import ACCOUNTS, OURS, Node, call_data
from tests.fixtures.tron import MINE, SEND, MakeTron, token, watch
from tests.fixtures.world import fixed_clock

pytestmark = pytest.mark.node

US = OURS[0]
EVERY_STATE = ("seen", "confirmed", "orphaned", "replaced")
USDT = "TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t"
USDT_BYTES = "a614f803b6fd780986a42c78ec9c7f77e6ded13c"


def test_x1_a_transfer_that_was_undone_or_ran_out_of_energy_is_nothing(tron: MakeTron, node: Node) -> None:
    coin, payer = node.deploy("OwnedToken"), node.deploy("PlainToken")
    here = tron(watch(token(coin)))
    node.call(coin, "setPaused(bool)", 1)
    undone = node.call(coin, SEND, US, 7)
    starved = node.call(payer, SEND, US, 7, gas=hex(30_000))
    node.mine()
    here.look()
    here.settle()
    assert [node.receipt(sent)["status"] for sent in (undone, starved)] == ["0x0", "0x0"]
    assert here.rows(*EVERY_STATE) == []
    here.check()


def test_x2_a_success_that_the_node_itself_denies_is_nothing(tron: MakeTron, node: Node) -> None:
    """A contract that logs a transfer and whose call then failed, as far as the node's own interface knows."""
    noisy = node.deploy("NoisyToken")
    here = tron(watch(token(noisy)))
    here.settings["native"] = [here.ports.http]
    here.restart()
    lied = node.call(noisy, "say(address,address,uint256)", ACCOUNTS[1], US, 1_000)
    true = node.call(noisy, "credit(address,uint256)", US, 5)
    here.tron.failed.add(lied)
    node.mine()
    here.look()
    here.settle()
    assert node.receipt(lied)["status"] == "0x1"
    assert here.told(*EVERY_STATE) == [("donation", "USDT", "tx:log:0", 5)]
    assert [row["tx"] for row in here.rows()] == [true]
    here.check()


def test_x2_without_that_witness_the_balance_takes_the_lie_back(tron: MakeTron, node: Node) -> None:
    noisy = node.deploy("NoisyToken")
    here = tron(watch(token(noisy)))
    node.call(noisy, "say(address,address,uint256)", ACCOUNTS[1], US, 1_000)
    node.mine()
    here.settle()
    assert here.told("confirmed") == [
        ("donation", "USDT", "tx:log:0", 1_000),
        ("outflow", "USDT", "block:unexplained", 1_000),
    ]
    here.check()


def test_x2_while_the_witness_is_silent_nothing_is_booked_and_nothing_lost(tron: MakeTron, node: Node) -> None:
    coin = node.deploy("PlainToken")
    here = tron(watch(token(coin)), native=["http://127.0.0.1:9"])
    node.call(coin, SEND, US, 5)
    node.mine(6)
    with pytest.raises(Exception, match="whether a transaction succeeded cannot be told"):
        here.look()
    assert here.rows(*EVERY_STATE) == []
    here.settings["native"] = ["http://127.0.0.1:9", here.ports.http]
    here.restart()
    here.settle()
    assert here.told(*EVERY_STATE) == [("donation", "USDT", "tx:log:0", 5)]
    here.check()


def test_x2_a_transaction_that_no_witness_knows_holds_up_the_source_for_a_while_only(
    tron: MakeTron, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    coin = node.deploy("PlainToken")
    here = tron(watch(token(coin)))
    here.settings["native"] = [here.ports.http]
    here.restart()
    passed = timedelta(0)
    here.source.asides._clock = lambda: fixed_clock() + passed
    unknown = node.call(coin, SEND, US, 5)
    honest = here.tron.result_of
    monkeypatch.setattr(here.tron, "result_of", lambda tx: {} if tx == unknown else honest(tx))
    node.mine(6)
    for tries in range(1, 5):
        with pytest.raises(SourceDown, match=f"does not know {unknown}; it is asked again"):
            here.look()
        with pytest.raises(SourceDown, match="it is asked again"):
            here.look()
        (item,) = here.ledger.set_aside("tron:tron")
        assert item.tries == tries
        assert item.key == f"result of {unknown}"
        assert item.next_try_at is not None
        passed = item.next_try_at - fixed_clock()
    node.call(coin, SEND, US, 7)
    here.settle()
    assert ("donation", "USDT", "tx:log:0", 7) in here.told("confirmed")
    assert sum(int(row["units"]) for row in here.rows("confirmed")) == 12
    assert not [row for row in here.rows(*EVERY_STATE) if row["tx"] == unknown]
    assert f"result of {unknown}" in {one.key for one in here.ledger.set_aside("tron:tron")}
    here.check()


def test_x3_trx_and_trc10_units_are_no_tokens(tron: MakeTron, node: Node) -> None:
    coin = node.deploy("PlainToken")
    here = tron(watch(token(coin)))
    node.send(US, 10**15)
    # A TRC-10 asset of the same name: all that the Ethereum-like interface shows of it is a `value`.
    asset, vote = node.send(US, 0), node.send(ACCOUNTS[2], 0)
    here.tron.values |= {asset: 1_000_000_000, vote: 77}
    node.mine()
    here.look()
    here.settle()
    assert here.rows(*EVERY_STATE) == []
    here.check()


def test_x4_a_clone_of_the_contract_is_no_money(tron: MakeTron, node: Node) -> None:
    coin, clone = node.deploy("PlainToken"), node.deploy("PlainToken")
    here = tron(watch(token(coin)))
    node.call(clone, SEND, US, 1_000_000)
    node.call(coin, SEND, US, 4)
    node.mine()
    here.look()
    here.settle()
    assert here.told(*EVERY_STATE) == [("donation", "USDT", "tx:log:0", 4)]
    here.check()


def test_x5_a_bloom_of_zeros_hides_no_gift(tron: MakeTron, node: Node) -> None:
    coin = node.deploy("PlainToken")
    here = tron(watch(token(coin)))
    sent = node.call(coin, SEND, US, 9)
    height = node.mine()
    told = here.tron.answer({"id": 1, "method": "eth_getBlockByNumber", "params": [hex(height), False]}, is_solid=False)
    assert int(told["result"]["logsBloom"], 16) == 0, "the block with the gift in it"
    assert int(node.ask("eth_getBlockByNumber", hex(height), False)["logsBloom"], 16) > 0
    here.settle()
    assert [(row["tx"], row["units"]) for row in here.rows("confirmed")] == [(sent, "9")]
    here.check()


def test_x6_three_forms_are_one_address_and_a_wrong_checksum_is_refused(tron: MakeTron, node: Node) -> None:
    forms = (USDT, f"41{USDT_BYTES}", f"0x{USDT_BYTES}", f"0x{USDT_BYTES.upper()}", f"0x41{USDT_BYTES}")
    assert {any_form(form) for form in forms} == {USDT}
    assert (to_hex(USDT), to_evm(USDT)) == (f"41{USDT_BYTES}", f"0x{USDT_BYTES}")
    for wrong in (USDT[:-1] + "u", USDT.swapcase(), "T" * 34, USDT + "t", f"42{USDT_BYTES}", f"0x{USDT_BYTES}0"):
        with pytest.raises(ValueError, match=r"must be|checksum|another chain|holds"):
            any_form(wrong)
    with pytest.raises(BadOption, match="wrong checksum"):
        read_address(USDT[:-1] + "u")
    coin = node.deploy("PlainToken")
    here = tron(watch(token(coin)))
    node.call(coin, SEND, US, 3)
    node.mine()
    here.settle()
    (row,) = here.rows("confirmed")
    # The node speaks of 0x... alone; the ledger of T... alone, our own address and the payer's.
    assert (row["address"], row["payer"]) == (MINE[0], from_evm(ACCOUNTS[0]))
    here.check()


def test_x7_what_stands_above_solidified_blocks_is_pending_and_may_vanish(tron: MakeTron, node: Node) -> None:
    coin = node.deploy("PlainToken")
    node.call(coin, SEND, ACCOUNTS[2], 100)
    node.mine(4)
    here = tron(watch(token(coin)))
    gone, stays = node.call(coin, SEND, US, 1_000), node.call(coin, SEND, US, 5, by=ACCOUNTS[2])
    raw = node.raw(stays)
    node.mine(2)
    here.look()
    assert here.told("seen") == [("donation", "USDT", "tx:log:0", 5), ("donation", "USDT", "tx:log:0", 1_000)]
    assert here.told("confirmed") == []
    node.reorg(2, [])
    here.look()
    assert here.told("seen") == []
    node.ask("eth_sendRawTransaction", raw)
    here.settle()
    assert here.told("orphaned") == [("donation", "USDT", "tx:log:0", 1_000)]
    assert here.told("confirmed") == [("donation", "USDT", "tx:log:0", 5)]
    assert gone not in {row["tx"] for row in here.rows()}
    here.check()


def test_x8_a_clipped_answer_and_a_refused_range_leave_no_gap(tron: MakeTron, node: Node) -> None:
    coin = node.deploy("PlainToken")
    first = node.mine()
    for units in (11, 22, 33):
        node.call(coin, SEND, US, units)
        node.mine(120)
    node.mine(6)
    here = tron()
    here.tron.range_blocks_max = 30
    here.watches = [watch(token(coin), start=first)]
    here.restart()
    head = node.height
    beyond = {"fromBlock": hex(head - 3), "toBlock": hex(head + 1_000)}
    assert "result" in here.tron.answer({"id": 1, "method": "eth_getLogs", "params": [beyond]}, is_solid=False)
    here.look()
    assert [item[3] for item in here.told("confirmed")] == [11, 22, 33]
    # A search that reached beyond the head was clipped; what comes there afterwards is asked for again.
    node.call(coin, SEND, US, 44)
    here.settle()
    assert [item[3] for item in here.told("confirmed")] == [11, 22, 33, 44]
    here.check()


def test_x9_a_memo_is_never_read(tron: MakeTron, node: Node) -> None:
    coin = node.deploy("PlainToken")
    here = tron(watch(token(coin)))
    memo = b"<script>alert(1)</script>=HYPERLINK(1)".hex()
    sent = node.send(coin, 0, call_data(SEND, US, 6) + memo)
    node.mine()
    here.settle()
    (row,) = here.rows("confirmed")
    assert (row["tx"], row["message"], row["units"]) == (sent, None, "6")
    assert all("script" not in str(value) for value in row.values())
    here.check()

"""What the TRON source reports of a real chain behind java-tron's quirks, read through a real ledger."""

from collections.abc import Iterator

import pytest

from support_service.demo.tron_node import TronNode
from support_service.demo.tron_ports import TronPorts
from support_service.giving import Cursor
from support_service.rails.chain import cursor_state as codec
from support_service.rails.evm.cursor_state import CursorState
from support_service.rails.source import Holding, SourceDown
from support_service.rails.tron import balance_samples
from support_service.rails.tron.balance_samples import BalanceSample, BalanceSamples, Gap, Samples
from tests.fixtures.http_servers import Proxy
from tests.fixtures.node import ACCOUNTS, OURS, Json, Node
from tests.fixtures.tron import MINE, SEND, MakeTron, TronWorld, token, watch
from tests.fixtures.world import fixed_clock, warned

pytestmark = pytest.mark.node

US, OTHER = OURS
WITH_PORT_AND_WITHOUT = pytest.mark.parametrize("settings", [{}, {"rpc_solid": []}], ids=["solid", "no solid"])


def test_a_gift_is_seen_at_the_head_and_confirmed_at_finality(tron: MakeTron, node: Node) -> None:
    coin = node.deploy("PlainToken")
    node.mine(6)
    here = tron(watch(token(coin)))
    sent = node.call(coin, SEND, US, 2_500_000)
    node.mine()
    here.look()
    assert here.told("seen") == [("donation", "USDT", "tx:log:0", 2_500_000)]
    here.settle()
    (row,) = here.rows("confirmed")
    assert (row["rail"], row["network"], row["address"], row["amount"]) == ("tron", "tron", MINE[0], "2.5")
    assert (row["tx"], row["locator"]) == (sent, f"{sent}:log:0")
    assert str(row["payer"]).startswith("T")
    here.check()


@WITH_PORT_AND_WITHOUT
def test_what_lay_there_before_is_the_opening_and_no_gift(
    tron: MakeTron, node: Node, settings: dict[str, object]
) -> None:
    coin = node.deploy("PlainToken")
    node.call(coin, SEND, US, 70)
    node.mine(3)
    here = tron(watch(token(coin)), **settings)
    node.call(coin, SEND, US, 5)
    here.settle(6)
    assert here.told("confirmed") == [("donation", "USDT", "tx:log:0", 5), ("opening", "USDT", "block:opening", 70)]
    (opening,) = [row for row in here.rows() if row["kind"] == "opening"]
    assert MINE[0] in str(opening["locator"])
    here.check()


@WITH_PORT_AND_WITHOUT
def test_a_start_block_in_the_past_counts_from_there(tron: MakeTron, node: Node, settings: dict[str, object]) -> None:
    coin = node.deploy("PlainToken")
    node.call(coin, SEND, US, 70)
    start = node.mine() + 1
    node.call(coin, SEND, US, 5)
    node.mine(20)
    here = tron(watch(token(coin), start=start), **settings)
    here.settle(6)
    assert here.told("confirmed") == [("donation", "USDT", "tx:log:0", 5), ("opening", "USDT", "block:opening", 70)]
    here.check()


def test_an_earlier_start_turns_part_of_the_opening_into_gifts(tron: MakeTron, node: Node) -> None:
    coin = node.deploy("StandardToken", 6)
    first = node.mine()
    node.call(coin, SEND, US, 70)
    node.mine(2)
    here = tron(watch(token(coin)))
    here.settle()
    node.call(coin, "grant(address,uint256)", US, 9)
    here.settle(3)
    assert [item[3] for item in here.told("confirmed")] == [70, 9]
    here.watches = [watch(token(coin), start=first)]
    here.restart()
    here.settle(4)
    # What no log tells may now have lain there from the beginning: nobody can say, and it is booked once.
    assert here.told("confirmed") == [("donation", "USDT", "tx:log:0", 70), ("opening", "USDT", "block:opening", 9)]
    here.check()


def test_what_leaves_is_an_outflow_and_between_our_own_it_is_internal(tron: MakeTron, node: Node) -> None:
    coin = node.deploy("PlainToken")
    here = tron(watch(token(coin)), watch(token(coin), MINE[1]))
    node.call(coin, SEND, US, 100)
    node.mine()
    node.become(US)
    node.give(US, 10**18)
    node.call(coin, SEND, OTHER, 30, by=US)
    node.call(coin, SEND, ACCOUNTS[3], 20, by=US)
    node.mine()
    here.look()
    here.settle()
    assert here.told("confirmed") == [
        ("donation", "USDT", "tx:log:0", 100),
        ("internal", "USDT", "tx:log:0", 30),
        ("internal", "USDT", "tx:log:0", 30),
        ("outflow", "USDT", "tx:log:0", 20),
    ]
    here.check()


@WITH_PORT_AND_WITHOUT
def test_what_no_log_tells_is_unattributed_and_never_silent(
    tron: MakeTron, node: Node, settings: dict[str, object]
) -> None:
    coin = node.deploy("StandardToken", 6)
    here = tron(watch(token(coin)), **settings)
    node.call(coin, SEND, US, 5)
    here.settle(6)
    node.call(coin, "grant(address,uint256)", US, 77)
    here.settle(6)
    assert here.told("confirmed") == [
        ("donation", "USDT", "tx:log:0", 5),
        ("unattributed", "USDT", "block:unexplained", 77),
    ]
    assert warned(here.source) == ""
    (unnamed,) = [row for row in here.rows() if row["kind"] == "unattributed"]
    assert unnamed["locator"] == f"block:{unnamed['block_height']}:USDT:{MINE[0]}:unexplained"
    here.check()
    node.call(coin, SEND, US, 6)
    here.settle(6)
    assert [item[3] for item in here.told("confirmed")] == [5, 6, 77]
    here.check()


def test_a_balance_that_is_not_explained_is_asked_for_twice_before_it_is_booked(tron: MakeTron, node: Node) -> None:
    """One balance alone may be of another block than its node says: then nothing is invented."""
    coin = node.deploy("PlainToken")
    lies: Iterator[int] = iter([])

    def mislead(request: Json, answer: Json) -> Json:
        is_balance = request["method"] == "eth_call" and request["params"][0]["data"].startswith("0x70a08231")
        return {**answer, "result": f"0x{next(lies):064x}"} if is_balance and lies_left else answer

    here = tron(watch(token(coin)), rpc_solid=[])
    lies_left = False
    with Proxy(here.ports.rpc) as proxy:
        proxy.bend = mislead
        here.settings["rpc"] = proxy.url
        here.restart()
        here.settle(6)
        lies_left, lies = True, iter([50])
        node.mine(5)
        here.look()
        lies_left = False
        node.mine(5)
        here.look()
        assert warned(here.source).startswith("USDT: the balance is not what the logs say")
        here.settle(6)
    assert warned(here.source) == ""
    assert here.rows("seen", "confirmed", "replaced") == []
    here.check()


def test_a_gift_that_the_log_search_missed_is_found_by_the_balance(tron: MakeTron, node: Node) -> None:
    coin = node.deploy("PlainToken")
    here = tron(watch(token(coin)))
    here.settle()
    hidden = True

    def hide(request: Json, answer: Json) -> Json:
        is_search = request["method"] == "eth_getLogs" and len(request["params"][0].get("topics", [])) > 1
        return {**answer, "result": []} if is_search and hidden else answer

    with Proxy(here.ports.rpc) as proxy:
        proxy.bend = hide
        here.settings["rpc"] = proxy.url
        here.restart()
        node.call(coin, SEND, US, 5)
        here.settle(4)
        hidden = False
        here.settle()
    assert here.told("seen", "confirmed", "replaced") == [("donation", "USDT", "tx:log:0", 5)]
    here.check()


def test_a_seen_gift_that_the_search_at_finality_misses_is_not_taken_back(tron: MakeTron, node: Node) -> None:
    coin = node.deploy("PlainToken")
    here = tron(watch(token(coin)))
    here.settle()
    node.call(coin, SEND, US, 5)
    node.mine()
    here.look()
    assert here.told("seen") != []

    def hide(request: Json, answer: Json) -> Json:
        is_search = request["method"] == "eth_getLogs" and len(request["params"][0].get("topics", [])) > 1
        return {**answer, "result": []} if is_search else answer

    with Proxy(here.ports.rpc) as proxy:
        proxy.bend = hide
        # The balance is silent, too, so that nothing but the block itself can tell.
        here.settings |= {"rpc": proxy.url, "rpc_solid": ["http://127.0.0.1:9"]}
        here.restart()
        node.mine(6)
        with pytest.raises(SourceDown, match="its log search misses a transfer of block"):
            here.look()
    assert here.told("seen") == [("donation", "USDT", "tx:log:0", 5)]
    here.settings.clear()
    here.restart()
    here.settle()
    assert here.told("seen", "confirmed", "replaced") == [("donation", "USDT", "tx:log:0", 5)]
    here.check()


@WITH_PORT_AND_WITHOUT
def test_an_idle_poll_costs_a_node_two_requests_at_most(
    tron: MakeTron, node: Node, settings: dict[str, object]
) -> None:
    coin = node.deploy("PlainToken")
    here = tron(watch(token(coin)))
    with Proxy(here.ports.rpc) as full, Proxy(here.ports.solid) as solid:
        here.settings |= {"rpc": full.url, "rpc_solid": [solid.url], **settings}
        here.restart()
        here.settle(6)
        full.requests = solid.requests = 0
        for _ in range(10):
            node.mine(4)
            before = full.requests
            here.look()
            assert full.requests - before <= 2
        assert solid.requests <= 10


def test_what_addresses_hold_at_finality_is_told_though_nodes_tell_the_newest_state_alone(
    tron: MakeTron, node: Node
) -> None:
    coin = node.deploy("PlainToken")
    here = tron(watch(token(coin)), rpc_solid=[])
    node.call(coin, SEND, US, 5)
    here.settle()
    cursor = here.ledger.cursor("tron:tron")
    assert cursor is not None
    node.call(coin, SEND, US, 6)
    node.mine()
    (told,) = here.source.holdings(cursor)
    assert told == Holding(here.watches[0], told.height, 5)
    assert here.ledger.held(here.watches[0].key, told.height) == 5
    here.look()
    (told,) = here.source.holdings(cursor)
    assert told.units == 5


def test_a_balance_port_that_is_down_is_told_and_holds_nothing_up(tron: MakeTron, node: Node) -> None:
    coin = node.deploy("PlainToken")
    here = tron(watch(token(coin)), rpc_solid=["http://127.0.0.1:9"])
    node.call(coin, SEND, US, 5)
    here.settle()
    assert here.told("confirmed") == [("donation", "USDT", "tx:log:0", 5)]
    assert warned(here.source) == "balances are not told: 127.0.0.1:9: cannot be reached (ConnectionError)"
    here.settings["rpc_solid"] = [here.ports.solid]
    here.restart()
    here.settle()
    assert warned(here.source) == ""
    here.check()


def test_balances_of_another_chain_prove_nothing_and_that_is_told(tron: MakeTron, node: Node, other_node: Node) -> None:
    """A solidified port that is another node's: its blocks are not ours, so its balances are not believed."""
    coin = node.deploy("PlainToken")
    other_node.mine(3)
    with TronPorts(TronNode(other_node.url)) as stranger:
        here = tron(watch(token(coin)), rpc_solid=[stranger.solid])
        node.call(coin, SEND, US, 5)
        here.settle()
        assert (here.told("confirmed"), warned(here.source)) == ([("donation", "USDT", "tx:log:0", 5)], "")
        for _ in range(13):
            node.mine(100)
        here.look()
    assert warned(here.source) == "USDT: no balance could be held against the logs for an hour of blocks"
    assert here.told("seen", "confirmed") == [("donation", "USDT", "tx:log:0", 5)]
    here.check()


def test_what_is_kept_beside_the_memo_comes_back_as_it_was() -> None:
    held = {
        ("0x00", "USDT"): BalanceSamples(
            BalanceSample(9, "0xab", 2**255), -5, BalanceSample(3, "0xcd", 0), (Gap(3, 7, 10**30), Gap(8, 9, -1))
        ),
        ("0x01", "USDT"): BalanceSamples(),
    }
    told = codec.write(CursorState(), Samples(held))
    assert balance_samples.read(Cursor(1, None, None, fixed_clock(), memo=told)) == held
    assert balance_samples.read(None) == balance_samples.read(Cursor(1, None, None, fixed_clock())) == {}


def history(here: TronWorld) -> str:
    """What a comparison with an account's history says."""
    here.settings["trongrid"] = [here.ports.http]
    here.restart()
    here.look()
    return warned(here.source)


def test_a_history_that_agrees_says_nothing(tron: MakeTron, node: Node) -> None:
    coin, other = node.deploy("PlainToken"), node.deploy("PlainToken")
    here = tron(watch(token(coin)))
    for units in (5, 5, 6):
        node.call(coin, SEND, US, units)
    node.call(other, SEND, US, 1_000)
    node.mine(60)
    here.look()
    assert history(here) == ""
    here.check()


def test_a_history_with_more_or_fewer_transfers_is_told_and_books_nothing(tron: MakeTron, node: Node) -> None:
    coin = node.deploy("PlainToken")
    here = tron(watch(token(coin)))
    sent = node.call(coin, SEND, US, 5)
    node.mine(60)
    here.look()
    shown = here.tron.history

    here.tron.history = lambda *_: {"data": [], "success": True, "meta": {}}  # type: ignore[method-assign]
    assert f"does not list transfers ({sent[2:]}) that the nodes' logs have" in history(here)

    def more(address: str, asked: Json) -> Json:
        told = shown(address, asked)
        return {**told, "data": [*told["data"], {**told["data"][0], "transaction_id": "ab" * 32, "value": "9"}]}

    here.tron.history = more  # type: ignore[method-assign]
    assert f"lists transfers ({'ab' * 32}) that the nodes' logs do not have" in history(here)
    here.tron.history = lambda *_: {"data": [{}]}  # type: ignore[method-assign]
    assert "account history cannot be read" in history(here)
    assert here.told("seen", "confirmed") == [("donation", "USDT", "tx:log:0", 5)]
    here.check()


def test_a_long_history_is_read_page_by_page(tron: MakeTron, node: Node) -> None:
    coin = node.deploy("PlainToken")
    here = tron(watch(token(coin)))
    for units in range(1, 8):
        node.call(coin, SEND, US, units)
    node.mine(60)
    shown = here.tron.history
    here.tron.history = lambda address, asked: shown(address, {**asked, "limit": "3"})  # type: ignore[method-assign]
    assert history(here) == ""
    assert len(here.rows("confirmed")) == 7

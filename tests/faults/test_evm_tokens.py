"""Tokens under attack: only the listed contract's word counts, and only as far as the balance bears it out."""

import pytest

from support_service.ledger import Ledger
from support_service.rails.source import SourceLied
from tests.faults.conftest import MakeWorld
from tests.fixtures.http_servers import Proxy
from tests.fixtures.node import ACCOUNTS, ETHER, OURS, Json, Node, start_node
from tests.fixtures.world import World, token, watch

pytestmark = pytest.mark.node

US = OURS[0]
EVERY_STATE = ("seen", "confirmed", "orphaned", "replaced")
SEND = "transfer(address,uint256)"


def test_t1_a_fake_token_of_the_same_name_is_no_money(world: MakeWorld, node: Node) -> None:
    coin, fake = node.deploy("StandardToken", 6), node.deploy("StandardToken", 6)
    here = world(watch(), watch(token(coin)))
    node.call(fake, SEND, US, 1_000_000)
    node.mine()
    here.look()
    here.settle()
    assert here.rows(*EVERY_STATE) == []
    here.check()


def test_t2_of_a_transactions_logs_only_the_listed_contracts_count(world: MakeWorld, node: Node) -> None:
    other = node.deploy("NoisyToken")
    coin = node.deploy("LoudToken", other)
    here = world(watch(token(coin)))
    sent = node.call(coin, SEND, US, 5)
    node.mine()
    here.settle()
    assert len(node.receipt(sent)["logs"]) == 2
    # The place in the receipt is the log's own: the other contract's stands before it.
    assert here.told(*EVERY_STATE) == [("donation", "USDT", "tx:log:1", 5)]
    here.check()


def test_t3_a_transfer_that_returns_false_moved_nothing(world: MakeWorld, node: Node) -> None:
    coin = node.deploy("FalseToken")
    here = world(watch(token(coin)))
    sent = node.call(coin, SEND, US, 1_000_000)
    node.mine()
    here.settle()
    assert (node.receipt(sent)["status"], node.receipt(sent)["logs"]) == ("0x1", [])
    assert here.rows(*EVERY_STATE) == []
    here.check()


def test_t4_transfers_of_nothing_are_never_shown(world: MakeWorld, node: Node) -> None:
    coin = node.deploy("StandardToken", 6)
    here = world(watch(), watch(token(coin)))
    node.call(coin, SEND, US, 0)
    # In our name to an address made to look like one that gave before.
    node.call(coin, "transferFrom(address,address,uint256)", US, ACCOUNTS[1], 0)
    node.call(coin, "transferFrom(address,address,uint256)", ACCOUNTS[1], US, 0)
    node.mine()
    here.settle()
    assert list(here.ledger.export()) == []
    here.check()


def test_t5_logs_of_odd_form_are_left_out_and_spoil_no_other(world: MakeWorld, node: Node) -> None:
    noisy = node.deploy("NoisyToken")
    here = world(watch(token(noisy)))
    node.call(noisy, "sayOddly(address)", US)
    node.call(noisy, "credit(address,uint256)", US, 9)
    node.mine()
    here.settle()
    assert here.told(*EVERY_STATE) == [("donation", "USDT", "tx:log:0", 9)]
    here.check()


@pytest.mark.parametrize(
    ("places", "units", "shown"),
    [
        (0, 7, "7"),
        (2, 7, "0.07"),
        (6, 1, "0.000001"),
        (8, 123_456_789, "1.23456789"),
        (18, 10**27 + 1, "1000000000.000000000000000001"),
        (24, 10**24 + 1, "1.000000000000000000000001"),
    ],
)
def test_t8_any_number_of_decimals_is_exact_and_a_wrong_one_is_refused(
    world: MakeWorld, node: Node, places: int, units: int, shown: str
) -> None:
    coin = node.deploy("StandardToken", places)
    with pytest.raises(SourceLied, match=f"has {places} decimals, settings say {places + 12}"):
        world(watch(token(coin, exponent=places + 12)))
    here = world(watch(token(coin, exponent=places)))
    node.call(coin, SEND, US, units)
    node.mine()
    here.settle()
    (row,) = here.rows("confirmed")
    assert (row["units"], row["amount"]) == (str(units), shown)
    here.check()


def test_t9_leave_to_take_is_no_gift(world: MakeWorld, node: Node) -> None:
    coin = node.deploy("StandardToken", 6)
    here = world(watch(token(coin)))
    node.call(coin, "approve(address,uint256)", US, 1_000_000)
    node.mine()
    here.settle()
    assert here.rows(*EVERY_STATE) == []
    here.check()


def test_t10_what_no_transfer_tells_is_found_by_the_balance(world: MakeWorld, node: Node) -> None:
    coin, owned = node.deploy("StandardToken", 6), node.deploy("OwnedToken")
    here = world(watch(token(coin, "DAI")), watch(token(owned)))
    node.call(coin, "mint(address,uint256)", US, 11)
    node.mine(2)
    node.call(coin, "grant(address,uint256)", US, 77)
    node.call(owned, SEND, US, 40)
    node.mine(2)
    node.call(owned, "setBlocked(address,bool)", US, 1)
    node.call(owned, "destroyBlockedFunds(address)", US)
    node.mine(2)
    here.settle()
    assert here.told("confirmed") == [
        ("donation", "DAI", "tx:log:0", 11),
        ("donation", "USDT", "tx:log:0", 40),
        ("outflow", "USDT", "block:unexplained", 40),
        ("unattributed", "DAI", "block:unexplained", 77),
    ]
    (minted,) = [row for row in here.rows() if row["units"] == "11"]
    assert (minted["flags"], minted["payer"]) == (["mint"], None)
    here.check()


def test_t12_the_same_contract_on_another_chain_is_not_ours(node: Node, books: Ledger) -> None:
    coin = node.deploy("StandardToken", 6)
    other = start_node(extra=["--chain-id", "56"])
    try:
        assert other.deploy("StandardToken", 18) == coin, "the same address, by the same sender and nonce"
        with Proxy(node.url) as proxy:
            here = World(node, books, [watch(), watch(token(coin))], proxy.url)
            here.look()
            other.send(US, ETHER)
            other.call(coin, SEND, US, ETHER)
            other.mine(20)
            here.settle()
            assert here.rows(*EVERY_STATE) == []
            proxy.upstream = other.url
            with pytest.raises(SourceLied, match="is on chain 56, settings say chain_id = 31337"):
                here.look()
        assert here.rows(*EVERY_STATE) == []
        here.check()
    finally:
        other.stop()


@pytest.mark.parametrize("was_seen", [True, False])
def test_t13_a_log_marked_as_removed_counts_for_nothing(world: MakeWorld, node: Node, was_seen: bool) -> None:
    coin = node.deploy("PlainToken")
    node.call(coin, SEND, ACCOUNTS[2], 100)
    node.mine(4)
    removed: list[Json] = []

    def haunted(request: Json, answer: Json) -> Json:
        """Tell logs of the branch that is gone as well, as nodes do to those who subscribe."""
        return {**answer, "result": [*removed, *answer["result"]]} if request["method"] == "eth_getLogs" else answer

    with Proxy(node.url) as proxy:
        proxy.bend = haunted
        here = world(watch(token(coin)), url=proxy.url)
        gone, stays = node.call(coin, SEND, US, 1_000), node.call(coin, SEND, US, 5, by=ACCOUNTS[2])
        raw = node.raw(stays)
        height = node.mine()
        if was_seen:
            here.look()
            assert [row[3] for row in here.told("seen")] == [5, 1_000]
        removed += [{**log, "removed": True} for tx in (gone, stays) for log in node.receipt(tx)["logs"]]
        # What stays stands at the very height of what is gone.
        node.reorg(1, [(raw, 0)])
        assert int(node.receipt(stays)["blockNumber"], 16) == height
        here.look()
        here.settle()
    assert here.told() == [("donation", "USDT", "tx:log:0", 5)]
    assert here.told("orphaned") == ([("donation", "USDT", "tx:log:0", 1_000)] if was_seen else [])
    here.check()


def test_t14_a_token_that_is_paused_blocks_us_or_changes_gives_nothing(world: MakeWorld, node: Node) -> None:
    coin = node.deploy("OwnedToken")
    here = world(watch(token(coin)))
    node.call(coin, "setPaused(bool)", 1)
    node.call(coin, SEND, US, 1)
    node.call(coin, "setPaused(bool)", 0)
    node.call(coin, "setBlocked(address,bool)", US, 1)
    node.call(coin, SEND, US, 2)
    node.call(coin, "setBlocked(address,bool)", US, 0)
    node.call(coin, SEND, US, 4)
    node.mine()
    here.settle()
    assert here.told(*EVERY_STATE) == [("donation", "USDT", "tx:log:0", 4)]
    node.call(coin, "upgrade(uint8)", 18)
    node.call(coin, SEND, US, 8)
    node.mine()
    here.restart()
    with pytest.raises(SourceLied, match="has 18 decimals, settings say 6"):
        here.look()
    assert here.told(*EVERY_STATE) == [("donation", "USDT", "tx:log:0", 4)]
    assert here.ledger.verify() == []

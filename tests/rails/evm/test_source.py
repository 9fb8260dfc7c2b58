"""What the EVM source says about real transactions on a real node, down to the last wei."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support_service.giving import Watch
from support_service.ledger import Ledger
from support_service.rails.source import SourceLied
from tests.fixtures.database import prepare
from tests.fixtures.http_servers import Proxy
from tests.fixtures.node import ACCOUNTS, ETHER, OURS, Json, Node
from tests.fixtures.world import NATIVE, TRACES, World, fixed_clock, token, watch

pytestmark = pytest.mark.node

MakeWorld = Callable[..., World]
US, ALSO_US = OURS
GIFT = 10**15


@pytest.fixture
def books(tmp_path: Path) -> Iterator[Ledger]:
    url = f"sqlite:///{tmp_path}/books.db"
    prepare(url)
    ledger = Ledger(url, clock=fixed_clock)
    yield ledger
    ledger.dispose()


@pytest.fixture
def world(node: Node, books: Ledger) -> MakeWorld:
    """Make a world whose watches have begun at the node's present head."""

    def make(*watches: Watch, url: str = "", **settings: object) -> World:
        made = World(node, books, watches or (watch(),), url, settings)
        made.look()
        return made

    return make


def test_e1_a_plain_transfer_is_seen_at_the_head_and_confirmed_when_final(world: MakeWorld, node: Node) -> None:
    here = world()
    tx = node.send(US, 10_000 * ETHER // 3)
    node.mine()
    here.look()
    (seen,) = here.rows("seen")
    assert (seen["tx"], seen["units"], seen["kind"]) == (tx, str(10_000 * ETHER // 3), "donation")
    assert (seen["payer"], seen["block_height"], seen["block_hash"]) == (
        ACCOUNTS[0],
        node.height,
        node.block_hash(node.height),
    )
    assert here.ledger.totals() == ()
    here.settle()
    (confirmed,) = here.rows("confirmed")
    assert (confirmed["id"], confirmed["block_hash"]) == (seen["id"], seen["block_hash"])
    here.check()


def test_e3_contracts_that_pay_are_found_by_trace(world: MakeWorld, node: Node) -> None:
    payer, destroyer = node.deploy("Payer"), node.deploy("Destroyer")
    node.call(payer, "remember(address)", US)
    node.mine()
    here = world()
    node.call(payer, "pay(address)", US, value=7)
    node.send(payer, 11)
    node.call(payer, "payThrice(address)", US, value=30)
    node.call(destroyer, "destroy(address)", US, value=13)
    node.mine()
    here.look()
    assert here.told("seen") == [
        ("donation", "ETH", "tx:trace:0", 7),
        ("donation", "ETH", "tx:trace:0", 10),
        ("donation", "ETH", "tx:trace:0", 11),
        ("donation", "ETH", "tx:trace:0", 13),
        ("donation", "ETH", "tx:trace:2", 10),
    ]
    here.settle()
    here.check()


def test_a_contract_that_dies_at_birth_pays_us(world: MakeWorld, node: Node) -> None:
    here = world()
    node.deploy("DestroyedAtBirth", US, value=17)
    here.settle()
    assert here.told() == [("donation", "ETH", "tx:trace:0", 17)]
    here.check()


@pytest.mark.parametrize("dialect", sorted(TRACES))
def test_e5_either_dialect_of_traces_names_the_payments_that_stand(world: MakeWorld, node: Node, dialect: str) -> None:
    payer, destroyer = node.deploy("Payer"), node.deploy("Destroyer")
    with Proxy(node.url) as proxy:
        proxy.refused = set(TRACES) - {dialect}
        here = world(url=proxy.url)
        node.call(payer, "payThrice(address)", US, value=30)
        node.call(payer, "tryAndFail(address)", US, value=30)
        node.call(destroyer, "destroy(address)", US, value=13)
        node.mine()
        here.settle()
        assert [(locator, units) for _, _, locator, units in here.told("confirmed")] == [
            ("tx:trace:0", 10),
            ("tx:trace:0", 13),
            ("tx:trace:2", 10),
        ]
        here.check()


def test_without_traces_a_payout_is_unexplained_and_replaced_when_a_trace_comes(world: MakeWorld, node: Node) -> None:
    payer = node.deploy("Payer")
    with Proxy(node.url) as proxy:
        here = world(url=proxy.url)
        proxy.refused = set(TRACES)
        node.send(US, 100)
        node.call(payer, "pay(address)", US, value=7)
        node.mine()
        here.look()
        assert here.told("seen") == [
            ("donation", "ETH", "tx:value", 100),
            ("unattributed", "ETH", "block:unexplained", 7),
        ]
        proxy.refused = set()
        here.settle()
    assert here.told() == [("donation", "ETH", "tx:trace:0", 7), ("donation", "ETH", "tx:value", 100)]
    assert here.told("replaced") == [("unattributed", "ETH", "block:unexplained", 7)]
    here.check()


def test_e4_what_is_undone_inside_a_transaction_is_no_gift(world: MakeWorld, node: Node) -> None:
    payer = node.deploy("Payer")
    here = world()
    node.call(payer, "tryAndFail(address)", US, value=100)
    node.call(payer, "payAndFail(address)", US, value=100)
    node.mine()
    here.settle()
    assert here.told() == []
    here.check()


def test_a_failed_transaction_moves_no_value_but_its_gas(world: MakeWorld, node: Node) -> None:
    payer = node.deploy("Payer")
    node.become(US)
    node.give(US, ETHER)
    here = world()
    failed = node.call(payer, "payAndFail(address)", ACCOUNTS[1], value=GIFT, by=US)
    node.mine()
    here.settle()
    assert node.receipt(failed)["status"] == "0x0"
    assert here.told() == [
        ("opening", "ETH", "block:opening", ETHER),
        ("outflow", "ETH", "tx:gas", node.gas_units(failed)),
    ]
    here.check()


def test_e8_value_and_gas_that_leave_are_outflows_of_their_own(world: MakeWorld, node: Node) -> None:
    node.become(US)
    node.give(US, ETHER)
    here = world()
    node.send(US, GIFT)
    spent = node.send(ACCOUNTS[1], 5, **{"from": US})
    node.mine()
    here.settle()
    assert here.told() == [
        ("donation", "ETH", "tx:value", GIFT),
        ("opening", "ETH", "block:opening", ETHER),
        ("outflow", "ETH", "tx:gas", node.gas_units(spent)),
        ("outflow", "ETH", "tx:value", 5),
    ]
    here.check()


def test_between_our_own_addresses_nothing_is_given(world: MakeWorld, node: Node) -> None:
    coin = node.deploy("PlainToken")
    node.become(US)
    node.give(US, ETHER)
    node.call(coin, "transfer(address,uint256)", US, 50)
    node.mine()
    usdt = token(coin)
    here = world(watch(), watch(address=ALSO_US), watch(usdt), watch(usdt, ALSO_US))
    moved = node.send(ALSO_US, GIFT, **{"from": US})
    called = node.call(coin, "transfer(address,uint256)", ALSO_US, 20, by=US)
    node.mine()
    here.settle()
    gas = sorted(node.gas_units(tx) for tx in (moved, called))
    assert [row for row in here.told() if row[0] != "opening"] == [
        ("internal", "ETH", "tx:value", GIFT),
        ("internal", "ETH", "tx:value", GIFT),
        ("internal", "USDT", "tx:log:0", 20),
        ("internal", "USDT", "tx:log:0", 20),
        ("outflow", "ETH", "tx:gas", gas[0]),
        ("outflow", "ETH", "tx:gas", gas[1]),
    ]
    assert here.ledger.totals() == ()
    here.check()


def test_t6_a_token_without_return_value_is_booked_by_its_log(world: MakeWorld, node: Node) -> None:
    coin = node.deploy("PlainToken")
    here = world(watch(), watch(token(coin)))
    tx = node.call(coin, "transfer(address,uint256)", US, 2_500_000)
    node.mine()
    here.look()
    (seen,) = here.rows("seen")
    assert (seen["locator"], seen["amount"], seen["payer"]) == (f"{tx}:log:0", "2.5", ACCOUNTS[0])
    here.settle()
    assert here.told("confirmed") == [("donation", "USDT", "tx:log:0", 2_500_000)]
    here.check()


def test_t11_two_identical_transfers_in_one_transaction_are_two(world: MakeWorld, node: Node) -> None:
    coin, payer = node.deploy("PlainToken"), node.deploy("Payer")
    node.call(coin, "transfer(address,uint256)", payer, 1_000)
    node.mine()
    here = world(watch(token(coin)))
    node.call(payer, "payTokenTwice(address,address,uint256)", coin, US, 5)
    node.mine()
    here.settle()
    assert here.told() == [("donation", "USDT", "tx:log:0", 5), ("donation", "USDT", "tx:log:1", 5)]
    here.check()


def test_t7_a_token_that_takes_a_fee_is_booked_as_received(world: MakeWorld, node: Node) -> None:
    coin = node.deploy("FeeToken")
    here = world(watch(token(coin, "FEE")))
    node.call(coin, "transfer(address,uint256)", US, 1_000)
    node.mine()
    here.look()
    node.call(coin, "transfer(address,uint256)", US, 199)
    node.call(coin, "transfer(address,uint256)", US, 101)
    node.mine()
    here.settle()
    flags = {int(str(row["units"])): row["flags"] for row in here.rows()}
    assert flags == {990: [], 198: ["estimated"], 100: ["estimated"]}
    here.check()


def test_a_log_that_moves_nothing_books_nothing(world: MakeWorld, node: Node) -> None:
    noisy = node.deploy("NoisyToken")
    here = world(watch(token(noisy, "NOISE")))
    node.call(noisy, "say(address,address,uint256)", ACCOUNTS[1], US, 1_000)
    node.mine()
    here.settle()
    assert here.told() == []
    here.check()


def test_n3_a_node_that_keeps_logs_back_is_found_out_by_the_balance(world: MakeWorld, node: Node) -> None:
    coin = node.deploy("PlainToken")

    def forgetful(request: Json, answer: Json) -> Json:
        is_range = request["method"] == "eth_getLogs" and "fromBlock" in request["params"][0]
        return {**answer, "result": []} if is_range else answer

    with Proxy(node.url) as proxy:
        proxy.bend = forgetful
        here = world(watch(token(coin)), url=proxy.url)
        node.call(coin, "transfer(address,uint256)", US, 5)
        node.mine()
        here.settle()
    assert here.told("confirmed") == [("donation", "USDT", "tx:log:0", 5)]
    here.check()


def test_everything_in_one_block_adds_up(world: MakeWorld, node: Node) -> None:
    coin, payer, destroyer = node.deploy("PlainToken"), node.deploy("Payer"), node.deploy("Destroyer")
    node.become(US)
    node.give(US, ETHER)
    here = world(watch(), watch(token(coin)))
    node.send(US, 100)
    node.send(US, 100)
    node.call(payer, "pay(address)", US, value=7)
    node.call(payer, "payThrice(address)", US, value=30)
    node.call(destroyer, "destroy(address)", US, value=13)
    node.call(payer, "payAndFail(address)", US, value=1_000)
    node.send(ACCOUNTS[1], 55, **{"from": US})
    node.call(payer, "payAndFail(address)", US, value=3, by=US)
    node.call(coin, "transfer(address,uint256)", US, 5)
    node.mine()
    here.look()
    here.check()
    here.settle()
    here.check()


def test_what_lay_there_before_is_an_opening_and_counts_for_nothing(world: MakeWorld, node: Node) -> None:
    coin = node.deploy("PlainToken")
    node.send(US, GIFT)
    node.call(coin, "transfer(address,uint256)", US, 5)
    start = node.mine() + 1
    node.send(US, 3)
    node.mine(4)
    here = world(watch(start=start), watch(token(coin), start=start))
    node.mine(4)
    here.settle()
    assert here.told("confirmed") == [
        ("donation", "ETH", "tx:value", 3),
        ("opening", "ETH", "block:opening", GIFT),
        ("opening", "USDT", "block:opening", 5),
    ]
    opening = next(row for row in here.rows() if row["kind"] == "opening")
    assert (opening["locator"], opening["counted_units"]) == (f"block:{start - 1}:USDT:{US}:opening", "0") or (
        opening["locator"] == f"block:{start - 1}:ETH:{US}:opening"
    )
    here.check(first=start)


@pytest.mark.parametrize("start", [0, 1])
def test_a_start_before_everything_reads_everything(node: Node, books: Ledger, start: int) -> None:
    node.mine(3)
    coin = node.deploy("PlainToken")
    node.call(coin, "transfer(address,uint256)", US, 5)
    node.send(US, 3)
    node.mine(8)
    here = World(node, books, [watch(start=start), watch(token(coin), start=start)])
    here.look()
    assert here.told("confirmed") == [("donation", "ETH", "tx:value", 3), ("donation", "USDT", "tx:log:0", 5)]
    here.check()


def test_what_the_first_block_gave_us_is_an_opening(node: Node, books: Ledger) -> None:
    here = World(node, books, [watch(address=ACCOUNTS[3], start=0)])
    node.mine(8)
    here.look()
    assert here.told("confirmed") == [("opening", "ETH", "block:opening", 10_000 * ETHER)]


def test_a_watch_that_is_added_later_gets_its_own_start(world: MakeWorld, node: Node) -> None:
    coin = node.deploy("PlainToken")
    here = world()
    node.send(US, 1)
    node.call(coin, "transfer(address,uint256)", US, 5)
    first = node.mine()
    here.settle()
    here.watches = (watch(), watch(token(coin), start=first), watch(address=ALSO_US))
    here.restart()
    node.send(ALSO_US, 2)
    node.mine()
    here.look()
    node.send(ALSO_US, 3)
    node.mine()
    here.settle()
    assert here.told("confirmed") == [
        ("donation", "ETH", "tx:value", 1),
        ("donation", "ETH", "tx:value", 3),
        ("donation", "USDT", "tx:log:0", 5),
        ("opening", "ETH", "block:opening", 2),
    ]


def test_moving_a_start_to_an_earlier_block_turns_the_opening_into_gifts(world: MakeWorld, node: Node) -> None:
    node.send(US, 1)
    first = node.mine()
    node.send(US, 2)
    node.mine()
    here = world()
    here.settle()
    assert here.told() == [("opening", "ETH", "block:opening", 3)]
    here.watches = (watch(start=first),)
    here.restart()
    here.settle()
    assert here.told("confirmed") == [("donation", "ETH", "tx:value", 1), ("donation", "ETH", "tx:value", 2)]
    assert here.told("replaced") == [("opening", "ETH", "block:opening", 3)]
    here.check()


def test_a_long_gap_is_read_in_steps_that_cost_little(world: MakeWorld, node: Node) -> None:
    coin = node.deploy("PlainToken")
    with Proxy(node.url) as proxy:
        here = world(watch(), watch(token(coin)), url=proxy.url)
        node.mine(300)
        node.send(US, 5)
        node.mine(700)
        node.call(coin, "transfer(address,uint256)", US, 7)
        node.mine(300)
        before = proxy.requests
        here.look()
        spent = proxy.requests - before
    assert here.told("confirmed") == [("donation", "ETH", "tx:value", 5), ("donation", "USDT", "tx:log:0", 7)]
    assert spent <= 21
    here.check()


def test_n4_ranges_shrink_until_the_node_takes_them(world: MakeWorld, node: Node) -> None:
    coin = node.deploy("PlainToken")

    def narrow(request: Json, answer: Json) -> Json:
        asked = request["params"][0] if request["method"] == "eth_getLogs" else {}
        if "fromBlock" in asked and int(asked["toBlock"], 16) - int(asked["fromBlock"], 16) >= 20:
            error = {"code": -32602, "message": "exceed max block range: 20"}
            return {"id": request["id"], "error": error}
        return answer

    with Proxy(node.url) as proxy:
        proxy.bend = narrow
        here = world(watch(token(coin)), url=proxy.url)
        for units in range(1, 6):
            node.call(coin, "transfer(address,uint256)", US, units)
            node.mine(50)
        here.settle()
    assert [row[3] for row in here.told("confirmed")] == [1, 2, 3, 4, 5]
    here.check()


def test_an_account_with_code_is_read_block_by_block(world: MakeWorld, node: Node) -> None:
    node.become(US)
    node.give(US, ETHER)
    here = world()
    # A delegated account spends without raising its own nonce; the node lets us put code there directly.
    payer = node.deploy("Payer")
    node.ask("anvil_setCode", US, node.ask("eth_getCode", payer, "latest"))
    node.ask("anvil_setNonce", US, "0x1")
    node.mine()
    here.look()
    # Of 30 it pays 10 on twice and keeps 10; the nonce never tells.
    # What it passes on whole within one block leaves no mark on its balance.
    node.call(US, "payThrice(address)", ACCOUNTS[1], value=30)
    node.mine()
    node.call(US, "pay(address)", ACCOUNTS[1], value=9)
    node.mine()
    here.settle()
    assert here.told() == [
        ("donation", "ETH", "tx:value", 30),
        ("opening", "ETH", "block:opening", ETHER),
        ("outflow", "ETH", "tx:trace:0", 10),
        ("outflow", "ETH", "tx:trace:2", 10),
    ]


@pytest.mark.parametrize("settings", [{"confirm": 3}, {"confirm": "finalized"}])
def test_confirmation_follows_the_settings(world: MakeWorld, node: Node, settings: dict[str, object]) -> None:
    here = world(**settings)
    node.send(US, 5)
    node.mine(3)
    here.look()
    assert here.told("confirmed") == []
    node.mine(2)
    here.look()
    assert here.told("confirmed") == [("donation", "ETH", "tx:value", 5)]
    here.check()


def test_an_idle_poll_costs_one_request_and_a_new_block_two(world: MakeWorld, node: Node) -> None:
    coins = [node.deploy("PlainToken") for _ in range(5)]
    with Proxy(node.url) as proxy:
        here = world(watch(), *(watch(token(coin, f"T{i}")) for i, coin in enumerate(coins)), url=proxy.url)
        here.settle()
        costs = []
        for blocks in (0, 1, 0, 1, 2, 12):
            if blocks:
                node.mine(blocks)
            before = proxy.requests
            here.look()
            costs.append(proxy.requests - before)
    assert costs == [1, 2, 1, 2, 2, 2]


def test_an_address_without_a_token_contract_lied(world: MakeWorld, node: Node) -> None:
    with pytest.raises(SourceLied, match="there is no token contract"):
        world(watch(token(ACCOUNTS[1])))


def test_a_token_younger_than_its_start_was_worth_nothing_before(node: Node, books: Ledger) -> None:
    first = node.mine(3)
    coin = node.deploy("PlainToken")
    node.call(coin, "transfer(address,uint256)", US, 5)
    node.mine(10)
    here = World(node, books, [watch(token(coin), start=first)])
    here.look()
    here.settle()
    assert here.told() == [("donation", "USDT", "tx:log:0", 5)]
    here.check()


def test_an_asset_may_be_watched_off_route(node: Node, books: Ledger) -> None:
    here = World(node, books, [Watch("local", US, NATIVE, "eth", None, is_off_route=True)])
    here.look()
    node.send(US, 5)
    node.mine()
    here.look()
    assert [row["flags"] for row in here.rows()] == [["off_route"]]

"""Several nodes of one network: asked in turn, or all of them with a quorum; liars, laggards and silence."""

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from support_service.ledger import Ledger
from support_service.rails.evm.network import read_network
from support_service.rails.evm.source import EvmSource
from support_service.rails.source import MustFreeze, SourceDown, SourceLied
from tests.fixtures.database import prepare
from tests.fixtures.http_servers import Proxy
from tests.fixtures.node import ETHER, OURS, Json, Node
from tests.fixtures.world import NETWORK, TRACES, World, fixed_clock, table, token, watch

pytestmark = pytest.mark.node

US = OURS[0]
GIFT = 10**15
Bend = Callable[[Json, Json], Json]


@pytest.fixture
def books(tmp_path: Path) -> Iterator[Ledger]:
    url = f"sqlite:///{tmp_path}/books.db"
    prepare(url)
    ledger = Ledger(url, clock=fixed_clock)
    yield ledger
    ledger.dispose()


@pytest.fixture
def proxies(node: Node) -> Iterator[list[Proxy]]:
    """Three nodes of one chain, each of which can lie, fall behind or fall silent on its own."""
    with ExitStack() as stack:
        yield [stack.enter_context(Proxy(node.url)) for _ in range(3)]


@dataclass
class Later:
    """A clock that can be moved, for rests."""

    passed: timedelta = field(default_factory=timedelta)

    def __call__(self):  # type: ignore[no-untyped-def]
        return fixed_clock() + self.passed


def world_of(node: Node, books: Ledger, proxies: list[Proxy], quorum: int, *, coin: str = "") -> World:
    """A world watched through proxies, begun at the present head."""
    watches = [watch(), watch(token(coin))] if coin else [watch()]
    made = World(node, books, watches, settings={"rpc": [proxy.url for proxy in proxies], "quorum": quorum})
    made.look()
    return made


def behind(node: Node, height: int) -> Bend:
    """Answer as a node would that has got no further than `height`."""

    def bend(request: Json, answer: Json) -> Json:
        if request["method"] != "eth_getBlockByNumber":
            return answer
        place = request["params"][0]
        if place == "latest":
            return {**answer, "result": node.ask("eth_getBlockByNumber", hex(height), False)}
        is_above = place.startswith("0x") and int(place, 16) > height
        return {**answer, "result": None} if is_above else answer

    return bend


def test_a_node_that_fails_is_passed_over_within_the_same_turn(
    node: Node, books: Ledger, proxies: list[Proxy], caplog: pytest.LogCaptureFixture
) -> None:
    here = world_of(node, books, proxies, 1)
    proxies[0].is_unplugged = True
    node.send(US, GIFT)
    node.mine()
    with caplog.at_level(logging.INFO):
        here.settle()
    assert here.told("confirmed") == [("donation", "ETH", "tx:value", GIFT)]
    (told,) = [record for record in caplog.records if record.message == "node_rests"]
    assert told.node == proxies[0].url.split("/")[2]  # type: ignore[attr-defined]
    assert "SECRETKEY" not in caplog.text and "SECRETKEY" not in str(vars(told))
    here.check()


def test_a_node_that_fails_rests_longer_each_time_and_is_asked_again(
    node: Node, books: Ledger, proxies: list[Proxy]
) -> None:
    clock = Later()
    network = read_network(NETWORK, table("", rpc=[proxy.url for proxy in proxies[:2]]))
    source = EvmSource(network, (watch(),), clock=clock)
    first, asked = proxies[0], []
    first.is_unplugged = True
    for _ in range(60):
        before = len(first.bodies)
        list(source.reports(None))
        asked.append(len(first.bodies) > before)
        clock.passed += timedelta(seconds=5)
    assert [place for place, was_asked in enumerate(asked) if was_asked] == [0, 2, 6, 14, 30]
    first.is_unplugged = False
    clock.passed += timedelta(seconds=300)
    before = len(proxies[1].bodies)
    list(source.reports(None))
    assert len(proxies[1].bodies) == before


def test_the_next_node_goes_on_where_one_fell_silent_half_way(node: Node, books: Ledger, proxies: list[Proxy]) -> None:
    here = world_of(node, books, proxies[:2], 1)
    node.send(US, GIFT)
    node.mine()
    here.look()
    node.reorg(1)
    node.send(US, GIFT + 1)
    node.mine()
    before, first = books.cursor("evm:local"), proxies[0]
    spent = first.requests

    def tires(_: Json, answer: Json) -> Json:
        # It answers where the chain stands and what is gone; then no more.
        first.is_unplugged = first.requests > spent
        return answer

    first.bend = tires
    here.look()
    after = books.cursor("evm:local")
    assert first.is_unplugged
    assert before is not None and after is not None and after.step == before.step + 2
    assert (here.told("orphaned")[0][3], here.told("seen")[0][3]) == (GIFT, GIFT + 1)
    here.settle()
    here.check()


def test_when_no_node_answers_each_is_named(node: Node, books: Ledger, proxies: list[Proxy]) -> None:
    here = world_of(node, books, proxies, 1)
    for proxy in proxies:
        proxy.is_unplugged = True
    with pytest.raises(SourceDown) as told:
        here.look()
    assert str(told.value).count("cannot be reached") == 3
    assert "SECRETKEY" not in str(told.value)


def test_a_quorum_that_agrees_books_like_one_node(node: Node, books: Ledger, proxies: list[Proxy]) -> None:
    coin, payer = node.deploy("PlainToken"), node.deploy("Payer")
    here = world_of(node, books, proxies, 2, coin=coin)
    node.send(US, GIFT)
    node.call(payer, "pay(address)", US, value=7)
    node.call(coin, "transfer(address,uint256)", US, 5)
    node.mine()
    here.look()
    assert len(here.told("seen")) == 3
    here.settle()
    assert here.told("confirmed") == [
        ("donation", "ETH", "tx:trace:0", 7),
        ("donation", "ETH", "tx:value", GIFT),
        ("donation", "USDT", "tx:log:0", 5),
    ]
    here.check()


def test_an_idle_poll_of_a_quorum_costs_each_node_what_it_costs_one(
    node: Node, books: Ledger, proxies: list[Proxy]
) -> None:
    here = world_of(node, books, proxies, 2, coin=node.deploy("PlainToken"))
    here.settle()
    costs = []
    for blocks in (0, 1, 0):
        if blocks:
            node.mine(blocks)
        before = [proxy.requests for proxy in proxies]
        here.look()
        costs.append([proxy.requests - spent for proxy, spent in zip(proxies, before, strict=True)])
    assert costs == [[1, 1, 1], [2, 2, 2], [1, 1, 1]]


def test_attribution_may_come_from_one_node(node: Node, books: Ledger, proxies: list[Proxy]) -> None:
    payer = node.deploy("Payer")
    for proxy in proxies[:2]:
        proxy.refused = set(TRACES)
    here = world_of(node, books, proxies, 3)
    node.call(payer, "pay(address)", US, value=7)
    here.settle()
    assert here.told("confirmed") == [("donation", "ETH", "tx:trace:0", 7)]


def test_a_trace_that_claims_more_than_arrived_is_not_believed(node: Node, books: Ledger, proxies: list[Proxy]) -> None:
    payer = node.deploy("Payer")

    def boast(traces: Json) -> Json:
        for trace in traces:
            for call in trace["result"].get("calls", []):
                call["value"] = hex(ETHER)
        return traces

    for proxy in proxies:
        proxy.refused = {"debug_traceTransaction"}
    proxies[0].bend = says("debug_traceBlockByHash", boast)
    here = world_of(node, books, proxies, 2)
    node.call(payer, "pay(address)", US, value=7)
    here.settle()
    assert here.told() == [("unattributed", "ETH", "block:unexplained", 7)]
    (total,) = books.totals()
    assert total.units == 7


def test_what_left_without_a_trace_is_an_outflow_and_no_money_of_readers(
    node: Node, books: Ledger, proxies: list[Proxy]
) -> None:
    node.give(US, ETHER)
    node.mine()
    here = world_of(node, books, proxies, 2)
    here.settle()
    node.give(US, ETHER - 5)
    node.ask("anvil_setNonce", US, "0x1")
    here.settle()
    assert here.told("confirmed") == [
        ("opening", "ETH", "block:opening", ETHER),
        ("outflow", "ETH", "block:unexplained", 5),
    ]
    assert books.totals() == ()


def test_a_node_that_lags_holds_nobody_up_while_a_quorum_is_ahead(
    node: Node, books: Ledger, proxies: list[Proxy]
) -> None:
    here = world_of(node, books, proxies, 2)
    proxies[2].bend = behind(node, node.height)
    node.send(US, GIFT)
    node.mine()
    here.settle()
    assert here.told("confirmed") == [("donation", "ETH", "tx:value", GIFT)]


def test_the_head_of_a_quorum_is_the_one_that_all_of_it_have(node: Node, books: Ledger, proxies: list[Proxy]) -> None:
    here = world_of(node, books, proxies[:2], 2)
    proxies[1].bend = behind(node, node.height + 1)
    node.mine()
    node.send(US, GIFT)
    node.mine()
    here.look()
    assert here.told() == []
    cursor = books.cursor("evm:local")
    assert cursor is not None and cursor.height == node.height - 1
    proxies[1].bend = lambda _request, answer: answer
    here.look()
    assert here.told("seen") == [("donation", "ETH", "tx:value", GIFT)]


def test_on_two_forks_the_block_below_them_is_the_head(node: Node, other_node: Node, books: Ledger) -> None:
    node.mine(4)
    node.copy_to(other_node)
    here = World(node, books, [watch()], settings={"rpc": [node.url, other_node.url], "quorum": 2})
    here.look()
    fork = node.height
    node.send(US, GIFT)
    node.mine()
    other_node.mine()
    assert node.block_hash(fork + 1) != other_node.block_hash(fork + 1)
    here.look()
    cursor = books.cursor("evm:local")
    assert cursor is not None and (cursor.height, cursor.block_hash) == (fork, node.block_hash(fork))
    assert here.told() == []


def says(method: str, change: Callable[[Json], Json]) -> Bend:
    """Lie about one method; change gets the honest result."""

    def bend(request: Json, answer: Json) -> Json:
        return {**answer, "result": change(answer["result"])} if request["method"] == method else answer

    return bend


def fail_receipt(receipt: Json) -> Json:
    return {**receipt, "status": "0x0"}


def more(balance: Json) -> Json:
    return f"0x{int(balance, 16) + ETHER:0{len(balance) - 2}x}"


def fake_transaction(block: Json) -> Json:
    if block["transactions"] and isinstance(block["transactions"][0], dict):
        first = {**block["transactions"][0], "value": hex(ETHER)}
        return {**block, "transactions": [first, *block["transactions"][1:]]}
    return block


@pytest.mark.parametrize(
    "lie",
    [
        pytest.param(says("eth_getTransactionReceipt", fail_receipt), id="receipt"),
        pytest.param(says("eth_getLogs", lambda _: []), id="omitted log"),
        pytest.param(says("eth_getBalance", more), id="balance"),
        pytest.param(says("eth_getTransactionCount", lambda _: "0x7"), id="nonce"),
        pytest.param(says("eth_getBlockByNumber", fake_transaction), id="transaction"),
        pytest.param(says("eth_call", more), id="token balance"),
    ],
)
@pytest.mark.parametrize("liar", [0, 2])
def test_n8_one_of_three_lies_and_nothing_is_confirmed(
    node: Node, books: Ledger, proxies: list[Proxy], lie: Bend, liar: int
) -> None:
    coin = node.deploy("PlainToken")
    here = world_of(node, books, proxies, 2, coin=coin)
    proxies[liar].bend = lie
    node.send(US, GIFT)
    node.call(coin, "transfer(address,uint256)", US, 5)
    node.mine()
    node.mine(10)
    with pytest.raises(MustFreeze, match="nodes differ about") as told:
        here.look()
    hosts = {proxy.url.split("/")[2] for proxy in proxies}
    assert hosts <= told.value.evidence.keys(), "what each of them said is kept"
    assert len({text for host, text in told.value.evidence.items() if host in hosts}) == 2
    assert all(host in str(told.value) for host in hosts)
    assert here.told("confirmed") == []
    assert books.totals() == ()


def test_n8_a_block_that_one_calls_final_too_early_is_not_final(
    node: Node, books: Ledger, proxies: list[Proxy]
) -> None:
    here = world_of(node, books, proxies, 2)
    node.mine(6)
    node.send(US, GIFT)
    node.mine()

    def hurry(request: Json, answer: Json) -> Json:
        is_final = request["params"] and request["params"][0] == "finalized"
        return {**answer, "result": node.ask("eth_getBlockByNumber", "latest", False)} if is_final else answer

    proxies[1].bend = hurry
    here.look()
    assert (len(here.told("seen")), here.told("confirmed")) == (1, [])


def test_n8_a_final_block_that_the_others_do_not_have_freezes(
    node: Node, other_node: Node, books: Ledger, proxies: list[Proxy]
) -> None:
    node.copy_to(other_node)
    here = world_of(node, books, proxies, 2)
    other_node.send(US, ETHER)
    other_node.mine(12)
    node.mine(12)
    proxies[2].upstream = other_node.url
    with pytest.raises(MustFreeze, match="calls final") as told:
        here.look()
    assert len(told.value.evidence) == 3
    assert here.told() == []


def test_n9_honest_nodes_are_down_and_a_liar_answers(
    node: Node, other_node: Node, books: Ledger, proxies: list[Proxy]
) -> None:
    node.copy_to(other_node)
    here = world_of(node, books, proxies, 2)
    other_node.send(US, ETHER)
    other_node.mine(12)
    proxies[2].upstream = other_node.url
    proxies[0].is_unplugged = proxies[1].is_unplugged = True
    with pytest.raises(SourceDown, match="1 nodes answered where 2 must agree"):
        here.look()
    assert here.told() == []
    here.restart()
    with pytest.raises(SourceDown, match="1 nodes answered where 2 must agree"):
        here.look()
    assert here.told() == []
    for proxy in proxies:
        proxy.is_unplugged, proxy.upstream = False, node.url
    node.send(US, GIFT)
    here.settle()
    assert here.told("confirmed") == [("donation", "ETH", "tx:value", GIFT)]
    here.check()


def test_a_node_on_another_chain_stops_the_network(node: Node, books: Ledger, proxies: list[Proxy]) -> None:
    proxies[1].bend = says("eth_chainId", lambda _: "0x1")
    with pytest.raises(SourceLied, match="is on chain 1, settings say") as told:
        world_of(node, books, proxies, 2)
    assert not isinstance(told.value, MustFreeze)


def test_a_node_that_changes_its_chain_later_stops_the_network(node: Node, books: Ledger, proxies: list[Proxy]) -> None:
    here = world_of(node, books, proxies, 2)
    proxies[1].bend = says("eth_chainId", lambda _: "0x1")
    with pytest.raises(SourceLied, match="different chains") as told:
        here.look()
    assert not isinstance(told.value, MustFreeze)

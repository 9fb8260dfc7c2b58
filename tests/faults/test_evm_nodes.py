"""Nodes that fail or talk nonsense: nothing is booked on such an answer, nothing is passed over for it."""

import functools
import gzip
import json
from collections.abc import Callable
from typing import TypeAlias

import pytest

from support_service.ledger import Ledger
from support_service.rails.evm.network import read_network
from support_service.rails.evm.rpc import Node as Asked
from support_service.rails.evm.source import EvmSource
from support_service.rails.source import MustFreeze, SourceDown, SourceLied
from tests.faults.conftest import MakeWorld
from tests.fixtures.http_servers import Proxy, Reply
from tests.fixtures.node import ACCOUNTS, ETHER, OURS, Json, Node, start_node
from tests.fixtures.world import NETWORK, World, fixed_clock, table, token, warned, watch

pytestmark = pytest.mark.node

US = OURS[0]
EVERY_STATE = ("seen", "confirmed", "orphaned", "replaced")
SEND = "transfer(address,uint256)"
GAVE = [("donation", "ETH", "tx:value", 100), ("donation", "USDT", "tx:log:0", 5)]
Bend: TypeAlias = Callable[[Json, Json], Json]


def as_is(_request: Json, answer: Json) -> Json:
    return answer


def hurried(here: World) -> World:
    """Let the world's source take its pauses without waiting."""
    node = functools.partial(Asked, pause=lambda _seconds: None)
    network = read_network(NETWORK, table(here.url, **here.settings))
    here.source = EvmSource(network, tuple(here.watches), clock=fixed_clock, node=node)
    return here


def give_both(node: Node, coin: str) -> None:
    node.send(US, 100)
    node.call(coin, SEND, US, 5)
    node.mine()


def nothing_moves(here: World, words: str = "127.0.0.1") -> None:
    """Look, and see that the source is down and that neither cursor nor money moved."""
    before = here.ledger.cursor(here.source.name)
    with pytest.raises(SourceDown, match=words):
        here.look()
    assert here.ledger.cursor(here.source.name) == before
    assert here.rows(*EVERY_STATE) == []


@pytest.mark.parametrize(
    ("method", "words"),
    [
        ("eth_getTransactionReceipt", "eth_getTransactionReceipt: null where an object is owed"),
        ("eth_getBlockByNumber", "does not know block 1, but has 2"),
        ("eth_getLogs", "eth_getLogs: null where a list is owed"),
    ],
)
def test_n1_null_for_what_must_be_there_is_not_nothing(world: MakeWorld, node: Node, method: str, words: str) -> None:
    coin = node.deploy("PlainToken")

    def forgetful(request: Json, answer: Json) -> Json:
        is_named = request["method"] == method and request["params"][0] not in ("latest", "finalized")
        return {**answer, "result": None} if is_named else answer

    with Proxy(node.url) as proxy:
        here = hurried(world(watch(), watch(token(coin)), url=proxy.url))
        give_both(node, coin)
        proxy.bend = forgetful
        nothing_moves(here, words)
        proxy.bend = as_is
        here.look()
        here.settle()
    assert here.told(*EVERY_STATE) == GAVE
    here.check()


def test_n2_no_logs_from_a_node_that_is_behind_are_read_again_at_finality(world: MakeWorld, node: Node) -> None:
    coin = node.deploy("PlainToken")
    with Proxy(node.url) as proxy:
        here = world(watch(), watch(token(coin)), url=proxy.url)
        proxy.bend = lambda request, answer: {**answer, "result": []} if request["method"] == "eth_getLogs" else answer
        give_both(node, coin)
        here.look()
        assert here.told("seen") == GAVE[:1]
        proxy.bend = as_is
        here.settle()
    assert here.told(*EVERY_STATE) == GAVE
    here.check()


SLOW_DOWN = {"Retry-After": "1"}


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(Reply(b"slow down", 429, SLOW_DOWN), id="429 that names a wait"),
        pytest.param(Reply(b"slow down", 429), id="429"),
        pytest.param(Reply(b"bad gateway", 502), id="502"),
        pytest.param(Reply(b"", 503, SLOW_DOWN), id="503"),
        pytest.param(Reply(None), id="reset before a word"),
        pytest.param(Reply(b'[{"id":1,"res', headers={"Content-Length": "900", "Connection": "close"}), id="cut off"),
    ],
)
def test_n5_a_node_that_is_busy_or_gone_delays_and_loses_nothing(world: MakeWorld, node: Node, reply: Reply) -> None:
    coin = node.deploy("PlainToken")
    with Proxy(node.url) as proxy:
        here = hurried(world(watch(), watch(token(coin)), url=proxy.url))
        honest = proxy.answer
        give_both(node, coin)
        proxy.answer = lambda _body: reply
        nothing_moves(here)
        if reply.status != 200:
            # Busy for once: asked again within the turn, it is no trouble at all.
            script = [reply]
            proxy.answer = lambda body: script.pop() if script else honest(body)
            here.look()
            assert here.told("seen") == GAVE
        proxy.answer = honest
        here.settle()
    assert here.told(*EVERY_STATE) == GAVE
    here.check()


def bent(change: Callable[[Json], Json]) -> Callable[[Callable[[bytes], Reply], bytes], Reply]:
    """Change the list of a batch's answers."""
    return lambda honest, body: Reply.of(change(json.loads(honest(body).body or b"[]")))


def each_of(change: Callable[[Json], Json]) -> Callable[[Callable[[bytes], Reply], bytes], Reply]:
    """Change every answer for itself, single or in a batch."""
    return bent(lambda told: [change(item) for item in told] if isinstance(told, list) else change(told))


BOMB = gzip.compress(b"[" + b" " * 80_000_000 + b"]")
HTML = Reply(b"<!doctype html><title>Sign in</title>", headers={"Content-Type": "text/html"})


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda _honest, _body: Reply(b"{not json"), id="not JSON"),
        pytest.param(lambda _honest, _body: HTML, id="a web page"),
        pytest.param(lambda _honest, _body: Reply(b"[" * 100_000), id="nested without end"),
        pytest.param(lambda _honest, _body: Reply(BOMB, headers={"Content-Encoding": "gzip"}), id="a bomb"),
        pytest.param(each_of(lambda item: {**item, "id": 99_999}), id="wrong ids"),
        pytest.param(each_of(lambda item: {**item, "error": {"code": 1, "message": "x"}}), id="result and error"),
        pytest.param(each_of(lambda item: {"jsonrpc": "2.0", "id": item["id"]}), id="neither"),
        pytest.param(bent(lambda told: told[:1] if isinstance(told, list) else None), id="most of it missing"),
    ],
)
def test_n6_what_is_no_answer_is_refused_and_the_watcher_lives(
    world: MakeWorld, node: Node, spoil: Callable[[Callable[[bytes], Reply], bytes], Reply]
) -> None:
    coin = node.deploy("PlainToken")
    with Proxy(node.url) as proxy:
        here = hurried(world(watch(), watch(token(coin)), url=proxy.url))
        honest = proxy.answer
        give_both(node, coin)
        proxy.answer = lambda body: spoil(honest, body)
        nothing_moves(here)
        proxy.answer = lambda body: bent(lambda told: told[::-1] if isinstance(told, list) else told)(honest, body)
        here.look()
        assert here.told("seen") == GAVE, "another order is no fault"
        proxy.answer = honest
        here.settle()
    assert here.told(*EVERY_STATE) == GAVE
    here.check()


def test_n7_another_chain_is_refused_at_the_start_and_freezes_later(
    world: MakeWorld, node: Node, other_node: Node
) -> None:
    with pytest.raises(SourceLied, match="is on chain 31337, settings say chain_id = 1"):
        world(chain_id=1)
    with Proxy(node.url) as proxy:
        here = world(url=proxy.url)
        node.send(US, 100)
        here.settle()
        before = here.rows(*EVERY_STATE)
        # The same number, but another first block: somebody else's chain.
        other_node.send(US, 1_000)
        other_node.mine(50)
        proxy.upstream = other_node.url
        with pytest.raises(MustFreeze, match="was final as"):
            here.look()
    assert here.rows(*EVERY_STATE) == before
    assert here.ledger.totals()[0].units == 100
    assert here.ledger.verify() == []


def state_only_from(node: Node, lowest: Callable[[], int]) -> Bend:
    """Answer as a node does that has thrown away the state of blocks below `lowest()`; it cannot trace them either."""
    state = {"eth_getBalance": 1, "eth_getTransactionCount": 1, "eth_getCode": 1, "eth_call": 1}

    def height_of(request: Json) -> int | None:
        method, params = request["method"], request["params"]
        if method == "debug_traceTransaction":
            return int(node.receipt(params[0])["blockNumber"], 16)
        place = (
            params[state.get(method, 0)] if method in {*state, "debug_traceBlockByHash", "trace_block"} else "latest"
        )
        digest = place["blockHash"] if isinstance(place, dict) else place
        if len(digest) == 66:
            return int(node.ask("eth_getBlockByHash", digest, False)["number"], 16)
        return None if digest == "latest" else int(digest, 16)

    def bend(request: Json, answer: Json) -> Json:
        height = height_of(request)
        error = {"code": -32000, "message": "missing trie node 12ab"}
        return {"id": request["id"], "error": error} if height is not None and height < lowest() else answer

    return bend


def give_in_a_gap(node: Node, coin: str, payer: str) -> None:
    """A gift, what leaves, a contract's payout, a token and a failure, blocks apart."""
    node.mine(20)
    node.send(US, 5_000)
    node.mine(3)
    node.send(ACCOUNTS[1], 7, **{"from": US})
    node.call(payer, "payAndFail(address)", US, value=1_000)
    node.mine()
    node.call(payer, "pay(address)", US, value=9)
    node.mine(2)
    node.call(coin, SEND, US, 5)
    node.mine(20)


def gap_told(here: World, *, named: bool) -> None:
    """See every wei of the gap booked, with the payout under its name or not."""
    outflows = [row for row in here.told() if row[0] == "outflow"]
    assert [row[2:] for row in outflows if row[2] == "tx:value"] == [("tx:value", 7)]
    assert [row[2] for row in outflows] == ["tx:gas", "tx:value"]
    payout = ("donation", "ETH", "tx:trace:0", 9) if named else ("unattributed", "ETH", "block:unexplained", 9)
    assert [row for row in here.told() if row[0] not in ("opening", "outflow")] == sorted(
        [("donation", "ETH", "tx:value", 5_000), ("donation", "USDT", "tx:log:0", 5), payout]
    )
    assert here.ledger.verify() == []


def rich_world(node: Node, books: Ledger, coin: str, urls: list[str]) -> World:
    node.become(US)
    node.give(US, ETHER)
    node.mine(8)
    here = hurried(World(node, books, [watch(), watch(token(coin))], settings={"rpc": urls}))
    here.look()
    return here


def test_n11_without_old_state_the_gap_is_read_block_by_block_and_that_is_told(node: Node, books: Ledger) -> None:
    coin, payer = node.deploy("PlainToken"), node.deploy("Payer")
    with Proxy(node.url) as lite:
        here = rich_world(node, books, coin, [lite.url])
        here.settle()
        since = node.height
        give_in_a_gap(node, coin, payer)
        kept = node.height - 6
        lite.bend = state_only_from(node, lambda: kept)
        here.look()
        gap_told(here, named=False)
        assert warned(here.source).startswith("no node keeps the balances of blocks ")
        assert f"to {node.height - 4}:" in warned(here.source)
        (row,) = [row for row in here.rows() if row["kind"] == "unattributed"]
        place = int(str(row["block_height"]))
        assert since < place <= node.height
        assert row["locator"] == f"block:{place}:ETH:{US}:unexplained"
        here.settle()
        gap_told(here, named=False)
    mine = [row for row in here.rows() if row["asset"] == "ETH"]
    held = sum(int(str(row["units"])) * (1 if row["direction"] == "in" else -1) for row in mine)
    assert held == node.balance(US)


def test_n11_a_gap_of_many_steps_is_held_against_the_first_balance_that_is_kept(
    node: Node, books: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("support_service.rails.evm.without_archive.BLOCKS_MAX", 6)
    coin, payer = node.deploy("PlainToken"), node.deploy("Payer")
    with Proxy(node.url) as lite:
        here = rich_world(node, books, coin, [lite.url])
        here.settle()
        give_in_a_gap(node, coin, payer)
        lite.bend = state_only_from(node, lambda: node.height - 6)
        # A death after each step: the next one goes on from there.
        for _ in range(12):
            for report in here.source.reports(books.cursor(here.source.name)):
                books.accept(report)
                break
            here.restart()
        here.look()
        gap_told(here, named=False)


def test_n11_a_node_that_keeps_the_newest_state_alone_still_loses_nothing(node: Node, books: Ledger) -> None:
    coin, payer = node.deploy("PlainToken"), node.deploy("Payer")
    with Proxy(node.url) as lite:
        lite.bend = state_only_from(node, lambda: node.height)
        here = rich_world(node, books, coin, [lite.url])
        give_in_a_gap(node, coin, payer)
        here.look()
        assert ("donation", "ETH", "tx:value", 5_000) in here.told("seen")
        for _ in range(4):
            here.settle()
        gap_told(here, named=False)
        assert here.told("seen") == []


def test_n11_real_nodes_that_prune(books: Ledger) -> None:
    node = start_node(is_pruned=True)
    try:
        coin, payer = node.deploy("PlainToken"), node.deploy("Payer")
        here = rich_world(node, books, coin, [node.url])
        give_in_a_gap(node, coin, payer)
        here.look()
        for _ in range(4):
            here.settle()
        gap_told(here, named=any(row[2] == "tx:trace:0" for row in here.told()))
    finally:
        node.stop()


def test_n11_another_node_that_keeps_old_state_is_asked_first(node: Node, books: Ledger) -> None:
    coin, payer = node.deploy("PlainToken"), node.deploy("Payer")
    with Proxy(node.url) as lite, Proxy(node.url) as archive:
        here = rich_world(node, books, coin, [lite.url, archive.url])
        here.settle()
        give_in_a_gap(node, coin, payer)
        lite.bend = state_only_from(node, lambda: node.height - 6)
        here.look()
        assert archive.calls > 0
        assert warned(here.source) == ""
        gap_told(here, named=True)


def test_n11_where_the_other_node_is_gone_too_the_lesser_one_reads_block_by_block(node: Node, books: Ledger) -> None:
    coin, payer = node.deploy("PlainToken"), node.deploy("Payer")
    with Proxy(node.url) as lite, Proxy(node.url) as archive:
        archive.is_unplugged = True
        here = rich_world(node, books, coin, [lite.url, archive.url])
        here.settle()
        give_in_a_gap(node, coin, payer)
        lite.bend = state_only_from(node, lambda: node.height - 6)
        here.look()
        assert warned(here.source)
        gap_told(here, named=False)


def test_n12_another_block_at_a_height_that_was_read_is_a_reorg(world: MakeWorld, node: Node) -> None:
    here = world()
    node.send(US, 100)
    gift = node.raw(node.send(US, 7, **{"from": ACCOUNTS[2]}))
    height = node.mine()
    here.look()
    node.reorg(1, [(gift, 0)])
    assert node.height == height, "the same height, another block"
    here.look()
    assert here.told("seen") == [("donation", "ETH", "tx:value", 7)]
    assert here.told("orphaned") == [("donation", "ETH", "tx:value", 100)]
    node.reorg(1)
    node.mine(3)
    here.look()
    assert here.told() == [], "a child of another parent than the one that was read"
    here.settle()
    here.check()


def shouted(value: Json) -> Json:
    """Write every hash, address and datum in capitals, as some nodes write some of them."""
    if isinstance(value, dict):
        return {name: shouted(item) for name, item in value.items()}
    if isinstance(value, list):
        return [shouted(item) for item in value]
    is_hex = isinstance(value, str) and value.startswith("0x")
    return "0x" + value[2:].upper() if is_hex else value


@pytest.mark.parametrize("text", ["0x", "0x064", "-0x64", "0x1" + "0" * 64, 100, "100", None])
def test_n13_quantities_are_read_strictly_and_spelling_changes_nothing(
    world: MakeWorld, node: Node, text: object
) -> None:
    coin = node.deploy("PlainToken")

    def odd(request: Json, answer: Json) -> Json:
        return {**answer, "result": text} if request["method"] == "eth_getBalance" else answer

    with Proxy(node.url) as proxy:
        here = hurried(world(watch(), watch(token(coin)), url=proxy.url))
        give_both(node, coin)
        proxy.bend = odd
        nothing_moves(here, "is not a quantity such as 0x1a")
        proxy.bend = lambda _request, answer: {**answer, "result": shouted(answer["result"])}
        here.look()
        proxy.bend = as_is
        here.settle()
    assert here.told(*EVERY_STATE) == GAVE
    here.check()

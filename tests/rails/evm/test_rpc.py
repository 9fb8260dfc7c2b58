"""A node that misbehaves: every answer is judged for itself, waits are bounded, keys stay secret."""

import gzip
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from support_service.rails.chain import http as wire
from support_service.rails.chain.strict_fields import BadAnswer
from support_service.rails.evm import rpc_requests, rpc_schema
from support_service.rails.evm.http import EvmHttp
from support_service.rails.evm.rpc import BATCH_CALLS_MAX, Call, Node
from support_service.rails.evm.rpc_errors import (
    Behind,
    NoState,
    RangeTooBig,
    Refusal,
    TooFast,
    Unsupported,
    refusal,
    suggested_blocks,
)
from support_service.rails.source import SourceDown
from tests.fixtures.http_servers import Json, Reply, Server, each

ADDRESS = "0x" + "ab" * 20


def good(item: Json) -> Json:
    """Answer eth_getBalance with the height asked for, so that answers can be told apart."""
    return {"jsonrpc": "2.0", "id": item["id"], "result": item["params"][1]}


def balances(count: int) -> list[Call[int]]:
    return [rpc_requests.balance(ADDRESS, height) for height in range(count)]


@contextmanager
def scripted(*replies: Callable[[bytes], Reply]) -> Iterator[tuple[Node, Server, list[float]]]:
    """A node whose requests are answered by these in turn, the last one for ever; and the pauses it took."""
    script = list(replies)
    pauses: list[float] = []

    def answer(body: bytes) -> Reply:
        return script.pop(0)(body) if len(script) > 1 else script[0](body)

    with Server(answer) as server:
        yield Node(server.url, pause=pauses.append), server, pauses


def all_good(body: bytes) -> Reply:
    return Reply.of(each(body, good))


def test_ten_questions_travel_in_one_request() -> None:
    with scripted(all_good) as (node, server, _):
        assert node.ask_all(balances(23)) == list(range(23))
        assert (node.http_requests, node.calls, len(server.bodies)) == (3, 23, 3)
        assert max(len(json.loads(body)) for body in server.bodies) == BATCH_CALLS_MAX


def test_answers_in_another_order_are_sorted_by_their_ids() -> None:
    with scripted(lambda body: Reply.of(each(body, good)[::-1])) as (node, _, _):
        assert node.ask_all(balances(5)) == [0, 1, 2, 3, 4]


def test_one_bad_item_loses_only_itself() -> None:
    def one_refused(item: Json) -> Json:
        error = {"code": -32000, "message": "missing trie node abc"}
        return {"id": item["id"], "error": error} if item["params"][1] == "0x2" else good(item)

    with scripted(lambda body: Reply.of(each(body, one_refused))) as (node, _, _):
        told = node.ask_all(balances(4))
    assert [told[0], told[1], told[3]] == [0, 1, 3]
    assert isinstance(told[2], NoState)


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda items: items[:2], id="half of the batch"),
        pytest.param(lambda items: [items[0], *items], id="an item twice"),
        pytest.param(lambda items: [{**items[0], "id": 99_999}, *items[1:]], id="a wrong id"),
        pytest.param(lambda items: [{**items[0], "id": True}, *items[1:]], id="an id that is no number"),
        pytest.param(lambda items: [{**items[0], "error": {"code": 1, "message": "x"}}, *items[1:]], id="both"),
        pytest.param(lambda items: [{"id": items[0]["id"]}, *items[1:]], id="neither"),
        pytest.param(lambda items: [{**items[0], "result": None}, *items[1:]], id="null"),
        pytest.param(lambda items: [{**items[0], "result": "0x01"}, *items[1:]], id="a leading zero"),
        pytest.param(lambda items: [{**items[0], "result": "-0x1"}, *items[1:]], id="negative"),
        pytest.param(lambda items: [{**items[0], "result": "0x" + "f" * 65}, *items[1:]], id="above 2^256"),
        pytest.param(lambda items: [{**items[0], "result": 7}, *items[1:]], id="a bare number"),
        pytest.param(lambda items: ["what", None, *items[1:]], id="members that are no objects"),
    ],
)
def test_what_is_missing_or_malformed_is_asked_again(spoil: Callable[[Json], Json]) -> None:
    with scripted(lambda body: Reply.of(spoil(each(body, good))), all_good) as (node, server, _):
        assert node.ask_all(balances(4)) == [0, 1, 2, 3]
        assert len(server.bodies) == 2


def test_a_fault_that_lasts_ends_in_source_down_after_bounded_attempts() -> None:
    with scripted(lambda body: Reply.of(each(body, lambda item: {**good(item), "result": None}))) as case:
        node, server, pauses = case
        with pytest.raises(SourceDown, match="eth_getBalance"):
            node.ask(rpc_requests.balance(ADDRESS, 1))
        assert len(server.bodies) == 4
        assert pauses == [0.25, 0.5, 1.0]


@pytest.mark.parametrize(
    ("reply", "text"),
    [
        (Reply(b"<!DOCTYPE html><p>Sign in", headers={"Content-Type": "text/html"}), "HTML"),
        (Reply(b"{not json"), "not JSON"),
        (Reply(b"[" * 100_000), "not JSON"),
        (Reply(b'{"a":' * 100_000 + b"1" + b"}" * 100_000), "not JSON"),
        (Reply(b"\xff\xfe\x00"), "not JSON"),
        (Reply.of({"no": "error"}, status=401), "HTTP 401"),
        (Reply(b"", status=302, headers={"Location": "http://127.0.0.1:1/"}), "HTTP 302"),
        (Reply(None), "cannot be reached"),
    ],
)
def test_what_is_no_answer_is_source_down_with_a_clear_text_and_without_the_key(reply: Reply, text: str) -> None:
    with scripted(lambda _: reply) as (node, _, _):
        with pytest.raises(SourceDown, match=text) as caught:
            node.ask(rpc_requests.chain_id())
        assert "SECRETKEY" not in str(caught.value)
        assert caught.value.__cause__ is None


def test_an_unreachable_node_is_source_down_without_its_key() -> None:
    with Server(all_good) as server:
        url = server.url
    with pytest.raises(SourceDown, match="cannot be reached") as caught:
        Node(url).ask(rpc_requests.chain_id())
    assert "SECRETKEY" not in str(caught.value)


def test_nothing_that_is_logged_names_the_key(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with scripted(lambda _: Reply(b"oops", status=500), all_good) as (node, _, _):
        with pytest.raises(SourceDown):
            node.ask(rpc_requests.balance(ADDRESS, 1))
        node.ask_all(balances(3))
    assert "SECRETKEY" not in caplog.text


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_node_is_asked_again_when_it_says(status: int) -> None:
    with scripted(lambda _: Reply(b"slow down", status, {"Retry-After": "2"}), all_good) as (node, _, pauses):
        assert node.ask_all(balances(3)) == [0, 1, 2]
        assert pauses == [2.0]


def test_a_long_wait_is_left_to_the_watcher() -> None:
    with scripted(lambda _: Reply(b"", 429, {"Retry-After": "120"})) as (node, server, pauses):
        with pytest.raises(SourceDown, match="429") as caught:
            node.ask(rpc_requests.chain_id())
        assert caught.value.retry_after_seconds == 120.0
        assert (len(server.bodies), pauses) == (1, [])


def test_a_refusal_for_haste_inside_a_batch_is_asked_again() -> None:
    def hasty(item: Json) -> Json:
        error = {"code": -32005, "message": "daily request count exceeded, request rate limited"}
        return {"id": item["id"], "error": error} if item["params"][1] == "0x1" else good(item)

    with scripted(lambda body: Reply.of(each(body, hasty)), all_good) as (node, server, _):
        assert node.ask_all(balances(3)) == [0, 1, 2]
        assert isinstance(json.loads(server.bodies[1]), dict), "only the refused one is asked again"


def limited(most: int, reply: Reply) -> Callable[[bytes], Reply]:
    def answer(body: bytes) -> Reply:
        told = json.loads(body)
        return reply if isinstance(told, list) and len(told) > most else all_good(body)

    return answer


@pytest.mark.parametrize("most", [1, 3])
@pytest.mark.parametrize(
    "reply",
    [
        Reply.of({"id": None, "error": {"code": -32600, "message": "batch is not supported"}}),
        Reply.of({"id": None, "error": {"code": -32600, "message": "batch too large"}}, status=400),
        Reply(b"payload too large", status=413),
    ],
)
def test_a_node_that_takes_shorter_batches_is_found_out_once(most: int, reply: Reply) -> None:
    with scripted(limited(most, reply)) as (node, server, pauses):
        assert node.ask_all(balances(10)) == list(range(10))
        learnt = len(server.bodies)
        assert node.ask_all(balances(2 * most)) == list(range(2 * most))
        assert len(server.bodies) - learnt <= 2 * most, "nothing is tried again that was refused before"
        assert pauses == []


def test_an_answer_without_end_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "ANSWER_BYTES_MAX", 200_000)
    bomb = gzip.compress(b'{"id":0,"result":"' + b"0" * 3_000_000 + b'"}')
    replies = [Reply(b" " * 300_000), Reply(bomb, headers={"Content-Encoding": "gzip"})]
    with scripted(lambda _: replies.pop()) as (node, _, _):
        for _ in range(2):
            with pytest.raises(SourceDown, match="larger than"):
                node.ask(rpc_requests.chain_id())


def test_a_drip_does_not_outlive_the_deadline() -> None:
    ticks = iter([0.0, 61.0])
    with Server(lambda _: Reply(b"[" + b" " * 10 + b"]")) as server:
        slow = EvmHttp(server.url, monotonic=lambda: next(ticks))
        with pytest.raises(SourceDown, match="longer than 60 s"):
            slow.post(b"{}")


@pytest.mark.parametrize(
    ("code", "text", "kind", "suggested"),
    [
        (-32005, "query returned more than 10000 results", RangeTooBig, None),
        (-32602, "exceed maximum block range: 5000", RangeTooBig, None),
        (-32602, "eth_getLogs is limited to a 10,000 range", RangeTooBig, 10_000),
        (-32600, "You can make eth_getLogs requests with up to a 2K block range and no limit", RangeTooBig, 2_000),
        (-32005, "Try with this block range [0x10, 0x1f].", RangeTooBig, 16),
        (-32000, "block range is too wide", RangeTooBig, None),
        (-32000, "query timeout exceeded", RangeTooBig, None),
        (429, "Your app has exceeded its compute units per second capacity", TooFast, None),
        (-32000, "missing trie node 12ab", NoState, None),
        (-32000, "state 0x12 is not available, not found", NoState, None),
        (-32000, "state at block #5 is pruned", NoState, None),
        (-32000, "header not found", Behind, None),
        (-32602, "BlockOutOfRangeError: block height is 3 but requested was 99", Behind, None),
        (-32601, "the method trace_block does not exist/is not available", Unsupported, None),
        (-32603, "internal error", Refusal, None),
    ],
)
def test_refusals_are_sorted_by_what_can_be_done(
    code: int, text: str, kind: type[Refusal], suggested: int | None
) -> None:
    told = refusal("eth_getLogs", code, text)
    assert type(told) is kind
    assert getattr(told, "suggested", None) == suggested


def test_a_suggestion_that_makes_no_sense_is_none() -> None:
    assert suggested_blocks("[0x1f, 0x10]") is None
    assert suggested_blocks("limited to 0 blocks") is None


@pytest.mark.parametrize("text", ["0x", "0x00", "0xg", "1", "", None, "0X1", "0x1 ", "٣"])
def test_only_a_strict_quantity_is_a_quantity(text: object) -> None:
    with pytest.raises(BadAnswer):
        rpc_schema.quantity(text)


def test_hashes_and_addresses_are_normalised_once() -> None:
    assert rpc_schema.block_hash("0x" + "AB" * 32) == "0x" + "ab" * 32
    assert rpc_schema.address("0x" + "AB" * 20) == "0x" + "ab" * 20
    with pytest.raises(BadAnswer):
        rpc_schema.address("0x" + "ab" * 19)

"""Bitcoin nodes and servers that fail or talk nonsense: nothing is booked on that, nothing is passed over for it."""

import gzip
import json
import re
from collections.abc import Callable
from datetime import timedelta
from typing import TypeAlias

import pytest

from support_service.ledger import SourceFrozen
from support_service.rails.source import MustFreeze, SourceLied
from tests.faults.test_bitcoin import EVERY_STATE, both, is_down_and_nothing_moves
from tests.fixtures.bitcoin import BitcoinWorld, MakeBitcoin, new_lock
from tests.fixtures.bitcoin_node import Json
from tests.fixtures.http_servers import Reply, Server
from tests.fixtures.world import fixed_clock

pytestmark = pytest.mark.node

GAVE = [("donation", "tx:0", 6_000)]
Spoil: TypeAlias = Callable[[Reply], Reply]


def given(bitcoin: MakeBitcoin, kind: str, **settings: object) -> BitcoinWorld:
    """A world that has not seen its one gift yet, which is deep enough to count."""
    us = new_lock()
    here = bitcoin(kind, us, **settings)
    here.node.pay((us.script, 6_000))
    here.node.mine(4)
    return here


def server_of(here: BitcoinWorld) -> Server:
    """Whoever answers for the node in this world."""
    return here.core if here.kind == "core" else here.esplora


def spoilt(here: BitcoinWorld, spoil: Spoil) -> Callable[[], None]:
    """Let every answer be spoilt; what is returned mends that."""
    server = server_of(here)
    honest = server.answer
    server.answer = lambda asked: spoil(honest(asked))

    def mend() -> None:
        server.answer = honest

    return mend


def mended_and_exact(here: BitcoinWorld) -> None:
    """Look once more, at an honest node, and see the gift booked whole."""
    here.look()
    assert here.told(*EVERY_STATE) == GAVE
    here.check()


def is_set_aside_and_books_nothing(here: BitcoinWorld, words: str) -> None:
    """Look, and see that the one thing that cannot be read is named, and waits alone; then let its rest be over."""
    here.look()
    assert here.rows(*EVERY_STATE) == []
    (item,) = here.ledger.set_aside(here.source.name)
    assert re.search(words, item.reason)
    assert "SECRET" not in item.reason
    here.source.asides._clock = lambda: fixed_clock() + timedelta(minutes=5)


@pytest.mark.parametrize("method", ["getblockchaininfo", "getblockhash", "getblock"])
def test_n1_null_for_what_must_be_there_is_not_nothing(method: str, bitcoin: MakeBitcoin) -> None:
    here = given(bitcoin, "core")
    here.core.bend = lambda asked, told: {**told, "result": None} if asked["method"] == method else told
    is_down_and_nothing_moves(here, "127.0.0.1")
    here.core.bend = lambda _asked, told: told
    mended_and_exact(here)


@pytest.mark.parametrize(
    ("place", "reply"),
    [
        ("/blocks/tip/hash", Reply(b"Block not found", 404)),
        ("/block/", Reply(b"null")),
        ("/block-height/", Reply(b"Block not found", 404)),
        ("/scripthash/", Reply(b"null")),
        ("/txs/chain", Reply(b"null")),
    ],
)
def test_n1_null_and_not_found_for_what_a_server_must_have_is_not_nothing(
    place: str, reply: Reply, bitcoin: MakeBitcoin
) -> None:
    here = given(bitcoin, "esplora")
    here.esplora.bend = lambda path, told: reply if place in path else told
    is_down_and_nothing_moves(here, "127.0.0.1")
    here.esplora.bend = lambda _path, told: told
    mended_and_exact(here)


def test_n2_a_server_whose_histories_lag_behind_its_head_delays_and_loses_nothing(bitcoin: MakeBitcoin) -> None:
    us = new_lock()
    here = bitcoin("esplora", us)
    held: dict[str, Reply] = {}
    here.esplora.bend = lambda path, told: held.setdefault(path, told) if "/scripthash/" in path else told
    # What is told of our address from now on is what was true before the gift: the sums as well.
    here.node.mine()
    here.look()
    here.node.pay((us.script, 6_000))
    here.node.mine(10)
    here.look()
    assert here.rows(*EVERY_STATE) == []
    here.esplora.bend = lambda _path, told: told
    # With the next block the sums do not fit what was read, so all is read again.
    here.node.mine()
    mended_and_exact(here)


def test_n3_a_page_of_history_that_is_cut_short_is_noticed_by_the_sums(bitcoin: MakeBitcoin) -> None:
    us = new_lock()
    here = bitcoin("esplora", us)
    for units in range(1, 41):
        here.node.pay((us.script, units))
        if units % 8 == 0:
            here.node.mine()
    here.node.mine(3)

    def cut(path: str, told: Reply) -> Reply:
        return Reply.of(json.loads(told.body or b"")[:20]) if "/txs/chain" in path else told

    here.esplora.bend = lambda path, told: Reply.of([]) if "/txs/chain/" in path else told
    is_down_and_nothing_moves(here, "history and its sums differ")
    here.esplora.bend = cut
    # Pages of another length are no fault, as long as nothing is missing.
    here.look()
    assert sorted(int(row["units"]) for row in here.rows("confirmed")) == list(range(1, 41))
    here.check()


SLOW_DOWN = {"Retry-After": "1"}


@both
@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(Reply(b"slow down", 429, SLOW_DOWN), id="429 that names a wait"),
        pytest.param(Reply(b"slow down", 429), id="429"),
        pytest.param(Reply(b"Work queue depth exceeded", 503), id="503"),
        pytest.param(Reply(b"bad gateway", 502), id="502"),
        pytest.param(Reply(b"", 500), id="500"),
        pytest.param(Reply(b"", 401), id="a wrong password"),
        pytest.param(Reply(None), id="reset before a word"),
        pytest.param(Reply(b'{"result', headers={"Content-Length": "900", "Connection": "close"}), id="cut off"),
    ],
)
def test_n5_a_node_that_is_busy_or_gone_delays_and_loses_nothing(kind: str, reply: Reply, bitcoin: MakeBitcoin) -> None:
    here = given(bitcoin, kind)
    mend = spoilt(here, lambda _honest: reply)
    is_down_and_nothing_moves(here, "127.0.0.1")
    mend()
    mended_and_exact(here)


def as_json(change: Callable[[Json], Json]) -> Spoil:
    """Change an answer that is JSON."""
    return lambda reply: Reply.of(change(json.loads(reply.body or b"null")))


BOMB = gzip.compress(b"[" + b" " * 80_000_000 + b"]")
HTML = Reply(b"<!doctype html><title>Sign in</title>", headers={"Content-Type": "text/html"})
NONSENSE = {
    "not JSON": lambda _: Reply(b"{not json"),
    "a web page": lambda _: HTML,
    "nested without end": lambda _: Reply(b"[" * 100_000),
    "a bomb": lambda _: Reply(BOMB, headers={"Content-Encoding": "gzip"}),
    "nothing": lambda _: Reply(b""),
    "half": lambda honest: Reply((honest.body or b"")[: len(honest.body or b"") // 2]),
}
NO_ANSWER = {
    "another id": as_json(lambda told: {**told, "id": 99_999}),
    "result and error": as_json(lambda told: {**told, "error": {"code": 1, "message": "x"}}),
    "neither": as_json(lambda told: {"id": told["id"]}),
    "not a number": lambda _: Reply(b'{"result": {"blocks": NaN}, "error": null, "id": 1}'),
}


@both
@pytest.mark.parametrize("name", NONSENSE)
def test_n6_what_is_no_answer_is_refused_and_the_watcher_lives(kind: str, name: str, bitcoin: MakeBitcoin) -> None:
    here = given(bitcoin, kind)
    mend = spoilt(here, NONSENSE[name])
    is_down_and_nothing_moves(here, "127.0.0.1")
    mend()
    mended_and_exact(here)


@pytest.mark.parametrize("name", NO_ANSWER)
def test_n6_an_answer_that_is_not_json_rpcs_is_refused(name: str, bitcoin: MakeBitcoin) -> None:
    here = given(bitcoin, "core")
    mend = spoilt(here, NO_ANSWER[name])
    is_down_and_nothing_moves(here, "127.0.0.1")
    mend()
    mended_and_exact(here)


def test_n7_a_core_on_another_chain_is_refused_by_name_at_the_start_and_later(bitcoin: MakeBitcoin) -> None:
    here = given(bitcoin, "core")
    here.core.bend = lambda asked, told: (
        {**told, "result": {**told["result"], "chain": "main"}} if asked["method"] == "getblockchaininfo" else told
    )
    here.restart()
    with pytest.raises(SourceLied, match="is on 'main', settings say chain = 'regtest'"):
        here.look()
    here.core.bend = lambda _asked, told: told
    here.restart()
    here.look()
    before = here.rows(*EVERY_STATE)

    def elsewhere(asked: Json, told: Json) -> Json:
        if asked["method"] == "getblockchaininfo":
            told["result"]["chain"] = "signet"
        return told

    here.core.bend = elsewhere
    with pytest.raises(SourceLied, match="is on 'signet'"):
        here.look()
    assert here.rows(*EVERY_STATE) == before
    here.check()


@both
def test_n7_another_first_block_is_another_chain(kind: str, bitcoin: MakeBitcoin) -> None:
    here = given(bitcoin, kind)
    here.core.bend = lambda asked, told: (
        {**told, "result": "ab" * 32} if (asked["method"], asked["params"]) == ("getblockhash", [0]) else told
    )
    here.esplora.bend = lambda path, told: Reply(b"ab" * 32) if path == "/block-height/0" else told
    here.restart()
    with pytest.raises(SourceLied, match="an unknown chain"):
        here.look()
    assert here.rows(*EVERY_STATE) == []
    here.core.bend, here.esplora.bend = lambda _asked, told: told, lambda _path, told: told
    here.restart()
    mended_and_exact(here)


def lying(path: str, told: Reply) -> Reply:
    """A server that makes each of our gifts a thousand times larger, and its sums with them."""
    if "/txs/chain" in path:
        history = json.loads(told.body or b"")
        for one in history:
            for output in one["vout"]:
                output["value"] *= 1_000 if output["value"] == 6_000 else 1
        return Reply.of(history)
    if "/scripthash/" in path and "/txs" not in path:
        known = json.loads(told.body or b"")
        known["chain_stats"]["funded_txo_sum"] *= 1_000
        return Reply.of(known)
    return told


def test_n8_two_that_differ_about_a_block_confirm_nothing_and_both_answers_are_kept(bitcoin: MakeBitcoin) -> None:
    here = given(bitcoin, "both", quorum=2)
    here.esplora.bend = lying
    with pytest.raises(MustFreeze, match="nodes differ about what block") as caught:
        here.look()
    assert any("pays 6000 by" in said for said in caught.value.evidence.values())
    assert any("pays 6000000 by" in said for said in caught.value.evidence.values())
    assert here.rows(*EVERY_STATE) == []
    with pytest.raises(SourceFrozen):
        here.look()
    assert here.ledger.verify() == []


def test_n9_where_the_honest_are_down_a_liar_alone_confirms_nothing(bitcoin: MakeBitcoin) -> None:
    here = given(bitcoin, "both", quorum=2)
    here.esplora.bend = lying
    here.core.is_unplugged = True
    is_down_and_nothing_moves(here, "127.0.0.1")
    here.core.is_unplugged, here.esplora.bend = False, lambda _path, told: told
    mended_and_exact(here)


@both
def test_n10_a_head_that_goes_back_takes_nothing_back(kind: str, bitcoin: MakeBitcoin) -> None:
    here = given(bitcoin, kind)
    early = here.node.height - 2
    here.look()
    past = here.node.hash_at(early)

    def behind(asked: Json, told: Json) -> Json:
        if asked["method"] == "getblockchaininfo":
            told["result"].update(blocks=early, headers=early, bestblockhash=past)
        return told

    here.core.bend = behind
    here.esplora.bend = lambda path, told: Reply(past.encode()) if path == "/blocks/tip/hash" else told
    is_down_and_nothing_moves(here, "its head went back")
    here.core.bend, here.esplora.bend = lambda _asked, told: told, lambda _path, told: told
    mended_and_exact(here)


def test_n11_a_node_that_has_thrown_blocks_away_leaves_them_to_another(bitcoin: MakeBitcoin) -> None:
    here = given(bitcoin, "core")
    error = {"code": -1, "message": "Block not available (pruned data)"}
    here.core.bend = lambda asked, told: (
        {**told, "result": None, "error": error} if asked["method"] == "getblock" else told
    )
    is_down_and_nothing_moves(here, "pruned data")
    here.settings["esplora"] = [here.esplora.url]
    here.restart()
    mended_and_exact(here)


def test_n12_a_block_that_does_not_follow_the_one_below_is_not_appended(bitcoin: MakeBitcoin) -> None:
    here = given(bitcoin, "core")

    def torn(asked: Json, told: Json) -> Json:
        if asked["method"] == "getblock" and told["result"] and told["result"]["height"] == here.base + 2:
            told["result"]["previousblockhash"] = "cd" * 32
        return told

    here.core.bend = torn
    is_down_and_nothing_moves(here, "does not follow the one below it")
    here.core.bend = lambda _asked, told: told
    mended_and_exact(here)


def test_n12_two_blocks_at_one_height_are_not_believed(bitcoin: MakeBitcoin) -> None:
    us = new_lock()
    here = bitcoin("esplora", us)
    for _ in range(2):
        here.node.pay((us.script, 3_000))
    here.node.mine(4)

    def doubled(path: str, told: Reply) -> Reply:
        if "/txs/chain" not in path or path.count("/") > 4:
            return told
        history = json.loads(told.body or b"")
        history[0]["status"]["block_hash"] = "cd" * 32
        return Reply.of(history)

    here.esplora.bend = doubled
    is_down_and_nothing_moves(here, "two blocks at one height")
    here.esplora.bend = lambda _path, told: told
    here.look()
    assert here.told(*EVERY_STATE) == [("donation", "tx:0", 3_000)] * 2
    here.check()


BAD_AMOUNTS = [-0.00006, 0.000000001, 21_000_001, "0.00006", True, None, 1e300]


@pytest.mark.parametrize("amount", BAD_AMOUNTS, ids=str)
def test_n13_an_amount_that_can_be_none_books_nothing(amount: Json, bitcoin: MakeBitcoin) -> None:
    here = given(bitcoin, "core")

    def odd(asked: Json, told: Json) -> Json:
        for one in told["result"]["tx"] if asked["method"] == "getblock" and told["result"] else []:
            one["vout"][0]["value"] = amount
        return told

    here.core.bend = odd
    is_set_aside_and_books_nothing(here, "amount|more than 8 decimals|whole number")
    here.core.bend = lambda _asked, told: told
    mended_and_exact(here)


@pytest.mark.parametrize("amount", [-6_000, 0.5, 21_000_001 * 10**8, "6000", True, None], ids=str)
def test_n13_a_number_of_satoshi_that_can_be_none_books_nothing(amount: Json, bitcoin: MakeBitcoin) -> None:
    here = given(bitcoin, "esplora")

    def odd(path: str, told: Reply) -> Reply:
        if "/txs/chain" not in path:
            return told
        history = json.loads(told.body or b"")
        for one in history:
            one["vout"][0]["value"] = amount
        return Reply.of(history)

    here.esplora.bend = odd
    is_set_aside_and_books_nothing(here, "whole number")
    here.esplora.bend = lambda _path, told: told
    mended_and_exact(here)


def test_n13_hashes_in_upper_case_are_the_same_hashes(bitcoin: MakeBitcoin) -> None:
    here = given(bitcoin, "core")

    def loud(asked: Json, told: Json) -> Json:
        if asked["method"] == "getblock" and told["result"]:
            for one in told["result"]["tx"]:
                one["txid"] = one["txid"].upper()
            told["result"]["hash"] = told["result"]["hash"].upper()
        return told

    here.core.bend = loud
    mended_and_exact(here)

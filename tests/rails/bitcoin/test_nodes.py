"""What the Bitcoin source makes of nodes that fail, differ or lie: delayed, never booked, never lost."""

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from support_service.ledger import SourceFrozen
from support_service.rails.chain import http
from support_service.rails.source import MustFreeze, SourceDown, SourceLied
from tests.rails.bitcoin.fake_chain import COIN, US, Books, FakeChain, Tx, script, served, watch

MINE = script(US)
Reply = tuple[int, bytes, dict[str, str]]


@pytest.fixture
def chain() -> FakeChain:
    return FakeChain()


@pytest.fixture
def serve() -> Iterator[Callable[..., str]]:
    """Serve chains until the test ends."""
    with ExitStack() as stack:
        yield lambda chain, **options: stack.enter_context(served(chain, **options))


def books_of(folder: Path, **table: object) -> Books:
    return Books(folder, watch(start_block=0), **table)


def twin(chain: FakeChain) -> FakeChain:
    """Another node of the same chain, which goes its own way from here."""
    other = FakeChain()
    other.blocks, other.txs, other.count = list(chain.blocks), dict(chain.txs), chain.count + 1000
    return other


def liar(chain: FakeChain, block_hash: str, tx: Tx) -> FakeChain:
    """A node that tells of one more transaction in a block."""
    other = twin(chain)
    other.note(tx)
    place = next(at for at, block in enumerate(other.blocks) if block.hash == block_hash)
    honest = other.blocks[place]
    other.blocks[place] = type(honest)(honest.hash, honest.height, honest.parent, [*honest.txs, tx], honest.time)
    return other


HTML = b"<!doctype html><title>Sign in</title>"
BROKEN: dict[str, tuple[Reply, str]] = {
    "a web page": ((200, HTML, {}), "no JSON"),
    "no JSON": ((200, b'{"result": 1', {}), "no JSON"),
    "another id": ((200, b'{"result": 1, "error": null, "id": 77}', {}), "another id"),
    "neither": ((200, b'{"id": 1}', {}), "another id"),
    "null": ((200, b"null", {}), "no JSON"),
    "nested": ((200, b"[" * 100_000, {}), "no JSON"),
    "not a number": ((200, b'{"result": {"blocks": NaN}, "error": null, "id": 1}', {}), "no JSON"),
    "forbidden": ((401, b"", {}), "refuses us"),
    "a redirect": ((302, b"", {"Location": "http://127.0.0.1:1/"}), "no JSON"),
    "busy": ((503, b"Work queue depth exceeded", {}), "busy or failing"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_n5_n6_an_answer_that_is_none_is_told_without_secrets(
    name: str, chain: FakeChain, serve: Callable[..., str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    reply, why = BROKEN[name]
    caplog.set_level(logging.DEBUG)
    for key in ("rpc", "esplora"):
        books = books_of(tmp_path, **{key: [serve(chain, reply=lambda _: reply)]})
        with pytest.raises(SourceDown) as caught:
            books.look()
        assert books.ledger.cursor(books.source.name) is None
        assert "SECRET" not in f"{caught.value}{caplog.text}{caught.value.__context__!r}"
        if key == "rpc":
            assert why in str(caught.value)
        books.ledger.dispose()


def test_a_haste_limit_is_kept_to(chain: FakeChain, serve: Callable[..., str], tmp_path: Path) -> None:
    url = serve(chain, reply=lambda _: (429, b"", {"Retry-After": "120"}))
    with pytest.raises(SourceDown, match="too many requests") as caught:
        books_of(tmp_path, rpc=[url]).look()
    assert caught.value.retry_after_seconds == 120


def test_an_answer_too_large_is_cut_off(
    chain: FakeChain, serve: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "ANSWER_BYTES_MAX", 1_000)
    url = serve(chain, reply=lambda _: (200, b" " * 2_000, {}))
    with pytest.raises(SourceDown, match="larger than 1000 bytes"):
        books_of(tmp_path, rpc=[url]).look()


@pytest.mark.parametrize("amount", ['"0.1"', "true", "-0.1", "0.123456789", "21000001", "1e400", "null", "[]"])
def test_n13_an_amount_that_is_none_books_nothing(
    amount: str, chain: FakeChain, serve: Callable[..., str], tmp_path: Path
) -> None:
    def reply(method: str) -> Reply | None:
        if method != "getblock":
            return None
        block = chain.blocks[1]
        vout = f'{{"n": 0, "value": {amount}, "scriptPubKey": {{"hex": "{MINE}"}}}}'
        tx = f'{{"txid": "{"cd" * 32}", "vin": [{{"coinbase": "00"}}], "vout": [{vout}]}}'
        place = f'"hash": "{block.hash}", "height": 1, "time": 1, "previousblockhash": "{block.parent}"'
        number = len(chain.asked)
        return 200, f'{{"result": {{{place}, "tx": [{tx}]}}, "error": null, "id": {number}}}'.encode(), {}

    books = books_of(tmp_path, rpc=[serve(chain, reply=reply)])
    with pytest.raises(SourceDown):
        books.look()
    assert books.told() == []


def test_where_the_first_node_fails_the_next_goes_on(
    chain: FakeChain, serve: Callable[..., str], tmp_path: Path
) -> None:
    chain.mine(3, chain.gift((MINE, 5)))
    chain.errors["getblock"] = (-1, "disk")
    books = books_of(tmp_path, rpc=[serve(chain), serve(twin(chain))], esplora=[])
    books.look()
    assert books.held() == 5


def test_core_fails_and_esplora_goes_on_and_back(chain: FakeChain, serve: Callable[..., str], tmp_path: Path) -> None:
    books = books_of(tmp_path, rpc=[serve(chain)], esplora=[serve(chain)])
    for number in range(4):
        chain.mine(2, chain.gift((MINE, 5)))
        chain.errors = {"getblockchaininfo": (-28, "Loading")} if number % 2 else {}
        books.restart()
        books.look()
        assert books.held() == 5 * (number + 1)
    assert books.ledger.verify() == []


def test_a_node_that_lags_takes_nothing_back(chain: FakeChain, serve: Callable[..., str], tmp_path: Path) -> None:
    behind = twin(chain)
    chain.mine(5, chain.gift((MINE, 5)))
    behind.blocks = chain.blocks[:-2]
    books = books_of(tmp_path, rpc=[serve(chain)])
    books.look()
    for key in ("rpc", "esplora"):
        books.restart(**{"rpc": [], "esplora": [], key: [serve(behind)]})
        with pytest.raises(SourceDown, match="went back"):
            books.look()
    assert books.held() == 5


KINDS = [("rpc", "rpc"), ("rpc", "esplora"), ("esplora", "esplora")]


def asked_together(serve: Callable[..., str], folder: Path, chains: list[FakeChain], kinds: tuple[str, str]) -> Books:
    """Books that are read from nodes which must agree, two of them at least."""
    table: dict[str, list[str]] = {"rpc": [], "esplora": []}
    for place, one in enumerate(chains):
        table[kinds[place % 2]].append(serve(one))
    return books_of(folder, quorum=2, **table)


@pytest.mark.parametrize("kinds", KINDS)
def test_nodes_that_agree_are_believed(
    kinds: tuple[str, str], chain: FakeChain, serve: Callable[..., str], tmp_path: Path
) -> None:
    gift = chain.gift((MINE, 5 * COIN))
    chain.mine(2, gift)
    chain.mine(3, chain.spend((gift.txid, 0), pays=[(MINE, COIN)]))
    chain.mine(1, to=MINE)
    books = asked_together(serve, tmp_path, [chain, twin(chain)], kinds)
    books.look()
    assert [row[:2] for row in books.told()] == [
        ("confirmed", "donation"),
        ("confirmed", "outflow"),
        ("seen", "protocol"),
    ]
    assert books.held() == 51 * COIN
    assert not books.look()


@pytest.mark.parametrize("kinds", KINDS)
def test_n8_a_lie_about_one_block_freezes_with_both_answers(
    kinds: tuple[str, str], chain: FakeChain, serve: Callable[..., str], tmp_path: Path
) -> None:
    block = chain.mine(3, chain.gift((MINE, 5)))
    false = liar(chain, block.hash, chain.gift((MINE, 99 * COIN)))
    books = asked_together(serve, tmp_path, [false, chain], kinds)
    with pytest.raises(MustFreeze, match="differ") as caught:
        books.look()
    # One says what the other does not: both are kept.
    assert len(set(caught.value.evidence.values())) >= 2
    assert books.told() == []
    with pytest.raises(SourceFrozen):
        books.look()


@pytest.mark.parametrize("kinds", KINDS)
def test_n8_a_gift_that_one_node_leaves_out_is_not_confirmed(
    kinds: tuple[str, str], chain: FakeChain, serve: Callable[..., str], tmp_path: Path
) -> None:
    gift = chain.gift((MINE, 5))
    chain.mine(3, gift)
    other = twin(chain)
    other.hides.add(gift.txid)
    books = asked_together(serve, tmp_path, [chain, other], kinds)
    with pytest.raises(MustFreeze):
        books.look()
    assert books.told() == []


@pytest.mark.parametrize("kinds", KINDS)
def test_n9_too_few_answers_confirm_nothing(
    kinds: tuple[str, str], chain: FakeChain, serve: Callable[..., str], tmp_path: Path
) -> None:
    chain.mine(3, chain.gift((MINE, 5)))
    down = twin(chain)
    books = asked_together(serve, tmp_path, [chain, down], kinds)
    down.errors["getblockchaininfo"] = (-28, "Loading")
    down.blocks = down.blocks if kinds[1] == "rpc" else []
    with pytest.raises(SourceDown):
        books.look()
    assert books.told() == []


def test_two_of_three_are_enough_and_the_third_may_be_silent(
    chain: FakeChain, serve: Callable[..., str], tmp_path: Path
) -> None:
    chain.mine(3, chain.gift((MINE, 5)))
    down = twin(chain)
    down.errors["getblockchaininfo"] = (-28, "Loading")
    books = books_of(tmp_path, quorum=2, rpc=[serve(down), serve(chain), serve(twin(chain))])
    books.look()
    assert books.held() == 5


def test_nodes_on_two_forks_are_read_up_to_where_they_part(
    chain: FakeChain, serve: Callable[..., str], tmp_path: Path
) -> None:
    chain.mine(3, chain.gift((MINE, 5)))
    other = twin(chain)
    chain.mine(1, chain.gift((MINE, 7)))
    other.mine()
    books = books_of(tmp_path, quorum=2, rpc=[serve(chain), serve(other)])
    books.look()
    assert books.told() == [("confirmed", "donation", "in", "0", 5)]


def test_a_node_that_is_further_is_waited_for(chain: FakeChain, serve: Callable[..., str], tmp_path: Path) -> None:
    other = twin(chain)
    chain.mine(3, chain.gift((MINE, 5)))
    other.txs, other.blocks = chain.txs, chain.blocks[:-2]
    books = books_of(tmp_path, quorum=2, rpc=[serve(chain), serve(other)])
    books.look()
    assert books.told() == [("seen", "donation", "in", "0", 5)]
    other.blocks = list(chain.blocks)
    books.look()
    assert books.told() == [("confirmed", "donation", "in", "0", 5)]


def test_n7_a_node_that_changes_its_chain_is_refused(
    chain: FakeChain, serve: Callable[..., str], tmp_path: Path
) -> None:
    books = books_of(tmp_path, rpc=[serve(chain)])
    books.look()
    chain.mine(3, chain.gift((MINE, 5)))
    chain.told["chain"] = "signet"
    with pytest.raises(SourceLied, match=r"signet.*regtest"):
        books.look()
    assert books.told() == []


def test_n12_a_block_that_does_not_follow_is_not_appended(
    chain: FakeChain, serve: Callable[..., str], tmp_path: Path
) -> None:
    books = books_of(tmp_path, rpc=[serve(chain)])
    books.look()
    chain.mine(1)
    chain.mine(1, chain.gift((MINE, 5)))
    chain.blocks[-1].parent = "ef" * 32
    with pytest.raises(SourceDown, match="does not follow"):
        books.look()
    assert books.told() == []

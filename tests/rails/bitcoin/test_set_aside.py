"""A transaction or an address that cannot be read is set aside: all others are booked, and what is missing is told."""

import copy
import hashlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest

from support_service.giving import Watch
from support_service.rails.source import Rescan, SourceDown
from tests.fixtures.world import fixed_clock, warned
from tests.rails.bitcoin.fake_chain import ALSO_US, STRANGER, US, Books, FakeChain, Json, script, served, watch

MINE, ALSO_MINE, THEIRS = script(US), script(ALSO_US), script(STRANGER)
Open = Callable[..., Books]
each_kind = pytest.mark.parametrize("kind", ["core", "esplora"])


@pytest.fixture
def chain() -> FakeChain:
    return FakeChain()


@pytest.fixture
def opened(chain: FakeChain, tmp_path: Path) -> Iterator[Open]:
    """Make a source of one kind whose watches have begun at the chain's present head."""
    with ExitStack() as stack:

        def make(kind: str, *watches: Watch, reply: Callable[[str], object] = lambda _: None) -> Books:
            url = stack.enter_context(served(chain, reply=reply))  # type: ignore[arg-type]
            books = Books(tmp_path, *watches, **{"esplora" if kind == "esplora" else "rpc": [url]})
            stack.callback(books.ledger.dispose)
            books.look()
            return books

        yield make


def later(books: Books, minutes: int) -> None:
    books.source.asides._clock = lambda: fixed_clock() + timedelta(minutes=minutes)


def of(txid: str, change: Callable[[Json], Json]) -> Callable[[Json], Json]:
    return lambda tx: change(tx) if tx["txid"] == txid else tx


@each_kind
def test_a_strangers_output_of_no_amount_keeps_no_gift_back(kind: str, chain: FakeChain, opened: Open) -> None:
    books = opened(kind)
    both = chain.gift((THEIRS, 5), (MINE, 7))
    chain.spoil = of(both.txid, lambda tx: {**tx, "vout": [{**tx["vout"][0], "value": None}, tx["vout"][1]]})
    chain.mine(3, both)
    books.look()
    assert books.told() == [("confirmed", "donation", "in", "1", 7)]
    assert books.ledger.set_aside() == ()


@each_kind
@pytest.mark.parametrize(
    "odd",
    [
        pytest.param(lambda tx: {**tx, "vout": [{**one, "value": "much"} for one in tx["vout"]]}, id="amount"),
        pytest.param(
            lambda tx: {**tx, "vout": [{**one, "scriptPubKey": None, "scriptpubkey": None} for one in tx["vout"]]},
            id="script",
        ),
        pytest.param(lambda tx: {**tx, "vin": None}, id="inputs"),
        pytest.param(lambda tx: {**tx, "vin": [{**one, "prevout": None} for one in tx["vin"]]}, id="spent output"),
        pytest.param(lambda tx: {**tx, "vout": {}}, id="outputs"),
    ],
)
def test_a_gift_that_cannot_be_read_is_set_aside_and_booked_once_it_can(
    kind: str, odd: Callable[[Json], Json], chain: FakeChain, opened: Open
) -> None:
    books = opened(kind)
    first = chain.gift((MINE, 100))
    chain.mine(1, first)
    books.look()
    poisoned, good = chain.gift((MINE, 7)), chain.gift((MINE, 9))
    chain.spoil = of(poisoned.txid, odd)
    block = chain.mine(1, poisoned, good)
    books.look()
    chain.mine(4, chain.gift((MINE, 11)))
    books.look()
    assert sorted(row[-1] for row in books.told()) == [9, 11, 100]
    (item,) = books.ledger.set_aside("bitcoin:bitcoin")
    assert item.key == f"block {block.height}"
    assert poisoned.txid in item.reason
    assert good.txid not in item.reason
    later(books, 2)
    chain.mine()
    books.look()
    (item,) = books.ledger.set_aside("bitcoin:bitcoin")
    assert item.tries == 2, "asked again in vain: it rests twice as long"
    chain.spoil = lambda tx: tx
    later(books, 10)
    chain.mine()
    books.look()
    assert sorted(row[-1] for row in books.told()) == [7, 9, 11, 100]
    assert {row[0] for row in books.told()} == {"confirmed"}
    assert books.ledger.set_aside() == ()
    assert books.gone() == []
    assert books.ledger.verify() == []
    chain.mine()
    books.look()
    assert warned(books.source) == ""


@each_kind
def test_what_was_read_before_is_not_taken_back_where_it_cannot_be_read_later(
    kind: str, chain: FakeChain, opened: Open
) -> None:
    books = opened(kind)
    gift = chain.gift((MINE, 7))
    chain.mine(1, gift)
    books.look()
    chain.spoil = of(gift.txid, lambda tx: {**tx, "vin": None})
    chain.mine(4)
    books.look()
    assert books.told() == [("seen", "donation", "in", "0", 7)]
    chain.spoil = lambda tx: tx
    chain.mine()
    books.look()
    assert books.told() == [("confirmed", "donation", "in", "0", 7)]
    assert books.gone() == []


def test_the_sums_still_say_what_is_missing(chain: FakeChain, opened: Open) -> None:
    books = opened("esplora")
    poisoned = chain.gift((MINE, 7))
    chain.spoil = of(poisoned.txid, lambda tx: {**tx, "vin": None})
    chain.mine(1, poisoned)
    books.look()
    assert "hold more than could be read" in warned(books.source)
    cursor = books.ledger.cursor("bitcoin:bitcoin")
    assert cursor is not None


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param((400, b"Too many history entries", {}), id="too many"),
        pytest.param((500, b"Electrum error: history too large", {}), id="failing"),
        pytest.param((200, b"null", {}), id="null"),
        pytest.param((200, b"<html>", {}), id="a page"),
    ],
)
@pytest.mark.parametrize("place", ["", "/txs/chain"])
def test_an_address_that_a_server_does_not_tell_of_stops_alone_and_catches_up(
    place: str, answer: tuple[int, bytes, dict[str, str]], chain: FakeChain, opened: Open
) -> None:
    silent = {"is_on": False}
    name = f"/scripthash/{hashlib.sha256(bytes.fromhex(MINE)).hexdigest()}{place}"
    books = opened(
        "esplora", watch(US), watch(ALSO_US), reply=lambda path: answer if silent["is_on"] and path == name else None
    )
    chain.mine(1, chain.gift((MINE, 5)))
    books.look()
    silent["is_on"] = True
    chain.mine(1, chain.gift((MINE, 6), (ALSO_MINE, 7)))
    books.look()
    chain.mine(4)
    books.look()
    assert sorted(row[-1] for row in books.told()) == [5, 7]
    assert ("confirmed", "donation", "in", "1", 7) in books.told()
    (item,) = books.ledger.set_aside("bitcoin:bitcoin")
    assert item.key == f"watch BTC at {watch(US).address}"
    assert books.gone() == []
    silent["is_on"] = False
    later(books, 5)
    books.look()
    assert sorted(row[-1] for row in books.told()) == [5, 6, 7]
    assert {row[0] for row in books.told()} == {"confirmed"}
    assert books.ledger.set_aside() == ()
    assert books.ledger.verify() == []


def test_the_only_address_that_cannot_be_read_stops_its_source(chain: FakeChain, opened: Open) -> None:
    silent = {"is_on": False}
    books = opened(
        "esplora", reply=lambda path: (400, b"no", {}) if silent["is_on"] and "/scripthash/" in path else None
    )
    silent["is_on"] = True
    chain.mine()
    with pytest.raises(SourceDown, match="HTTP 400"):
        books.look()


@each_kind
def test_another_node_is_asked_before_anything_is_set_aside(kind: str, chain: FakeChain, tmp_path: Path) -> None:
    bad = copy.copy(chain)
    bad.spoil = lambda tx: {**tx, "vout": None}
    with served(bad) as first, served(chain) as second:
        books = Books(tmp_path, **{"esplora" if kind == "esplora" else "rpc": [first, second]})
        books.look()
        chain.mine(3, chain.gift((MINE, 7)))
        books.look()
        assert books.told() == [("confirmed", "donation", "in", "0", 7)]
        assert books.ledger.set_aside() == ()
        books.ledger.dispose()


@each_kind
def test_reading_again_takes_nothing_back_that_it_cannot_read(kind: str, chain: FakeChain, opened: Open) -> None:
    books = opened(kind)
    gift = chain.gift((MINE, 7))
    chain.mine(3, gift)
    books.look()
    chain.spoil = of(gift.txid, lambda tx: {**tx, "vin": None})
    cursor = books.ledger.cursor("bitcoin:bitcoin")
    assert cursor is not None
    task = Rescan("btc1", 0, cursor, tuple(books.ledger.blocks("bitcoin")))
    # Outside of turns nothing is left out.
    told = books.source.read_again("rescan:btc1", task, None)
    with pytest.raises(SourceDown, match="null where a list is owed"):
        list(map(books.ledger.accept, told))
    assert books.told() == [("confirmed", "donation", "in", "0", 7)]

"""Cursors in the ledgers of publishers: what was stored once is read by every later version, on every chain.

tests/vectors/cursors-1.json holds texts that version 1 stored in real runs: of each chain, and of one history on
Bitcoin, half way, by every kind of node. cursors-first.json holds what the first code stored there.
"""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from support_service.giving import Cursor, Direction, Kind
from support_service.ledger.engine import Database
from support_service.rails.bitcoin.cursor_state import CursorState as BitcoinState
from support_service.rails.chain import cursor_state as codec
from support_service.rails.chain.search import BlockRef
from support_service.rails.evm.cursor_state import BalanceAt, Finality, Newest
from support_service.rails.evm.cursor_state import CursorState as EvmState
from support_service.rails.tron.balance_samples import BalanceSample, Gap, Samples
from tests.fixtures.world import fixed_clock
from tests.rails.bitcoin.fake_chain import STRANGER, US, Books, FakeChain, address, script, served

VECTORS = Path(__file__).parents[1] / "vectors"
STORED: dict[str, Any] = json.loads((VECTORS / "cursors-1.json").read_text(encoding="utf-8"))
FIRST: dict[str, Any] = json.loads((VECTORS / "cursors-first.json").read_text(encoding="utf-8"))
KINDS: dict[str, tuple[type, ...]] = {"evm": (EvmState,), "tron": (EvmState, Samples), "bitcoin": (BitcoinState,)}
EACH = [
    pytest.param(chain, stored, id=f"{chain}-{place}") for chain in KINDS for place, stored in enumerate(STORED[chain])
]


def cursor(memo: str) -> Cursor:
    return Cursor(1, None, None, fixed_clock(), memo=memo)


def one(chain: str, words: str) -> Cursor:
    """A stored cursor that holds these words."""
    return cursor(next(stored for stored in STORED[chain] if words in stored))


@pytest.mark.parametrize(("chain", "stored"), EACH)
def test_what_was_stored_is_read_and_written_as_it_was(chain: str, stored: str) -> None:
    records: list[object] = [codec.read(cursor(stored), kind) for kind in KINDS[chain]]
    told = json.loads(stored)
    told.pop("coins", None)  # what earlier versions remembered for nodes that do not tell what is spent
    assert codec.write(*records) == json.dumps(told, separators=(",", ":"))


@pytest.mark.parametrize("kind", [EvmState, Samples, BitcoinState])
def test_an_absent_cursor_remembers_nothing(kind: type) -> None:
    assert codec.read(None, kind) == codec.read(cursor("{}"), kind) == kind()


def test_a_cursor_of_another_version_is_refused() -> None:
    with pytest.raises(ValueError, match="another version"):
        codec.read(cursor('{"v":2}'), EvmState)


def test_every_field_of_an_evm_cursor_means_what_it_meant() -> None:
    state = codec.read(one("evm", '"unproven":true'), EvmState)
    told = json.loads(one("evm", '"unproven":true').memo)
    (address_, code, item), watch_states = told["watches"][0], next(iter(state.watch_states.values()))
    assert next(iter(state.watch_states)) == (address_, code)
    assert watch_states.start == item["start"]
    assert watch_states.final == BalanceAt(item["final"][0], int(item["final"][1]), item["final"][2])
    assert state.final == BlockRef(told["final"][0], told["final"][1])
    height, since, head = told["finality"]
    assert state.finality == Finality(height, datetime.fromisoformat(since).astimezone(UTC), head)
    block, since = BlockRef(*told["newest"][:2]), datetime.fromisoformat(told["newest"][2]).astimezone(UTC)
    assert state.newest == Newest(block, since)
    assert any(one.is_unproven for one in state.watch_states.values())
    assert state.scanned is not None and [state.scanned.first, state.scanned.last] == told["scanned"][:2]


def test_every_field_of_a_tron_cursor_means_what_it_meant() -> None:
    after = one("tron", '"gaps":[[')
    (book,) = [book for book in codec.read(after, Samples).by_watch.values() if book.gaps]
    told = next(row[2] for row in json.loads(after.memo)["tron"] if "gaps" in row[2])
    assert book.gaps == tuple(Gap(low, high, int(delta)) for low, high, delta in told["gaps"])
    first = told.get("first")
    assert book.first == (BalanceSample(first[0], first[1], int(first[2])) if first else None)


def test_every_field_of_a_bitcoin_cursor_means_what_it_meant() -> None:
    state = codec.read(cursor(STORED["half_way_on_bitcoin"]["old_core"]), BitcoinState)
    first = "a5a2edb50e0be6f1371e501d6d341ecbabb4fdde5f5ae193831cf034ede072a1"
    key = (address(US), "BTC")
    assert {block.height: (held.due, held.moved) for block, held in state.pending.items()} == {
        11: (13, {key: 70_000}),
        12: (14, {key: -10_000}),
    }
    assert all(block == held.block for block, held in state.pending.items())
    watch_states = state.watch_states[key]
    assert (watch_states.start, watch_states.wanted, watch_states.read) == (10, None, 12)
    assert (watch_states.moved, watch_states.opening, watch_states.is_open) == (60_000, 0, True)
    recent = state.recent[first]
    assert (recent.height, recent.lost_at, len(recent.outpoints)) == (11, None, 1)
    ((told_of, row),) = recent.rows
    assert (told_of, row.movement.direction, row.movement.kind, row.movement.units) == (
        key,
        Direction.IN,
        Kind.DONATION,
        70_000,
    )
    (waiting,) = codec.read(cursor(STORED["half_way_on_bitcoin"]["esplora"]), BitcoinState).waiting[key]
    assert (waiting.movement.units, waiting.since) == (1_234, fixed_clock())


@pytest.mark.parametrize("kind", ["core", "old_core", "esplora"])
@pytest.mark.parametrize("stored", [STORED["half_way_on_bitcoin"], FIRST["bitcoin"]], ids=["today", "first"])
def test_a_watcher_goes_on_from_a_stored_cursor_without_gap_or_double(
    stored: dict[str, str], kind: str, tmp_path: Path
) -> None:
    chain = FakeChain()
    with served(chain) as url:
        books = Books(tmp_path, **{"esplora" if kind == "esplora" else "rpc": [url]})
        half_way(chain, books)
        with Database(f"sqlite:///{tmp_path}/bitcoin.db").write() as tx:
            tx.execute(text("UPDATE cursor SET memo = :memo"), {"memo": stored[kind]})
        books.restart()
        chain.mine(1, *chain.pool)
        books.look()
        chain.mine(5)
        books.look()
        assert books.told() == [
            ("confirmed", "donation", "in", "0", 1_234),
            ("confirmed", "donation", "in", "0", 70_000),
            ("confirmed", "outflow", "out", "spend", 10_000),
        ]
        assert books.ledger.verify() == []
        books.ledger.dispose()


def half_way(chain: FakeChain, books: Books) -> None:
    """The history of the stored cursors, up to where they were stored."""
    books.look()
    gift = chain.gift((script(US), 70_000), (script(STRANGER), 5))
    chain.mine(1, gift)
    books.look()
    chain.mine(1, chain.spend((gift.txid, 0), pays=[(script(US), 60_000), (script(STRANGER), 9_000)]))
    chain.pool.append(chain.gift((script(US), 1_234)))
    books.look()

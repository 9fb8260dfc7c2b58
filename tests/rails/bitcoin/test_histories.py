"""Random histories of a Bitcoin chain: whatever happened, whoever told it, the ledger ends with the truth."""

import os
import random
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from support_service.giving import Cursor, Report
from support_service.ledger import Ledger
from support_service.rails.bitcoin.source import BitcoinSource
from support_service.rails.source import SourceDown
from tests.rails.bitcoin.fake_chain import ALSO_US, STRANGER, US, Books, FakeChain, Made, Tx, script, served, watch

MINE, ALSO_MINE, THEIRS = script(US), script(ALSO_US), script(STRANGER)
OURS = {MINE, ALSO_MINE}
SEEDS = range(int(os.environ.get("BITCOIN_HISTORIES", "4")))
KINDS = ["core", "filters", "esplora", "in turn", "together"]
STEPS = 40


@dataclass
class History:
    """A chain to which things happen by chance, and the source that must follow it."""

    seed: int
    kind: str
    folder: Path
    stack: ExitStack
    chain: FakeChain = field(default_factory=FakeChain)
    lost: list[Made] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.random = random.Random(f"{self.seed} {self.kind}")
        self.chain.has_filters = self.kind == "filters"
        self.chain.mine(1, self.chain.gift((MINE, 77_777)))
        url = self.stack.enter_context(served(self.chain))
        table: dict[str, object] = {"esplora" if self.kind == "esplora" else "rpc": [url]}
        if self.kind in ("in turn", "together"):
            table = {"rpc": [url], "esplora": [self.stack.enter_context(served(self.chain))]}
            table["quorum"] = 2 if self.kind == "together" else 1
        self.books = Books(self.folder, watch(US), watch(ALSO_US), large_amount="0.00000900", **table)
        self.stack.callback(self.books.ledger.dispose)
        self.opened_at = self.chain.height
        self.books.look()

    def step(self) -> None:
        """Let one thing happen."""
        chance = self.random.random()
        if chance < 0.30:
            self.pay(self.gift())
        elif chance < 0.50:
            self.spend()
        elif chance < 0.60:
            self.reorganise()
        elif chance < 0.66:
            self.chain.mine(self.random.randint(1, 14), *self.chain.pool)
        elif chance < 0.72 and self.chain.pool:
            self.chain.pool.remove(self.random.choice(self.chain.pool))
        elif chance < 0.78:
            self.books.restart()
        elif chance < 0.82:
            self.chain.mine(1, to=self.random.choice([MINE, ALSO_MINE]))
        elif chance < 0.88:
            self.killed()
        else:
            self.look()

    def gift(self) -> Tx:
        pays = [(self.random.choice([MINE, ALSO_MINE, THEIRS, "6a"]), self.random.randint(0, 1_000)) for _ in range(3)]
        return self.chain.gift(*pays)

    def pay(self, tx: Tx) -> None:
        if self.random.random() < 0.5:
            self.chain.pool.append(tx)
        else:
            self.chain.mine(1, tx)

    def spend(self) -> None:
        """Spend some of our coins, to ourselves or others, perhaps with somebody else's coin."""
        waiting = {outpoint for tx in self.chain.pool for outpoint in tx.spends}
        free = [
            (txid, vout, units)
            for owner in sorted(OURS)
            for txid, vout, units, height in self.chain.unspent(owner)
            if (txid, vout) not in waiting and (height <= self.opened_at or units < 10**9)
        ]
        if not free:
            return
        chosen = self.random.sample(free, min(len(free), self.random.randint(1, 3)))
        rest, pays = sum(units for _, _, units in chosen), []
        for _ in range(3):
            units = self.random.randint(0, rest)
            pays.append((self.random.choice([MINE, ALSO_MINE, THEIRS]), units))
            rest -= units
        self.pay(self.chain.spend(*((txid, vout) for txid, vout, _ in chosen), pays=pays))

    def reorganise(self) -> None:
        """Lose one or two blocks; what was in them waits again, or is gone, or the same blocks come back."""
        depth = self.random.randint(1, 2)
        if self.chain.height - depth <= self.opened_at:
            return
        self.look()
        gone = self.chain.drop(depth)
        if self.random.random() < 0.3:
            self.look()
            self.chain.blocks += gone
        else:
            again = [tx for block in gone for tx in block.txs if not tx.is_coinbase and self.random.random() < 0.7]
            self.chain.pool = [tx for tx in [*again, *self.chain.pool] if self.is_possible(tx, again)]
            self.chain.mine(depth)
        self.chain.mine(1)

    def is_possible(self, tx: Tx, waiting: list[Tx]) -> bool:
        """Tell whether our coins that a transaction spends are there, in a block."""
        return all(
            self.chain.txs[txid].pays[vout][0] not in OURS
            or (txid, vout) in {coin[:2] for owner in OURS for coin in self.chain.unspent(owner)}
            for txid, vout in tx.spends
        )

    def look(self) -> None:
        # A chain that came back shorter than it was read is waited for.
        with suppress(SourceDown):
            self.books.look()

    def killed(self) -> None:
        """Read, and die before the last reports are accepted."""
        with suppress(SourceDown):
            for report in cut(self.books.source, self.books.ledger, self.random.randint(0, 1)):
                self.books.ledger.accept(report)
        self.books.restart()

    def end(self) -> None:
        """Let everything get deep enough, and hold the ledger against the chain."""
        self.chain.pool.clear()
        self.chain.mine(100)
        self.books.look()
        self.books.look()
        rows = list(self.books.ledger.export())
        assert self.books.ledger.verify() == []
        assert not [row for row in rows if row["state"] == "seen"]
        live = [row for row in rows if row["state"] == "confirmed"]
        for number, owner in ((US, MINE), (ALSO_US, ALSO_MINE)):
            assert self.books.held(number) == sum(units for _, _, units, _ in self.chain.unspent(owner))
        given = {(str(r["locator"]), int(str(r["units"]))) for r in live if r["kind"] == "donation"}
        assert given == truly_given(self.chain, self.opened_at)
        rewards = {str(row["locator"]) for row in live if row["kind"] == "protocol"}
        assert rewards == {
            f"{block.txs[0].txid}:0"
            for block in self.chain.blocks[self.opened_at + 1 :]
            if block.txs[0].pays[0][0] in OURS
        }


def cut(source: BitcoinSource, ledger: Ledger, count: int) -> list[Report]:
    """The first reports of a turn."""
    after: Cursor | None = ledger.cursor(source.name)
    told = source.reports(after)
    return [report for _, report in zip(range(count), told, strict=False)]


def truly_given(chain: FakeChain, opened_at: int) -> set[tuple[str, int]]:
    """Every output to us of a transaction that spends nothing of ours."""
    return {
        (f"{tx.txid}:{vout}", units)
        for block in chain.blocks[opened_at + 1 :]
        for tx in block.txs
        if not tx.is_coinbase and not any(chain.txs[txid].pays[place][0] in OURS for txid, place in tx.spends)
        for vout, (owner, units) in enumerate(tx.pays)
        if owner in OURS and units
    }


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", SEEDS)
def test_the_ledger_ends_with_what_the_chain_holds(seed: int, kind: str, tmp_path: Path) -> None:
    with ExitStack() as stack:
        history = History(seed, kind, tmp_path, stack)
        for _ in range(STEPS):
            history.step()
        history.end()

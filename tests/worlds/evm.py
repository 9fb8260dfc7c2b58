"""Random worlds on a real EVM node: mixed and hostile traffic, reorgs, restarts; then ledger against truth."""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import islice

from support_service.ledger import Ledger, Wanted
from support_service.rails import Source
from tests.fixtures.node import ACCOUNTS, ETHER, OURS, Node, call_data, compiled, word
from tests.worlds.evm_truth import Movement, movements

# Finality trails the head by two epochs of this many blocks; reorgs stay above it.
EPOCH_BLOCKS = 4
REORG_DEPTH_MAX = 2 * EPOCH_BLOCKS - 1
DONORS = ACCOUNTS[1:]


@dataclass
class World:
    """A chain that lives: each step plays a few random acts and mines a block, or reorganises."""

    node: Node
    seed: int
    counts: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.token = self.node.deploy("PlainToken")
        self.fake = self.node.deploy("PlainToken")
        self.rebasing = self.node.deploy("StandardToken", 18)
        self.payer = self.node.deploy("Payer")
        self.destroyers: list[str] = []
        for address in OURS:
            self.node.become(address)
            self.node.give(address, 3 * ETHER)
        self.node.call(self.payer, "remember(address)", OURS[0])
        self.first = self.node.mine() + 1

    @property
    def tokens(self) -> dict[str, str]:
        """Contract -> asset code of the tokens on the allow-list."""
        return {self.token: "USDT", self.rebasing: "DAI"}

    def step(self) -> None:
        """Let one thing happen to the chain."""
        if self.random.random() < 0.12:
            depth = min(1 + int(self.random.expovariate(0.5)), REORG_DEPTH_MAX, self.node.height - self.first)
            if depth > 0:
                self.node.reorg(depth)
                self.counts["reorg"] += 1
            return
        for _ in range(self.random.choice((0, 0, 1, 1, 2, 4))):
            act = self.random.choice(self._acts())
            act()
            self.counts[act.__name__] += 1
        self.node.mine(self.random.choice((1, 1, 1, 2, 5)))

    def finish(self) -> None:
        """Mine until everything that happened is final."""
        self.node.mine(2 * EPOCH_BLOCKS + 2)

    def final_height(self) -> int:
        """Height of the finalized block."""
        return int(self.node.ask("eth_getBlockByNumber", "finalized", False)["number"], 16)

    def _acts(self) -> tuple[Callable[[], object], ...]:
        return (
            self.plain,
            self.plain,
            self.memo,
            self.payout,
            self.stored_payout,
            self.three_payouts,
            self.undone_payout,
            self.born_and_destroyed,
            self.token_gift,
            self.token_gift,
            self.fake_token,
            self.nothing_of_a_token,
            self.mint,
            self.rebase,
            self.strangers,
            self.spend,
            self.spend_token,
            self.between_our_own,
            self.fail_to_spend,
        )

    def plain(self) -> None:
        self.node.send(self._ours(), self._wei(), **{"from": self._donor()})

    def memo(self) -> None:
        self.node.send(self._ours(), self._wei(), "0x" + b"for the news".hex(), **{"from": self._donor()})

    def payout(self) -> None:
        self.node.call(self.payer, "pay(address)", self._ours(), value=self._wei(), **{"from": self._donor()})

    def stored_payout(self) -> None:
        self.node.send(self.payer, self._wei(), **{"from": self._donor()})

    def three_payouts(self) -> None:
        self.node.call(self.payer, "payThrice(address)", self._ours(), value=self._wei(), **{"from": self._donor()})

    def undone_payout(self) -> None:
        self.node.call(self.payer, "tryAndFail(address)", self._ours(), value=self._wei(), **{"from": self._donor()})

    def born_and_destroyed(self) -> None:
        code = compiled()["DestroyedAtBirth"].bytecode + word(self._ours())
        self.node.send(None, self._wei(), code, **{"from": self._donor()})

    def token_gift(self) -> None:
        self.node.call(self.token, "transfer(address,uint256)", self._ours(), self._units())

    def fake_token(self) -> None:
        self.node.call(self.fake, "transfer(address,uint256)", self._ours(), self._units())

    def nothing_of_a_token(self) -> None:
        self.node.call(self.token, "transfer(address,uint256)", self._ours(), 0)

    def mint(self) -> None:
        self.node.call(self.rebasing, "mint(address,uint256)", self._ours(), self._units())

    def rebase(self) -> None:
        self.node.call(self.rebasing, "grant(address,uint256)", self._ours(), self._units())

    def strangers(self) -> None:
        self.node.send(self.random.choice(DONORS), self._wei(), **{"from": self._donor()})

    def spend(self) -> None:
        self.node.send(self._donor(), 10**15 + self.random.randrange(10**12), **{"from": self._ours()})

    def spend_token(self) -> None:
        # May fail for lack of tokens: then only gas is paid.
        spent = call_data("transfer(address,uint256)", self._donor(), self._units() // 3)
        self.node.send(self.token, 0, spent, **{"from": self._ours()})

    def between_our_own(self) -> None:
        payer, payee = self.random.sample(OURS, 2)
        self.node.send(payee, 10**14 + self.random.randrange(10**10), **{"from": payer})

    def fail_to_spend(self) -> None:
        self.node.call(self.payer, "payAndFail(address)", self._donor(), value=10**12, **{"from": self._ours()})

    def _ours(self) -> str:
        return self.random.choice(OURS)

    def _donor(self) -> str:
        return self.random.choice(DONORS)

    def _wei(self) -> int:
        return self.random.choice((1, 3, 10**9 + 7, 10**15 + self.random.randrange(10**15)))

    def _units(self) -> int:
        return self.random.randrange(1, 10**9)


def read(source: Source, ledger: Ledger, *, die_after: int | None = None) -> None:
    """Take one turn of watching; die_after n reports, as a process killed between two of them would."""
    for report in islice(source.reports(ledger.cursor(source.name)), die_after):
        ledger.accept(report)


def truth(world: World, last: int) -> Counter[Movement]:
    """What happened in blocks first..last, told by traces."""
    return movements(world.node.ask, list(OURS), world.tokens, first=world.first, last=last)


def booked(ledger: Ledger, *, states: tuple[str, ...]) -> Counter[Movement]:
    """What the ledger says happened, in the same terms."""
    rows = [row for row in ledger.export(Wanted()) if row["state"] in states and row["kind"] != "opening"]
    return Counter(
        Movement(
            block=int(str(row["block_height"])),
            asset=str(row["asset"]),
            address=str(row["address"]).lower(),
            direction=str(row["direction"]),
            tx=str(row["tx"] or ""),
            what=_what(str(row["locator"])),
            units=int(str(row["units"])),
        )
        for row in rows
    )


def _what(locator: str) -> str:
    return next(word for word in ("value", "gas", "log", "trace", "unexplained") if f":{word}" in locator)

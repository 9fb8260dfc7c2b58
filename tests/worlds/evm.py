"""Random worlds on a real EVM node: mixed and hostile traffic, reorgs and forks; all of it by one seed."""

import json
import random
import urllib.request
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.fixtures.node import ACCOUNTS, ETHER, OURS, Json, Node, NodeError, call_data, compiled, start_node, word
from tests.worlds.evm_truth import Movement, Question, movements

DONORS = ACCOUNTS[1:]
EPOCHS = (2, 4, 4, 8, 32)
# Contract, constructor arguments, exponent; every world has the first and one of the others.
TOKENS = {
    "USDT": ("PlainToken", (), 6),
    "DAI": ("StandardToken", (18,), 18),
    "FEE": ("FeeToken", (), 6),
    "NOISE": ("NoisyToken", (), 6),
}
GAS_TO_LIVE_ON = 3 * ETHER
# How many of the reorgs go down to finality itself; in a short world they take nearly everything away.
DEEPEST_SHARE = 0.12


@dataclass(frozen=True)
class Traits:
    """What kind of world a seed makes. epoch: finality trails the head by two of them, in blocks."""

    epoch: int
    second_token: str
    # "": both addresses are plain; else what code the second one has.
    code: str
    is_raced: bool
    forks: int
    fault_rate: float

    @classmethod
    def of(cls, seed: int) -> "Traits":
        """Draw them."""
        dice = random.Random(f"traits {seed}")
        return cls(
            epoch=EPOCHS[seed % len(EPOCHS)],
            second_token=("DAI", "FEE", "NOISE")[seed % 3],
            code=dice.choice(("", "", "delegated", "contract")),
            is_raced=dice.random() < 0.4,
            forks=dice.choice((0, 1, 1, 2)),
            fault_rate=dice.choice((0.05, 0.1, 0.15, 0.2)),
        )


@dataclass
class World:
    """A chain that lives: each step plays a few random acts and mines a block, or reorganises."""

    seed: int
    node: Node
    traits: Traits
    counts: Counter[str] = field(default_factory=Counter)

    @classmethod
    def begin(cls, seed: int) -> "World":
        """Start a node and make the world's contracts."""
        traits = Traits.of(seed)
        return cls(seed, start_node(epoch=traits.epoch), traits)

    def __post_init__(self) -> None:
        self.random, self._nodes = random.Random(self.seed), [self.node]
        # Where a node was given its chain: anvil has no state to go back to from before that.
        self._given_at: dict[str, int] = {}
        wanted = ("USDT", self.traits.second_token)
        self.contracts = {code: self.node.deploy(TOKENS[code][0], *TOKENS[code][1]) for code in wanted}
        self.fake = self.node.deploy("PlainToken")
        self.payer = self.node.deploy("Payer")
        wallet = self.node.deploy("Wallet")
        for address in OURS:
            self.node.give(address, GAS_TO_LIVE_ON)
        self._become_ours(self.node)
        if self.traits.code == "contract":
            self.node.ask("anvil_setCode", OURS[1], self.node.ask("eth_getCode", wallet, "latest"))
        elif self.traits.code == "delegated":
            # EIP-7702: what a delegated account's code is.
            self.node.ask("anvil_setCode", OURS[1], "0xef0100" + wallet[2:].lower())
        self.node.call(self.payer, "remember(address)", OURS[0])
        self.first = self.node.mine() + 1
        # A contract has no key: it sends nothing itself.
        self.spenders = OURS[:1] if self.traits.code == "contract" else OURS

    def _become_ours(self, node: Node) -> None:
        for address in OURS:
            node.become(address)

    def step(self) -> None:
        """Let one thing happen to the chain."""
        if self.random.random() < 0.15:
            self._reorg()
            return
        for _ in range(self.random.choice((0, 1, 1, 2, 4))):
            self.act()
        self.node.mine(self.random.choice((1, 1, 1, 2, 5)))

    def act(self) -> None:
        """Put one random thing into the pool."""
        act = self.random.choice(self._acts())
        act()
        self.counts[act.__name__] += 1

    def _reorg(self) -> None:
        # Down to finality, not below: that is another matter (it freezes the source).
        # Of two futures the longer one may have shown more as final than the one that goes on.
        final = max(self.final_height(node) for node in self._nodes)
        lowest = max(final, self._given_at.get(self.node.url, self.first))
        most = self.node.height - lowest
        wanted = self.random.choice((1, 1, 2, 3, 4, 1 + int(self.random.expovariate(0.1))))
        depth = most if self.random.random() < DEEPEST_SHARE else min(most, wanted)
        if depth < 1:
            return
        again = self._again(depth) if self.random.random() < 0.6 else []
        try:
            self.node.reorg(depth, again)
            self.counts["included_again"] += len(again)
        except NodeError:
            self.node.reorg(depth)
        self.counts["reorg"] += 1
        self.counts["reorg_deep"] += depth >= 16
        self.counts["reorg_blocks"] += depth

    def _again(self, depth: int) -> list[tuple[str, int]]:
        """Transactions of some donors to be included again, in their order but in other blocks."""
        top = self.node.height
        blocks = [self.node.ask("eth_getBlockByNumber", hex(top - up), True) for up in reversed(range(depth))]
        lucky = {donor.lower() for donor in ACCOUNTS if self.random.random() < 0.7}
        sent = [tx["hash"] for block in blocks for tx in block["transactions"] if tx["from"].lower() in lucky]
        places = sorted(self.random.randrange(depth) for _ in sent)
        return [(self.node.raw(tx), place) for tx, place in zip(sent, places, strict=True)]

    def fork(self) -> Node:
        """Give the chain a second future and return its node; some transactions are in both."""
        other = start_node(epoch=self.traits.epoch)
        self._nodes.append(other)
        self.node.copy_to(other)
        self._given_at[other.url] = other.height
        self._become_ours(other)
        shared = [
            self.node.raw(self.node.send(self._ours(), self._wei(), **{"from": DONORS[0]})),
            self.node.raw(self.node.call(self.contracts["USDT"], "transfer(address,uint256)", OURS[0], self._units())),
        ]
        self.plain()
        self.node.mine(self.random.choice((1, 2)))
        for raw in shared[self.random.choice((0, 1)) :]:
            other.ask("eth_sendRawTransaction", raw)
        other.mine()
        other.send(self._ours(), self._wei(), **{"from": DONORS[2]})
        other.mine(self.random.choice((1, 2)))
        self.counts["fork"] += 1
        return other

    def finish(self) -> None:
        """Mine until everything that happened is final."""
        self.node.mine(2 * self.traits.epoch + 2)

    def stop(self) -> None:
        """End all its nodes."""
        for node in self._nodes:
            node.stop()

    def final_height(self, node: Node | None = None) -> int:
        """Height of the finalized block."""
        return int((node or self.node).ask("eth_getBlockByNumber", "finalized", False)["number"], 16)

    def truth(self, last: int, *, first: int | None = None) -> Counter[Movement]:
        """What happened in blocks first..last, told by traces."""
        tokens = {contract: code for code, contract in self.contracts.items()}
        return movements(self._ask_all, list(OURS), tokens, first=first or self.first, last=last)

    def _ask_all(self, questions: list[Question]) -> list[Json]:
        asked = [
            {"jsonrpc": "2.0", "id": place, "method": method, "params": params}
            for place, (method, *params) in enumerate(questions)
        ]
        request = urllib.request.Request(
            self.node.url, json.dumps(asked).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            told = {item["id"]: item for item in json.load(answer)}
        return [told[place]["result"] for place in range(len(questions))]

    def _acts(self) -> tuple[Callable[[], object], ...]:
        of_token = {
            "DAI": (self.mint, self.rebase, self.rebase),
            "FEE": (self.fee_gift, self.fee_gift),
            "NOISE": (self.noise, self.odd_noise, self.noisy_gift),
        }[self.traits.second_token]
        of_wallet = (self.wallet_pays, self.wallet_pays) if self.traits.code else ()
        return (
            *of_token,
            *of_wallet,
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
            self.token_twice,
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
        self.node.call(self.contracts["USDT"], "transfer(address,uint256)", self._ours(), self._units())

    def fake_token(self) -> None:
        self.node.call(self.fake, "transfer(address,uint256)", self._ours(), self._units())

    def nothing_of_a_token(self) -> None:
        self.node.call(self.contracts["USDT"], "transfer(address,uint256)", self._ours(), 0)

    def mint(self) -> None:
        self.node.call(self.contracts["DAI"], "mint(address,uint256)", self._ours(), self._units())

    def rebase(self) -> None:
        self.node.call(self.contracts["DAI"], "grant(address,uint256)", self._ours(), self._units())

    def fee_gift(self) -> None:
        self.node.call(self.contracts["FEE"], "transfer(address,uint256)", self._ours(), self._units())

    def noise(self) -> None:
        parties = (self._donor(), self._ours()) if self.random.random() < 0.7 else (self._ours(), self._donor())
        self.node.call(self.contracts["NOISE"], "say(address,address,uint256)", *parties, self._units())

    def odd_noise(self) -> None:
        self.node.call(self.contracts["NOISE"], "sayOddly(address)", self._ours())

    def noisy_gift(self) -> None:
        self.node.call(self.contracts["NOISE"], "credit(address,uint256)", self._ours(), self._units())

    def token_twice(self) -> None:
        # The payer has no tokens of its own until it is given some; before that the transaction fails.
        coin, units = self.contracts["USDT"], self._units()
        self.node.call(coin, "transfer(address,uint256)", self.payer, 2 * units)
        self.node.call(self.payer, "payTokenTwice(address,address,uint256)", coin, self._ours(), units)

    def wallet_pays(self) -> None:
        units = 10**13 + self.random.randrange(10**12)
        self.node.call(OURS[1], "execute(address,uint256)", self._donor(), units, by=self._donor())

    def strangers(self) -> None:
        self.node.send(self.random.choice(DONORS), self._wei(), **{"from": self._donor()})

    def spend(self) -> None:
        self.node.send(self._donor(), 10**15 + self.random.randrange(10**12), **{"from": self._spender()})

    def spend_token(self) -> None:
        # May fail for lack of tokens: then only gas is paid.
        spent = call_data("transfer(address,uint256)", self._donor(), self._units() // 3)
        self.node.send(self.contracts["USDT"], 0, spent, **{"from": self._spender()})

    def between_our_own(self) -> None:
        payer = self._spender()
        payee = next(address for address in OURS if address != payer)
        self.node.send(payee, 10**14 + self.random.randrange(10**10), **{"from": payer})

    def fail_to_spend(self) -> None:
        self.node.call(self.payer, "payAndFail(address)", self._donor(), value=10**12, **{"from": self._spender()})

    def _ours(self) -> str:
        return self.random.choice(OURS)

    def _spender(self) -> str:
        return self.random.choice(self.spenders)

    def _donor(self) -> str:
        return self.random.choice(DONORS)

    def _wei(self) -> int:
        return self.random.choice((1, 3, 10**9 + 7, 10**15 + self.random.randrange(10**15)))

    def _units(self) -> int:
        return self.random.randrange(1, 10**9)

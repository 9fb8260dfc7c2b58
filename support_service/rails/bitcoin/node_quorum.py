"""Several nodes that must agree, as one chain. Lives for one turn.

Facts about one block (its hash, what it did to us, a balance) need a quorum of equal answers, and
not one that differs at the same block: two answers about one block that cannot both be true are a
lie of one of them. It fails closed; see rails/chain/quorum.py. What waits for a block is only a hint, and
may come from one node.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from datetime import datetime
from typing import Generic, Protocol, TypeVar

from support_service.rails.bitcoin.movements import Block, Outpoint, Script, Transaction
from support_service.rails.bitcoin.node import Chain, ScriptBalance, WantedMoney
from support_service.rails.chain.quorum import agreed, common_height, votes
from support_service.rails.chain.search import BlockRef
from support_service.rails.source import MustFreeze, SourceDown

# How far below the common height nodes may have parted and still be read: beyond it one of them is lost.
FORK_DEPTH_MAX = 10
# How much of an answer is kept as evidence.
EVIDENCE_CHARS_MAX = 2_000


class QuorumNode(Chain, Hashable, Protocol):
    """One of the nodes that are asked."""


C = TypeVar("C", bound=QuorumNode)
V = TypeVar("V")


class NodeQuorum(Generic[C]):
    """Asks every node and compares. `on_failure` hears of each node that did not answer."""

    def __init__(self, nodes: Sequence[C], quorum: int, on_failure: Callable[[C, SourceDown], object]) -> None:
        self._members, self._quorum, self._on_failure = tuple(nodes), quorum, on_failure
        self._tip: BlockRef | None = None
        self._teller: C | None = None

    @property
    def host(self) -> str:
        """The hosts of all that are asked."""
        return ", ".join(node.host for node in self._members)

    @property
    def blocks_per_step(self) -> int:
        """What suits the slowest."""
        return min(node.blocks_per_step for node in self._members)

    def forget(self) -> None:
        """Drop what was learned."""
        for node in self._members:
            node.forget()

    def tip(self) -> BlockRef:
        """The highest block that a quorum has; from then on only the nodes on that chain are asked."""
        tips = self._each(lambda node: node.tip())
        height = common_height([tip.height for tip in tips.values()], self._quorum)
        assert height is not None, "a quorum answered"
        for place in range(height, max(-1, height - FORK_DEPTH_MAX - 1), -1):
            high = {node: tip for node, tip in tips.items() if tip.height >= place}
            told = {node: _hash(node, tip, place) for node, tip in high.items()}
            vote = agreed({node: digest for node, digest in told.items() if digest is not None}, self._quorum)
            if vote is not None:
                self._members = vote.names
                self._tip = BlockRef(place, str(vote.value))
                return self._tip
        raise SourceDown(f"{self.host}: are on different forks at block {height}; reading again")

    def hash_at(self, height: int) -> str | None:
        """The block at a height; None above the common head."""
        if self._tip is not None and height > self._tip.height:
            return None
        return self._fact(f"the hash of block {height}", lambda node: node.hash_at(height))

    def time_of(self, block: BlockRef) -> datetime:
        """A block's own time."""
        return self._fact(f"the time of block {block.height}", lambda node: node.time_of(block))

    def scan(self, first: int, last: int, wanted: WantedMoney) -> list[Block]:
        """All blocks of first..last that touch us, as every node tells them."""
        return self._blocks(wanted, lambda node: node.scan(first, last, wanted))

    def again(self, blocks: Sequence[BlockRef], wanted: WantedMoney) -> list[Block]:
        """These blocks once more."""
        return self._blocks(wanted, lambda node: node.again(blocks, wanted))

    def balance(self, script: Script) -> ScriptBalance | None:
        """What a script holds now; None where fewer than a quorum can tell."""
        return self._balance(lambda node: node.balance(script))

    def checked_balance(self, script: Script) -> ScriptBalance | None:
        """The same, where it costs next to nothing for a quorum."""
        return self._balance(lambda node: node.checked_balance(script))

    def waiting(self, script: Script) -> list[Transaction] | None:
        """What waits for a block, from the first node that tells."""
        for node in self._members:
            told = node.waiting(script)
            if told is not None:
                self._teller = node
                return told
        return None

    def is_gone(self, txid: str) -> bool:
        """Tell whether the node that told of waiting transactions knows it no more."""
        return self._teller is not None and self._teller.is_gone(txid)

    def spender(self, outpoint: Outpoint) -> str | None:
        """Name it as the first node does that knows one: it is a pointer for people, and moves no money."""
        told = (node.spender(outpoint) for node in self._members)
        return next((txid for txid in told if txid is not None), None)

    def _each(self, ask: Callable[[C], V]) -> dict[C, V]:
        told: dict[C, V] = {}
        troubles: list[SourceDown] = []
        for node in self._members:
            try:
                told[node] = ask(node)
            except SourceDown as error:
                self._on_failure(node, error)
                troubles.append(error)
        if len(told) < self._quorum:
            why = "; ".join(map(str, troubles))
            raise SourceDown(
                f"{len(told)} nodes answered where {self._quorum} must agree: {why}",
                retry_after_seconds=max((trouble.retry_after_seconds for trouble in troubles), default=0),
            )
        self._members = tuple(told)
        return told

    def _fact(self, what: str, ask: Callable[[C], V]) -> V:
        told = self._each(ask)
        if len(votes(told)) > 1:
            # A question by height: nodes on different forks differ, and no one lies.
            raise SourceDown(f"{self.host}: differ about {what}: on different forks; reading again")
        return next(iter(told.values()))

    def _blocks(self, wanted: WantedMoney, ask: Callable[[C], list[Block]]) -> list[Block]:
        told = self._each(ask)
        listed = {
            node: {(block.height, block.block_hash): _facts(block, wanted.scripts) for block in told[node]}
            for node in told
        }
        for height, digest in sorted({place for blocks in listed.values() for place in blocks}):
            said = {node: blocks.get((height, digest), ()) for node, blocks in listed.items()}
            if len(votes(said)) > 1:
                self._refuse(height, digest, said)
        return next(iter(told.values()))

    def _refuse(self, height: int, digest: str, said: Mapping[C, object]) -> None:
        """Nodes differ about a block: a lie, if all of them say that they have that very block."""
        if any(node.hash_at(height) != digest for node in said):
            raise SourceDown(f"{self.host}: are on different forks at block {height}; reading again")
        words = {node.host: _words(one) for node, one in said.items()}
        raise MustFreeze(
            f"nodes differ about what block {height} ({digest}) did to us: "
            + "; ".join(f"{host} says {text[:160]}" for host, text in words.items())
            + "; nothing is booked from this network until a person has looked",
            {"block": f"{height} {digest}", **words},
        )

    def _balance(self, ask: Callable[[C], ScriptBalance | None]) -> ScriptBalance | None:
        told = {node: one for node, one in self._each(ask).items() if one is not None}
        if len(told) < self._quorum:
            return None
        here = {node: one for node, one in told.items() if one.block == self._tip}
        if len(here) < self._quorum:
            raise SourceDown(f"{self.host}: the chain moved while balances were asked; reading again")
        found = votes({node: one.units for node, one in here.items()})
        if len(found) > 1:
            words = {node.host: str(one.units) for node, one in here.items()}
            raise MustFreeze(
                f"nodes differ about a balance at block {self._tip}: {words}; nothing is booked from this network"
                " until a person has looked",
                words,
            )
        return next(iter(here.values()))


def _hash(node: Chain, tip: BlockRef, height: int) -> str | None:
    return tip.block_hash if tip.height == height else node.hash_at(height)


def _facts(block: Block, scripts: Mapping[Script, str]) -> tuple[object, ...]:
    """What a block did to us, in an order that does not depend on the node; some tell more of strangers than others."""
    return tuple(sorted(_fact_of(one, scripts) for one in block.transactions))


def _fact_of(one: Transaction, scripts: Mapping[Script, str]) -> tuple[str, bool, tuple[str, ...], tuple[str, ...]]:
    spent = [(i.outpoint, i.coin) for i in one.inputs if i.coin.script in scripts]
    gained = [(vout, coin) for vout, coin in enumerate(one.outputs) if coin.script in scripts and coin.units]
    return (
        one.txid,
        one.is_coinbase,
        tuple(f"spends {outpoint} of {coin.units}" for outpoint, coin in spent),
        tuple(f"pays {coin.units} by output {vout}" for vout, coin in gained),
    )


def _words(facts: object) -> str:
    text = str(facts)
    return text if len(text) <= EVIDENCE_CHARS_MAX else f"{text[:EVIDENCE_CHARS_MAX]}..."

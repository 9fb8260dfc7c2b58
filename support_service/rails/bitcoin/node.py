"""A view of one Bitcoin chain: what a source asks, whoever answers (Bitcoin Core, Esplora, several that agree)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from support_service.rails.bitcoin.movements import Block, Outpoint, Script, Transaction
from support_service.rails.chain.search import BlockRef
from support_service.rails.source import SourceDown, SourceLied

# The first block of each chain; "test" is test network 3 or 4. Source: chainparams.cpp of Bitcoin Core.
GENESIS: Mapping[str, tuple[str, ...]] = {
    "main": ("000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f",),
    "test": (
        "000000000933ea01ad0ee984209779baaec3ced90fa3f408719526f8d77f4943",
        "00000000da84f2bafbbc53dee25a72ae507ff4914b867c565be350b0da8bf043",
    ),
    "signet": ("00000008819873e925422c1ff0f99f7cc9bbb232af63a077a480a3633bee1ef6",),
    "regtest": ("0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206",),
}


class UnreadableAnswer(SourceDown):
    """One answer of a form that nobody can read; the node answers all else."""


class WatchSilent(UnreadableAnswer):
    """The node does not tell of one script what can be read."""

    def __init__(self, script: Script, text: str) -> None:
        super().__init__(text)
        self.script = script


@dataclass(frozen=True, slots=True)
class WantedMoney:
    """Whose money is looked for: script -> address."""

    scripts: Mapping[Script, str]
    # Coins of payments that were lost; who spends them is noted on the way.
    lost: Mapping[Outpoint, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ScriptBalance:
    """What a script holds at the end of a block, in satoshi."""

    block: BlockRef
    units: int


class Chain(Protocol):
    """One node. Every question raises SourceDown where it is not answered, SourceLied where the answer cannot be.

    blocks_per_step: how many blocks one report should cover.
    """

    @property
    def host(self) -> str:
        """Who is asked, for messages; holds no password."""
        ...

    @property
    def blocks_per_step(self) -> int:
        """How many blocks one report should cover."""
        ...

    def forget(self) -> None:
        """Drop what was learned in a turn, to hear what the chain says now."""
        ...

    def tip(self) -> BlockRef:
        """The highest block; SourceDown from a node that is not ready, SourceLied from another chain."""
        ...

    def hash_at(self, height: int) -> str | None:
        """The block at a height on the chain now; None above its head."""
        ...

    def time_of(self, block: BlockRef) -> datetime:
        """A block's own time."""
        ...

    def scan(self, first: int, last: int, wanted: WantedMoney) -> list[Block]:
        """All blocks of first..last that touch us, lowest first."""
        ...

    def again(self, blocks: Sequence[BlockRef], wanted: WantedMoney) -> list[Block]:
        """These blocks once more."""
        ...

    def balance(self, script: Script) -> ScriptBalance | None:
        """What a script holds now; None where the node cannot tell."""
        ...

    def checked_balance(self, script: Script) -> ScriptBalance | None:
        """The same, where that costs next to nothing; else None."""
        ...

    def waiting(self, script: Script) -> list[Transaction] | None:
        """Transactions that touch a script and wait for a block; None where the node does not tell."""
        ...

    def is_gone(self, txid: str) -> bool:
        """Tell whether a transaction that waited is neither waiting nor in a block any more."""
        ...

    def spender(self, outpoint: Outpoint) -> str | None:
        """Name the transaction in a block that spends a lost payment's coin; None where none is known."""
        ...


def check_genesis(host: str, chain: str, told: str) -> None:
    """See that a node is on the chain that the settings name: else all its money would be false."""
    if told in GENESIS[chain]:
        return
    name = next((other for other, hashes in GENESIS.items() if told in hashes), f"an unknown chain ({told})")
    raise SourceLied(f"{host}: is on {name}, settings say chain = {chain!r}")


def check_linked(host: str, below: str | None, *, height: int, parent: str) -> None:
    """See that a block follows the one read below it: the parent it names; below is None where none was read."""
    if below is not None and parent != below:
        raise SourceDown(f"{host}: block {height} does not follow the one below it: the chain moved; reading again")


def touching(blocks: Iterable[Block]) -> list[Block]:
    """Only the blocks with something for us, or with something that may be, lowest first."""
    return sorted((block for block in blocks if block.transactions or block.unread), key=lambda block: block.height)

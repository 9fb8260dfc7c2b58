"""Our own coins, remembered where a node does not tell what an input spends. Pure.

Bitcoin Core tells since version 23 (`prevout`); older nodes and other software do not. Then a spend
is known by its outpoint: we remember every output to us until it is spent for good.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from support_service.rails.bitcoin.movements import Coin, Input, Outpoint, Script, Transaction


@dataclass(frozen=True, slots=True)
class HeldCoin:
    """A coin of ours: the block that made it, and the one that spent it, if any."""

    coin: Coin
    made: int
    spent: int | None = None


@dataclass(slots=True)
class Coins:
    """Coins by outpoint. is_kept is False where the node tells what is spent, and nothing need be remembered."""

    held: dict[Outpoint, HeldCoin] = field(default_factory=dict)
    is_kept: bool = True

    @classmethod
    def of(cls, kept: Mapping[Outpoint, HeldCoin] | None) -> "Coins":
        """Coins as a cursor remembers them."""
        return cls(is_kept=False) if kept is None else cls(dict(kept))

    def kept(self) -> Mapping[Outpoint, HeldCoin] | None:
        """What a cursor is to remember; None where that is nothing, and never will be."""
        return self.held if self.is_kept else None

    def copy(self) -> "Coins":
        """Another that can change by itself."""
        return Coins(dict(self.held), self.is_kept)

    def drop(self) -> None:
        """Remember nothing any more: the node tells what is spent."""
        self.held, self.is_kept = {}, False

    def named(self, transaction: Transaction) -> Transaction:
        """The transaction with those inputs named that spend our coins."""
        if not any(one.coin is None and one.outpoint in self.held for one in transaction.inputs):
            return transaction
        return replace(transaction, inputs=tuple(self._named(one) for one in transaction.inputs))

    def _named(self, one: Input) -> Input:
        held = self.held.get(one.outpoint)
        return one if one.coin is not None or held is None else replace(one, coin=held.coin)

    def note(self, transaction: Transaction, height: int, scripts: Mapping[Script, str]) -> None:
        """Remember what a transaction made and spent."""
        if not self.is_kept:
            return
        for one in transaction.inputs:
            if one.outpoint in self.held:
                self.held[one.outpoint] = replace(self.held[one.outpoint], spent=height)
        for vout, coin in enumerate(transaction.outputs):
            if coin.script in scripts and coin.units:
                self.add(f"{transaction.txid}:{vout}", coin, height)

    def add(self, outpoint: Outpoint, coin: Coin, height: int) -> None:
        """Remember one coin; one that is known keeps what is known of it."""
        if self.is_kept:
            self.held.setdefault(outpoint, HeldCoin(coin, height))

    def merge(self, others: Iterable[tuple[Outpoint, HeldCoin]]) -> None:
        """Take over coins that are not known here."""
        for outpoint, held in others:
            self.held.setdefault(outpoint, held)

    def rewind(self, height: int) -> None:
        """Undo every block above a height."""
        kept = {outpoint: held for outpoint, held in self.held.items() if held.made <= height}
        self.held = {
            o: replace(h, spent=None) if h.spent is not None and h.spent > height else h for o, h in kept.items()
        }

    def settle(self, is_settled: Callable[[int], bool]) -> None:
        """Forget coins whose spending block need not be read again."""
        self.held = {o: h for o, h in self.held.items() if h.spent is None or not is_settled(h.spent)}

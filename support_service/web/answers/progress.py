"""How far a transfer has come, in the few words and numbers that a reader needs. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from support_service.giving import Donation, PaymentMethod, Phrase, State
from support_service.ledger.lookups import ReadUpTo
from support_service.money import Asset, Money

_WORDS = {
    State.SEEN: Phrase("seen, not confirmed yet"),
    State.CONFIRMED: Phrase("received"),
    State.ORPHANED: Phrase("no longer on its network: it did not arrive"),
    State.REPLACED: Phrase("replaced by another transfer: it did not arrive"),
    State.REFUNDED: Phrase("returned"),
    State.PARTIALLY_REFUNDED: Phrase("received, and a part of it returned"),
    State.DISPUTED: Phrase("disputed"),
    State.QUARANTINED: Phrase("being checked by a person"),
}


@dataclass(frozen=True, slots=True)
class TransferProgress:
    """One transfer: what came and how far it is. needed 0: nobody can count it beforehand; minutes 0: nobody knows."""

    money: Money
    state: State
    network: str = ""
    done: int = 0
    needed: int = 0
    minutes: int = 0

    @property
    def words(self) -> Phrase:
        """Say its state."""
        return _WORDS[self.state]

    @property
    def is_underway(self) -> bool:
        """Tell whether it will be more than seen."""
        return self.state is State.SEEN

    @property
    def counted(self) -> Phrase | None:
        """Say how many blocks stand on it; None where that says nothing."""
        if not self.is_underway or not self.network:
            return None
        values = (("done", str(self.done)), ("needed", str(self.needed)))
        if not self.done:
            return Phrase("It waits for its first block.")
        return Phrase("%(done)s of %(needed)s blocks", values) if self.needed else Phrase("%(done)s blocks", values[:1])

    @property
    def left(self) -> Phrase | None:
        """Say how long it still takes, roughly."""
        if not self.is_underway or not self.minutes:
            return None
        return Phrase("about %(minutes)s min more", (("minutes", str(self.minutes)),))


def progress_of(
    donation: Donation, methods: Iterable[PaymentMethod], read_up_to: Mapping[str, ReadUpTo]
) -> TransferProgress:
    """Count the blocks that stand on a transfer, its own included, by how far its chain was read."""
    payment, identity = donation.payment, donation.identity
    money = Money(payment.units, Asset(identity.asset, payment.exponent, identity.network))
    told = TransferProgress(money, donation.state, identity.network)
    if donation.state is not State.SEEN or not identity.network:
        return told
    read = read_up_to.get(f"{payment.rail}:{identity.network}")
    height = payment.block_height
    done = 0 if read is None or read.height is None or height is None else max(0, read.height - height + 1)
    wait = next((one.wait for one in methods if one.key == payment.method and _is_at_home(one, identity.network)), None)
    if wait is None:
        return TransferProgress(money, donation.state, identity.network, done)
    needed = wait.blocks_for(payment.units)
    minutes = wait.minutes_for(payment.units)
    if needed:
        # Whatever is read as deep enough and not confirmed yet will be with the next look.
        done = min(done, needed)
        minutes = -(-minutes * (needed - done) // needed) or min(1, minutes)
    return TransferProgress(money, donation.state, identity.network, done, needed, minutes)


def _is_at_home(method: PaymentMethod, network: str) -> bool:
    return any(watch.network == network and not watch.is_off_route for watch in method.watches)

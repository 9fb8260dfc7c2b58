"""What the ledger keeps of a line of a bank account beside its money: how it is known again. Pure."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from support_service.giving.donations import Donation
from support_service.giving.reports import Identity, Report


@dataclass(frozen=True, slots=True)
class KeptLine:
    """A line as it is kept: memo is the reader's own text, keys are all that it is found by.

    ref names its money. is_new: nobody knew its locator before.
    """

    locator: str
    account: str
    ref: str
    memo: str
    keys: tuple[str, ...] = ()
    is_new: bool = False


@dataclass(frozen=True, slots=True)
class OpenReversal:
    """A line that takes another one back, while nobody knows which."""

    locator: str
    donation: Donation


@dataclass(frozen=True, slots=True)
class LineWork:
    """What one bounded pass over a file writes, all of it or nothing: reports, kept lines, settled reversals.

    settled: locator of a reversal -> the money that it takes back.
    """

    reports: tuple[Report, ...] = ()
    kept: tuple[KeptLine, ...] = ()
    settled: tuple[tuple[str, Identity], ...] = ()


class LineBooks(Protocol):
    """What the ledger tells about lines, inside the one transaction in which the answers are used."""

    def find(self, keys: Collection[str]) -> Mapping[str, Sequence[KeptLine]]:
        """The known lines under each key, oldest first."""
        ...

    def donations(self, refs: Collection[str]) -> Mapping[str, Donation]:
        """What is believed of the money of known lines, by its ref."""
        ...

    def article_of(self, intent: str) -> str | None:
        """What the reader of a choice had read."""
        ...

    def open_reversals(self, accounts: Collection[str]) -> Sequence[OpenReversal]:
        """Reversals of these accounts that have found no original."""
        ...

    def pending(self, accounts: Collection[str]) -> Sequence[Donation]:
        """Lines of these accounts that the bank has told of and not booked."""
        ...

    def opposite(self, of: Donation) -> Sequence[Donation]:
        """Lines of the same account, asset and sum that moved the other way and that nothing takes back yet."""
        ...

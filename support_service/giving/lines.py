"""What the ledger keeps of a line of a bank account beside its money: how it is known again. Pure."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from support_service.giving.donations import Donation
from support_service.giving.reports import Identity, Report

# Begins the key of who paid: all lines under it came from one payer. A digest follows, and no name.
PAYER_KEY = "payer|"


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
class Reversal:
    """A line that takes other money back. as_of: the report that spoke of it last.

    original: the money that it takes back, as far as that is known.
    """

    locator: str
    donation: Donation
    as_of: int
    original: Identity | None = None


@dataclass(frozen=True, slots=True)
class Pair:
    """A gift booked by hand, and a line of the bank that may be the same: of one method, sum and about one day.

    references are the bank's of that line.
    """

    by_hand: Donation
    line: Donation
    references: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class PaidOut:
    """What a processor paid out, and a line of the bank that may be its arrival: of one sum and about one day."""

    payout: Donation
    line: Donation


@dataclass(frozen=True, slots=True)
class Split:
    """A line whose gifts are booked one by one, and these gifts. as_of: the report that spoke of the line last."""

    line: Donation
    gifts: tuple[Donation, ...]
    as_of: int


@dataclass(frozen=True, slots=True)
class LineWork:
    """What one bounded pass over a file writes, all of it or nothing: reports, kept lines, settled reversals.

    settled: locator of a reversal -> the money that it takes back; None where it takes nothing back any more.
    told: locators of all lines that the pass told, new and known. goes_on: the next pass shares the transaction.
    """

    reports: tuple[Report, ...] = ()
    kept: tuple[KeptLine, ...] = ()
    settled: tuple[tuple[str, Identity | None], ...] = ()
    told: tuple[str, ...] = ()
    goes_on: bool = False


class LineBooks(Protocol):
    """What the ledger tells about lines, inside the one transaction in which the answers are used."""

    def find(self, keys: Collection[str]) -> Mapping[str, Sequence[KeptLine]]:
        """The known lines under each key, oldest first."""
        ...

    def donations(self, refs: Collection[str]) -> Mapping[str, Donation]:
        """What is believed of the money of known lines, by its ref."""
        ...

    def people(self, refs: Collection[str]) -> Mapping[str, Donation]:
        """The same, with who gave."""
        ...

    def issued(self, codes: Collection[str]) -> Mapping[str, str]:
        """Those of these support codes that were issued -> the choice that each stands for."""
        ...

    def article_of(self, intent: str) -> str | None:
        """What the reader of a choice had read."""
        ...

    def open_reversals(self, accounts: Collection[str]) -> Sequence[Reversal]:
        """Reversals of these accounts that stand and take nothing back yet."""
        ...

    def fallen_reversals(self, accounts: Collection[str]) -> Sequence[Reversal]:
        """Reversals of these accounts that took something back and stand no more."""
        ...

    def splits(self, accounts: Collection[str]) -> Sequence[Split]:
        """Lines of these accounts whose gifts are booked one by one."""
        ...

    def linked(self, ref: str) -> Sequence[str]:
        """The refs of all that is said to be about this money."""
        ...

    def reversal(self, ref: str) -> Reversal | None:
        """What a line takes back; None for what is no line."""
        ...

    def untold_joins(self, accounts: Collection[str]) -> Sequence[Pair]:
        """Gifts booked by hand whose line stands no more, because a person took back the file that told it."""
        ...

    def pairs(self, accounts: Collection[str]) -> Sequence[Pair]:
        """Gifts booked by hand, each with a line of these accounts that may be the same, while nobody said so."""
        ...

    def payouts(self, accounts: Collection[str]) -> Sequence[PaidOut]:
        """What processors paid out, each with a line of these accounts that may be its arrival, while nobody said."""
        ...

    def pending(self, accounts: Collection[str]) -> Sequence[Donation]:
        """Lines of these accounts that the bank has told of and not booked."""
        ...

    def opposite(self, of: Donation) -> Sequence[Donation]:
        """Lines of the same account, asset and sum that moved the other way and that nothing takes back yet."""
        ...

"""Banks that are asked over their APIs: one file a bank's API, and how each is asked.

What an API tells becomes the same lines as a file's, in `Read`s; rails/bank/source.py books them. Nothing here
ever sends anything but GET: a token that may create payments is used for none.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Protocol, TypeAlias

from support_service.giving import HeldBalance
from support_service.money import Asset
from support_service.rails.bank.line import Line

# How far an account was read, in the API's own words; kept in the cursor.
Marks: TypeAlias = Mapping[str, str]

# A line may be taken back, or a held one settled, days later; what is older is left to files.
DAYS_READ_AGAIN = 10


@dataclass(frozen=True, slots=True)
class Read:
    """What a bank told at once: lines, rows that could not be read (key -> why), and how far we are now.

    whole_from: all that was asked for is told with this; from that day on the reads of this turn named every
    line that stands. None: there is more, and marks are those of before.
    balances: what the account held on evenings, all lines up to which are told with this.
    """

    lines: tuple[Line, ...]
    marks: Marks
    bad_rows: Mapping[str, str] = field(default_factory=dict)
    whole_from: date | None = None
    balances: tuple[HeldBalance, ...] = ()


@dataclass(frozen=True, slots=True)
class DaysBalance:
    """By how much an account changed from the morning of one day to the evening of another, as the bank has it."""

    asset: Asset
    first: date
    last: date
    change_units: int


class BankApi(Protocol):
    """One account at one bank; every method may raise SourceDown, SourceRefused or SourceLied."""

    notice: str

    def reads(self, marks: Marks) -> Iterator[Read]:
        """Ask for what is new since, and for what may have changed; what was told before a fault is given first."""
        ...

    def greet(self) -> str:
        """Ask the least that shows whether token and account are right; say in words what the bank answered."""
        ...

    def balance(self) -> DaysBalance | None:
        """Ask by how much the account changed over the last days that are over; None where the API cannot tell."""
        ...


def row_key(reference: str) -> str:
    """Name a row that is set aside, for people."""
    return f"line {reference[:80]}"

"""One line of a bank account, whatever told it: a file or an API. Pure.

A line is what the bank says. What it means (a gift, a payout) is said in classes.py; whether it is
known already, in identity.py.
"""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from support_service.money import Money


class LineStanding(StrEnum):
    """How far the bank is with a line; only booked lines are money."""

    PENDING = "pending"
    BOOKED = "booked"
    TAKEN_BACK = "taken_back"

    @property
    def rank(self) -> int:
        """Later is higher: an older or poorer message never leads back."""
        return _RANKS[self]


_RANKS = {standing: rank for rank, standing in enumerate(LineStanding)}


@dataclass(frozen=True, slots=True)
class Party:
    """Whoever stands on the other side; "" where the bank does not say.

    code is the tax code (EDRPOU of 8 digits, RNOKPP of 10).
    """

    name: str = ""
    account: str = ""
    code: str = ""


NOBODY = Party()


@dataclass(frozen=True, slots=True)
class Line:
    """One movement of one account.

    account: our IBAN, or the name a bank gives instead ("jar:...", "card:5168********0000").
    day: the booking day as the bank names it (Kyiv's calendar for Ukrainian banks), never derived from
    UTC; None while pending without one.
    money: signed; positive came in.
    counterparty: whose money it is where the bank tells (the ultimate payer); paid_through names who
    carried it then. payer_in_text is read from the purpose of a transit account's line.
    clock: the bank's wall clock, "2026-09-02T21:11" or with seconds; "" where none is told.
    reference: the bank's own; reference_part tells lines under one reference apart (PrivatBank's REFN).
    is_reference_unique: the bank gives it to one line only, so seen twice it is one line.
    partial_references: other spellings of the reference that files of the same bank use.
    entry_units, entry_parts: the whole entry this line is a part of (CAMT batches).
    kind: the bank's own codes for what happened ("PMNT RCDT ESCT", "CHG", "mcc 4829").
    balance_after_units: of the account, after this line.
    row: where it stands in the file, counted from 1.
    raw: what the file or API said, as text.
    """

    account: str
    day: date | None
    money: Money
    family: str
    standing: LineStanding = LineStanding.BOOKED
    counterparty: Party = NOBODY
    paid_through: str = ""
    payer_in_text: str = ""
    purpose: str = ""
    value_day: date | None = None
    clock: str = ""
    document: str = ""
    reference: str = ""
    reference_part: str = ""
    is_reference_unique: bool = False
    partial_references: tuple[str, ...] = ()
    end_to_end: str = ""
    structured_reference: str = ""
    entry_units: int | None = None
    entry_parts: int = 1
    batch_count: int = 1
    is_reversal: bool = False
    is_return: bool = False
    may_be_cut: bool = False
    instructed: Money | None = None
    balance_after_units: int | None = None
    kind: str = ""
    row: int = 0
    raw: str = ""

    @property
    def is_credit(self) -> bool:
        """Money came in."""
        return self.money.units > 0

    @property
    def books_money(self) -> bool:
        """Only a booked line moves money in the books."""
        return self.standing is LineStanding.BOOKED

    @property
    def texts(self) -> tuple[str, ...]:
        """Every text a payer may have written a support code into."""
        return tuple(text for text in (self.purpose, self.end_to_end, self.structured_reference) if text)

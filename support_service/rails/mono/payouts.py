"""Payouts: mono pays out what a day's payments came to, less its fee and what went back that day. Pure.

When exactly it does so depends on the contract, and weekends are paid out together: a line of the bank is tied to the
nearest run of days before it that comes to its sum, each day to one line.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from support_service.giving import BankCredit
from support_service.rails.mono.statement import PAID, StatementRow

# The bank's days.
KYIV = ZoneInfo("Europe/Kyiv")
DAYS_IN_ONE_MAX, DAYS_LATER_MAX = 5, 3


class CurrencyDay(NamedTuple):
    """One day of one currency."""

    code: str
    day: date


@dataclass(slots=True)
class DayBooks:
    """What one day came to: payments, their sum, what mono kept, what went back."""

    payments: int = 0
    gross_units: int = 0
    fee_units: int = 0
    back_units: int = 0

    @property
    def net_units(self) -> int:
        """What is to be paid out of it."""
        return self.gross_units - self.fee_units - self.back_units

    def __add__(self, other: "DayBooks") -> "DayBooks":
        return DayBooks(
            self.payments + other.payments,
            self.gross_units + other.gross_units,
            self.fee_units + other.fee_units,
            self.back_units + other.back_units,
        )


@dataclass(frozen=True, slots=True)
class PaidDays:
    """A line of the bank, and the days that it pays out; none where no run of days comes to its sum."""

    line: BankCredit
    days: tuple[date, ...] = ()
    books: DayBooks = field(default_factory=DayBooks)


def day_books(rows: Iterable[StatementRow]) -> dict[CurrencyDay, DayBooks]:
    """Sum payments by currency and day; a refund lessens the day on which it was made."""
    books: dict[CurrencyDay, DayBooks] = {}
    for row in rows:
        if row.status != PAID:
            continue
        kept = 0 if row.profit_units is None else max(0, row.units - row.profit_units)
        _add(books, CurrencyDay(row.code, _day(row.at)), DayBooks(1, row.units, kept))
        for back in row.backs:
            _add(books, CurrencyDay(row.code, _day(back.at)), DayBooks(back_units=back.units))
    return books


def tied(lines: Sequence[BankCredit], books: dict[CurrencyDay, DayBooks]) -> list[PaidDays]:
    """Tie each line, in the order of days, to days that no line before it was tied to."""
    left = dict(books)
    found: list[PaidDays] = []
    for line in sorted(lines, key=lambda one: one.day):
        payout = _fitting(line, left)
        for day in payout.days:
            left.pop(CurrencyDay(line.asset, day), None)
        found.append(payout)
    return found


def _fitting(line: BankCredit, books: dict[CurrencyDay, DayBooks]) -> PaidDays:
    for later in range(DAYS_LATER_MAX + 1):
        total, days = DayBooks(), list[date]()
        for earlier in range(DAYS_IN_ONE_MAX):
            day = line.day - timedelta(later + earlier)
            if CurrencyDay(line.asset, day) not in books:
                continue
            total, days = total + books[CurrencyDay(line.asset, day)], [day, *days]
            if total.net_units == line.units:
                return PaidDays(line, tuple(days), total)
    return PaidDays(line)


def _add(books: dict[CurrencyDay, DayBooks], key: CurrencyDay, more: DayBooks) -> None:
    books[key] = books.get(key, DayBooks()) + more


def _day(moment: datetime) -> date:
    return moment.astimezone(KYIV).date()

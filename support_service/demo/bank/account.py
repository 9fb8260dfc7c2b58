"""An account at a stand-in bank, and the payments on it."""

import itertools
from dataclasses import dataclass, field
from datetime import date, datetime
from threading import RLock
from zoneinfo import ZoneInfo

from support_service.giving import Clock

KYIV = ZoneInfo("Europe/Kyiv")
ON_ITS_WAY, BOOKED, TAKEN_BACK, REFUSED = "p", "r", "t", "n"


@dataclass(eq=False)
class Payment:
    """One payment; units are signed, and booked_at says when the bank booked it. day overrides the bank's own day.

    is_passed_over: it is in the balances and in no statement, by a fault of the bank's.
    """

    number: int
    units: int
    made_at: datetime
    name: str = "Читач Приклад"
    account: str = "UA713052990000029029999000111"
    code: str = "3333333333"
    purpose: str = ""
    standing: str = BOOKED
    has_reference: bool = True
    booked_at: datetime | None = None
    day: date | None = None
    is_passed_over: bool = False

    @property
    def booking_day(self) -> date:
        """The day as the bank names it: Kyiv's calendar."""
        return self.day or (self.booked_at or self.made_at).astimezone(KYIV).date()


@dataclass
class DemoBankAccount:
    """An account: what it is called, in which currency, with how much it began."""

    name: str
    currency: str
    opening_units: int
    clock: Clock
    payments: list[Payment] = field(default_factory=list)
    lock: RLock = field(default_factory=RLock)
    _numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    @property
    def id(self) -> str:
        """What monobank calls it."""
        kind, _, rest = self.name.partition(":")
        return rest if kind in {"jar", "account"} else f"acc{self.name[-6:]}".replace("*", "0").replace(":", "0")

    def pay(self, units: int, purpose: str = "", **more: object) -> Payment:
        """Let a payment come in, or go out where units are negative; booked at once unless `standing` is another."""
        with self.lock:
            made = Payment(next(self._numbers), units, self.clock(), purpose=purpose, **more)  # type: ignore[arg-type]
            if made.standing == BOOKED:
                made.booked_at = self.clock()
            self.payments.append(made)
            return made

    def book(self, payment: Payment) -> None:
        """Book what was on its way: from now on it has a reference."""
        with self.lock:
            payment.standing, payment.has_reference, payment.booked_at = BOOKED, True, self.clock()

    def take_back(self, payment: Payment) -> None:
        """Take a payment back."""
        with self.lock:
            payment.standing = TAKEN_BACK

    def drop(self, payment: Payment) -> None:
        """Let what was on its way vanish."""
        with self.lock:
            self.payments.remove(payment)

    def balance_units(self, upto: Payment | None = None, *, before: date | None = None) -> int:
        """Return the balance now, after a payment, or before a day; what was taken back is not in it."""
        total = self.opening_units
        for one in self.payments:
            if before is not None and one.booking_day >= before:
                continue
            total += one.units if one.standing == BOOKED else 0
            if one is upto:
                break
        return total

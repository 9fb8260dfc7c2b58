"""The statement of a merchant: every payment of a time, what mono kept of it, and what went back. Pure.

It names no subscription. Which one a payment without a reference was charged for is told by the times of that
subscription's own payments, where exactly one fits.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from support_service.rails.mono.fields import (
    BadMessage,
    MonoJson,
    currency_code,
    intent_ref,
    known_as,
    minor_units,
    objects,
    optional_units,
    told_moment,
    word,
)

# How far apart the two times of one charge may be.
SAME_CHARGE_WITHIN = timedelta(minutes=2)
PAID = "success"


@dataclass(frozen=True, slots=True)
class GivenBack:
    """What went back of a payment, and when."""

    at: datetime
    units: int


@dataclass(frozen=True, slots=True)
class StatementRow:
    """One payment; profit_units is what is paid out of it, backs what went back."""

    invoice: str
    status: str
    at: datetime
    units: int
    code: str
    ref: str | None
    profit_units: int | None
    backs: tuple[GivenBack, ...] = ()

    @property
    def back_units(self) -> int:
        """What went back in all."""
        return sum(one.units for one in self.backs)

    @property
    def fee_units(self) -> int | None:
        """What mono kept; None where it is not told, or cannot be told from what went back."""
        if self.profit_units is None or self.back_units or not 0 <= self.profit_units <= self.units:
            return None
        return self.units - self.profit_units


@dataclass(frozen=True, slots=True)
class PlanCharge:
    """One payment of a subscription, which names no invoice."""

    plan: str
    at: datetime
    units: int
    code: str


def read_row(of: MonoJson) -> StatementRow:
    """Read a row."""
    backs = [GivenBack(told_moment(one, "date"), minor_units(one, "amount")) for one in objects(of, "cancelList")]
    return StatementRow(
        invoice=known_as(of, "invoiceId"),
        status=word(of, "status"),
        at=told_moment(of, "date"),
        units=minor_units(of, "amount"),
        code=currency_code(of),
        ref=intent_ref(of),
        profit_units=optional_units(of, "profitAmount"),
        backs=tuple(backs),
    )


def read_charges(plan: str, told: MonoJson) -> list[PlanCharge]:
    """Read the successful payments of a subscription."""
    return [
        PlanCharge(plan, told_moment(one, "chargedAt"), minor_units(one, "amount"), currency_code(one))
        for one in objects(told, "payments")
        if word(one, "status") == PAID
    ]


def pages_of(told: MonoJson) -> int:
    """Read how many pages a list has."""
    pagination = told.get("pagination")
    if not isinstance(pagination, dict):
        raise BadMessage("pagination is missing")
    return minor_units(pagination, "totalPages")


def charged_plans(rows: Sequence[StatementRow], charges: Sequence[PlanCharge]) -> Mapping[str, str]:
    """Tell by invoice which subscription it was charged for, where one charge alone fits one row alone."""
    fits = {row.invoice: [one for one in charges if _is_same(row, one)] for row in rows}
    wanted = Counter(one for found in fits.values() for one in found)
    return {invoice: found[0].plan for invoice, found in fits.items() if len(found) == 1 and wanted[found[0]] == 1}


def _is_same(row: StatementRow, charge: PlanCharge) -> bool:
    is_near = abs(row.at - charge.at) <= SAME_CHARGE_WITHIN
    return (row.units, row.code) == (charge.units, charge.code) and is_near

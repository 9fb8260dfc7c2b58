"""What mono tells of an invoice and of a subscription, read into records. Pure.

An invoice is told in one form, pushed (`webHookUrl`) or asked for (`invoice/status`). A charge of a subscription is
told in the same form beside the subscription's name. What is of another form is BadMessage.
"""

from dataclasses import dataclass
from datetime import datetime

from support_service.giving import Outcome, PlanTerms
from support_service.rails.mono.fields import (
    BadMessage,
    MonoJson,
    currency_code,
    intent_ref,
    interval,
    known_as,
    minor_units,
    objects,
    optional_moment,
    optional_name,
    optional_units,
    part_of,
    told_moment,
    word,
)

# The statuses of an invoice that say nothing about money: it may come yet, or will not. A hold is money that nobody
# took, and we order none.
MONEYLESS = frozenset({"created", "processing", "hold", "failure", "expired"})
PAID, REVERSED, DECLINED = "success", "reversed", "failure"
# After these nothing more will come of it.
OVER = frozenset({"expired", "failure"})

OUTCOMES = {"processing": Outcome.PENDING, "success": Outcome.SUCCEEDED, "failure": Outcome.FAILED}


@dataclass(frozen=True, slots=True)
class Cancel:
    """One entry of an invoice's cancelList: money that goes back. name: our own key, or else its time."""

    name: str
    units: int
    code: str
    outcome: Outcome
    modified_at: datetime


@dataclass(frozen=True, slots=True)
class Invoice:
    """An invoice as mono tells it; units are gross, before fees and refunds.

    ref is our reference, plan the subscription that it charges for. final_units is what is left of it, fee_units what
    mono kept; None where that is not told.
    """

    name: str
    status: str
    units: int
    code: str
    ref: str | None
    plan: str | None
    created_at: datetime
    modified_at: datetime
    cancels: tuple[Cancel, ...] = ()
    final_units: int | None = None
    fee_units: int | None = None

    @property
    def is_paid(self) -> bool:
        """Tell whether money came, also where it went back since."""
        return self.status in {PAID, REVERSED}

    @property
    def adds_up(self) -> bool:
        """Tell whether what is left is the sum less what went back, or goes."""
        if self.final_units is None or self.status != PAID:
            return True
        gone = sum(one.units for one in self.cancels if one.outcome is not Outcome.FAILED)
        return self.units - gone <= self.final_units <= self.units


@dataclass(frozen=True, slots=True)
class Subscription:
    """A gift that repeats, as mono tells it; charges is how often it was paid, where that is told."""

    name: str
    status: str
    units: int
    code: str
    started_at: datetime
    terms: PlanTerms
    charges: int | None = None


def read_invoice(of: MonoJson, plan: str | None = None) -> Invoice:
    """Read an invoice's status."""
    name, status = known_as(of, "invoiceId"), word(of, "status")
    if status not in MONEYLESS | {PAID, REVERSED}:
        raise BadMessage("an invoice's status is of no kind that is known")
    created = optional_moment(of, "createdDate")
    modified = optional_moment(of, "modifiedDate") or created
    if modified is None:
        raise BadMessage("it has no time")
    return Invoice(
        name=name,
        status=status,
        units=minor_units(of, "amount"),
        code=currency_code(of),
        ref=intent_ref(of),
        plan=plan or optional_name(of, "subscriptionId"),
        created_at=created or modified,
        modified_at=modified,
        cancels=_cancels(of),
        final_units=optional_units(of, "finalAmount"),
        fee_units=_fee(of),
    )


def read_subscription(of: MonoJson) -> Subscription:
    """Read a subscription's status."""
    status = word(of, "status")
    started = told_moment(of, "startDate")
    unit, count = interval(of)
    terms = PlanTerms(unit, count, optional_moment(of, "endDate"), next_at=optional_moment(of, "nextChargeDate"))
    return Subscription(
        name=known_as(of, "subscriptionId"),
        status=status,
        units=minor_units(of, "amount"),
        code=currency_code(of),
        started_at=started,
        terms=terms,
        charges=optional_units(part_of(of, "summary"), "totalPaid"),
    )


def is_subscription(of: MonoJson) -> bool:
    """Tell whether this is about a subscription itself, and no invoice."""
    return optional_name(of, "invoiceId") is None and optional_name(of, "subscriptionId") is not None


def _fee(of: MonoJson) -> int | None:
    """Read what was kept; it is told once more by the statement, so an odd one hides no payment."""
    try:
        return optional_units(part_of(of, "paymentInfo"), "fee")
    except BadMessage:
        return None


def _cancels(of: MonoJson) -> tuple[Cancel, ...]:
    found: list[Cancel] = []
    nameless = 0
    for one in objects(of, "cancelList"):
        outcome = OUTCOMES.get(word(one, "status"))
        if outcome is None:
            raise BadMessage("a cancel's status is of no kind that is known")
        created = optional_moment(one, "createdDate")
        modified = optional_moment(one, "modifiedDate") or created
        if modified is None:
            raise BadMessage("a cancel has no time")
        name = _own_key(one)
        if name is None:
            # One that was made in mono's own cabinet: told again it stands at the same place among such.
            nameless += 1
            name = f"at:{(created or modified).isoformat()}:{nameless}"
        code = currency_code(one) if one.get("ccy") is not None else currency_code(of)
        found.append(Cancel(name, minor_units(one, "amount"), code, outcome, modified))
    return tuple(found)


def _own_key(of: MonoJson) -> str | None:
    told = of.get("extRef")
    if told is None or told == "":
        return None
    if not isinstance(told, str) or len(told) > 200 or not told.isprintable():
        raise BadMessage("extRef is no key")
    return told

"""What there is to be told, and what of it a change in the ledger brings. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from fractions import Fraction
from zoneinfo import ZoneInfo

from support_service.giving import COUNTED_KINDS, Direction, Donation, Plan
from support_service.ledger import ChangeKind, DonationChange

# A value that is filled in for last year's gifts is no news.
NEWS_FOR = timedelta(days=3)


class Event(StrEnum):
    """What a channel may ask for in `events`."""

    GIFT = "gift"
    LARGE_GIFT = "large_gift"
    FIRST_OF_DAY = "first_of_day"
    MONTHLY_BEGUN = "monthly_begun"
    MONTHLY_FAILING = "monthly_failing"
    MONTHLY_LOST = "monthly_lost"
    REFUND = "refund"
    DISPUTE = "dispute"
    INBOX = "inbox"
    SOURCE = "source"
    FREEZE = "freeze"
    ADDRESS = "address_changed"
    MONTH = "month_not_closed"


# Each is told of every gift, or of money: a flood of dust must not fill a mailbox.
OF_GIFTS = frozenset({Event.GIFT, Event.LARGE_GIFT, Event.FIRST_OF_DAY, Event.REFUND, Event.DISPUTE})


@dataclass(frozen=True, slots=True)
class Happened:
    """Something to be told: which event asks for it, its own word, its key and thread, and the facts of it.

    gift: what a channel may hold against its least amounts.
    """

    event: Event
    kind: str
    key: str
    thread: str
    facts: dict[str, object] = field(default_factory=dict)
    gift: Donation | None = None


@dataclass(frozen=True, slots=True)
class Moment:
    """When a change is looked at: now, since when anything is told, and whose days count."""

    now: datetime
    since: datetime
    zone: ZoneInfo


def of_change(change: DonationChange, at: Moment) -> Iterator[Happened]:
    """Say what one change of one gift means."""
    after, number, kinds = change.after, change.place.report, set(change.kinds)
    facts, ref = gift_facts(after), after.identity.ref
    if after.identity.direction is not Direction.IN:
        return
    if ChangeKind.TO_REVIEW in kinds:
        # Once an hour is enough to make a person look, however many lines a statement brings.
        yield Happened(Event.INBOX, "inbox", f"inbox:{at.now:%Y-%m-%dT%H}", "inbox", {})
    if after.payment.kind not in COUNTED_KINDS:
        return
    confirmed_at = after.confirmed_at
    is_news = confirmed_at is not None and confirmed_at >= at.since
    if ChangeKind.CONFIRMED in kinds and is_news and confirmed_at is not None:
        yield Happened(Event.GIFT, "gift", f"gift:{ref}:{number}", ref, facts)
        day = confirmed_at.astimezone(at.zone).date()
        if after.counted_units and day == at.now.astimezone(at.zone).date():
            yield Happened(Event.FIRST_OF_DAY, "first_of_day", f"first_of_day:{day}", ref, facts)
    is_valued = ChangeKind.VALUED in kinds and confirmed_at is not None and confirmed_at >= at.now - NEWS_FOR
    if (ChangeKind.CONFIRMED in kinds or is_valued) and is_news and after.counted_units:
        yield Happened(Event.LARGE_GIFT, "large_gift", f"large_gift:{ref}", ref, facts, after)
    if ChangeKind.WITHDRAWN in kinds and change.before is not None and change.before.confirmed_at is not None:
        yield Happened(Event.GIFT, "gift_withdrawn", f"gift_withdrawn:{ref}:{number}", ref, facts)
    yield from _given_back(change, facts)


def _given_back(change: DonationChange, facts: dict[str, object]) -> Iterator[Happened]:
    ref, number, kinds = change.after.identity.ref, change.place.report, set(change.kinds)
    if ChangeKind.REFUNDED in kinds and ChangeKind.DISPUTE_ENDED not in kinds:
        yield Happened(Event.REFUND, "refund", f"refund:{ref}:{number}", ref, facts)
    if ChangeKind.DISPUTED in kinds:
        yield Happened(Event.DISPUTE, "dispute", f"dispute:{ref}:{number}", ref, facts)
    if ChangeKind.DISPUTE_ENDED in kinds:
        yield Happened(Event.DISPUTE, "dispute_ended", f"dispute_ended:{ref}:{number}", ref, facts)


@dataclass(frozen=True, slots=True)
class PlanStands:
    """How a plan stands, in our words: it is over, its last payment failed, or it runs."""

    is_over: bool
    is_failing: bool


def of_plan(plan: Plan, stands: PlanStands, *, is_new: bool) -> Iterator[Happened]:
    """Say what the present state of a plan means; each key is told once, so a state that lasts is no news."""
    thread, facts = f"plan:{plan.rail}:{plan.name}", plan_facts(plan)
    if stands.is_over:
        yield Happened(Event.MONTHLY_LOST, "monthly_lost", f"monthly_lost:{plan.rail}:{plan.name}", thread, facts)
    elif stands.is_failing:
        key = f"monthly_failing:{plan.rail}:{plan.name}:{plan.changed_at:%Y-%m-%d}"
        yield Happened(Event.MONTHLY_FAILING, "monthly_failing", key, thread, facts)
    elif is_new:
        yield Happened(Event.MONTHLY_BEGUN, "monthly_begun", f"monthly_begun:{plan.rail}:{plan.name}", thread, facts)


def gift_facts(gift: Donation) -> dict[str, object]:
    """Write a gift for the outbox and for programs: exact, and without a word about who gave."""
    payment, value = gift.payment, gift.value
    told = None
    if value is not None:
        told = {"currency": value.currency, "units": str(value.units), "exponent": value.exponent}
    return {
        "donation": gift.identity.ref,
        "method": payment.method,
        "rail": payment.rail,
        "network": gift.identity.network or None,
        "asset": gift.identity.asset,
        "exponent": payment.exponent,
        "units": str(payment.units),
        "refunded_units": str(gift.refunded_units),
        "state": str(gift.state),
        "occurred_at": payment.occurred_at.isoformat(),
        "value": told,
    }


def plan_facts(plan: Plan) -> dict[str, object]:
    """Write a plan likewise; the reference of its own page is its giver's alone."""
    return {
        "plan": plan.name,
        "rail": plan.rail,
        "asset": plan.currency,
        "exponent": plan.exponent,
        "units": str(plan.units),
        "frequency": str(plan.frequency),
        "state": plan.state,
    }


def is_at_least(gift: Donation, minimums: Mapping[str, Fraction]) -> bool:
    """Tell whether a gift, or its value, reaches the least amount in its own currency or asset."""
    payment, value = gift.payment, gift.value
    sums = [(gift.identity.asset, payment.units, payment.exponent)]
    sums += [] if value is None else [(value.currency, value.units, value.exponent)]
    return any(code in minimums and Fraction(units, 10**exponent) >= minimums[code] for code, units, exponent in sums)

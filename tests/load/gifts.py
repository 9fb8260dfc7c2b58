"""Card gifts by the thousand: the events that Stripe tells of each, and what must become of it.

Every payment lives one story. The story itself writes down the truth, one row for each piece of money,
from the sums it drew: no line of the service has a part in it. Of events that say the same, some are
left out, as an endpoint is not subscribed to all of them.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, TypeAlias

from support_service.demo.stripe import StripeFake, checkout, invoices
from support_service.giving import Frequency, Intent
from support_service.ledger import Ledger

Event: TypeAlias = dict[str, Any]

CURRENCIES = ("EUR", "UAH", "USD")
LEAST, MOST = 3_000, 90_000
COMPLETED, PI_PAID = "checkout.session.completed", "payment_intent.succeeded"
# Told for every payment, and nothing follows from them: stored and counted, but for one payment in twenty left out.
SAYS_NOTHING = frozenset({"payment_intent.created", "charge.updated", "charge.refunded", "customer.created"})
SAYS_NOTHING |= {"invoice.created", "invoice.finalized", "charge.pending", "charge.failed", "charge.succeeded"}
TOLD_TWICE = frozenset({"invoice.payment_succeeded", "charge.refund.updated"})


@dataclass(frozen=True)
class Truth:
    """What must stand in the ledger for one piece of money."""

    locator: str
    currency: str
    state: str
    units: int
    counted: int


@dataclass(frozen=True)
class Gift:
    """One payment, or one plan with its payments."""

    story: str
    events: tuple[Event, ...]
    truth: tuple[Truth, ...]


@dataclass
class Moving:
    """A clock that stands until it is moved."""

    now: datetime

    def __call__(self) -> datetime:
        return self.now


class Teller:
    """Lets gifts happen at a stand-in for Stripe, after their intents were opened in the ledger."""

    def __init__(self, fake: StripeFake, clock: Moving, ledger: Ledger, seed: int) -> None:
        self.fake, self.ledger, self.random = fake, ledger, Random(seed)
        self._clock = clock
        self._names, self._weights = list(STORIES), [share for share, _, _ in STORIES.values()]

    def tell(self) -> Gift:
        """Let one more gift happen."""
        (story,) = self.random.choices(self._names, self._weights)
        _, happen, may_miss = STORIES[story]
        self.fake.account.events.clear()
        truth = happen(self)
        self._pass()
        return Gift(story, tuple(self._heard(may_miss)), tuple(truth))

    def begin(
        self, *, is_monthly: bool = False, is_known: bool = True, charged: int | None = None
    ) -> tuple[str, str, int]:
        """Choose a sum and open its payment page: session, currency, units. charged: what the page asks instead."""
        currency, units = self.random.choice(CURRENCIES), self.random.randint(LEAST, MOST)
        intent = Intent(
            ref=self.random.randbytes(16).hex(),
            method="stripe",
            currency=currency,
            exponent=2,
            units=units,
            frequency=Frequency.MONTHLY if is_monthly else Frequency.ONCE,
            lang="en",
            made_at=self._clock.now,
        )
        if is_known:
            self.ledger.intents.open(intent, nonce=secrets.token_hex(16))
        form = page_form(intent.ref, currency, charged or units, is_monthly=is_monthly)
        return str(checkout.create_session(self.fake.account, form)["id"]), currency, units

    def later(self) -> None:
        """Let some time go by between two things that happen to one payment; now and then none does."""
        self._pass((0, 1, 40, 90_000))

    def _pass(self, seconds: tuple[int, ...] = (0, 1, 7)) -> None:
        self._clock.now += timedelta(seconds=self.random.choice(seconds))

    def _heard(self, may_miss: tuple[str, ...]) -> list[Event]:
        quiet = TOLD_TWICE if self.random.random() < 0.05 else TOLD_TWICE | SAYS_NOTHING
        missed = self.random.choice((*may_miss, ""))
        return [event for event in self.fake.account.events if event["type"] not in {*quiet, missed}]


def page_form(ref: str, currency: str, units: int, *, is_monthly: bool) -> dict[str, Any]:
    """Write the request for a payment page as Stripe reads it."""
    price: dict[str, Any] = {
        "currency": currency.lower(),
        "unit_amount": str(units),
        "product_data": {"name": "Gift"},
    }
    inside = "subscription_data" if is_monthly else "payment_intent_data"
    if is_monthly:
        price["recurring"] = {"interval": "month"}
    return {
        "mode": "subscription" if is_monthly else "payment",
        "success_url": "http://127.0.0.1:1/thanks/abc",
        "line_items": [{"price_data": price, "quantity": "1"}],
        "metadata": {"intent": ref},
        inside: {"metadata": {"intent": ref}},
    }


def begin_time() -> datetime:
    """Return when the first gift happens: long enough ago that all have happened by now."""
    return (datetime.now(UTC) - timedelta(days=400)).replace(microsecond=0)


def _once(to: Teller) -> list[Truth]:
    session, currency, units = to.begin()
    return [Truth(_paid(to, session), currency, "confirmed", units, units)]


def _declined(to: Teller) -> list[Truth]:
    session, _, _ = to.begin()
    to.fake.decline(session)
    return []


def _declined_then_paid(to: Teller) -> list[Truth]:
    session, currency, units = to.begin()
    to.fake.decline(session)
    to.later()
    return [Truth(_paid(to, session), currency, "confirmed", units, units)]


def _left(to: Teller) -> list[Truth]:
    to.fake.expire(to.begin()[0])
    return []


def _slow(to: Teller) -> list[Truth]:
    session, currency, units = to.begin()
    name = str(to.fake.pay(session, is_async=True)["payment_intent"])
    end = to.random.choice(("confirmed", "orphaned", "seen"))
    if end != "seen":
        to.later()
        to.fake.settle(session, is_ok=end == "confirmed")
    return [Truth(name, currency, end, units, units if end == "confirmed" else 0)]


def _other_sum(to: Teller) -> list[Truth]:
    charged = LEAST - 1
    session, currency, _ = to.begin(charged=charged)
    return [Truth(_paid(to, session), currency, "quarantined", charged, 0)]


def _unknown(to: Teller) -> list[Truth]:
    session, currency, units = to.begin(is_known=False)
    return [Truth(_paid(to, session), currency, "quarantined", units, 0)]


def _refunded(to: Teller) -> list[Truth]:
    session, currency, units = to.begin()
    name, back = _paid(to, session), to.random.randint(1, units)
    to.later()
    refund = to.fake.refund(name, back, to.random.choice(("pending", "succeeded")))
    is_failed = to.random.random() < 0.3
    to.later()
    if is_failed:
        to.fake.fail_refund(refund["id"])
    elif refund["status"] == "pending":
        to.fake.settle_refund(refund["id"])
    return [_given_back(name, currency, units, 0 if is_failed else back)]


def _disputed(to: Teller) -> list[Truth]:
    session, currency, units = to.begin()
    name = _paid(to, session)
    to.later()
    dispute, end = to.fake.dispute(name), to.random.choice(("open", "lost", "won"))
    to.later()
    if end != "open":
        to.fake.close_dispute(dispute["id"], is_won=end == "won")
    if end == "won":
        return [Truth(name, currency, "confirmed", units, units)]
    return [Truth(name, currency, "disputed", units, 0)]


def _plan(to: Teller) -> list[Truth]:
    session, currency, units = to.begin(is_monthly=True)
    made = to.fake.pay(session)
    names = [str(made["invoice"])]
    for _ in range(to.random.choice((0, 0, 1, 2))):
        to.later()
        names.append(str(to.fake.renew(made["subscription"])["id"]))
    return [Truth(name, currency, "confirmed", units, units) for name in names]


def _plan_refunded(to: Teller) -> list[Truth]:
    session, currency, units = to.begin(is_monthly=True)
    invoice = str(to.fake.pay(session)["invoice"])
    back = to.random.randint(1, units)
    to.later()
    to.fake.refund(invoices.payment_of(to.fake.account, to.fake.get("invoice", invoice)), back)
    return [_given_back(invoice, currency, units, back)]


def _paid(to: Teller, session: str) -> str:
    return str(to.fake.pay(session)["payment_intent"])


def _given_back(name: str, currency: str, units: int, back: int) -> Truth:
    state = "confirmed" if not back else "refunded" if back == units else "partially_refunded"
    return Truth(name, currency, state, units, units - back)


# How many of a hundred, what happens, and the events of which one may be left out.
STORIES: dict[str, tuple[int, Callable[[Teller], list[Truth]], tuple[str, ...]]] = {
    "once": (62, _once, (COMPLETED, PI_PAID)),
    "declined": (4, _declined, ()),
    "declined, then paid": (3, _declined_then_paid, (COMPLETED, PI_PAID)),
    "left": (3, _left, ()),
    "slow": (6, _slow, ()),
    "another sum": (2, _other_sum, (COMPLETED, PI_PAID)),
    "unknown": (2, _unknown, (COMPLETED, PI_PAID)),
    "refunded": (6, _refunded, (COMPLETED, PI_PAID)),
    "disputed": (4, _disputed, (COMPLETED, PI_PAID)),
    "monthly": (5, _plan, (PI_PAID, "customer.subscription.updated")),
    "monthly, refunded": (3, _plan_refunded, (PI_PAID, COMPLETED, "invoice.paid")),
}

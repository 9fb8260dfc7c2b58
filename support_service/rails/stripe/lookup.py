"""Looking payments up at Stripe again: by any of their names, and while they are not over.

What is found is said by the same readers as what an event tells, so that told or looked up is one.
"""

from datetime import datetime
from itertools import islice

from support_service.giving import (
    PAYMENT_PART,
    DisputeClaim,
    HoldsClaim,
    OpenMoney,
    PaymentClaim,
    Plan,
    RefundClaim,
    State,
    is_open,
)
from support_service.rails.stripe.api import StripeApi
from support_service.rails.stripe.balance_transactions import owner
from support_service.rails.stripe.fields import (
    NotReadable,
    StripeJson,
    currency,
    intent_ref,
    moment,
    name,
    optional_id,
    subscription_details,
)
from support_service.rails.stripe.objects import Reader
from support_service.rails.stripe.payouts import inside, is_told, may_be_told, not_told_yet, payout_of, payout_said
from support_service.rails.stripe.ranks import MICROS, EventTime, StripeClaims

# What a payment intent or an invoice says when nothing will come of it.
_OVER = frozenset({"canceled", "requires_payment_method", "void", "uncollectible"})
_CHARGES = ("ch_", "py_")
# More than a newsroom's readers give between two payouts; one that holds more names the first of them.
ENTRIES_MAX = 10_000


class Lookup:
    """Asks Stripe and reads what it says; `read` holds every object that was looked at. May raise NotReadable."""

    def __init__(self, api: StripeApi, reader: Reader, now: datetime) -> None:
        self._api, self._reader = api, reader
        self._now = EventTime(int(now.timestamp()) * MICROS)
        self.read: list[StripeJson] = []

    def payment(self, known_as: str) -> StripeClaims:
        """Say what a name stands for: our money, a plan's, or foreign; nothing where Stripe does not know it."""
        if not known_as.startswith(_CHARGES):
            return self._payment(known_as)
        charge = self._one("charge", known_as)
        paid_by = None if charge is None else optional_id(charge, "payment_intent")
        if charge is None or paid_by is None:
            return StripeClaims() if charge is None else self._reader.charge(charge, _made(charge))
        said = self._payment(paid_by)
        meant = dict(said.aliases).get(paid_by)
        return said if meant is None else said + StripeClaims(aliases=((known_as, meant),))

    def _payment(self, known_as: str) -> StripeClaims:
        """Say the same of a payment intent."""
        intent = self._one("payment_intent", known_as)
        if intent is None:
            return StripeClaims()
        if intent_ref(intent.get("metadata")) is not None:
            return self._reader.payment_intent(intent, _made(intent))
        of_plan = self._of_plan(known_as)
        if of_plan != StripeClaims() or intent.get("status") != "succeeded":
            return of_plan
        return self._reader.foreign_intent(intent, _made(intent))

    def again(self, open_money: OpenMoney) -> StripeClaims:
        """Say how money that is not over stands now, as far as that is not what is held already."""
        said = StripeClaims()
        for part, claim in open_money.claims.items():
            if isinstance(claim, PaymentClaim) and claim.state is State.SEEN:
                said += self._payment_again(open_money.identity.locator)
            elif is_open(claim) and isinstance(claim, HoldsClaim):
                said += self._inside_again(claim.ask_again)
            elif is_open(claim) and isinstance(claim, RefundClaim | DisputeClaim):
                kind = "refund" if isinstance(claim, RefundClaim) else "dispute"
                found = self._one(kind, part)
                read = self._reader.refund if kind == "refund" else self._reader.dispute
                said += StripeClaims() if found is None else read(found, self._now)
        return _unheld(said, open_money)

    def anything(self, known_as: str) -> StripeClaims:
        """Say what a plan, a payment or an invoice of a name says now."""
        if known_as.startswith("sub_"):
            return self._plan(known_as)
        return self._payment_again(known_as) if known_as.startswith("in_") else self.payment(known_as)

    def paid_out(self, entry: StripeJson, payout: StripeJson) -> StripeClaims:
        """Say that money was paid out, and what is inside as soon as that is told."""
        return payout_said(self._reader, entry, payout) + self._inside(entry, payout)

    def _inside(self, entry: StripeJson, payout: StripeJson) -> StripeClaims:
        if not may_be_told(payout):
            return StripeClaims()
        if not is_told(payout):
            return not_told_yet(payout, entry)
        asked = {"payout": name(payout), "expand": ["data.source"]}
        entries = (one for page in self._api.pages("/v1/balance_transactions", **asked) for one in page)
        names = tuple(paid for one in islice(entries, ENTRIES_MAX) if (paid := owner(one)) is not None)
        return inside(payout, names)

    def _inside_again(self, asked_by: str) -> StripeClaims:
        entry = self._api.one("balance_transaction", asked_by, expand=["source"])
        payout = None if entry is None else payout_of(entry)
        return StripeClaims() if entry is None or payout is None else self._inside(entry, payout)

    def plan(self, held: Plan) -> StripeClaims:
        """Say how a plan stands now, if that has changed."""
        said = self._plan(held.name)
        now = [(one.state, one.units, one.terms) for one in said.plans]
        is_same = all(one == (held.state, held.units, held.terms) for one in now)
        return StripeClaims() if is_same else said

    def _of_plan(self, intent: str) -> StripeClaims:
        """Say which invoice a payment intent pays, and what that and its plan say."""
        said = StripeClaims()
        asked = {"type": "payment_intent", "payment_intent": intent}
        for page in self._api.pages("/v1/invoice_payments", payment=asked):
            for paid in page:
                invoice = self._one("invoice", optional_id(paid, "invoice") or "")
                if paid.get("status") != "paid" or invoice is None:
                    continue
                if currency(paid) != currency(invoice):
                    raise NotReadable(f"{name(paid)} pays in another currency than its invoice {name(invoice)}")
                said += self._reader.invoice_payment(paid, _made(paid)) + self._reader.invoice(invoice, _made(invoice))
                plan = optional_id(subscription_details(invoice), "subscription")
                said += StripeClaims() if plan is None else self._plan(plan)
        return said

    def _payment_again(self, locator: str) -> StripeClaims:
        kind = "invoice" if locator.startswith("in_") else "payment_intent"
        found = self._one(kind, locator)
        if found is None:
            return StripeClaims()
        if str(found.get("status")) in _OVER:
            return self._reader.failed(found, self._now)
        read = self._reader.invoice if kind == "invoice" else self._reader.payment_intent
        return read(found, self._now)

    def _plan(self, known_as: str) -> StripeClaims:
        found = self._one("subscription", known_as)
        return StripeClaims() if found is None else self._reader.subscription(found, self._now)

    def _one(self, kind: str, known_as: str) -> StripeJson | None:
        found = self._api.one(kind, known_as)
        self.read += [] if found is None else [found]
        return found


def _made(of: StripeJson) -> EventTime:
    """Stand at the object's own time: whoever reads it again says the same at the same rank."""
    name(of)
    return EventTime(int(moment(of).timestamp()) * MICROS)


def _unheld(said: StripeClaims, held: OpenMoney) -> StripeClaims:
    """Leave out what the ledger believes already: said again at a later time it would be stored again."""
    payment = held.claims.get(PAYMENT_PART)
    assert payment is None or isinstance(payment, PaymentClaim)
    is_held = {(payment.state, payment.units)} if payment else set()
    news = tuple(
        one
        for one in said.observations
        if not isinstance(one.claim, PaymentClaim) or (one.claim.state, one.claim.units) not in is_held
    )
    parts = tuple(one for one in said.waiting if one.claim != held.claims.get(one.part))
    return StripeClaims(news, said.aliases, parts, said.plans)

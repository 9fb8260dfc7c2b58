"""What Stripe's objects say about money, as claims. Pure: the same object says the same, told or re-read.

Ranks are (position in the life of the thing, moment in microseconds), so that claims fold alike in
whatever order they come. A one-off payment is known by its payment intent (pi_), a payment of a plan
by its invoice (in_); a Checkout session (cs_) and the payment intent of an invoice are other names.

Money is confirmed only where it is what the reader chose on our page: same mode, account, currency and
sum. Anything else is quarantined, never dropped; so is money that carries no reference of ours.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from support_service.giving import (
    PAYMENT_PART,
    Direction,
    DisputeClaim,
    FeeClaim,
    Frequency,
    Identity,
    Intent,
    Kind,
    Named,
    Observation,
    Outcome,
    PaymentClaim,
    Personal,
    PlanClaim,
    Rank,
    RefundClaim,
    State,
)
from support_service.money import Asset, Money
from support_service.rails.processor import FindIntent
from support_service.rails.stripe.currencies import NotExact, from_stripe, stripe_exponent
from support_service.rails.stripe.fields import (
    ID,
    NotReadable,
    StripeJson,
    agreed_sums,
    currency,
    email,
    intent_ref,
    moment,
    name,
    optional_id,
    priced,
    subscription_details,
    was_withdrawn,
    whole,
)
from support_service.rails.stripe.method import KEY, RAIL
from support_service.rails.stripe.ranks import (
    DISPUTES,
    FAILED,
    FREQUENCIES,
    MICROS,
    NAMELESS,
    PAID,
    PAID_PAGE,
    PLANS,
    PROCESSING,
    REFUNDS,
    STRANGE,
    UNPAID,
    EventTime,
    StripeClaims,
)


@dataclass(frozen=True, slots=True)
class _Charged:
    """A payment as an object tells it, before it is held against what the reader chose."""

    locator: str
    code: str
    amount: int
    ref: str | None
    created: datetime
    is_plan: bool
    state: State = State.CONFIRMED
    rank: Rank = field(default=(PAID, 0))
    agreed: tuple[int, ...] = ()
    email: str | None = None

    def is_what_was_chosen(self, intent: Intent, money: Money) -> bool:
        """Hold it, as the money it is, against the reader's choice, and what they agreed to since."""
        asked = (intent.method, intent.currency, intent.exponent, intent.frequency is not Frequency.ONCE)
        is_it = asked == (KEY, self.code.upper(), money.asset.exponent, self.is_plan)
        return is_it and money.units in (intent.units, *self.agreed)


class Reader:
    """Reads objects for one account; `find_intent` may raise what its ledger raises."""

    def __init__(self, assets: Iterable[Asset], find_intent: FindIntent) -> None:
        self._assets = {asset.code: asset for asset in assets if not asset.network}
        self._find_intent = find_intent

    def session(self, of: StripeJson, at: EventTime, *, is_failed: bool = False) -> StripeClaims:
        """Read a Checkout session: nothing until it is complete; complete is not paid."""
        if of.get("status") != "complete" or str(of.get("mode")) not in {"payment", "subscription"}:
            return StripeClaims()
        is_plan = of["mode"] == "subscription"
        locator = optional_id(of, "invoice" if is_plan else "payment_intent")
        if locator is None or of.get("payment_status") == "no_payment_required":
            return StripeClaims()
        if is_failed:
            state, place = State.ORPHANED, FAILED
        elif of.get("payment_status") == "paid":
            state, place = State.CONFIRMED, PAID_PAGE
        else:
            state, place = State.SEEN, UNPAID
        charged = _Charged(
            locator=locator,
            code=currency(of),
            amount=whole(of, "amount_total"),
            ref=intent_ref(of.get("metadata")),
            created=moment(of),
            is_plan=is_plan,
            state=state,
            rank=(place, at.micros),
            # The payment intent, which has the last word, tells none; of a plan its invoices do.
            email=None if is_plan else email(of),
        )
        return self._payment(charged, at, (name(of),) if is_plan else (name(of), locator))

    def payment_intent(self, of: StripeJson, at: EventTime) -> StripeClaims:
        """Read a payment intent that has succeeded or is processing; a declined one is no money.

        One without our reference may belong to an invoice, which only another object tells: it waits, also with
        metadata, for other programs may mark payments of ours.
        """
        status = str(of.get("status"))
        if status not in {"succeeded", "processing"}:
            return StripeClaims()
        is_paid = status == "succeeded"
        charged = _Charged(
            locator=name(of),
            code=currency(of),
            amount=whole(of, "amount_received") if is_paid else whole(of, "amount"),
            ref=intent_ref(of.get("metadata")),
            created=moment(of),
            is_plan=False,
            state=State.CONFIRMED if is_paid else State.SEEN,
            rank=(PAID if is_paid else PROCESSING, at.micros),
        )
        if charged.ref is None and at.is_ours:
            return self._nameless(charged, at) if is_paid else StripeClaims()
        return self._payment(charged, at, (charged.locator,))

    def failed(self, of: StripeJson, at: EventTime) -> StripeClaims:
        """Say that a payment that was under way did not come: its payment intent, or its plan's invoice, is over."""
        is_plan = of.get("object") == "invoice"
        held = subscription_details(of).get("metadata") if is_plan else of.get("metadata")
        identity = self._identity(name(of), currency(of))
        money = self.money(identity.asset, whole(of, "amount_due" if is_plan else "amount"))
        claim = self._claim(State.ORPHANED, money, moment(of), self._intent(intent_ref(held)))
        return StripeClaims((Observation(identity, claim, rank=(FAILED, at.micros)),))

    def foreign_intent(self, of: StripeJson, at: EventTime) -> StripeClaims:
        """Read a payment that is neither ours nor an invoice's: quarantined, under its own name."""
        return self._payment(self._foreign(of, at), at, (name(of),))

    def invoice(self, of: StripeJson, at: EventTime) -> StripeClaims:
        """Read an invoice of a plan that was paid; one that costs nothing is no money.

        Raises NotReadable for one of an older version of the API, which names its plan elsewhere: what would be
        set aside for good is left to the sweep, which reads it as it is now.
        """
        if of.get("status") != "paid" or whole(of, "amount_paid") == 0:
            return StripeClaims()
        if "parent" not in of:
            raise NotReadable("the invoice is told in an older version of the API; set the endpoint's version")
        told = subscription_details(of)
        charged = _Charged(
            locator=name(of),
            code=currency(of),
            amount=whole(of, "amount_paid"),
            ref=intent_ref(told.get("metadata")) or intent_ref(of.get("metadata")),
            created=moment(of),
            is_plan=True,
            rank=(PAID, at.micros),
            agreed=agreed_sums(told.get("metadata")),
            email=email(of),
        )
        return self._payment(charged, at, ())

    def invoice_payment(self, of: StripeJson, at: EventTime) -> StripeClaims:
        """Read which payment intent or charge pays an invoice: another name of the same money."""
        paid_by = of.get("payment")
        told = paid_by if isinstance(paid_by, Mapping) else {}
        paying = optional_id(told, "payment_intent") or optional_id(told, "charge")
        invoice = optional_id(of, "invoice")
        if paying is None or invoice is None or not at.is_ours:
            return StripeClaims()
        return StripeClaims(aliases=((paying, self._identity(invoice, currency(of))),))

    def charge(self, of: StripeJson, at: EventTime) -> StripeClaims:
        """Read a charge without a payment intent: never one of ours, so it is quarantined."""
        if of.get("status") != "succeeded" or of.get("payment_intent"):
            return StripeClaims()
        return self._payment(self._foreign(of, at), at, (name(of),))

    def unexplained(self, of: StripeJson, payment: str) -> StripeClaims:
        """Read a charge of a payment that nothing else is known of: it waits for somebody to tell."""
        created = moment(of)
        charged = _Charged(payment, currency(of), whole(of, "amount"), None, created, is_plan=False)
        return self._nameless(charged, EventTime(int(created.timestamp()) * MICROS))

    def refund(self, of: StripeJson, at: EventTime) -> StripeClaims:
        """Read a refund: part or all, on its way, done, or come back."""
        place, outcome = REFUNDS.get(str(of.get("status")), (1, Outcome.PENDING))
        units, code = self._told(of)
        return self._about_payment(of, at, (place, at.micros), RefundClaim(units, outcome), code=code)

    def dispute(self, of: StripeJson, at: EventTime) -> StripeClaims:
        """Read a dispute; a prevented one was settled before it began, with or without money going back."""
        status = str(of.get("status"))
        place, outcome, is_withdrawn = DISPUTES.get(status, (3, Outcome.PENDING, True))
        if status == "prevented":
            place, is_withdrawn = 4, was_withdrawn(of)
            outcome = Outcome.SUCCEEDED if is_withdrawn else Outcome.FAILED
        units, code = self._told(of)
        claim = DisputeClaim(units, outcome, is_withdrawn and outcome is Outcome.PENDING)
        return self._about_payment(of, at, (place, at.micros), claim, code=code)

    def fee(self, of: StripeJson, payment: str, code: str) -> StripeClaims:
        """Read what one entry of Stripe's books kept, or gave back, of a payment.

        Where Stripe settles in another currency than the payment's, the fee is none of that money: nothing is said.
        """
        fee = whole(of, "fee", signed=True)
        if not fee or currency(of).upper() != code:
            return StripeClaims()
        units = self.money(code, abs(fee)).units
        claim = FeeClaim(units if fee > 0 else -units)
        return StripeClaims(waiting=(Named(payment, f"fee:{name(of)}", (1, 0), claim, code),))

    def subscription(self, of: StripeJson, at: EventTime) -> StripeClaims:
        """Read a plan that was begun on our page; others are none of ours."""
        intent = self._intent(intent_ref(of.get("metadata")))
        status = str(of.get("status"))
        if intent is None or not at.is_ours or not ID.fullmatch(status):
            return StripeClaims()
        price = priced(of)
        money = self.money(price.code, price.units)
        place, within = PLANS.get(status, (2, 5))
        plan = PlanClaim(
            name=name(of),
            intent=intent.ref,
            units=money.units,
            currency=price.code,
            exponent=money.asset.exponent,
            frequency=FREQUENCIES.get((price.terms.interval, price.terms.count), intent.frequency),
            state=status,
            at=datetime.fromtimestamp(at.micros // MICROS, UTC),
            rank=(place, at.micros + within),
            terms=price.terms if price.terms.interval else None,
        )
        return StripeClaims(plans=(plan,))

    def _payment(self, charged: _Charged, at: EventTime, names: tuple[str, ...]) -> StripeClaims:
        intent = self._intent(charged.ref)
        identity = self._identity(charged.locator, charged.code)
        money = self.money(identity.asset, charged.amount)
        is_right = intent is not None and at.is_ours and charged.is_what_was_chosen(intent, money)
        state, (place, micros) = charged.state, charged.rank
        if not is_right and state is not State.ORPHANED:
            state, place = State.QUARANTINED, STRANGE
        claim = self._claim(state, money, charged.created, intent if at.is_ours else None)
        if claim.intent is not None and charged.email is not None:
            # Receipts go there, and whoever lost the link to a plan is found by it; it is erased with the name.
            party = json.dumps({"email": charged.email}, ensure_ascii=False)
            claim = replace(claim, personal=replace(claim.personal, party=party))
        aliases = tuple((known, identity) for known in names) if at.is_ours else ()
        return StripeClaims((Observation(identity, claim, rank=(place, micros)),), aliases)

    def _nameless(self, charged: _Charged, at: EventTime) -> StripeClaims:
        claim = self._claim(State.SEEN, self.money(charged.code.upper(), charged.amount), charged.created, None)
        named = Named(charged.locator, PAYMENT_PART, (NAMELESS, at.micros), claim, charged.code.upper())
        return StripeClaims(waiting=(named,))

    def _foreign(self, of: StripeJson, at: EventTime) -> _Charged:
        amount, rank = whole(of, "amount"), (STRANGE, at.micros)
        return _Charged(name(of), currency(of), amount, None, moment(of), is_plan=False, rank=rank)

    def _about_payment(
        self, of: StripeJson, at: EventTime, rank: Rank, claim: RefundClaim | DisputeClaim, *, code: str
    ) -> StripeClaims:
        """Let a claim, told with its own currency, find its payment: of another currency it is people's to judge."""
        payment = optional_id(of, "payment_intent") or optional_id(of, "charge")
        if payment is None:
            # Such as a refund out of a customer's cash balance: no gift's.
            return StripeClaims()
        return StripeClaims(waiting=(Named(payment, name(of), rank, claim, code),)) if at.is_ours else StripeClaims()

    def _claim(self, state: State, money: Money, created: datetime, intent: Intent | None) -> PaymentClaim:
        return PaymentClaim(
            state=state,
            kind=Kind.DONATION,
            rail=RAIL,
            method=KEY,
            units=money.units,
            exponent=money.asset.exponent,
            occurred_at=created,
            article=intent.article if intent else None,
            support_code=intent.support_code if intent else None,
            personal=intent.personal if intent else Personal(),
            intent=intent.ref if intent else None,
        )

    def _told(self, of: StripeJson) -> tuple[int, str]:
        code = currency(of).upper()
        return self.money(code, whole(of, "amount")).units, code

    def _intent(self, ref: str | None) -> Intent | None:
        return None if ref is None else self._find_intent(ref)

    def _identity(self, locator: str, code: str) -> Identity:
        return Identity("", code.upper(), "", Direction.IN, locator)

    def money(self, code: str, amount: int) -> Money:
        """Read an amount, by Stripe's own decimals where ours do not fit or the currency is strange."""
        asset = self._assets.get(code)
        try:
            if asset is not None:
                return Money(from_stripe(amount, asset), asset)
        except NotExact:
            pass
        return Money(amount, Asset(code, stripe_exponent(code)))

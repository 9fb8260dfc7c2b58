"""What an invoice or a subscription says about money, as claims: pushed or asked for, it is the same. Pure.

Mono's messages come in any order: of two about one thing the later `modifiedDate` counts, and of two at one moment the
one further on in its life. So ranks are (moment in microseconds, place). Money is known by its invoice.

Money is confirmed only where it is what the reader chose on our page: same currency, same sum, once or by the plan that
was begun there. Anything else is quarantined, never dropped; so is money that carries no reference of ours, as that of
a shop with the same token: what says whose it is outranks that.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from support_service.giving import (
    Direction,
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
    RefundClaim,
    Report,
    State,
)
from support_service.money import Asset
from support_service.rails.books import IntentFinder
from support_service.rails.mono.fields import micros
from support_service.rails.mono.invoices import PAID, REVERSED, Invoice, Subscription
from support_service.rails.mono.method import CURRENCY_EXPONENT, KEY, RAIL
from support_service.rails.mono.plan_words import ENDED_PLANS

# No other processor's payment is called so.
_LOCATOR = f"{RAIL}:"
_FEE, _CANCEL, _REST = "fee:invoice", "cancel:", "cancel-rest"
_PLACES = {PAID: 1, REVERSED: 2}
# A plan's first charge comes while its page is open, or soon after.
PLAN_IS_NEW_FOR = timedelta(days=1)
# Below every claim that says whose money it is.
_NOBODYS = 0
_FREQUENCIES = {("month", 1): Frequency.MONTHLY}


@dataclass(frozen=True, slots=True)
class MonoClaims:
    """What something says, in the parts of a report."""

    observations: tuple[Observation, ...] = ()
    aliases: tuple[tuple[str, Identity], ...] = ()
    waiting: tuple[Named, ...] = ()
    plans: tuple[PlanClaim, ...] = ()

    @property
    def tells_fee(self) -> bool:
        """Tell whether what was kept is among it."""
        return any(one.part == _FEE for one in self.waiting)

    def __add__(self, other: "MonoClaims") -> "MonoClaims":
        return MonoClaims(
            self.observations + other.observations,
            self.aliases + other.aliases,
            self.waiting + other.waiting,
            self.plans + other.plans,
        )


NOTHING_SAID = MonoClaims()


def report_of(key: str, said: MonoClaims, raw: str | None) -> Report:
    """Make a report of what was pushed."""
    return Report(RAIL, key, said.observations, raw=raw, aliases=said.aliases, waiting=said.waiting, plans=said.plans)


def invoice_of(locator: str) -> str | None:
    """Read the invoice's name out of a locator; None for one that is not ours."""
    return locator.removeprefix(_LOCATOR) if locator.startswith(_LOCATOR) else None


class ClaimReader:
    """Says what things mean for one merchant; may raise what the ledger raises that finds readers' choices."""

    def __init__(self, assets: Iterable[Asset], intents: IntentFinder) -> None:
        self._assets = {asset.code: asset for asset in assets if not asset.network}
        self._intents = intents

    def invoice(self, of: Invoice) -> MonoClaims:
        """Say what came, what went back of it and what mono kept."""
        if not of.is_paid or not of.units:
            return NOTHING_SAID
        intent, identity = self._intent(of), _identity(of)
        is_right = intent is not None and of.adds_up and self._is_what_was_chosen(of, intent)
        rank = (micros(of.modified_at), _PLACES[of.status])
        claim = PaymentClaim(
            state=State.CONFIRMED if is_right else State.QUARANTINED,
            kind=Kind.DONATION,
            rail=RAIL,
            method=KEY,
            units=of.units,
            exponent=CURRENCY_EXPONENT,
            occurred_at=of.created_at,
            article=intent.article if intent else None,
            support_code=intent.support_code if intent else None,
            personal=intent.personal if intent else Personal(),
            intent=intent.ref if intent else None,
        )
        payment = Observation(identity, claim, rank=rank if intent else (_NOBODYS, rank[0]))
        return MonoClaims((payment,), ((of.name, identity),), (*_cancelled(of), *_fee_told(of)))

    def subscription(self, of: Subscription) -> MonoClaims:
        """Say how a plan is that was begun on our page; others are none of ours, and one never paid is not begun."""
        intent = self._intents.of_page(KEY, of.name)
        if intent is None or of.charges == 0:
            return NOTHING_SAID
        is_over = of.status in ENDED_PLANS
        told_at = of.terms.ends_at if is_over and of.terms.ends_at else of.started_at
        plan = PlanClaim(
            name=of.name,
            intent=intent.ref,
            units=of.units,
            currency=of.code,
            exponent=CURRENCY_EXPONENT,
            frequency=_FREQUENCIES.get((of.terms.interval, of.terms.count), intent.frequency),
            state=of.status,
            at=told_at,
            # It tells no time of its own: it ends once, and until then its next date moves on.
            rank=(2 if is_over else 1, micros(of.terms.next_at or of.started_at)),
            terms=of.terms,
        )
        return MonoClaims(plans=(plan,))

    def is_by_a_person(self, of: Invoice) -> bool:
        """Tell whether somebody was at the page when a card was declined; renewals of a plan are mono's own tries."""
        if of.plan is None:
            return True
        intent = self._intent(of)
        return intent is not None and of.created_at - intent.made_at < PLAN_IS_NEW_FOR

    def fee(self, invoice: str, code: str, units: int) -> MonoClaims:
        """Say what the statement knows that mono kept: it is the later word."""
        return MonoClaims(waiting=(Named(invoice, _FEE, (2, 0), FeeClaim(units), code),))

    def _intent(self, of: Invoice) -> Intent | None:
        if of.plan is not None:
            return self._intents.of_page(KEY, of.plan)
        return None if of.ref is None else self._intents.find(of.ref)

    def _is_what_was_chosen(self, of: Invoice, intent: Intent) -> bool:
        asset = self._assets.get(intent.currency)
        asked = (intent.method, intent.currency, intent.exponent, intent.frequency is not Frequency.ONCE, intent.units)
        told = (KEY, of.code, CURRENCY_EXPONENT, of.plan is not None, of.units)
        return asset is not None and asked == told


def _identity(of: Invoice) -> Identity:
    return Identity("", of.code, "", Direction.IN, f"{_LOCATOR}{of.name}")


def _cancelled(of: Invoice) -> list[Named]:
    """Let each refund find the payment by its name: of another currency it is people's to judge."""
    # Of two entries under one key, as after a try that failed, the later one counts.
    entries = {one.name: one for one in sorted(of.cancels, key=lambda one: (one.modified_at, _settled(one.outcome)))}
    told = [
        Named(of.name, f"{_CANCEL}{one.name}", (micros(one.modified_at), _settled(one.outcome)), claim, one.code)
        for one in entries.values()
        for claim in [RefundClaim(one.units, one.outcome)]
    ]
    back = sum(one.units for one in entries.values() if one.outcome is Outcome.SUCCEEDED and one.code == of.code)
    if of.status == REVERSED and back < of.units:
        # All of it went back, however little the list tells; more than came is never subtracted.
        rest = RefundClaim(of.units - back, Outcome.SUCCEEDED)
        told.append(Named(of.name, _REST, (micros(of.modified_at), 0), rest, of.code))
    return told


def _settled(outcome: Outcome) -> int:
    return 0 if outcome is Outcome.PENDING else 1


def _fee_told(of: Invoice) -> list[Named]:
    if not of.fee_units or of.fee_units > of.units:
        return []
    return [Named(of.name, _FEE, (1, micros(of.modified_at)), FeeClaim(of.fee_units), of.code)]

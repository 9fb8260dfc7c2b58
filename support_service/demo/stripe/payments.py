"""Payment intents, their charges, and what each does to the balance."""

from dataclasses import dataclass, field

from support_service.demo.json_values import Json
from support_service.demo.stripe.account import StripeAccount, change
from support_service.demo.stripe.amounts import fee_of
from support_service.demo.stripe.samples import sample

DECLINED = {
    "advice_code": "try_again_later",
    "code": "card_declined",
    "decline_code": "insufficient_funds",
    "doc_url": "https://stripe.com/docs/error-codes/card-declined",
    "message": "Your card has insufficient funds.",
    "network_decline_code": "51",
    "type": "card_error",
}


@dataclass(frozen=True)
class Payer:
    """Who pays on the hosted page; empty texts where the page was left empty."""

    name: str | None = None
    email: str | None = None

    def details(self) -> Json:
        """Return the billing details of a charge."""
        empty = dict.fromkeys(("city", "country", "line1", "line2", "postal_code", "state"))
        return {"address": empty, "email": self.email, "name": self.name, "phone": None, "tax_id": None}


@dataclass(frozen=True)
class Order:
    """What is to be paid, and what is written on the payment intent for it."""

    units: int
    currency: str
    description: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    customer: str | None = None


def open_intent(account: StripeAccount, order: Order) -> Json:
    """Make a payment intent that waits for a means of payment."""
    name = account.name("pi")
    intent = account.new(
        "payment_intent",
        "pi",
        id=name,
        amount=order.units,
        amount_received=0,
        client_secret=f"{name}_secret_{account.name('x', 20)[2:]}",
        currency=order.currency,
        customer=order.customer,
        description=order.description,
        latest_charge=None,
        metadata=dict(order.metadata),
        payment_method=None,
        status="requires_payment_method",
    )
    account.tell("payment_intent.created", intent)
    return intent


def succeed(account: StripeAccount, intent: Json, payer: Payer, *, is_slow: bool = False) -> Json:
    """Charge at once: the charge succeeds first, its balance transaction is told a moment later."""
    charge = _charge(account, intent, payer, is_slow=is_slow)
    change(charge, status="succeeded", paid=True, captured=True, amount_captured=intent["amount"])
    account.tell("charge.succeeded", charge)
    _settled(account, intent, charge)
    return charge


def begin(account: StripeAccount, intent: Json, payer: Payer) -> Json:
    """Start a payment by a method that takes days, such as a bank debit."""
    charge = _charge(account, intent, payer, is_slow=True)
    change(charge, status="pending", paid=False, captured=True, amount_captured=intent["amount"])
    change(intent, status="processing")
    account.tell("charge.pending", charge)
    account.tell("payment_intent.processing", intent)
    return charge


def finish(account: StripeAccount, intent: Json, *, is_ok: bool) -> None:
    """End a payment that was begun, well or badly."""
    charge = account.get("charge", intent["latest_charge"])
    if is_ok:
        change(charge, status="succeeded", paid=True)
        account.tell("charge.succeeded", charge)
        _settled(account, intent, charge)
    else:
        _failed(account, intent, charge)


def decline(account: StripeAccount, intent: Json, payer: Payer) -> Json:
    """Refuse the card: a failed charge; the intent waits for another card."""
    charge = _charge(account, intent, payer, is_slow=False)
    _failed(account, intent, charge)
    return charge


def book(account: StripeAccount, kind: str, category: str, *, of: Json, units: int, fee: int = 0) -> Json:
    """Move the balance: one balance transaction in the settlement currency. `units` may be negative."""
    terms = account.terms
    currency = terms.settlement_currency or of["currency"]
    is_changed = currency != of["currency"]
    if is_changed:
        sign = -1 if units < 0 else 1
        units = sign * ((abs(units) * terms.settlement_millionths + 500_000) // 1_000_000)
    made = account.new(
        "balance_transaction",
        "txn",
        amount=units,
        available_on=account.now() + int(terms.available_after.total_seconds()),
        currency=currency,
        description=of.get("description"),
        exchange_rate=terms.settlement_millionths / 1_000_000 if is_changed else None,
        fee=fee,
        fee_details=_fee_details(fee, currency, kind),
        net=units - fee,
        reporting_category=category,
        source=of["id"],
        status="pending",
        type=kind,
    )
    assert made["net"] == made["amount"] - made["fee"]
    return made


def _fee_details(fee: int, currency: str, kind: str) -> Json:
    if not fee:
        return []
    text = "Dispute fee" if kind == "adjustment" else "Stripe processing fees"
    return [{"amount": fee, "application": None, "currency": currency, "description": text, "type": "stripe_fee"}]


def _charge(account: StripeAccount, intent: Json, payer: Payer, *, is_slow: bool) -> Json:
    method = account.new("payment_method", "pm", billing_details=payer.details(), customer=intent["customer"])
    details = sample("charge")["payment_method_details"]
    details["card"].update(amount_authorized=intent["amount"])
    details["card"]["overcapture"].update(maximum_amount_capturable=intent["amount"])
    if is_slow:
        method["type"], method["card"] = "sepa_debit", None
        method.pop("card")
        details = {"type": "sepa_debit", "sepa_debit": {"bank_code": "19043", "country": "AT", "last4": "3201"}}
    charge = account.new(
        "charge",
        "ch",
        amount=intent["amount"],
        amount_captured=0,
        amount_refunded=0,
        balance_transaction=None,
        billing_details=payer.details(),
        captured=False,
        currency=intent["currency"],
        customer=intent["customer"],
        description=intent["description"],
        metadata=dict(intent["metadata"]),
        paid=False,
        payment_intent=intent["id"],
        payment_method=method["id"],
        payment_method_details=details,
        receipt_email=payer.email,
        receipt_url=None,
        refunded=False,
        status="pending",
    )
    change(intent, latest_charge=charge["id"], payment_method=method["id"], receipt_email=payer.email)
    return charge


def _settled(account: StripeAccount, intent: Json, charge: Json) -> None:
    terms = account.terms
    units = charge["amount"]
    if terms.settlement_currency:
        units = (units * terms.settlement_millionths + 500_000) // 1_000_000
    currency = terms.settlement_currency or charge["currency"]
    fee = fee_of(units, currency, permille=terms.fee_permille, fixed_units=terms.fee_units)
    booked = book(account, "charge", "charge", of=charge, units=charge["amount"], fee=fee)
    change(intent, status="succeeded", amount_received=intent["amount"], last_payment_error=None)
    account.tell("payment_intent.succeeded", intent)
    before = change(charge, balance_transaction=booked["id"], receipt_url=f"{account.base}/receipts/{charge['id']}")
    account.tell("charge.updated", charge, before)


def _failed(account: StripeAccount, intent: Json, charge: Json) -> None:
    change(charge, status="failed", paid=False, failure_code="card_declined", failure_message=DECLINED["message"])
    change(charge, outcome={**charge["outcome"], "type": "issuer_declined", "network_status": "declined_by_network"})
    change(
        intent,
        status="requires_payment_method",
        payment_method=None,
        last_payment_error={**DECLINED, "charge": charge["id"]},
    )
    account.tell("charge.failed", charge)
    account.tell("payment_intent.payment_failed", intent)

"""Refunds: in part or in full, at once or pending, and failing later. Their sum never exceeds the charge."""

from support_service.demo.json_values import Json
from support_service.demo.stripe import payments
from support_service.demo.stripe.account import StripeAccount, change
from support_service.demo.stripe.errors import invalid, refused
from support_service.demo.stripe.form import Form, chosen, metadata, whole, word

# A dispute that was won, or that only asked, leaves the money where it may be given back.
_HARMLESS = ("won", "warning_closed", "warning_needs_response")
REASONS = ("duplicate", "fraudulent", "requested_by_customer")


def create_refund(account: StripeAccount, form: Form) -> Json:
    """POST /v1/refunds, by payment intent or by charge."""
    intent_id, charge_id = word(form, "payment_intent"), word(form, "charge")
    if bool(intent_id) == bool(charge_id):
        raise invalid("One of charge or payment_intent must be given.", "charge", "parameter_missing")
    if intent_id:
        intent = account.get("payment_intent", intent_id, "payment_intent")
        charge_id = intent["latest_charge"]
        if intent["status"] != "succeeded":
            raise refused(f"This PaymentIntent ({intent_id}) does not have a successful charge to refund.")
    assert charge_id
    charge = account.get("charge", charge_id, "charge")
    left = charge["amount"] - charge["amount_refunded"]
    units = whole(form, "amount", left)
    chosen(form, "reason", REASONS)
    return refund(account, charge, units, reason=word(form, "reason"), told=metadata(form))


def refund(
    account: StripeAccount,
    charge: Json,
    units: int,
    *,
    is_pending: bool = False,
    reason: str | None = None,
    told: dict[str, str] | None = None,
) -> Json:
    """Give back a part of a charge. A pending refund counts at once against what may still be refunded."""
    _check(account, charge, units)
    made = account.new(
        "refund",
        "re",
        amount=units,
        balance_transaction=None,
        charge=charge["id"],
        currency=charge["currency"],
        customer=charge["customer"],
        metadata=dict(told or {}),
        payment_intent=charge["payment_intent"],
        payment_method=charge["payment_method"],
        reason=reason,
        status="pending",
    )
    total = charge["amount_refunded"] + units
    before = change(charge, amount_refunded=total, refunded=total == charge["amount"])
    if not is_pending:
        _paid_out(account, made)
    account.tell("charge.refunded", charge, before)
    account.tell("refund.created", made)
    return made


def settle(account: StripeAccount, of: Json) -> Json:
    """Let a pending refund succeed."""
    if of["status"] != "pending":
        raise refused(f"This refund is {of['status']}.")
    before = _paid_out(account, of)
    account.tell("refund.updated", of, before)
    account.tell("charge.refund.updated", of, before)
    return of


def fail(account: StripeAccount, of: Json) -> Json:
    """Let a refund fail, pending or done: the money comes back, and counts as received again."""
    if of["status"] not in {"pending", "succeeded"}:
        raise refused(f"This refund is {of['status']}.")
    charge = account.get("charge", of["charge"])
    was_paid = of["balance_transaction"] is not None
    new: dict[str, Json] = {"status": "failed"}
    of["failure_reason"], of["failure_balance_transaction"] = "lost_or_stolen_card", None
    if was_paid:
        back = payments.book(account, "refund_failure", "refund_failure", of=of, units=of["amount"])
        of["failure_balance_transaction"] = back["id"]
    before = change(of, **new)
    charge_before = change(charge, amount_refunded=charge["amount_refunded"] - of["amount"], refunded=False)
    account.tell("refund.updated", of, before)
    account.tell("charge.refund.updated", of, before)
    account.tell("refund.failed", of)
    account.tell("charge.updated", charge, charge_before)
    return of


def _paid_out(account: StripeAccount, of: Json) -> dict[str, Json]:
    booked = payments.book(account, "refund", "refund", of=of, units=-of["amount"])
    return change(of, status="succeeded", balance_transaction=booked["id"])


def _check(account: StripeAccount, charge: Json, units: int) -> None:
    if charge["status"] != "succeeded":
        raise refused(f"Charge {charge['id']} is not refundable.", code="charge_not_refundable")
    disputes = [one for one in account.all("dispute") if one["charge"] == charge["id"]]
    if any(one["status"] not in _HARMLESS for one in disputes):
        raise refused(f"Charge {charge['id']} has been charged back; cannot issue a refund.", code="charge_disputed")
    left = charge["amount"] - charge["amount_refunded"]
    if left == 0:
        raise refused(f"Charge {charge['id']} has already been refunded.", code="charge_already_refunded")
    if units < 1:
        raise invalid("Invalid positive integer", "amount", "parameter_invalid_integer")
    if units > left:
        raise refused(f"Refund amount ({units}) is greater than unrefunded amount on charge ({left})", "amount")

"""Disputes: a bank takes the money back at once, with a fee, and gives it back only to who wins."""

from support_service.demo.json_values import Json
from support_service.demo.stripe import payments
from support_service.demo.stripe.account import StripeAccount, change
from support_service.demo.stripe.errors import refused

EVIDENCE_SECONDS = 14 * 86_400


def dispute(account: StripeAccount, charge: Json, *, is_inquiry: bool = False) -> Json:
    """Open a dispute over what of a charge was not refunded; an inquiry only asks and takes nothing yet."""
    if charge["status"] != "succeeded" or charge["disputed"]:
        raise refused(f"Charge {charge['id']} cannot be disputed.")
    units = charge["amount"] - charge["amount_refunded"]
    if not units:
        raise refused(f"Charge {charge['id']} has been refunded.")
    details = {"card": {"brand": "visa", "case_type": "chargeback", "network": "visa", "network_reason_code": "10.4"}}
    made = account.new(
        "dispute",
        "du",
        amount=units,
        balance_transactions=[],
        charge=charge["id"],
        currency=charge["currency"],
        payment_intent=charge["payment_intent"],
        payment_method_details={**details, "type": "card"},
        status="warning_needs_response" if is_inquiry else "needs_response",
    )
    made["evidence_details"].update(due_by=account.now() + EVIDENCE_SECONDS)
    made["evidence"].update(
        customer_email_address=charge["billing_details"]["email"], customer_name=charge["billing_details"]["name"]
    )
    account.tell("charge.dispute.created", made)
    if is_inquiry:
        change(made, is_charge_refundable=True)
        return made
    change(charge, disputed=True)
    taken = payments.book(account, "adjustment", "dispute", of=made, units=-units, fee=account.terms.dispute_fee_units)
    before = change(made, balance_transactions=[taken])
    account.tell("charge.dispute.funds_withdrawn", made, before)
    return made


def close(account: StripeAccount, of: Json, *, is_won: bool) -> Json:
    """End a dispute; a won one brings the money back, the fee only where the terms say so."""
    if of["status"] in {"won", "lost", "warning_closed"}:
        raise refused(f"This dispute is {of['status']}.")
    if of["status"] == "warning_needs_response":
        account.tell("charge.dispute.closed", of, change(of, status="warning_closed"))
        return of
    before = change(of, status="won" if is_won else "lost")
    account.tell("charge.dispute.closed", of, before)
    if is_won:
        fee = -account.terms.dispute_fee_units if account.terms.is_dispute_fee_returned else 0
        back = payments.book(account, "adjustment", "dispute_reversal", of=of, units=of["amount"], fee=fee)
        told = change(of, balance_transactions=[*of["balance_transactions"], back])
        account.tell("charge.dispute.funds_reinstated", of, told)
    return of

"""Payouts: what has gathered in the balance goes to the bank, with a list of what it is made of."""

from support_service.demo.json_values import Json
from support_service.demo.stripe import payments
from support_service.demo.stripe.account import StripeAccount, change
from support_service.demo.stripe.errors import refused
from support_service.demo.stripe.form import Form, needed, whole


def create_payout(account: StripeAccount, form: Form) -> Json:
    """POST /v1/payouts: the demo pays out whole balances, so the amount is only checked against that."""
    currency = needed(form, "currency").lower()
    if whole(form, "amount") > balance(account, currency):
        raise refused("You have insufficient funds in your Stripe account.", "amount", "balance_insufficient")
    return pay_out(account, currency)


def pay_out(account: StripeAccount, currency: str) -> Json:
    """Pay out the whole balance of a currency, also what would not be available yet."""
    inside = _unpaid(account, currency)
    units = sum(one["net"] for one in inside)
    if units <= 0:
        raise refused(f"There is no balance in {currency} to pay out.", code="balance_insufficient")
    made = account.new(
        "payout",
        "po",
        amount=units,
        arrival_date=account.now(),
        balance_transaction=None,
        currency=currency,
        reconciliation_status="in_progress",
        status="in_transit",
        trace_id={"status": "pending", "value": None},
    )
    booked = payments.book(account, "payout", "payout", of=made, units=-units)
    change(made, balance_transaction=booked["id"])
    names = [booked["id"], *(one["id"] for one in inside)]
    account.objects.setdefault("_payouts", {})[made["id"]] = names
    account.tell("payout.created", made)
    before = change(made, status="paid", trace_id={"status": "supported", "value": f"TRACE{made['id'][-8:]}"})
    account.tell("payout.updated", made, before)
    account.tell("payout.paid", made)
    before = change(made, reconciliation_status="completed")
    account.tell("payout.reconciliation_completed", made)
    return made


def balance(account: StripeAccount, currency: str) -> int:
    """Return what lies in the balance of a currency: the sum of all nets so far."""
    return sum(one["net"] for one in account.all("balance_transaction") if one["currency"] == currency)


def balances(account: StripeAccount) -> Json:
    """GET /v1/balance: every currency, what is available and what is pending."""
    told: dict[str, Json] = {"object": "balance", "livemode": account.terms.is_live, "available": [], "pending": []}
    for currency in sorted({one["currency"] for one in account.all("balance_transaction")}):
        ours = [one for one in account.all("balance_transaction") if one["currency"] == currency]
        ready = sum(one["net"] for one in ours if one["available_on"] <= account.now())
        total = sum(one["net"] for one in ours)
        for name, units in (("available", ready), ("pending", total - ready)):
            told[name].append({"amount": units, "currency": currency, "source_types": {"card": units}})
    return told


def _unpaid(account: StripeAccount, currency: str) -> list[Json]:
    paid = {name for names in account.objects.get("_payouts", {}).values() for name in names}
    ours = account.all("balance_transaction")
    return [one for one in ours if one["currency"] == currency and one["id"] not in paid]

"""Invoices: one for every period of a subscription, each with one payment."""

from support_service.demo.json_values import Json
from support_service.demo.stripe import payments
from support_service.demo.stripe.account import StripeAccount, change
from support_service.demo.stripe.payments import Order, Payer
from support_service.demo.stripe.samples import sample


def bill(account: StripeAccount, plan: Json, payer: Payer, *, reason: str, intent: Json | None = None) -> Json:
    """Write the invoice for the present period, with a payment that waits."""
    item = plan["items"]["data"][0]
    units, now, name = item["price"]["unit_amount"] * item["quantity"], account.now(), account.name("in")
    blank = sample("invoice")
    invoice = account.new(
        "invoice",
        "in",
        id=name,
        amount_due=units,
        amount_paid=0,
        amount_remaining=units,
        attempt_count=0,
        attempted=False,
        billing_reason=reason,
        currency=plan["currency"],
        customer=plan["customer"],
        customer_email=payer.email,
        customer_name=payer.name,
        effective_at=now,
        hosted_invoice_url=f"{account.base}/invoices/{name}",
        invoice_pdf=None,
        lines={**blank["lines"], "data": [_line(account, plan, name)], "url": f"/v1/invoices/{name}/lines"},
        number=f"DEMO-{len(account.all('invoice')) + 1:04}",
        parent={
            "quote_details": None,
            "subscription_details": {"metadata": dict(plan["metadata"]), "subscription": plan["id"]},
            "type": "subscription_details",
        },
        period_end=now,
        period_start=now,
        status="open",
        status_transitions={"finalized_at": now, "marked_uncollectible_at": None, "paid_at": None, "voided_at": None},
        subtotal=units,
        subtotal_excluding_tax=units,
        total=units,
        total_excluding_tax=units,
        webhooks_delivered_at=now,
    )
    change(plan, latest_invoice=name)
    account.tell("invoice.created", invoice)
    account.tell("invoice.finalized", invoice)
    _attach(account, invoice, intent)
    return invoice


def _line(account: StripeAccount, plan: Json, invoice: str) -> Json:
    item = plan["items"]["data"][0]
    units = item["price"]["unit_amount"] * item["quantity"]
    line = sample("invoice")["lines"]["data"][0]
    line["parent"]["subscription_item_details"] |= {"subscription": plan["id"], "subscription_item": item["id"]}
    line["pricing"] |= {"unit_amount_decimal": str(item["price"]["unit_amount"])}
    line["pricing"]["price_details"] = {"price": item["price"]["id"], "product": item["price"]["product"]}
    name = account.get("product", item["price"]["product"])["name"]
    return {
        **line,
        "id": account.name("il"),
        "amount": units,
        "subtotal": units,
        "currency": plan["currency"],
        "description": f"{item['quantity']} × {name}",
        "invoice": invoice,
        "livemode": account.terms.is_live,
        "metadata": dict(plan["metadata"]),
        "period": {"start": item["current_period_start"], "end": item["current_period_end"]},
        "quantity": item["quantity"],
        "quantity_decimal": str(item["quantity"]),
        "subscription": plan["id"],
    }


def _attach(account: StripeAccount, invoice: Json, intent: Json | None) -> None:
    order = Order(invoice["total"], invoice["currency"], "Subscription payment", {}, invoice["customer"])
    intent = intent or payments.open_intent(account, order)
    account.new(
        "invoice_payment",
        "inpay",
        amount_paid=None,
        amount_requested=invoice["total"],
        currency=invoice["currency"],
        invoice=invoice["id"],
        payment={"type": "payment_intent", "payment_intent": intent["id"]},
        status="open",
    )


def payments_of(account: StripeAccount, invoice: Json) -> list[Json]:
    """Return an invoice's payments; there is one."""
    return [one for one in account.all("invoice_payment") if one["invoice"] == invoice["id"]]


def payment_of(account: StripeAccount, invoice: Json) -> str:
    """Return the id of the payment intent that pays an invoice."""
    name: str = payments_of(account, invoice)[0]["payment"]["payment_intent"]
    return name


def charge(
    account: StripeAccount, plan: Json, invoice: Json, payer: Payer, *, is_ok: bool = True, is_slow: bool = False
) -> None:
    """Try to pay an invoice: well, badly, or by a method that takes days."""
    intent = account.get("payment_intent", payment_of(account, invoice))
    change(invoice, attempted=True, attempt_count=invoice["attempt_count"] + 1)
    if is_slow:
        payments.begin(account, intent, payer)
        return
    pay = payments.succeed if is_ok else payments.decline
    pay(account, intent, payer)
    close(account, plan, invoice, is_ok=is_ok)


def void(account: StripeAccount, invoice: Json) -> Json:
    """Give an invoice up: nothing is charged for it, ever."""
    change(invoice, status="void", amount_remaining=0, next_payment_attempt=None)
    invoice["status_transitions"]["voided_at"] = account.now()
    account.tell("invoice.voided", invoice)
    return invoice


def close(account: StripeAccount, plan: Json, invoice: Json, *, is_ok: bool) -> None:
    """Write down how the payment of an invoice ended, and what that makes of its subscription."""
    intent = account.get("payment_intent", payment_of(account, invoice))
    if is_ok:
        change(invoice, status="paid", amount_paid=invoice["total"], amount_remaining=0, next_payment_attempt=None)
        invoice["status_transitions"]["paid_at"] = account.now()
        paid = payments_of(account, invoice)[0]
        change(paid, status="paid", amount_paid=invoice["total"])
        paid["status_transitions"]["paid_at"] = account.now()
        account.tell("invoice.paid", invoice)
        account.tell("invoice.payment_succeeded", invoice)
        account.tell("invoice_payment.paid", paid)
    else:
        change(invoice, next_payment_attempt=account.now() + 3 * 86_400)
        account.tell("invoice.payment_failed", invoice)
    status = "active" if is_ok else "incomplete" if plan["status"] == "incomplete" else "past_due"
    before = change(
        plan, status=status, default_payment_method=intent["payment_method"] or plan["default_payment_method"]
    )
    if before:
        account.tell("customer.subscription.updated", plan, before)

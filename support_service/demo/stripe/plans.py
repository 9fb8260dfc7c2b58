"""Subscriptions, their prices, and one invoice with one payment for every period."""

from calendar import monthrange
from datetime import UTC, datetime, timedelta

from support_service.demo.json_values import Json
from support_service.demo.stripe import invoices, payments
from support_service.demo.stripe.account import StripeAccount, change
from support_service.demo.stripe.errors import invalid, refused
from support_service.demo.stripe.form import Form, chosen, listed, metadata, needed, parts, whole, word
from support_service.demo.stripe.payments import Payer
from support_service.demo.stripe.samples import sample

INTERVALS = ("day", "month", "week", "year")


def price_of(account: StripeAccount, form: Form, param: str) -> Json:
    """Make a price, and its product, from price_data."""
    currency = needed(form, "currency").lower()
    units = whole(form, "unit_amount")
    if units < 0:
        raise invalid("Invalid non-negative integer", f"{param}[unit_amount]", "parameter_invalid_integer")
    product_id = word(form, "product")
    if product_id:
        product = account.get("product", product_id, f"{param}[product]")
    else:
        product = make_product(account, parts(form, "product_data"))
    recurring = parts(form, "recurring")
    return make_price(account, currency=currency, units=units, product=product, recurring=recurring)


def make_product(account: StripeAccount, form: Form) -> Json:
    """Make a product, which needs a name."""
    return account.new(
        "product",
        "prod",
        name=needed(form, "name"),
        description=word(form, "description"),
        metadata=metadata(form),
        updated=account.now(),
    )


def make_price(account: StripeAccount, *, currency: str, units: int, product: Json, recurring: Form) -> Json:
    """Make a price, recurring where an interval is given."""
    told = None
    if recurring:
        told = {
            "interval": chosen(recurring, "interval", INTERVALS) or needed(recurring, "interval"),
            "interval_count": whole(recurring, "interval_count", 1),
            "meter": None,
            "trial_period_days": None,
            "usage_type": "licensed",
        }
    return account.new(
        "price",
        "price",
        currency=currency,
        product=product["id"],
        recurring=told,
        type="recurring" if told else "one_time",
        unit_amount=units,
        unit_amount_decimal=str(units),
    )


def begin(account: StripeAccount, session: Json, items: list[Json], payer: Payer, *, is_slow: bool) -> Json:
    """Start the subscription of a session: customer, subscription, first invoice, first payment."""
    customer = session["customer"] or make_customer(account, payer)["id"]
    order = account.objects["_orders"][session["id"]]
    plan = subscribe(account, customer, price=items[0]["price"], quantity=items[0]["quantity"], order=order)
    intent = None
    if "intent" in order:
        intent = account.get("payment_intent", order["intent"])
        change(intent, customer=customer)
    invoice = invoices.bill(account, plan, payer, reason="subscription_create", intent=intent)
    change(session, customer=customer, subscription=plan["id"], invoice=invoice["id"])
    invoices.charge(account, plan, invoice, payer, is_slow=is_slow)
    return plan


def make_customer(account: StripeAccount, payer: Payer, told: dict[str, str] | None = None) -> Json:
    """Make a customer."""
    made = account.new("customer", "cus", email=payer.email, name=payer.name, metadata=dict(told or {}))
    account.tell("customer.created", made)
    return made


def finish(account: StripeAccount, session: Json, *, is_ok: bool) -> None:
    """End the slow first payment of a session's subscription."""
    plan = account.get("subscription", session["subscription"])
    invoice = account.get("invoice", session["invoice"])
    payments.finish(account, account.get("payment_intent", invoices.payment_of(account, invoice)), is_ok=is_ok)
    invoices.close(account, plan, invoice, is_ok=is_ok)


def renew(account: StripeAccount, plan: Json, *, is_ok: bool = True) -> Json:
    """Begin the next period of a subscription: an invoice, and its payment or its failure."""
    if plan["status"] not in {"active", "past_due"}:
        raise refused(f"This subscription is {plan['status']} and renews no more.")
    item = plan["items"]["data"][0]
    start = item["current_period_end"]
    before = {"current_period_end": item["current_period_end"], "current_period_start": item["current_period_start"]}
    change(item, current_period_start=start, current_period_end=_next(start, item["price"]["recurring"]))
    account.tell("customer.subscription.updated", plan, {"items": {"data": [before]}})
    customer = account.get("customer", plan["customer"])
    payer = Payer(customer["name"], customer["email"])
    invoice = invoices.bill(account, plan, payer, reason="subscription_cycle")
    if plan["pause_collection"]:
        return invoices.void(account, invoice)
    invoices.charge(account, plan, invoice, payer, is_ok=is_ok)
    return invoice


def collect(account: StripeAccount, invoice: Json, *, is_ok: bool = True) -> Json:
    """Try an open invoice again, as Stripe does by itself after a failure."""
    if invoice["status"] != "open":
        raise refused("Invoice is already paid" if invoice["status"] == "paid" else "Invoice is not open")
    plan = account.get("subscription", invoice["parent"]["subscription_details"]["subscription"])
    invoices.charge(account, plan, invoice, Payer(invoice["customer_name"], invoice["customer_email"]), is_ok=is_ok)
    return invoice


def reprice(account: StripeAccount, plan: Json, form: Form) -> Json:
    """Give the one item another price; nothing is charged before the next period (proration_behavior=none)."""
    if plan["status"] in {"canceled", "incomplete_expired"}:
        raise refused("A canceled subscription can only update its cancellation_details and metadata.")
    if word(form, "proration_behavior") != "none":
        raise invalid("The demo knows proration_behavior=none.", "proration_behavior")
    item = plan["items"]["data"][0]
    (wanted,) = listed(form, "items") or [{}]
    if word(wanted, "id") != item["id"]:
        raise invalid("No such subscription item.", "items[0][id]", "resource_missing")
    price = price_of(account, parts(wanted, "price_data"), "items[0][price_data]")
    if price["currency"] != plan["currency"]:
        raise invalid("The price has another currency than the subscription.", "items[0][price_data][currency]")
    legacy = {**item["plan"], "amount": price["unit_amount"], "amount_decimal": str(price["unit_amount"])}
    change(item, price=price, plan={**legacy, "id": price["id"]}, quantity=whole(wanted, "quantity", 1))
    if "metadata" not in form:
        account.tell("customer.subscription.updated", plan)
    return plan


def pause(account: StripeAccount, plan: Json, told: Form) -> Json:
    """Collect nothing until that is unset: what falls due is void, a draft for ever, or given up."""
    if plan["status"] in {"canceled", "incomplete_expired"}:
        raise refused("A canceled subscription can only update its cancellation_details and metadata.")
    behavior = chosen(told, "behavior", ("keep_as_draft", "mark_uncollectible", "void")) if told else None
    before = change(plan, pause_collection={"behavior": behavior, "resumes_at": None} if behavior else None)
    if before:
        account.tell("customer.subscription.updated", plan, before)
    return plan


def cancel(account: StripeAccount, plan: Json) -> Json:
    """End a subscription now."""
    if plan["status"] == "canceled":
        raise refused(f"No such subscription: '{plan['id']}'", "id", "resource_missing")
    change(plan, status="canceled", canceled_at=account.now(), ended_at=account.now(), cancel_at_period_end=False)
    change(plan, cancellation_details={**plan["cancellation_details"], "reason": "cancellation_requested"})
    account.tell("customer.subscription.deleted", plan)
    return plan


def cancel_later(account: StripeAccount, plan: Json, *, is_wanted: bool) -> Json:
    """Let a subscription end with its period, or go on after all."""
    end = plan["items"]["data"][0]["current_period_end"]
    before = change(
        plan,
        cancel_at_period_end=is_wanted,
        cancel_at=end if is_wanted else None,
        canceled_at=account.now() if is_wanted else None,
        cancellation_details={
            **plan["cancellation_details"],
            "reason": "cancellation_requested" if is_wanted else None,
        },
    )
    if before:
        account.tell("customer.subscription.updated", plan, before)
    return plan


def first_invoice(account: StripeAccount, plan: Json, payer: Payer) -> Json:
    """Charge the first period of a subscription that no Checkout made."""
    invoice = invoices.bill(account, plan, payer, reason="subscription_create")
    invoices.charge(account, plan, invoice, payer)
    return plan


def subscribe(account: StripeAccount, customer: str, *, price: Json, quantity: int, order: Json) -> Json:
    """Make an incomplete subscription of one price, from now on."""
    now, name = account.now(), account.name("sub")
    blank = sample("subscription")
    item = blank["items"]["data"][0]
    legacy = {**item["plan"], "active": True, "amount": price["unit_amount"] * 1, "created": now, "id": price["id"]}
    legacy |= {"amount_decimal": str(price["unit_amount"]), "currency": price["currency"]}
    legacy |= {"interval": price["recurring"]["interval"], "product": price["product"]}
    legacy |= {"livemode": account.terms.is_live, "interval_count": price["recurring"]["interval_count"]}
    item |= {"id": account.name("si", 14), "created": now, "price": price, "plan": legacy, "quantity": quantity}
    item |= {"subscription": name, "current_period_start": now}
    item["current_period_end"] = _next(now, price["recurring"])
    plan = account.new(
        "subscription",
        "sub",
        id=name,
        billing_cycle_anchor=now,
        cancel_at=None,
        cancel_at_period_end=False,
        canceled_at=None,
        cancellation_details={"comment": None, "feedback": None, "reason": None},
        currency=price["currency"],
        customer=customer,
        default_payment_method=None,
        description=order["description"],
        ended_at=None,
        items={**blank["items"], "data": [item], "url": f"/v1/subscription_items?subscription={name}"},
        latest_invoice=None,
        metadata=dict(order["metadata"]),
        start_date=now,
        status="incomplete",
    )
    account.tell("customer.subscription.created", plan)
    return plan


def _next(start: int, recurring: Json) -> int:
    """Return the same day of the next month or year, or that month's last day; or so many days on."""
    at, count = datetime.fromtimestamp(start, UTC), recurring["interval_count"]
    match recurring["interval"]:
        case "day":
            return int((at + timedelta(days=count)).timestamp())
        case "week":
            return int((at + timedelta(weeks=count)).timestamp())
        case interval:
            months = at.year * 12 + at.month - 1 + count * (12 if interval == "year" else 1)
            year, month = divmod(months, 12)
            day = min(at.day, monthrange(year, month + 1)[1])
            return int(at.replace(year=year, month=month + 1, day=day).timestamp())

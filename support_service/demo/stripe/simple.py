"""What other clients than our own also make: payment intents, customers, products, prices, subscriptions."""

from support_service.demo.json_values import Json
from support_service.demo.stripe import disputes, payments, plans
from support_service.demo.stripe.account import StripeAccount, change
from support_service.demo.stripe.amounts import check_amount
from support_service.demo.stripe.errors import StripeRefusal, invalid, missing, refused
from support_service.demo.stripe.form import Form, is_true, listed, metadata, needed, parts, whole, word
from support_service.demo.stripe.payments import DECLINED, Order, Payer

# Test means of payment of https://docs.stripe.com/testing that decline; all others succeed.
_DECLINING = "pm_card_visa_chargeDeclined", "pm_card_chargeDeclined", "pm_card_chargeCustomerFail"
_DISPUTING, _INQUIRING = "pm_card_createDispute", "pm_card_createDisputeInquiry"
_PAYER = Payer()


def create_intent(account: StripeAccount, form: Form) -> Json:
    """POST /v1/payment_intents, confirmed at once where that is asked."""
    units, currency = whole(form, "amount"), needed(form, "currency").lower()
    check_amount(units, currency, "amount")
    customer = word(form, "customer")
    if customer:
        account.get("customer", customer, "customer")
    order = Order(units, currency, word(form, "description"), metadata(form), customer)
    intent = payments.open_intent(account, order)
    return confirm_intent(account, intent, form) if is_true(form, "confirm") else intent


def confirm_intent(account: StripeAccount, intent: Json, form: Form) -> Json:
    """Pay by one of Stripe's test means of payment; a declining one is answered with 402."""
    if intent["status"] not in {"requires_payment_method", "requires_confirmation"}:
        raise refused(f"This PaymentIntent's status is {intent['status']}.", code="payment_intent_unexpected_state")
    if word(form, "payment_method") in _DECLINING:
        payments.decline(account, intent, _PAYER)
        text, code = DECLINED["message"], DECLINED["code"]
        raise StripeRefusal(402, "card_error", text, code=code, is_kept=True, decline_code=DECLINED["decline_code"])
    charge = payments.succeed(account, intent, _PAYER)
    if word(form, "payment_method") in {_DISPUTING, _INQUIRING}:
        disputes.dispute(account, charge, is_inquiry=word(form, "payment_method") == _INQUIRING)
    return intent


def cancel_intent(account: StripeAccount, intent: Json, form: Form) -> Json:
    """Give up a payment intent that was not paid."""
    if intent["status"] in {"succeeded", "canceled", "processing"}:
        raise refused(f"This PaymentIntent's status is {intent['status']}.", code="payment_intent_unexpected_state")
    reason = word(form, "cancellation_reason")
    change(intent, status="canceled", canceled_at=account.now(), cancellation_reason=reason)
    account.tell("payment_intent.canceled", intent)
    return intent


def create_customer(account: StripeAccount, form: Form) -> Json:
    """POST /v1/customers."""
    made = plans.make_customer(account, Payer(word(form, "name"), word(form, "email")), metadata(form))
    change(made, description=word(form, "description"))
    return made


def delete_customer(account: StripeAccount, _form: Form, name: str, _url: str) -> Json:
    """DELETE /v1/customers/{id}: the customer and their subscriptions end."""
    gone = account.get("customer", name)
    for plan in account.all("subscription"):
        if plan["customer"] == name and plan["status"] != "canceled":
            plans.cancel(account, plan)
    account.tell("customer.deleted", gone)
    del account.objects["customer"][name]
    return {"id": name, "object": "customer", "deleted": True}


def create_product(account: StripeAccount, form: Form) -> Json:
    """POST /v1/products."""
    made = plans.make_product(account, form)
    account.tell("product.created", made)
    return made


def create_price(account: StripeAccount, form: Form) -> Json:
    """POST /v1/prices."""
    made = plans.price_of(account, form, "")
    account.tell("price.created", made)
    return made


def create_plan(account: StripeAccount, form: Form) -> Json:
    """POST /v1/subscriptions, of one price, charged at once."""
    customer = account.get("customer", needed(form, "customer"), "customer")
    items = listed(form, "items")
    if len(items) != 1:
        raise invalid("The demo knows subscriptions of one item.", "items")
    name = word(items[0], "price")
    price_data = parts(items[0], "price_data")
    price = account.get("price", name, "items[0][price]") if name else plans.price_of(account, price_data, "items")
    if price["type"] != "recurring":
        raise refused("The price specified is set to `type=one_time`.", "items[0][price]")
    order = {"metadata": metadata(form), "description": word(form, "description")}
    plan = plans.subscribe(account, customer["id"], price=price, quantity=whole(items[0], "quantity", 1), order=order)
    return plans.first_invoice(account, plan, Payer(customer["name"], customer["email"]))


def create_portal(account: StripeAccount, form: Form) -> Json:
    """POST /v1/billing_portal/sessions: the page where a customer changes the card."""
    customer = account.get("customer", needed(form, "customer"), "customer")
    flow = parts(form, "flow_data")
    if flow and word(flow, "type") != "payment_method_update":
        raise invalid("The demo knows portals that change the card.", "flow_data[type]")
    name = account.name("bps")
    return account.add(
        {
            "id": name,
            "object": "billing_portal.session",
            "configuration": "bpc_demo",
            "created": account.now(),
            "customer": customer["id"],
            "customer_account": None,
            "flow": None,
            "livemode": account.terms.is_live,
            "locale": None,
            "on_behalf_of": None,
            "return_url": word(form, "return_url"),
            "url": f"{account.base}/p/session/{name}",
        }
    )


def create_endpoint(account: StripeAccount, form: Form) -> Json:
    """POST /v1/webhook_endpoints; the demo delivers to one endpoint, set in the process."""
    made = account.new(
        "webhook_endpoint",
        "we",
        url=needed(form, "url"),
        enabled_events=listed(form, "enabled_events"),
        api_version=word(form, "api_version"),
        description=word(form, "description"),
        metadata=metadata(form),
    )
    return {**made, "secret": account.name("whsec", 32)}


def delete_endpoint(account: StripeAccount, _form: Form, name: str, _url: str) -> Json:
    """DELETE /v1/webhook_endpoints/{id}."""
    account.get("webhook_endpoint", name)
    del account.objects["webhook_endpoint"][name]
    return {"id": name, "object": "webhook_endpoint", "deleted": True}


def no_event(name: str) -> StripeRefusal:
    """Say that there is no such event, or none any more."""
    return missing("event", name)

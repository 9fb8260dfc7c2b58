"""Checkout sessions: made by a request, then paid, paid slowly, declined, left or expired by a reader."""

from datetime import timedelta
from urllib.parse import urlsplit

from support_service.demo.json_values import Json
from support_service.demo.stripe import payments, plans
from support_service.demo.stripe.account import StripeAccount, change
from support_service.demo.stripe.amounts import check_amount
from support_service.demo.stripe.errors import invalid, missing, refused
from support_service.demo.stripe.form import Form, chosen, listed, metadata, needed, parts, whole, word
from support_service.demo.stripe.payments import Order, Payer
from support_service.demo.stripe.samples import sample

EXPIRES_FIRST, EXPIRES_LAST = timedelta(minutes=30), timedelta(hours=24)
LOCALES = (
    *("auto", "bg", "cs", "da", "de", "el", "en", "en-GB", "es", "es-419", "et", "fi", "fil", "fr", "fr-CA", "hi-IN"),
    *("hr", "hu", "id", "it", "ja", "ko", "lt", "lv", "ms", "mt", "nb", "nl", "pl", "pt", "pt-BR", "ro", "ru", "sk"),
    *("sl", "sv", "th", "tr", "vi", "zh", "zh-HK", "zh-TW"),
)
SUBMIT_TYPES = ("auto", "book", "donate", "pay", "subscribe")
PAYMENT_ONLY = ("customer_creation", "payment_intent_data")
SUBSCRIPTION_ONLY = ("subscription_data",)


def create_session(account: StripeAccount, form: Form) -> Json:
    """POST /v1/checkout/sessions, for the hosted page alone, in the modes payment and subscription."""
    mode = chosen(form, "mode", ("payment", "subscription"))
    if mode is None:
        raise invalid("Missing required param: mode.", "mode", "parameter_missing")
    chosen(form, "ui_mode", ("hosted_page",), "hosted_page")
    for name in PAYMENT_ONLY if mode == "subscription" else SUBSCRIPTION_ONLY:
        if name in form:
            raise invalid(f"You can not pass `{name}` in `{mode}` mode.", name)
    items = [_item(account, item, at, mode) for at, item in enumerate(listed(form, "line_items"))]
    if not items:
        raise invalid("Missing required param: line_items.", "line_items", "parameter_missing")
    if len({item["currency"] for item in items}) > 1:
        raise refused("All line items must have the same currency.", "line_items")
    units, currency = sum(item["amount_total"] for item in items), items[0]["currency"]
    check_amount(units, currency, "line_items")
    session = _made(account, form, mode=mode, units=units, currency=currency)
    account.add(session)
    account.next_expiry = min(session["expires_at"], account.next_expiry or session["expires_at"])
    account.objects.setdefault("_items", {})[session["id"]] = items
    account.objects.setdefault("_orders", {})[session["id"]] = _order(form, mode)
    return session


def _made(account: StripeAccount, form: Form, *, mode: str, units: int, currency: str) -> Json:
    name = account.name("cs_live" if account.terms.is_live else "cs_test", 60)
    reference = word(form, "client_reference_id")
    if reference and len(reference) > 200:
        raise invalid("Invalid string: must be at most 200 characters", "client_reference_id")
    customer = word(form, "customer")
    if customer:
        account.get("customer", customer, "customer")
    return sample(
        "checkout.session" if mode == "payment" else "checkout.session.subscription",
        id=name,
        amount_subtotal=units,
        amount_total=units,
        cancel_url=_address(form, "cancel_url", is_needed=False),
        client_reference_id=reference,
        created=account.now(),
        currency=currency,
        customer=customer,
        customer_email=word(form, "customer_email"),
        expires_at=_expiry(account, form),
        invoice=None,
        livemode=account.terms.is_live,
        locale=chosen(form, "locale", LOCALES),
        metadata=metadata(form),
        payment_intent=None,
        payment_status="unpaid",
        status="open",
        submit_type=chosen(form, "submit_type", SUBMIT_TYPES),
        subscription=None,
        success_url=_address(form, "success_url", is_needed=True),
        url=f"{account.base}/c/pay/{name}",
    )


def _address(form: Form, name: str, *, is_needed: bool) -> str | None:
    text = needed(form, name) if is_needed else word(form, name)
    if text is None:
        return None
    parsed = urlsplit(text)
    if parsed.scheme not in {"http", "https"} or not parsed.netloc:
        raise invalid("Not a valid URL", name, "url_invalid")
    return text


def _expiry(account: StripeAccount, form: Form) -> int:
    now = account.now()
    at = whole(form, "expires_at", now + int(EXPIRES_LAST.total_seconds()))
    # A request takes a while: Stripe's own clock decides, so a minute less than half an hour passes.
    if at < now + EXPIRES_FIRST.total_seconds() - 60:
        raise refused("The `expires_at` timestamp must be at least 30 minutes from Checkout Session creation.")
    if at > now + EXPIRES_LAST.total_seconds():
        raise refused("The `expires_at` timestamp must be less than 24 hours from Checkout Session creation.")
    return at


def _item(account: StripeAccount, form: Form, at: int, mode: str) -> Json:
    param = f"line_items[{at}]"
    if not isinstance(form, dict):
        raise invalid(f"Invalid object: {param}", param)
    quantity = whole(form, "quantity")
    if quantity < 1:
        raise invalid("Invalid integer: must be at least 1", f"{param}[quantity]")
    price_id = word(form, "price")
    if price_id:
        price = account.get("price", price_id, f"{param}[price]")
    else:
        price = plans.price_of(account, parts(form, "price_data"), f"{param}[price_data]")
    if mode == "subscription" and price["type"] != "recurring":
        raise refused("You must provide at least one recurring price in `subscription` mode.", "line_items")
    if mode == "payment" and price["type"] == "recurring":
        raise refused("You specified `payment` mode but passed a recurring price.", "mode")
    units = price["unit_amount"] * quantity
    product = account.get("product", price["product"])
    return sample(
        "item",
        id=account.name("li"),
        amount_subtotal=units,
        amount_total=units,
        currency=price["currency"],
        description=product["name"],
        price=price,
        quantity=quantity,
    )


def _order(form: Form, mode: str) -> Json:
    inside = "payment_intent_data" if mode == "payment" else "subscription_data"
    data = parts(form, inside)
    return {"metadata": metadata(data, inside), "description": word(data, "description")}


def items_of(account: StripeAccount, session: Json) -> list[Json]:
    """Return a session's line items."""
    items: list[Json] = account.objects["_items"][session["id"]]
    return items


def expire_session(account: StripeAccount, session: Json) -> Json:
    """Close an open session, by request or because its time has come."""
    if session["status"] != "open":
        raise refused(
            f'Only Checkout Sessions with a status in ["open"] can be expired. This one is {session["status"]}.',
            code="resource_invalid_state",
        )
    change(session, status="expired", url=None)
    account.tell("checkout.session.expired", session)
    return session


def expire_due(account: StripeAccount) -> None:
    """Expire every open session whose time has come."""
    if account.next_expiry is None or account.now() < account.next_expiry:
        return
    for session in account.all("checkout.session"):
        if session["status"] == "open" and session["expires_at"] <= account.now():
            expire_session(account, session)
    left = (one["expires_at"] for one in account.all("checkout.session") if one["status"] == "open")
    account.next_expiry = min(left, default=None)


def pay_session(account: StripeAccount, session: Json, payer: Payer, *, is_slow: bool = False) -> Json:
    """Do what a reader does who presses Pay; with a slow method the session completes unpaid."""
    _need_open(session)
    details = sample("checkout.session")["customer_details"] or {}
    change(session, customer_details={**details, **_details(payer)})
    if session["mode"] == "subscription":
        plans.begin(account, session, items_of(account, session), payer, is_slow=is_slow)
    else:
        intent = _intent(account, session)
        begin = payments.begin if is_slow else payments.succeed
        begin(account, intent, payer)
        change(session, payment_intent=intent["id"])
    if is_slow:
        change(session, payment_method_types=["sepa_debit"])
    change(session, status="complete", payment_status="unpaid" if is_slow else "paid", url=None)
    account.tell("checkout.session.completed", session)
    return session


def settle_session(account: StripeAccount, session: Json, *, is_ok: bool) -> Json:
    """End a slow payment, days later."""
    if session["status"] != "complete" or session["payment_status"] != "unpaid":
        raise refused("This session waits for no payment.")
    if session["mode"] == "subscription":
        plans.finish(account, session, is_ok=is_ok)
    else:
        payments.finish(account, account.get("payment_intent", session["payment_intent"]), is_ok=is_ok)
    if is_ok:
        change(session, payment_status="paid")
    account.tell(f"checkout.session.async_payment_{'succeeded' if is_ok else 'failed'}", session)
    return session


def decline_session(account: StripeAccount, session: Json, payer: Payer) -> Json:
    """Refuse the card of somebody on the hosted page; the session stays open for another card."""
    _need_open(session)
    payments.decline(account, _intent(account, session), payer)
    return session


def _need_open(session: Json) -> None:
    if session["status"] != "open":
        raise missing("open checkout session", session["id"])


def _intent(account: StripeAccount, session: Json) -> Json:
    """Return the session's payment intent; it is made when somebody first tries to pay."""
    order = account.objects["_orders"][session["id"]]
    if "intent" in order:
        return account.get("payment_intent", order["intent"])
    # What is written for a subscription is not copied to the payment intent of its first invoice.
    told = {} if session["mode"] == "subscription" else order["metadata"]
    intent = payments.open_intent(
        account, Order(session["amount_total"], session["currency"], order["description"], told, session["customer"])
    )
    order["intent"] = intent["id"]
    return intent


def _details(payer: Payer) -> Json:
    return {
        "address": payer.details()["address"],
        "business_name": None,
        "email": payer.email,
        "individual_name": None,
        "name": payer.name,
        "phone": None,
        "tax_exempt": "none",
        "tax_ids": [],
    }

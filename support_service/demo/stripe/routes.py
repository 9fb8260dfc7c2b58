"""What each address of the API does. Paths are written as in Stripe's OpenAPI document."""

from collections.abc import Callable
from typing import TypeAlias

from support_service.demo.json_values import Json
from support_service.demo.stripe import checkout, disputes, lists, payouts, plans, refunds, simple
from support_service.demo.stripe.account import StripeAccount, change
from support_service.demo.stripe.form import Form, metadata, parts, word

_TOLD_WHEN_UPDATED = {
    "charge": ("charge.updated",),
    "customer": ("customer.updated",),
    "price": ("price.updated",),
    "product": ("product.updated",),
    "refund": ("refund.updated", "charge.refund.updated"),
    "subscription": ("customer.subscription.updated",),
}

# Account, parameters, the id in the address ("" where there is none), the address itself.
Handler: TypeAlias = Callable[[StripeAccount, Form, str, str], Json]


def _reads(kind: str) -> Handler:
    def read(account: StripeAccount, form: Form, name: str, _url: str) -> Json:
        return lists.view(account, account.get(kind, name), form)

    return read


def _lists(kind: str) -> Handler:
    def read(account: StripeAccount, form: Form, _name: str, url: str) -> Json:
        return lists.page(account, kind, form, url)

    return read


def _makes(make: Callable[[StripeAccount, Form], Json]) -> Handler:
    def act(account: StripeAccount, form: Form, _name: str, _url: str) -> Json:
        return lists.view(account, make(account, form), form)

    return act


def _does(kind: str, do: Callable[[StripeAccount, Json, Form], Json]) -> Handler:
    def act(account: StripeAccount, form: Form, name: str, _url: str) -> Json:
        return lists.view(account, do(account, account.get(kind, name), form), form)

    return act


def _update(account: StripeAccount, of: Json, form: Form) -> Json:
    if "metadata" in form:
        # Keys are merged; an empty text takes a key away, an empty object all of them.
        given = parts(form, "metadata")
        kept = {key: text for key, text in of["metadata"].items() if key not in given}
        change(of, metadata={**kept, **metadata(form)} if given else {})
    for name in ("description", "email", "name"):
        if name in form and name in of:
            change(of, **{name: word(form, name)})
    for kind in _TOLD_WHEN_UPDATED.get(of["object"], ()):
        account.tell(kind, of)
    return of


def _update_plan(account: StripeAccount, of: Json, form: Form) -> Json:
    own = {"cancel_at_period_end", "expand", "items", "pause_collection", "proration_behavior"}
    others = {name: value for name, value in form.items() if name not in own}
    if "items" in form:
        plans.reprice(account, of, form)
    if "pause_collection" in form:
        plans.pause(account, of, parts(form, "pause_collection"))
    if others:
        _update(account, of, others)
    if "cancel_at_period_end" in form:
        plans.cancel_later(account, of, is_wanted=form["cancel_at_period_end"] == "true")
    return of


def _line_items(account: StripeAccount, _form: Form, name: str, url: str) -> Json:
    return lists.listing(checkout.items_of(account, account.get("checkout.session", name)), url)


def _event(account: StripeAccount, form: Form, name: str, _url: str) -> Json:
    for event in lists.kept_events(account):
        if event["id"] == name:
            return lists.view(account, event, form)
    raise simple.no_event(name)


def _balance(account: StripeAccount, _form: Form, _name: str, _url: str) -> Json:
    return payouts.balances(account)


def _subscriptions(account: StripeAccount, form: Form, _name: str, url: str) -> Json:
    told = lists.page(account, "subscription", form, url)
    if "status" not in form:  # the ended are told only to who asks for them
        told["data"] = [one for one in told["data"] if one["status"] not in {"canceled", "incomplete_expired"}]
    return told


_SESSIONS, _INTENTS, _PLANS = "/v1/checkout/sessions", "/v1/payment_intents", "/v1/subscriptions"


def routes() -> dict[tuple[str, str], Handler]:
    """Return every operation: (method, path) -> what it does."""
    return {
        ("POST", _SESSIONS): _makes(checkout.create_session),
        ("GET", _SESSIONS): _lists("checkout.session"),
        ("GET", f"{_SESSIONS}/{{session}}"): _reads("checkout.session"),
        ("POST", f"{_SESSIONS}/{{session}}"): _does("checkout.session", _update),
        ("POST", f"{_SESSIONS}/{{session}}/expire"): _does(
            "checkout.session", lambda account, of, _: checkout.expire_session(account, of)
        ),
        ("GET", f"{_SESSIONS}/{{session}}/line_items"): _line_items,
        ("POST", _INTENTS): _makes(simple.create_intent),
        ("POST", f"{_INTENTS}/{{id}}/confirm"): _does("payment_intent", simple.confirm_intent),
        ("POST", f"{_INTENTS}/{{id}}/cancel"): _does("payment_intent", simple.cancel_intent),
        ("POST", "/v1/refunds"): _makes(refunds.create_refund),
        ("POST", "/v1/customers"): _makes(simple.create_customer),
        ("DELETE", "/v1/customers/{id}"): simple.delete_customer,
        ("POST", "/v1/products"): _makes(simple.create_product),
        ("POST", "/v1/prices"): _makes(simple.create_price),
        ("POST", _PLANS): _makes(simple.create_plan),
        ("POST", f"{_PLANS}/{{id}}"): _does("subscription", _update_plan),
        ("DELETE", f"{_PLANS}/{{id}}"): _does("subscription", lambda account, of, _: plans.cancel(account, of)),
        ("GET", _PLANS): _subscriptions,
        ("POST", "/v1/billing_portal/sessions"): _makes(simple.create_portal),
        ("POST", "/v1/invoices/{id}/pay"): _does("invoice", lambda account, of, _: plans.collect(account, of)),
        ("GET", "/v1/invoice_payments"): _lists("invoice_payment"),
        ("GET", "/v1/invoice_payments/{id}"): _reads("invoice_payment"),
        ("GET", "/v1/events/{id}"): _event,
        ("GET", "/v1/balance"): _balance,
        ("POST", "/v1/disputes/{id}/close"): _does(
            "dispute", lambda account, of, _: disputes.close(account, of, is_won=False)
        ),
        ("POST", "/v1/payouts"): _makes(payouts.create_payout),
        ("POST", "/v1/webhook_endpoints"): _makes(simple.create_endpoint),
        ("DELETE", "/v1/webhook_endpoints/{id}"): simple.delete_endpoint,
        **_plain(),
    }


def _plain() -> dict[tuple[str, str], Handler]:
    """Return reading, listing and small changes, which are alike for all kinds."""
    told: dict[tuple[str, str], Handler] = {("GET", "/v1/events"): _lists("event")}
    changed = ["charge", "customer", "payment_intent", "price", "product", "refund", "webhook_endpoint"]
    for kind in ("balance_transaction", "dispute", "invoice", "payout", "subscription", *changed):
        told["GET", f"/v1/{kind}s/{{id}}"] = _reads(kind)
        if kind != "subscription":
            told["GET", f"/v1/{kind}s"] = _lists(kind)
    for kind in changed:
        told["POST", f"/v1/{kind}s/{{id}}"] = _does(kind, _update)
    return told

"""The page that stands in for Stripe's hosted Checkout, and what its buttons do."""

from pathlib import Path

from flask import Response, redirect, render_template_string, request

from support_service.demo.json_values import Json
from support_service.demo.stripe import checkout
from support_service.demo.stripe.account import StripeAccount
from support_service.demo.stripe.amounts import NO_DECIMALS, THREE_DECIMALS
from support_service.demo.stripe.payments import Payer

_TEXT_LETTERS_MAX = 200
_PORTAL = """<!doctype html><html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>Demo portal</title></head><body><main>
<h1>Demo: your card</h1><p>This page stands in for Stripe's billing portal. There is no card to change.</p>
{% if back %}<p><a href="{{ back }}">Back to the publisher</a></p>{% endif %}</main></body></html>
"""
_LABELS = {"donate": "Donate", "book": "Book", "subscribe": "Subscribe"}
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'",
    "Referrer-Policy": "no-referrer",
}


def show(account: StripeAccount, name: str) -> tuple[str, int, dict[str, str]]:
    """Show the page of a session."""
    with account.lock:
        checkout.expire_due(account)
        return _page(account, account.get("checkout.session", name))


def show_portal(account: StripeAccount, name: str) -> tuple[str, int, dict[str, str]]:
    """Show the page where a customer would change the card."""
    with account.lock:
        session = account.get("billing_portal.session", name)
    return render_template_string(_PORTAL, back=session["return_url"]), 200, _HEADERS


def act(account: StripeAccount, name: str) -> Response | tuple[str, int, dict[str, str]]:
    """Do what the pressed button says, and send the reader on."""
    payer = Payer(_typed("name"), _typed("email"))
    with account.lock:
        checkout.expire_due(account)
        session = account.get("checkout.session", name)
        wish = request.form.get("do")
        # A second press, or one that comes too late, changes nothing.
        if session["status"] != "open" or wish not in {"pay", "slow", "decline"}:
            return _page(account, session)
        if wish == "decline":
            checkout.decline_session(account, session, payer)
            return _page(account, session, is_declined=True)
        checkout.pay_session(account, session, payer, is_slow=wish == "slow")
        address = session["success_url"].replace("{CHECKOUT_SESSION_ID}", session["id"])
    answer = redirect(address, 303)
    answer.headers.update(_HEADERS)
    return answer  # type: ignore[return-value]


def in_words(units: int, currency: str) -> str:
    """Write an amount for people: 2500, eur -> 25.00 EUR."""
    places = 0 if currency in NO_DECIMALS else 3 if currency in THREE_DECIMALS else 2
    whole, rest = divmod(units, 10**places)
    return f"{whole:,}{f'.{rest:0{places}}' if places else ''} {currency.upper()}"


def _typed(name: str) -> str | None:
    return request.form.get(name, "").strip()[:_TEXT_LETTERS_MAX] or None


def _page(account: StripeAccount, session: Json, *, is_declined: bool = False) -> tuple[str, int, dict[str, str]]:
    item = checkout.items_of(account, session)[0]
    text = render_template_string(
        Path(__file__).with_name("checkout.html").read_text(encoding="utf-8"),
        session=session,
        title=item["description"],
        sum=in_words(session["amount_total"], session["currency"]),
        interval=(item["price"]["recurring"] or {}).get("interval"),
        label=_LABELS.get(session["submit_type"], "Pay"),
        is_declined=is_declined,
    )
    return text, 200, _HEADERS

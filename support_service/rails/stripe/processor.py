"""Stripe as a processor of cards: opens its hosted page, hears its messages, gives back, ends plans."""

import contextlib
import hashlib
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cached_property
from threading import Lock
from typing import Any

from support_service.giving import Checkout, Clock, Intent, SetAside
from support_service.money import Asset
from support_service.rails.asides import REST_FIRST
from support_service.rails.books import IntentFinder
from support_service.rails.processor import CheckoutDown, CheckoutRefused, Heard, ProcessorAccount, StrangePage
from support_service.rails.rail import RailSettings
from support_service.rails.stripe.changes import changed_sum, page_origins
from support_service.rails.stripe.checkout import page_order, strange_page
from support_service.rails.stripe.client import asked, build_client
from support_service.rails.stripe.currencies import NotExact, stripe_exponent, to_stripe
from support_service.rails.stripe.events import SWEEP, UNREAD, event_report, read_decline, read_event, report_of
from support_service.rails.stripe.fields import ID, NotReadable, name
from support_service.rails.stripe.method import KEY
from support_service.rails.stripe.objects import Reader
from support_service.rails.stripe.ranks import StripeClaims
from support_service.rails.stripe.settings import own_account
from support_service.rails.stripe.webhook import checked_body


def build_processor(given: RailSettings, intents: IntentFinder, *, clock: Clock) -> "StripeProcessor":
    """Build it; nobody is asked yet."""
    return StripeProcessor(own_account(given), intents, clock=clock)


def is_live_key(key: str) -> bool:
    """Tell whether a key moves real money."""
    return "_live_" in key[:8]


class StripeProcessor:
    """One Stripe account. The client is made at first use, after the server has forked."""

    key = KEY

    def __init__(self, account: ProcessorAccount, intents: IntentFinder, *, clock: Clock) -> None:
        self._account, self._clock = account, clock
        self._reader = Reader(account.assets, intents.find)
        self._is_live = is_live_key(account.key)
        self._making = Lock()
        self.plans = StripePlans(account, lambda: self._client)

    @cached_property
    def _client(self) -> Any:
        with self._making:
            return build_client(self._account.key, self._account.api_base, is_prompt=True)

    def open_checkout(
        self, intent: Intent, attempt: int, *, started_at: datetime, thanks_url: str, back_url: str
    ) -> Checkout:
        """Open a hosted page; the intent and the attempt are the idempotency key."""
        try:
            order = page_order(intent, started_at, payee=self._account.payee, thanks_url=thanks_url, back_url=back_url)
        except NotExact as error:
            raise CheckoutRefused(str(error)) from error
        options = {"idempotency_key": f"{intent.ref}:{attempt}"}
        made = asked(lambda: self._client.v1.checkout.sessions.create(order, options))
        if not made.url or not made.expires_at:
            raise CheckoutDown("Stripe opened a page without an address")
        self._refuse_strange(made.id, made.url)
        return Checkout(made.id, made.url, datetime.fromtimestamp(made.expires_at, UTC))

    def _refuse_strange(self, session: str, url: str) -> None:
        """Close a page that no reader will be sent to: it would stay open at Stripe, once for each try."""
        why = strange_page(url, self._account.checkout_origins)
        if why is None:
            return
        with contextlib.suppress(CheckoutDown, CheckoutRefused):
            asked(lambda: self._client.v1.checkout.sessions.expire(session))
        raise StrangePage(why)

    def hear(self, body: bytes, headers: Mapping[str, str]) -> Heard:
        """Verify and read an event; nobody is asked but the ledger for the reader's choice.

        What is signed and no event of API version 1 (of version 2, say) is kept and claims nothing.
        """
        text = checked_body(body, headers, self._account.webhook_secrets, self._clock())
        try:
            event = read_event(text)
            known_as = name(event)
        except NotReadable:
            # Signed, so Stripe's: sent again it is no clearer, and refusals at last switch the endpoint off. If it was
            # an event of the kind that we read, the sweep meets it in Stripe's own list.
            digest = hashlib.sha256(body).hexdigest()
            # Written as JSON it holds no sign that a database refuses.
            return Heard(report_of(f"{UNREAD}{digest}", StripeClaims(), json.dumps(text)))
        try:
            report = event_report(event, text, self._reader, is_live=self._is_live)
        except NotReadable as error:
            # Stripe's, and signed: it is kept, and the sweep reads it again.
            now = self._clock()
            aside = SetAside(SWEEP, known_as, f"event {event.get('type')}: {error}", now, now + REST_FIRST)
            return Heard(report_of(f"{UNREAD}{known_as}", StripeClaims(), text), read_decline(event), aside)
        return Heard(report, read_decline(event))

    def refund(self, locator: str, units: int, key: str) -> None:
        """Give a payment back in part or in full; an invoice is refunded by the payment that paid it."""
        _check_id(locator)
        asked(lambda: self._refund(locator, units, key))

    def cancel_plan(self, plan: str, key: str) -> None:
        """End a subscription at once."""
        _check_id(plan)
        options = {"idempotency_key": f"cancel:{key}"}
        asked(lambda: self._client.v1.subscriptions.cancel(plan, {}, options))

    def _refund(self, locator: str, units: int, key: str) -> None:
        payment = self._paying(locator) if locator.startswith("in_") else locator
        is_charge = payment.startswith(("ch_", "py_"))
        kind = self._client.v1.charges if is_charge else self._client.v1.payment_intents
        code = kind.retrieve(payment).currency.upper()
        known = next((asset for asset in self._account.assets if asset.code == code), None)
        try:
            amount = to_stripe(units, known or Asset(code, stripe_exponent(code)))
        except NotExact as error:
            raise CheckoutRefused(str(error)) from error
        order = {"charge" if is_charge else "payment_intent": payment, "amount": amount}
        self._client.v1.refunds.create(order, {"idempotency_key": f"refund:{key}"})

    def _paying(self, invoice: str) -> str:
        """Find the payment that paid an invoice."""
        found = self._client.v1.invoice_payments.list({"invoice": invoice, "status": "paid", "limit": 1})
        for one in found.data:
            paying = getattr(one.payment, "payment_intent", None) or getattr(one.payment, "charge", None)
            if isinstance(paying, str):
                return paying
        raise CheckoutRefused(f"no payment of invoice {invoice} is known")


class StripePlans:
    """What a giver changes of a subscription; page_origins are the places of the customer's portal."""

    def __init__(self, account: ProcessorAccount, client: Callable[[], Any]) -> None:
        self.page_origins = page_origins(account.api_base, account.checkout_origins)
        self._assets, self._client = account.assets, client

    def pause(self, plan: str, key: str) -> None:
        """Void the invoices that fall due: nothing is charged later for the time of the pause."""
        self._update(plan, {"pause_collection": {"behavior": "void"}}, f"pause:{key}")

    def resume(self, plan: str, key: str) -> None:
        """Collect again."""
        self._update(plan, {"pause_collection": ""}, f"resume:{key}")

    def change_sum(self, plan: str, units: int, key: str) -> None:
        """Give the one item another price; the sum is written beside it, so that what comes is known to be agreed."""
        _check_id(plan)
        held = asked(lambda: self._client().v1.subscriptions.retrieve(plan))
        order = changed_sum(json.loads(str(held)), units, self._assets)
        self._update(plan, order, f"amount:{key}")

    def card_page(self, plan: str, return_url: str) -> str:
        """Open the customer's portal at the one step that changes the card."""
        _check_id(plan)
        held = asked(lambda: self._client().v1.subscriptions.retrieve(plan))
        step = {"type": "payment_method_update"}
        order = {"customer": str(held.customer), "return_url": return_url, "flow_data": step}
        made = asked(lambda: self._client().v1.billing_portal.sessions.create(order))
        why = strange_page(made.url, self.page_origins)
        if why is not None:
            raise StrangePage(why)
        return str(made.url)

    def _update(self, plan: str, order: dict[str, Any], key: str) -> None:
        _check_id(plan)
        asked(lambda: self._client().v1.subscriptions.update(plan, order, {"idempotency_key": key}))


def _check_id(text: str) -> None:
    """Refuse what is no id: the library would send an empty one, to another address."""
    if not ID.fullmatch(text):
        raise CheckoutRefused("not an id of Stripe's")

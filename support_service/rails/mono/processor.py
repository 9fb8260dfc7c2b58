"""plata by mono as a processor of cards: opens its hosted page, hears its messages, gives back, ends plans."""

import contextlib
from collections.abc import Mapping
from datetime import datetime

from support_service.giving import Checkout, Clock, Frequency, Intent, SetAside
from support_service.origin import BadAddress, origin_of
from support_service.rails.asides import REST_FIRST
from support_service.rails.books import IntentFinder
from support_service.rails.mono.claims import ClaimReader, invoice_of
from support_service.rails.mono.client import MonoClient
from support_service.rails.mono.fields import ID, BadMessage, known_as, word
from support_service.rails.mono.method import KEY
from support_service.rails.mono.orders import PAGE_SECONDS_MIN, invoice_order, page_closes_at, subscription_order
from support_service.rails.mono.plan_words import ENDED_PLANS
from support_service.rails.mono.settings import SWEEP, MonoAccount, own_account
from support_service.rails.mono.signature import Signatures
from support_service.rails.mono.webhook import pushed_report, read_pushed, unread_report
from support_service.rails.processor import CheckoutDown, CheckoutRefused, Heard, StrangePage
from support_service.rails.rail import RailSettings

_HEADER = "x-sign"


def build_processor(given: RailSettings, intents: IntentFinder, *, clock: Clock) -> "MonoProcessor":
    """Build it; nobody is asked yet."""
    return MonoProcessor(own_account(given), intents, clock=clock)


class MonoProcessor:
    """One merchant of plata, whose subscriptions can be ended and not changed."""

    key, plans = KEY, None

    def __init__(self, account: MonoAccount, intents: IntentFinder, *, clock: Clock) -> None:
        self._account, self._clock = account, clock
        self._client = MonoClient(account.token, account.api_base, is_prompt=True)
        self._reader = ClaimReader(account.assets, intents)
        self._signatures = Signatures(lambda: self._client.get("/api/merchant/pubkey").get("key"), clock)

    def open_checkout(
        self, intent: Intent, attempt: int, *, started_at: datetime, thanks_url: str, back_url: str
    ) -> Checkout:
        """Open an invoice's page, or that of a subscription.

        Mono cannot be told that it was asked before: a page whose answer was lost stays open there, and nobody sees it.
        """
        del attempt, back_url  # the page has no way back but the one for who has paid
        closes_at = page_closes_at(started_at)
        seconds = int((closes_at - self._clock()).total_seconds())
        if seconds < PAGE_SECONDS_MIN:
            raise CheckoutRefused("this try began too long ago")
        account = self._account
        if intent.frequency is Frequency.ONCE:
            hears_at, payee = account.hears_at, account.payee
            order = invoice_order(intent, seconds, payee=payee, thanks_url=thanks_url, hears_at=hears_at)
            kind, named = "invoice", "invoiceId"
        else:
            order = subscription_order(intent, seconds, thanks_url=thanks_url, hears_at=account.hears_at)
            kind, named = "subscription", "subscriptionId"
        made = self._client.post(f"/api/merchant/{kind}/create", order)
        try:
            page, url = known_as(made, named), made.get("pageUrl")
        except BadMessage as error:
            raise CheckoutDown(f"a page was opened without a name: {error}") from error
        self._refuse_strange(kind, page, url)
        return Checkout(page, str(url), closes_at)

    def _refuse_strange(self, kind: str, page: str, url: object) -> None:
        """Close a page that no reader will be sent to."""
        why = _why_strange(url, self._account.checkout_origins)
        if why is None:
            return
        with contextlib.suppress(CheckoutDown, CheckoutRefused):
            self._client.post(f"/api/merchant/{kind}/remove", {f"{kind}Id": page})
        raise StrangePage(why)

    def hear(self, body: bytes, headers: Mapping[str, str]) -> Heard:
        """Verify and read a message."""
        signature = next((text for name, text in headers.items() if name.lower() == _HEADER), "")
        self._signatures.check(body, signature)
        pushed = read_pushed(body)
        try:
            report, declined = pushed_report(pushed, self._reader)
        except BadMessage as error:
            # Mono's, and signed: it is kept, and the sweep asks for what it is about; without a name people look.
            now = self._clock()
            aside = SetAside(SWEEP, pushed.about, f"a message: {error}", now, now + REST_FIRST)
            return Heard(unread_report(pushed), aside=aside)
        return Heard(report, declined)

    def refund(self, locator: str, units: int, key: str) -> None:
        """Give an invoice back in part or in full; the key is mono's extRef, under which it does so once."""
        invoice = _checked(invoice_of(locator))
        told = self._client.post("/api/merchant/invoice/cancel", {"invoiceId": invoice, "extRef": key, "amount": units})
        try:
            status = word(told, "status")
        except BadMessage as error:
            raise CheckoutDown(f"a refund was answered without its status: {error}") from error
        if status not in {"success", "processing"}:
            raise CheckoutRefused(f"the refund was not done: {'failure' if status == 'failure' else 'other status'}")

    def cancel_plan(self, plan: str, key: str) -> None:
        """End a subscription; one that has ended stays so, whoever asks again."""
        del key
        order = {"subscriptionId": _checked(plan), "action": "cancel"}
        try:
            self._client.post("/api/merchant/subscription/edit", order)
        except CheckoutRefused:
            if not self._is_over(plan):
                raise

    def _is_over(self, plan: str) -> bool:
        told = self._client.get("/api/merchant/subscription/status", {"subscriptionId": plan})
        return told.get("status") in ENDED_PLANS


def _checked(name: str | None) -> str:
    if name is None or not ID.fullmatch(name):
        raise CheckoutRefused("not a name of mono's")
    return name


def _why_strange(url: object, origins: tuple[str, ...]) -> str | None:
    """Say what to do where a payment page lies at none of these origins; None where it does."""
    try:
        found = str(origin_of(url)) if isinstance(url, str) else ""
    except BadAddress:
        found = ""
    if not found:
        return "the payment page has an address that cannot be read"
    if found in origins:
        return None
    return f"the payment page is at {found}; if mono's pages have moved there, add it to mono.checkout_origins"

"""A strict, stateful stand-in for Stripe, for the demo and the tests. It never reaches Stripe.

What it is held by: stripe-python as its client, Stripe's own sample objects as its answers, in tests a
`check` of every request against closed schemas, Stripe's signer for its webhooks, and Stripe's command
line as a second client. What it only supposes is told in README.md beside this file.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from support_service.demo.json_values import Json
from support_service.demo.stripe import checkout, disputes, payouts, plans, refunds
from support_service.demo.stripe.account import StripeAccount, Terms
from support_service.demo.stripe.api import Api, Check, check_nothing
from support_service.demo.stripe.faults import CardFaults, CardTrouble
from support_service.demo.stripe.hooks import Endpoint, Hooks
from support_service.demo.stripe.payments import Payer
from support_service.demo.stripe.server import Server, build
from support_service.demo.stripe.table import CURRENCIES, stripe_table
from support_service.giving import Clock, utc_now

__all__ = ["CURRENCIES", "KEY", "SECRET", "CardTrouble", "Endpoint", "Payer", "StripeFake", "Terms"]

READER = Payer("Demo Reader", "reader@example.org")
KEY, SECRET = "sk_test_demo0000000000000000", "whsec_demo0000000000000000"  # open to all: they guard nothing


class StripeFake:
    """The stand-in, running: its address, and everything that readers, banks and time do to it.

    Ids count up from `seed`, times come from `clock`: the same calls make the same objects. `check` sees
    every request before it is carried out. Events go to `hooks.endpoint` by themselves once it is set.
    """

    def __init__(
        self,
        *,
        clock: Clock = utc_now,
        seed: str = "demo",
        check: Check = check_nothing,
        terms: Terms | None = None,
        port: int = 0,
        keys: Sequence[str] = (KEY,),
    ) -> None:
        self.account = StripeAccount(clock, seed, terms or Terms())
        self.api = Api(self.account, tuple(keys), check)
        self.hooks = Hooks(self.account)
        self.account.on_event = self.hooks.take
        self._server = Server(build(self.api, self.account), port)
        self.account.base = self.url

    @property
    def url(self) -> str:
        """Where it listens: api_base in the settings; hosted pages lie at <url>/c/pay/<session>."""
        return f"http://127.0.0.1:{self._server.port}"

    def settings(self, folder: Path, *, currencies: Sequence[str] = CURRENCIES) -> str:
        """Return the [stripe] table for a settings file in the folder, and put its secrets there."""
        return stripe_table(folder, self.url, key=KEY, secret=SECRET, currencies=currencies)

    def hook(self, url: str) -> None:
        """Deliver every event from now on to the service: its /webhooks/stripe."""
        self.hooks.endpoint = Endpoint(url, SECRET)

    @property
    def faults(self) -> CardFaults:
        """Troubles for the next requests."""
        return self.api.faults

    @property
    def events(self) -> list[Json]:
        """Every event so far, newest first."""
        with self.account.lock:
            return self.account.events[::-1]

    def start(self) -> None:
        """Begin to serve and to deliver."""
        self._server.start()
        self.hooks.start()

    def stop(self) -> None:
        """End both."""
        self.faults.end()
        self.hooks.stop()
        self._server.stop()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def get(self, kind: str, name: str) -> Json:
        """Return an object as it is now."""
        with self.account.lock:
            return self.account.get(kind, name)

    def pay(self, session: str, *, is_async: bool = False, payer: Payer = READER) -> Json:
        """Pay on the hosted page; `is_async`: by a method that is settled days later."""
        with self._doing("checkout.session", session) as found:
            return checkout.pay_session(self.account, found, payer, is_slow=is_async)

    def settle(self, session: str, *, is_ok: bool = True) -> Json:
        """End an async payment, well or badly."""
        with self._doing("checkout.session", session) as found:
            return checkout.settle_session(self.account, found, is_ok=is_ok)

    def decline(self, session: str, *, payer: Payer = READER) -> Json:
        """Refuse a card on the hosted page."""
        with self._doing("checkout.session", session) as found:
            return checkout.decline_session(self.account, found, payer)

    def expire(self, session: str) -> Json:
        """Let a session's time be over."""
        with self._doing("checkout.session", session) as found:
            return checkout.expire_session(self.account, found)

    def renew(self, plan: str, *, is_ok: bool = True) -> Json:
        """Begin a subscription's next period; returns its invoice."""
        with self._doing("subscription", plan) as found:
            return plans.renew(self.account, found, is_ok=is_ok)

    def retry(self, invoice: str, *, is_ok: bool = True) -> Json:
        """Try an invoice again whose payment failed."""
        with self._doing("invoice", invoice) as found:
            return plans.collect(self.account, found, is_ok=is_ok)

    def cancel(self, plan: str) -> Json:
        """End a subscription, as a reader does in Stripe's own pages."""
        with self._doing("subscription", plan) as found:
            return plans.cancel(self.account, found)

    def refund(self, payment_intent: str, units: int, status: str = "succeeded") -> Json:
        """Refund from the dashboard; status succeeded or pending."""
        assert status in {"succeeded", "pending"}, status
        with self._doing("payment_intent", payment_intent) as intent:
            charge = self.account.get("charge", intent["latest_charge"])
            return refunds.refund(self.account, charge, units, is_pending=status == "pending")

    def settle_refund(self, refund: str) -> Json:
        """Let a pending refund succeed."""
        with self._doing("refund", refund) as found:
            return refunds.settle(self.account, found)

    def fail_refund(self, refund: str) -> Json:
        """Let a refund fail, also after it succeeded."""
        with self._doing("refund", refund) as found:
            return refunds.fail(self.account, found)

    def dispute(self, payment_intent: str, *, is_inquiry: bool = False) -> Json:
        """Let the payer's bank take the money back for now; an inquiry only asks, and takes nothing."""
        with self._doing("payment_intent", payment_intent) as intent:
            return disputes.dispute(
                self.account, self.account.get("charge", intent["latest_charge"]), is_inquiry=is_inquiry
            )

    def close_dispute(self, dispute: str, *, is_won: bool) -> Json:
        """Decide a dispute."""
        with self._doing("dispute", dispute) as found:
            return disputes.close(self.account, found, is_won=is_won)

    def payout(self, currency: str) -> Json:
        """Pay the balance of a currency out."""
        with self.account.lock:
            return payouts.pay_out(self.account, currency)

    def balance(self, currency: str) -> int:
        """Return the balance of a currency in units: what all balance transactions sum to."""
        with self.account.lock:
            return payouts.balance(self.account, currency)

    def deliver(
        self, events: Json | Sequence[Json], *, times: int = 1, order: Callable[[list[Json]], Sequence[Json]] = list
    ) -> list[int]:
        """Deliver events now, each so often, in the order made of them; return the statuses answered."""
        many = [events] if isinstance(events, dict) else list(events)
        return [self.hooks.send(event) for event in order(many * times)]

    @contextmanager
    def _doing(self, kind: str, name: str) -> Iterator[Json]:
        with self.account.lock:
            yield self.account.get(kind, name)

"""Delivers events as Stripe does: signed, by HTTP, more than once if need be, in no promised order."""

import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from urllib.request import Request

from support_service.demo.deliveries import Deliveries, post
from support_service.demo.json_values import Json
from support_service.demo.stripe.account import StripeAccount

# Stripe tries for three days; a demo is shorter. Doubled after each try.
RETRY_SECONDS_FIRST = 0.5
TRIES_MAX = 6


@dataclass(frozen=True)
class Endpoint:
    """Where events go, and the secret they are signed with."""

    url: str
    secret: str


class Hooks(Deliveries[Json]):
    """Hands every event to one endpoint from a thread of its own.

    Controls, all of which may change while it runs: `is_on` (off: nothing leaves by itself), `times`
    (each event is sent so often), `is_dropped` (events that are lost for good), `retry_seconds` and
    `tries_max`; `hold()` and `release(order)` let events gather and leave in another order.
    """

    def __init__(self, account: StripeAccount) -> None:
        super().__init__("stripe-hooks")
        self.endpoint: Endpoint | None = None
        self.is_on = True
        self.times = 1
        self.is_dropped: Callable[[Json], bool] = lambda _event: False
        self.retry_seconds, self.tries_max = RETRY_SECONDS_FIRST, TRIES_MAX
        self.sent: list[tuple[str, int]] = []  # (event id, status; 0 for no answer), in order
        self._account = account
        self._held: list[Json] | None = None
        self._lock = threading.Lock()

    def take(self, event: Json) -> None:
        """Note a new event for delivery."""
        with self._lock:
            if self._held is not None:
                self._held.append(event)
                return
        if self.is_on and self.endpoint and not self.is_dropped(event):
            for _ in range(self.times):
                self.add(event)

    def hold(self) -> None:
        """Let events gather from now on."""
        with self._lock:
            self._held = []

    def release(self, order: Callable[[list[Json]], Sequence[Json]] = list) -> None:
        """Deliver what has gathered, in the order given (list: as it happened), and hold no more."""
        with self._lock:
            held, self._held = self._held or [], None
        for event in order(held):
            self.take(event)

    def send(self, event: Json, *, secret: str | None = None) -> int:
        """Deliver one event now and return the status of the answer, 0 if there was none."""
        endpoint = self.endpoint
        assert endpoint is not None, "say where events go"
        body = json.dumps(event, ensure_ascii=False, indent=2)
        header = self.signed(body, secret or endpoint.secret)
        headers = {"Content-Type": "application/json; charset=utf-8", "Stripe-Signature": header}
        status = post(Request(endpoint.url, body.encode(), headers=headers, method="POST"))  # noqa: S310 - set in the process
        with self._lock:
            self.sent.append((event["id"], status))
        if _is_success(status):
            with self._account.lock:
                event["pending_webhooks"] = 0
        return status

    def signed(self, body: str, secret: str) -> str:
        """Return the signature header of a body, by Stripe's own signer, at the account's time."""
        # Late: whoever only imports the demo does not pay for the whole SDK.
        from stripe import WebhookSignature  # noqa: PLC0415

        header: str = WebhookSignature.generate_signature_header(body, secret, self._account.now())
        return header

    def deliver(self, item: Json) -> bool:
        """Send an event; whatever is no success was not taken."""
        return _is_success(self.send(item))

    def rest_seconds(self, tries: int) -> float | None:
        """Rest twice as long after each try."""
        return self.retry_seconds * 2 ** (tries - 1) if tries < self.tries_max else None


def _is_success(status: int) -> bool:
    return HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES

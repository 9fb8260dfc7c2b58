"""Delivers events as Stripe does: signed, by HTTP, more than once if need be, in no promised order."""

import json
import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from urllib.error import HTTPError, URLError
from urllib.request import ProxyHandler, Request, build_opener

from support_service.demo.stripe.account import Account
from support_service.demo.stripe.errors import Json

log = logging.getLogger(__name__)

ANSWER_SECONDS_MAX = 20
# Stripe tries for three days; a demo is shorter. Doubled after each try.
RETRY_SECONDS_FIRST = 0.5
TRIES_MAX = 6


@dataclass(frozen=True)
class Endpoint:
    """Where events go, and the secret they are signed with."""

    url: str
    secret: str


@dataclass
class _Due:
    event: Json
    at: float
    tries: int = 0


class Hooks:
    """Hands every event to one endpoint from a thread of its own.

    Controls, all of which may change while it runs: `is_on` (off: nothing leaves by itself), `times`
    (each event is sent so often), `is_dropped` (events that are lost for good), `retry_seconds` and
    `tries_max`; `hold()` and `release(order)` let events gather and leave in another order.
    """

    def __init__(self, account: Account) -> None:
        self.endpoint: Endpoint | None = None
        self.is_on = True
        self.times = 1
        self.is_dropped: Callable[[Json], bool] = lambda _event: False
        self.retry_seconds, self.tries_max = RETRY_SECONDS_FIRST, TRIES_MAX
        self.sent: list[tuple[str, int]] = []  # (event id, status; 0 for no answer), in order
        self._account = account
        self._due: list[_Due] = []
        self._held: list[Json] | None = None
        self._moved = threading.Condition()
        self._is_busy = self._is_stopped = False
        self._thread = threading.Thread(target=self._run, daemon=True, name="stripe-hooks")

    def start(self) -> None:
        """Begin to deliver."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread; what is still due stays undelivered."""
        with self._moved:
            self._is_stopped = True
            self._moved.notify_all()
        if self._thread.is_alive():
            self._thread.join(ANSWER_SECONDS_MAX)

    def take(self, event: Json) -> None:
        """Note a new event for delivery."""
        with self._moved:
            if self._held is not None:
                self._held.append(event)
            elif self.is_on and self.endpoint and not self.is_dropped(event):
                self._due += [_Due(event, time.monotonic()) for _ in range(self.times)]
                self._moved.notify_all()

    def hold(self) -> None:
        """Let events gather from now on."""
        with self._moved:
            self._held = []

    def release(self, order: Callable[[list[Json]], Sequence[Json]] = list) -> None:
        """Deliver what has gathered, in the order given (list: as it happened), and hold no more."""
        with self._moved:
            held, self._held = self._held or [], None
        for event in order(held):
            self.take(event)

    def settle(self, seconds_max: float = 30) -> bool:
        """Wait until nothing is due; tell whether that came to pass in time."""
        with self._moved:
            return self._moved.wait_for(lambda: not self._due and not self._is_busy, seconds_max)

    def send(self, event: Json, *, secret: str | None = None) -> int:
        """Deliver one event now and return the status of the answer, 0 if there was none."""
        endpoint = self.endpoint
        assert endpoint is not None, "say where events go"
        body = json.dumps(event, ensure_ascii=False, indent=2)
        header = self.signed(body, secret or endpoint.secret)
        headers = {"Content-Type": "application/json; charset=utf-8", "Stripe-Signature": header}
        status = _post(Request(endpoint.url, body.encode(), headers=headers, method="POST"))  # noqa: S310 - set in the process
        with self._moved:
            self.sent.append((event["id"], status))
        if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
            with self._account.lock:
                event["pending_webhooks"] = 0
        return status

    def signed(self, body: str, secret: str) -> str:
        """Return the signature header of a body, by Stripe's own signer, at the account's time."""
        # Late: whoever only imports the demo does not pay for the whole SDK.
        from stripe import WebhookSignature  # noqa: PLC0415

        header: str = WebhookSignature.generate_signature_header(body, secret, self._account.now())
        return header

    def _run(self) -> None:
        while True:
            with self._moved:
                due = self._next()
                if due is None:
                    return
                self._is_busy = True
            status = self.send(due.event)
            with self._moved:
                self._is_busy = False
                if not HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
                    self._again(due)
                self._moved.notify_all()

    def _next(self) -> _Due | None:
        """Wait for what is due and take it; None when all is over."""
        while not self._is_stopped:
            now = time.monotonic()
            ready = [due for due in self._due if due.at <= now]
            if ready:
                self._due.remove(ready[0])
                return ready[0]
            self._moved.wait(min((due.at for due in self._due), default=now + 60) - now)
        return None

    def _again(self, due: _Due) -> None:
        tries = due.tries + 1
        if tries < self.tries_max:
            pause = self.retry_seconds * 2**due.tries
            self._due.append(_Due(due.event, time.monotonic() + pause, tries))
        else:
            log.warning("stripe_demo_event_undelivered", extra={"event": due.event["id"]})


def _post(request: Request) -> int:
    try:
        with build_opener(ProxyHandler({})).open(request, timeout=ANSWER_SECONDS_MAX) as answer:
            return int(answer.status)
    except HTTPError as error:
        with error:
            return error.code
    except (URLError, OSError):
        return 0

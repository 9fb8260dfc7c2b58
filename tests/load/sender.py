"""Delivers events as Stripe does, but all at once: signed at the moment of sending, again until answered 2xx.

And as somebody does who is not Stripe: a forged delivery must be answered 400, whatever else goes on.
"""

import http.client
import json
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from stripe import WebhookSignature

from support_service.demo.stripe import SECRET

THREADS = 16
ANSWER_SECONDS_MAX = 30
# Stripe waits for minutes; here whoever got no answer looks again this soon.
AGAIN_SECONDS = 0.1
PATH = "/webhooks/stripe"


def _signed(body: str, secret: str, seconds_off: int = 0) -> str:
    header: str = WebhookSignature.generate_signature_header(body, secret, int(time.time()) + seconds_off)
    return header


def _altered(body: str) -> str:
    """Change the sum, so that a forgery that is believed is seen at the end."""
    event = json.loads(body)
    of = event["data"]["object"]
    for name in ("amount", "amount_total", "amount_received", "amount_paid"):
        if isinstance(of.get(name), int):
            of[name] += 1_000_000
    return json.dumps(event)


def _renamed(body: str) -> str:
    event = json.loads(body)
    return json.dumps({**event, "id": event["id"].replace("evt_", "evt_forged")})


def _by_another_scheme(body: str) -> tuple[str, str | None]:
    return _renamed(body), _signed(_renamed(body), SECRET).replace("v1=", "v0=")


# Each makes of an event's body what is sent, and its signature header (None: none).
FORGERIES: dict[str, Callable[[str], tuple[str, str | None]]] = {
    "another secret": lambda body: (_renamed(body), _signed(_renamed(body), "whsec_of_somebody_else")),
    "too old": lambda body: (_renamed(body), _signed(_renamed(body), SECRET, -330)),
    "of a time to come": lambda body: (_renamed(body), _signed(_renamed(body), SECRET, 330)),
    "altered": lambda body: (_altered(body), _signed(body, SECRET)),
    "without a signature": lambda body: (_renamed(body), None),
    "by another scheme": _by_another_scheme,
    "cut": lambda body: (body[:-2], _signed(body, SECRET)),
}


@dataclass
class Delivery:
    """One message that is to be answered; forgery "" where it is genuine."""

    event: str
    body: str
    forgery: str = ""
    tries: int = 0

    def prepared(self) -> tuple[bytes, dict[str, str]]:
        """Sign it now, or forge it."""
        body, signature = (
            FORGERIES[self.forgery](self.body) if self.forgery else (self.body, _signed(self.body, SECRET))
        )
        headers = {"Content-Type": "application/json; charset=utf-8"}
        return body.encode(), headers if signature is None else {**headers, "Stripe-Signature": signature}


def deliveries(events: Sequence[dict[str, Any]], count: int, random: Random) -> list[Delivery]:
    """Make so many deliveries: every event at least once, one in ten forged, the rest duplicates; shuffled."""
    bodies = [(str(event["id"]), json.dumps(event, ensure_ascii=False, indent=2)) for event in events]
    forged = count // 10
    copies = max(0, count - forged - len(bodies))
    sent = [Delivery(*one) for one in (*bodies, *random.choices(bodies, k=copies))]
    sent += [Delivery(*random.choice(bodies), random.choice(list(FORGERIES))) for _ in range(forged)]
    random.shuffle(sent)
    return sent


@dataclass
class Heard:
    """What was answered."""

    acknowledged: set[str] = field(default_factory=set)
    wrong: list[str] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)
    answered: int = 0


class Sender:
    """Sends from many threads until everything is answered as it must be."""

    def __init__(self, port: int, sent: Sequence[Delivery], *, threads: int = THREADS) -> None:
        self.heard = Heard()
        self._port, self._left, self._total = port, deque(sent), len(sent)
        self._moved, self._is_stopped = threading.Condition(), False
        self._threads = [threading.Thread(target=self._send_all, daemon=True) for _ in range(threads)]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End, also before all is done."""
        with self._moved:
            self._is_stopped = True
            self._moved.notify_all()
        for thread in self._threads:
            thread.join(ANSWER_SECONDS_MAX + 5)

    def wait(self, answered: int, seconds_max: float) -> bool:
        """Wait until so many deliveries are done with; tell whether that came to pass in time."""
        with self._moved:
            return self._moved.wait_for(lambda: self.heard.answered >= min(answered, self._total), seconds_max)

    def wait_share(self, share: float, seconds_max: float) -> bool:
        """Wait until this share of all is done with; tell whether that came to pass in time."""
        return self.wait(round(self._total * share), seconds_max)

    def acknowledged(self) -> set[str]:
        """Return the ids of events that were answered 200 so far."""
        with self._moved:
            return set(self.heard.acknowledged)

    def _send_all(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=ANSWER_SECONDS_MAX)
        while (delivery := self._next()) is not None:
            self._note(delivery, _post(connection, *delivery.prepared()))
        connection.close()

    def _next(self) -> Delivery | None:
        with self._moved:
            while not self._is_stopped and self.heard.answered < self._total:
                if self._left:
                    return self._left.popleft()
                self._moved.wait(AGAIN_SECONDS)
            return None

    def _note(self, delivery: Delivery, status: int) -> None:
        kind = "forged" if delivery.forgery else "genuine"
        with self._moved:
            self.heard.statuses[f"{kind} {status or 'no answer'}"] += 1
            if status == 0 or status in {429, 502, 503}:
                delivery.tries += 1
                self._left.append(delivery)
                self._moved.wait_for(lambda: self._is_stopped, AGAIN_SECONDS)
                return
            self.heard.answered += 1
            if status == 200 and not delivery.forgery:
                self.heard.acknowledged.add(delivery.event)
            elif status != 400 or not delivery.forgery:
                self.heard.wrong.append(f"{delivery.event} ({delivery.forgery or 'genuine'}) was answered {status}")
            self._moved.notify_all()


def _post(connection: http.client.HTTPConnection, body: bytes, headers: dict[str, str]) -> int:
    try:
        connection.request("POST", PATH, body, headers)
        answer = connection.getresponse()
        answer.read()
    except (OSError, http.client.HTTPException):
        connection.close()
        return 0
    return answer.status

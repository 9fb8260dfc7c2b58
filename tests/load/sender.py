"""Delivers messages as a processor does, but all at once: signed at the moment of sending, again until answered 2xx.

And as somebody does who is not the processor: a forged delivery must be answered 400, whatever else goes on.
"""

import http.client
import json
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random

from stripe import WebhookSignature

from support_service.demo.stripe import SECRET

THREADS = 16
ANSWER_SECONDS_MAX = 30
# Stripe waits for minutes; here whoever got no answer looks again this soon.
AGAIN_SECONDS = 0.1

# What is sent, and its headers.
Signed = tuple[str, dict[str, str]]


@dataclass(frozen=True)
class Voice:
    """How a processor speaks to us: where, how it signs a body, and how others forge that, by a name for each."""

    path: str
    signed: Callable[[str], Signed]
    forgeries: dict[str, Callable[[str], Signed]]


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


def _with(body: str, signature: str) -> Signed:
    return body, {"Stripe-Signature": signature}


STRIPE = Voice(
    "/webhooks/stripe",
    lambda body: _with(body, _signed(body, SECRET)),
    {
        "another secret": lambda body: _with(_renamed(body), _signed(_renamed(body), "whsec_of_somebody_else")),
        "too old": lambda body: _with(_renamed(body), _signed(_renamed(body), SECRET, -330)),
        "of a time to come": lambda body: _with(_renamed(body), _signed(_renamed(body), SECRET, 330)),
        "altered": lambda body: _with(_altered(body), _signed(body, SECRET)),
        "without a signature": lambda body: (_renamed(body), {}),
        "by another scheme": lambda body: _with(_renamed(body), _signed(_renamed(body), SECRET).replace("v1=", "v0=")),
        "cut": lambda body: _with(body[:-2], _signed(body, SECRET)),
    },
)


@dataclass
class Delivery:
    """One message that is to be answered; forgery "" where it is genuine."""

    event: str
    body: str
    forgery: str = ""
    tries: int = 0
    voice: Voice = STRIPE

    def prepared(self) -> tuple[bytes, dict[str, str]]:
        """Sign it now, or forge it."""
        make = self.voice.forgeries[self.forgery] if self.forgery else self.voice.signed
        body, headers = make(self.body)
        return body.encode(), {"Content-Type": "application/json; charset=utf-8", **headers}


def deliveries(bodies: Sequence[tuple[str, str]], count: int, random: Random, voice: Voice) -> list[Delivery]:
    """Make so many deliveries of messages, each a key and a body.

    Every message at least once, one in ten forged, the rest duplicates; shuffled.
    """
    forged = count // 10
    copies = max(0, count - forged - len(bodies))
    sent = [Delivery(*one, voice=voice) for one in (*bodies, *random.choices(bodies, k=copies))]
    sent += [Delivery(*random.choice(bodies), random.choice(list(voice.forgeries)), voice=voice) for _ in range(forged)]
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
            self._note(delivery, _post(connection, delivery.voice.path, *delivery.prepared()))
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


def _post(connection: http.client.HTTPConnection, path: str, body: bytes, headers: dict[str, str]) -> int:
    try:
        connection.request("POST", path, body, headers)
        answer = connection.getresponse()
        answer.read()
    except (OSError, http.client.HTTPException):
        connection.close()
        return 0
    return answer.status

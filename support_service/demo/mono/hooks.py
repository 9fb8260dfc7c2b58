"""Pushes what happens as mono does: signed by a key of its own, three times at most, in no promised order."""

import base64
import copy
import json
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.error import HTTPError, URLError
from urllib.request import ProxyHandler, Request, build_opener

from Crypto.Hash import SHA256
from Crypto.PublicKey import ECC
from Crypto.Signature import DSS

from support_service.demo.mono.merchant import Json

log = logging.getLogger(__name__)

ANSWER_SECONDS_MAX = 20
# Mono tries after a minute and after ten; a demo is shorter.
RETRY_SECONDS = (1.0, 3.0)


@dataclass(frozen=True)
class Message:
    """One message: where it goes, what it tells, its raw body and its signature."""

    url: str
    told: Json
    body: bytes
    sign: str


@dataclass
class _Due:
    message: Message
    at: float = field(default_factory=time.monotonic)
    tries: int = 0


class MonoHooks:
    """Keeps every message, and with is_sending sends each from a thread of its own; is_dropped: lost for good."""

    def __init__(self, *, is_sending: bool) -> None:
        self.messages: list[Message] = []
        self.is_sending = is_sending
        self.is_dropped: Callable[[Message], bool] = lambda _message: False
        self.sent: list[tuple[str, int]] = []
        self._key = ECC.generate(curve="P-256")
        self._due: list[_Due] = []
        self._moved = threading.Condition()
        self._is_busy = self._is_stopped = False
        self._thread = threading.Thread(target=self._run, daemon=True, name="mono-hooks")

    @property
    def public_key(self) -> str:
        """The key as mono gives it: base64 of a PEM."""
        return base64.b64encode(self._key.public_key().export_key(format="PEM").encode()).decode()

    def change_key(self) -> None:
        """Sign with another key from now on."""
        self._key = ECC.generate(curve="P-256")

    def signed(self, url: str, told: Json) -> Message:
        """Write and sign a message."""
        body = json.dumps(told, ensure_ascii=False).encode()
        return Message(url, copy.deepcopy(told), body, self.sign(body))

    def sign(self, body: bytes) -> str:
        """Sign a body."""
        signature: bytes = DSS.new(self._key, "fips-186-3", encoding="der").sign(SHA256.new(body))
        return base64.b64encode(signature).decode()

    def take(self, url: str, told: Json) -> None:
        """Push what is told now to an address; none where the order named none."""
        if not url:
            return
        message = self.signed(url, told)
        with self._moved:
            if self.is_dropped(message):
                return
            self.messages.append(message)
            if self.is_sending:
                self._due.append(_Due(message))
                self._moved.notify_all()

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread; what is still due stays unsent."""
        with self._moved:
            self._is_stopped = True
            self._moved.notify_all()
        self._thread.join(ANSWER_SECONDS_MAX)

    def settle(self, seconds_max: float = 30) -> bool:
        """Wait until nothing is due; tell whether that came to pass in time."""
        with self._moved:
            return self._moved.wait_for(lambda: not self._due and not self._is_busy, seconds_max)

    def _run(self) -> None:
        while True:
            with self._moved:
                due = self._next()
                if due is None:
                    return
                self._is_busy = True
            status = _post(due.message)
            with self._moved:
                self._is_busy = False
                self.sent.append((due.message.url, status))
                if status != HTTPStatus.OK and due.tries < len(RETRY_SECONDS):
                    self._due.append(_Due(due.message, time.monotonic() + RETRY_SECONDS[due.tries], due.tries + 1))
                elif status != HTTPStatus.OK:
                    log.warning("mono_demo_message_undelivered", extra={"status": status})
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


def _post(message: Message) -> int:
    headers = {"Content-Type": "application/json", "X-Sign": message.sign}
    request = Request(message.url, message.body, headers=headers, method="POST")  # noqa: S310 - set in the process
    try:
        with build_opener(ProxyHandler({})).open(request, timeout=ANSWER_SECONDS_MAX) as answer:
            return int(answer.status)
    except HTTPError as error:
        with error:
            return error.code
    except (URLError, OSError):
        return 0

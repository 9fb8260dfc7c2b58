"""Pushes what happens as mono does: signed by a key of its own, three times at most, in no promised order."""

import base64
import copy
import json
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from urllib.request import Request

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from support_service.demo.deliveries import Deliveries, post
from support_service.demo.mono.merchant import JsonObject

# Mono tries after a minute and after ten; a demo is shorter.
RETRY_SECONDS = (1.0, 3.0)


@dataclass(frozen=True)
class MonoWebhook:
    """One message: where it goes, what it tells, its raw body and its signature."""

    url: str
    told: JsonObject
    body: bytes
    sign: str


class MonoHooks(Deliveries[MonoWebhook]):
    """Keeps every message, and with is_sending sends each from a thread of its own; is_dropped: lost for good."""

    def __init__(self, *, is_sending: bool) -> None:
        super().__init__("mono-hooks")
        self.messages: list[MonoWebhook] = []
        self.is_sending = is_sending
        self.is_dropped: Callable[[MonoWebhook], bool] = lambda _message: False
        self.sent: list[tuple[str, int]] = []
        self._key = ec.generate_private_key(ec.SECP256R1())

    @property
    def public_key(self) -> str:
        """The key as mono gives it: base64 of a PEM."""
        key = self._key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        return base64.b64encode(key.strip()).decode()

    def change_key(self) -> None:
        """Sign with another key from now on."""
        self._key = ec.generate_private_key(ec.SECP256R1())

    def signed(self, url: str, told: JsonObject) -> MonoWebhook:
        """Write and sign a message."""
        body = json.dumps(told, ensure_ascii=False).encode()
        return MonoWebhook(url, copy.deepcopy(told), body, self.sign(body))

    def sign(self, body: bytes) -> str:
        """Sign a body as mono does: DER of ECDSA over its SHA-256, in base64."""
        return base64.b64encode(self._key.sign(body, ec.ECDSA(SHA256()))).decode()

    def take(self, url: str, told: JsonObject) -> None:
        """Push what is told now to an address; none where the order named none."""
        if not url:
            return
        message = self.signed(url, told)
        if self.is_dropped(message):
            return
        self.messages.append(message)
        if self.is_sending:
            self.add(message)

    def deliver(self, item: MonoWebhook) -> bool:
        """Send a message; whatever is not 200 was not taken."""
        headers = {"Content-Type": "application/json", "X-Sign": item.sign}
        status = post(Request(item.url, item.body, headers=headers, method="POST"))  # noqa: S310 - set in the process
        self.sent.append((item.url, status))
        return status == HTTPStatus.OK

    def rest_seconds(self, tries: int) -> float | None:
        """Rest as mono does: two more tries."""
        return RETRY_SECONDS[tries - 1] if tries <= len(RETRY_SECONDS) else None

"""Is a pushed message mono's? ECDSA (P-256, SHA-256) over its raw body, by the key that mono gives its merchants."""

import base64
import binascii
import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from threading import Lock

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from support_service.giving import Clock
from support_service.rails.processor import CheckoutDown, CheckoutRefused, NotGenuine

log = logging.getLogger(__name__)

# Whoever forges messages makes us ask for the key no more often than this; mono changes it seldom.
ASKED_AGAIN_AFTER = timedelta(minutes=1)
# And while it cannot be had, whoever pushes is told so at once.
TRIED_AGAIN_AFTER = timedelta(seconds=5)
WAIT_SECONDS_MAX = 1.0
KEY_CHARACTERS_MAX = 4_096
# DER of two numbers of 32 bytes takes 72 at most.
SIGNATURE_BYTES_MIN, SIGNATURE_BYTES_MAX = 8, 72
CURVE = SECP256R1.name


class BadMonoKey(ValueError):
    """Not the key that was agreed upon."""


class Signatures:
    """Holds the key, asked for at the first message, and once more where a message does not fit the one that is held.

    `fetch` returns it as mono tells it, and may raise CheckoutDown or CheckoutRefused.
    """

    def __init__(self, fetch: Callable[[], object], clock: Clock) -> None:
        self._fetch, self._clock = fetch, clock
        self._lock = Lock()
        self._key: EllipticCurvePublicKey | None = None
        self._fetched_at: datetime | None = None
        self._tried_at: datetime | None = None

    def check(self, body: bytes, header: str) -> None:
        """Raise NotGenuine where the body was not signed with mono's key; CheckoutDown where that cannot be had."""
        signature = read_signature(header)
        key = self._key or self._newer(None)
        if is_signed(body, signature, key):
            return
        # It may have been changed.
        newer = self._newer(key)
        if newer is key or not is_signed(body, signature, newer):
            raise NotGenuine("not signed by the processor")

    def _newer(self, held: EllipticCurvePublicKey | None) -> EllipticCurvePublicKey:
        """Ask for the key, one thread for all; the held one where it was asked for a moment ago."""
        # Others wait for as long as an answer takes that comes: while mono is silent it holds up one thread.
        if not self._lock.acquire(timeout=WAIT_SECONDS_MAX):
            raise CheckoutDown("the key of the processor's messages is being asked for")
        try:
            now = self._clock()
            if self._key is not None and self._key is not held:
                return self._key
            if self._key is not None and self._fetched_at and _is_within(self._fetched_at, now, ASKED_AGAIN_AFTER):
                return self._key
            self._key = self._fetched(now)
            return self._key
        finally:
            self._lock.release()

    def _fetched(self, now: datetime) -> EllipticCurvePublicKey:
        """Ask for it, unless that failed a moment ago; the very key that is held where it is still the same."""
        rest = TRIED_AGAIN_AFTER if self._key is None else ASKED_AGAIN_AFTER
        if self._tried_at is not None and _is_within(self._tried_at, now, rest):
            raise CheckoutDown("the key of the processor's messages cannot be had now")
        try:
            key = read_key(self._fetch())
        except (CheckoutDown, CheckoutRefused, BadMonoKey) as error:
            self._tried_at = now
            log.warning("webhook_key_not_had", extra={"error": str(error)})
            raise CheckoutDown(f"the key of the processor's messages cannot be had: {error}") from error
        self._fetched_at, self._tried_at = now, None
        return self._key if self._key is not None and self._key == key else key


def read_key(told: object) -> EllipticCurvePublicKey:
    """Read the base64 of a PEM as mono tells it; raise BadMonoKey."""
    if not isinstance(told, str) or len(told) > KEY_CHARACTERS_MAX:
        raise BadMonoKey("no key was told")
    try:
        key = load_pem_public_key(base64.b64decode(told, validate=True))
    except (ValueError, UnsupportedAlgorithm) as error:
        raise BadMonoKey("the key cannot be read") from error
    if not isinstance(key, EllipticCurvePublicKey) or key.curve.name != CURVE:
        raise BadMonoKey(f"the key is no public one of {CURVE}")
    return key


def read_signature(header: str) -> bytes:
    """Read the header X-Sign; raise NotGenuine for what cannot be one, before anybody is asked for a key."""
    try:
        signature = base64.b64decode(header.strip(), validate=True)
    except (binascii.Error, ValueError) as error:
        raise NotGenuine("it has no signature that can be read") from error
    if not SIGNATURE_BYTES_MIN <= len(signature) <= SIGNATURE_BYTES_MAX or signature[0] != 0x30:
        raise NotGenuine("it has no signature")
    return signature


def is_signed(body: bytes, signature: bytes, key: EllipticCurvePublicKey) -> bool:
    """Tell whether the body was signed with a key."""
    try:
        key.verify(signature, body, ECDSA(SHA256()))
    except InvalidSignature:
        return False
    return True


def _is_within(since: datetime, now: datetime, limit: timedelta) -> bool:
    return timedelta(0) <= now - since < limit

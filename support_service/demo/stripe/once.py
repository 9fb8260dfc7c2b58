"""Idempotency keys: the same key brings the same answer, and does nothing a second time.

https://docs.stripe.com/api/idempotent_requests: kept for a day; other parameters under the same key are
refused; while the first request runs, a second is told to wait (409); what was refused before anything
was carried out is not kept.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from support_service.demo.json_values import Json
from support_service.demo.stripe.errors import StripeRefusal, invalid

KEPT_SECONDS = 86_400
KEY_LETTERS_MAX = 255


@dataclass(frozen=True)
class StripeAnswer:
    """An answer; `is_kept` where its idempotency key brings it again."""

    status: int
    body: Json
    headers: dict[str, str] = field(default_factory=dict)
    is_kept: bool = True


@dataclass
class _Kept:
    fingerprint: str
    at: int
    told: StripeAnswer | None = None  # None while the first request still runs


class Once:
    """Remembers what was answered under each key."""

    def __init__(self) -> None:
        self._kept: dict[str, _Kept] = {}
        self._running: set[str] = set()
        self._lock = threading.Lock()

    def do(
        self, key: str | None, fingerprint: str, now: int, *, act: Callable[[], StripeAnswer], hold: Callable[[], None]
    ) -> StripeAnswer:
        """Act and answer, or bring the answer of the first time. `hold` runs before the key is let go."""
        if key is None:
            told = act()
            hold()
            return told
        if len(key) > KEY_LETTERS_MAX:
            raise invalid(f"Idempotency keys may have at most {KEY_LETTERS_MAX} characters.")
        kept = self._reserve(key, fingerprint, now)
        if kept is not None:
            hold()
            return replace(kept, headers={**kept.headers, "Idempotent-Replayed": "true"})
        try:
            told = act()
            self._note(key, told)
            hold()
        finally:
            self._let_go(key)
        return told

    def _reserve(self, key: str, fingerprint: str, now: int) -> StripeAnswer | None:
        with self._lock:
            kept = self._kept.get(key)
            if kept is not None and now - kept.at >= KEPT_SECONDS:
                del self._kept[key]
                kept = None
            if kept is not None and kept.fingerprint != fingerprint:
                text = (
                    "Keys for idempotent requests can only be used with the same parameters they were first used with."
                )
                raise StripeRefusal(400, "idempotency_error", text, code="idempotency_error")
            if key in self._running:
                text = "There is currently another in-progress request using this Idempotent Key."
                raise StripeRefusal(409, "idempotency_error", text, code="idempotency_key_in_use")
            if kept is not None:
                return kept.told
            self._running.add(key)
            self._kept[key] = _Kept(fingerprint, now)
            return None

    def _note(self, key: str, told: StripeAnswer) -> None:
        with self._lock:
            if told.is_kept:
                self._kept[key].told = told
            else:
                del self._kept[key]

    def _let_go(self, key: str) -> None:
        with self._lock:
            self._running.discard(key)
            kept = self._kept.get(key)
            if kept is not None and kept.told is None:
                del self._kept[key]

"""Troubles that a real processor has, to be ordered for the next requests."""

import threading
from dataclasses import dataclass, replace
from enum import Enum, auto

from support_service.demo.stripe.errors import StripeRefusal

SLOW_SECONDS = 30


class CardTrouble(Enum):
    """What goes wrong with a request."""

    BUSY = auto()  # 429, nothing was done
    LOCKED = auto()  # 409, another request holds the object; nothing was done
    BROKEN = auto()  # 500, nothing was done
    BROKEN_FOR_GOOD = auto()  # 500, nothing was done, and the same idempotency key brings it again
    REFUSED = auto()  # 400 that the same idempotency key brings again
    CUT = auto()  # the connection closes and nothing was done
    LOST = auto()  # all was done, and the answer is lost
    SLOW = auto()  # all was done, and the answer takes too long


_REFUSALS = {
    CardTrouble.BUSY: StripeRefusal(429, "invalid_request_error", "Request rate limit exceeded.", code="rate_limit"),
    CardTrouble.LOCKED: StripeRefusal(
        409, "invalid_request_error", "This object cannot be accessed now.", code="lock_timeout"
    ),
    CardTrouble.BROKEN: StripeRefusal(500, "api_error", "An unknown error occurred."),
    CardTrouble.BROKEN_FOR_GOOD: StripeRefusal(500, "api_error", "An unknown error occurred.", is_kept=True),
    CardTrouble.REFUSED: StripeRefusal(400, "invalid_request_error", "This account may not do that.", is_kept=True),
}


@dataclass
class _OrderedForCards:
    trouble: CardTrouble
    times: int
    path: str
    method: str
    seconds: float


class CardFaults:
    """The troubles ordered so far, taken first come, first served by the requests they fit."""

    def __init__(self) -> None:
        self._ordered: list[_OrderedForCards] = []
        self._lock = threading.Lock()
        self._is_over = threading.Event()

    def order(
        self,
        trouble: CardTrouble,
        *,
        times: int = 1,
        path: str = "/v1/",
        method: str = "",
        seconds: float = SLOW_SECONDS,
    ) -> None:
        """Let the next requests whose path begins so (and whose method is this, if given) meet the trouble."""
        with self._lock:
            self._ordered.append(_OrderedForCards(trouble, times, path, method, seconds))

    def clear(self) -> None:
        """Take back what was ordered and not yet met."""
        with self._lock:
            self._ordered.clear()

    def take(self, method: str, path: str) -> tuple[CardTrouble | None, float]:
        """Return the trouble of this request, and how many seconds a slow answer takes."""
        with self._lock:
            for one in self._ordered:
                if path.startswith(one.path) and one.method in {"", method}:
                    one.times -= 1
                    if one.times == 0:
                        self._ordered.remove(one)
                    return one.trouble, one.seconds
        return None, 0

    def wait(self, seconds: float) -> None:
        """Hold an answer back; ends at once when the server stops."""
        self._is_over.wait(seconds)

    def end(self) -> None:
        """Let every held answer go."""
        self._is_over.set()


def at_the_door(trouble: CardTrouble | None) -> None:
    """Meet the troubles that come before a request is looked at; nothing of them is kept under its key."""
    if trouble is CardTrouble.CUT:
        raise ConnectionResetError("the demo cut the connection")
    refusal = _REFUSALS.get(trouble) if trouble else None
    if refusal and not refusal.is_kept:
        raise replace(refusal)


def inside(trouble: CardTrouble | None) -> None:
    """Meet the troubles that come instead of what was asked, and are kept under its key."""
    refusal = _REFUSALS.get(trouble) if trouble else None
    if refusal and refusal.is_kept:
        raise replace(refusal)


def afterwards(trouble: CardTrouble | None, seconds: float, faults: CardFaults) -> None:
    """Meet the troubles that come when all is done."""
    if trouble is CardTrouble.SLOW:
        faults.wait(seconds)
    if trouble is CardTrouble.LOST:
        raise ConnectionResetError("the demo lost the answer")

"""The stand-in's account: every object by kind, every event in order, and one lock around both."""

import threading
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256

from support_service.demo.json_values import Json
from support_service.demo.stripe.errors import missing
from support_service.demo.stripe.samples import API_VERSION, sample

_LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
EVENTS_KEPT_FOR = timedelta(days=30)  # https://docs.stripe.com/api/events


@dataclass(frozen=True)
class Terms:
    """What this account costs and how it settles. Fees are ours, of Stripe's usual form: a share and a fixed sum."""

    fee_permille: int = 29
    fee_units: int = 30  # in a currency of two decimals
    dispute_fee_units: int = 1500
    is_dispute_fee_returned: bool = False
    settlement_currency: str | None = None  # None: every gift settles in its own currency
    settlement_millionths: int = 1_000_000  # units of the settlement currency for a million units of the gift's
    available_after: timedelta = timedelta(days=2)
    is_live: bool = False


@dataclass(frozen=True)
class Caller:
    """The request that causes what happens now, as events tell it; both None for what happens by itself."""

    request: str | None = None
    idempotency_key: str | None = None


@dataclass
class StripeAccount:
    """Everything that Stripe would keep. Take `lock` around whatever reads or writes it."""

    clock: Callable[[], datetime]
    seed: str = "demo"
    terms: Terms = field(default_factory=Terms)
    events_kept_for: timedelta = EVENTS_KEPT_FOR
    base: str = ""  # where the hosted page lies
    lock: threading.RLock = field(default_factory=threading.RLock)
    caller: Caller = field(default_factory=Caller)
    on_event: Callable[[Json], None] = lambda _event: None
    objects: dict[str, dict[str, Json]] = field(default_factory=dict)
    events: list[Json] = field(default_factory=list)
    next_expiry: int | None = None  # when the first open session ends
    _made: int = 0

    def now(self) -> int:
        """Tell the time as Stripe writes it: whole seconds since 1970."""
        return int(self.clock().timestamp())

    def name(self, prefix: str, length: int = 24) -> str:
        """Make the next id; the seed alone decides all of them."""
        self._made += 1
        number = int.from_bytes(sha256(f"{self.seed}:{self._made}".encode()).digest() * 2, "big")
        letters = []
        for _ in range(length):
            number, at = divmod(number, len(_LETTERS))
            letters.append(_LETTERS[at])
        return f"{prefix}_{''.join(letters)}"

    def add(self, made: Json) -> Json:
        """Keep a new object."""
        self.objects.setdefault(made["object"], {})[made["id"]] = made
        return made

    def new(self, kind: str, prefix: str, **filled: Json) -> Json:
        """Make an object from its sample, with its id, time and mode, and keep it."""
        common: dict[str, Json] = {"id": self.name(prefix), "created": self.now()}
        if kind not in {"refund", "balance_transaction"}:
            common["livemode"] = self.terms.is_live
        return self.add(sample(kind, **(common | filled)))

    def get(self, kind: str, name: str, param: str = "id") -> Json:
        """Return the object itself, or refuse with 404."""
        found = self.objects.get(kind, {}).get(name)
        if found is None:
            raise missing(kind.replace(".", " "), name, param)
        return found

    def all(self, kind: str) -> list[Json]:
        """Return every object of a kind, oldest first."""
        return list(self.objects.get(kind, {}).values())

    def tell(self, kind: str, of: Json, before: dict[str, Json] | None = None) -> Json:
        """Write an event with the object as it is at this moment, and hand it to whoever delivers."""
        data = {"object": deepcopy(of)}
        if before is not None:
            data["previous_attributes"] = deepcopy(before)
        event = sample(
            "event",
            id=self.name("evt"),
            api_version=API_VERSION,
            created=self.now(),
            data=data,
            livemode=self.terms.is_live,
            pending_webhooks=1,
            request={"id": self.caller.request, "idempotency_key": self.caller.idempotency_key},
            type=kind,
        )
        self.events.append(event)
        self.on_event(event)
        return event


def change(of: Json, **new: Json) -> dict[str, Json]:
    """Change fields of an object and return what they were, for an event's previous_attributes."""
    before = {name: of[name] for name in new if of[name] != new[name]}
    of.update(new)
    return before

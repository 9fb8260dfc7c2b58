"""The seam to whoever charges cards: a payment page, messages pushed to us, refunds, the end of a plan."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, TypeAlias

from support_service.giving import Checkout, Clock, Intent, Report
from support_service.money import Asset

# Finds what a reader chose, by its reference; raises what its ledger raises.
FindIntent: TypeAlias = Callable[[str], Intent | None]


@dataclass(frozen=True, slots=True)
class ProcessorAccount:
    """Our account with a processor: what it needs to know to work for us. payee is who is given to."""

    payee: str
    api_base: str
    key: str = field(repr=False)
    webhook_secrets: tuple[str, ...] = field(repr=False)
    assets: tuple[Asset, ...] = ()


class CheckoutDown(Exception):
    """No answer, or a passing fault: the same attempt may be tried again, under the same key."""


class CheckoutRefused(Exception):
    """A definite no; only a new attempt may succeed. The text is for the log and names no donor."""


class NotGenuine(ValueError):
    """A pushed message that is not the processor's, or is malformed."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What a pushed message says; is_decline: a card was declined."""

    report: Report
    is_decline: bool = False


class Processor(Protocol):
    """One processor of cards; key is the method's key, the rail, and the name in /webhooks/<name>."""

    key: str

    def open_checkout(
        self, intent: Intent, attempt: int, *, started_at: datetime, thanks_url: str, back_url: str
    ) -> Checkout:
        """Open a payment page, one for each intent and attempt; raise CheckoutDown or CheckoutRefused.

        The page closes a fixed time after started_at, when the attempt was started: asking again must ask the same.
        """
        ...

    def hear(self, body: bytes, headers: Mapping[str, str]) -> Heard:
        """Read a pushed message, without asking anybody; raise NotGenuine."""
        ...

    def refund(self, locator: str, units: int, key: str) -> None:
        """Give a payment back in part or in full, once for each key; raise CheckoutDown or CheckoutRefused."""
        ...

    def cancel_plan(self, plan: str, key: str) -> None:
        """Charge a plan no more, once for each key; raise CheckoutDown or CheckoutRefused."""
        ...


class ProcessorHalf(Protocol):
    """The half of a processor that charges and hears: `rails/<name>/processor.py`."""

    def build_processor(self, account: ProcessorAccount, intents: FindIntent, *, clock: Clock) -> Processor:
        """Build it; nobody is asked yet."""
        ...

"""The seam to whoever charges cards: a payment page, messages pushed to us, refunds, the end of a plan."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, TypeAlias

from support_service.giving import CardChoice, Checkout, Decline, Intent, PaymentMethod, Phrase, Report, SetAside
from support_service.money import Asset

# Finds what a reader chose, by its reference; raises what its ledger raises.
FindIntent: TypeAlias = Callable[[str], Intent | None]


# How often a sweep looks for what was not pushed.
SWEEP_POLL_SECONDS = 120


@dataclass(frozen=True, slots=True)
class ProcessorAccount:
    """Our account with a processor: what it needs to know to work for us. payee is who is given to.

    checkout_origins are the only places where its payment pages may lie.
    """

    payee: str
    api_base: str
    key: str = field(repr=False)
    webhook_secrets: tuple[str, ...] = field(repr=False)
    assets: tuple[Asset, ...] = ()
    checkout_origins: tuple[str, ...] = ()


def card_method(key: str, rail: str, choice: CardChoice) -> PaymentMethod:
    """Make what readers see of cards, from what a processor offers."""
    codes = ", ".join(currency.asset.code for currency in choice.currencies)
    return PaymentMethod(
        key=key,
        rail=rail,
        title=Phrase("Card, Apple Pay or Google Pay"),
        subtitle=Phrase("%(currencies)s, once or regularly", (("currencies", codes),)),
        rows=(),
        qr=None,
        facts=(("processor", choice.processor), ("currencies", codes)),
        card=choice,
    )


def one_card_way(methods: Sequence[PaymentMethod]) -> tuple[PaymentMethod, ...]:
    """Make the ways to give as readers see them: cards are one way, whoever charges them.

    A currency is charged by the first who offers it; where it stands says where the one way stands.
    """
    first = next((method for method in methods if method.card is not None), None)
    if first is None:
        return tuple(methods)
    choices = [method.card for method in methods if method.card is not None]
    currencies = {one.asset.code: one for choice in reversed(choices) for one in choice.currencies}
    told = dict.fromkeys(one.asset.code for choice in choices for one in choice.currencies)
    joined = CardChoice(
        currencies=tuple(currencies[code] for code in told),
        checkout_origins=tuple(dict.fromkeys(origin for choice in choices for origin in choice.checkout_origins)),
        processor=", ".join(choice.processor for choice in choices),
    )
    way = first if len(choices) == 1 else card_method(first.key, first.rail, joined)
    return tuple(way if method is first else method for method in methods if method is first or method.card is None)


def checkout_switch(processor: str) -> str:
    """Name the switch of card payments through a processor, as the ledger's freezes know it."""
    return f"checkout:{processor}"


class CheckoutDown(Exception):
    """No answer, or a passing fault: the same attempt may be tried again, under the same key."""


class CheckoutSilent(CheckoutDown):
    """No answer at all, or not in time."""


class CheckoutRefused(Exception):
    """A definite no; only a new attempt may succeed. The text is for the log and names no donor."""


class StrangePage(CheckoutRefused):
    """The payment page lies at an address that the settings do not name: no reader is sent there, whoever tries."""


class NotGenuine(ValueError):
    """A pushed message that is not the processor's, or is none at all."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What a pushed message says, and the card that was declined, if it tells of one.

    aside names a message that is the processor's and was not understood: its report keeps it under a key of its
    own and claims nothing, so that whoever reads it again may still book it under the message's key.
    """

    report: Report
    declined: Decline | None = None
    aside: SetAside | None = None


class PlanChanges(Protocol):
    """What a giver may change of a plan: pause it, change it, and give another card; each once for each key.

    page_origins are the only places where its page for the card may lie. All may raise CheckoutDown or
    CheckoutRefused.
    """

    page_origins: tuple[str, ...]

    def pause(self, plan: str, key: str) -> None:
        """Charge a plan nothing until it is resumed; what falls due meanwhile is not charged later."""
        ...

    def resume(self, plan: str, key: str) -> None:
        """Charge a paused plan again from its next date on."""
        ...

    def change_sum(self, plan: str, units: int, key: str) -> None:
        """Charge another sum from the next date on; nothing is charged or given back for the time until then."""
        ...

    def card_page(self, plan: str, return_url: str) -> str:
        """Open the processor's own page where the giver changes the card, and return its address."""
        ...


class Processor(Protocol):
    """One processor of cards; key is the method's key, the rail, and the name in /webhooks/<name>."""

    key: str

    @property
    def plans(self) -> PlanChanges | None:
        """What a giver may change of a plan; None where it can only be ended."""
        ...

    def open_checkout(
        self, intent: Intent, attempt: int, *, started_at: datetime, thanks_url: str, back_url: str
    ) -> Checkout:
        """Open a payment page, one for each intent and attempt where the processor can tell that it was asked before;
        readers are led to the first that was kept. Raise CheckoutDown or CheckoutRefused.

        The page closes a fixed time after started_at, when the attempt was started: asking again must ask the same.
        """
        ...

    def hear(self, body: bytes, headers: Mapping[str, str]) -> Heard:
        """Read a pushed message; raise NotGenuine.

        Nobody is asked, but for the key that messages are signed with, where only the processor has it: briefly and
        seldom, whoever pushes. CheckoutDown: it cannot be had now, so nobody can say whose the message is.
        """
        ...

    def refund(self, locator: str, units: int, key: str) -> None:
        """Give a payment back in part or in full, once for each key; raise CheckoutDown or CheckoutRefused."""
        ...

    def cancel_plan(self, plan: str, key: str) -> None:
        """Charge a plan no more, once for each key; raise CheckoutDown or CheckoutRefused."""
        ...

"""The one way to give by card, and the processors behind it: each charges its currencies."""

from dataclasses import dataclass

from flask import abort

from support_service.giving import CardChoice, CardCurrency, PaymentMethod
from support_service.rails.processor import Processor
from support_service.web.headers import PAGE_POLICY
from support_service.web.service import Service, service


@dataclass(frozen=True, slots=True)
class Cards:
    """A method that takes cards through a processor, and what it offers."""

    method: PaymentMethod
    choice: CardChoice
    processor: Processor


@dataclass(frozen=True, slots=True)
class CardWay:
    """The one way to give by card, as readers see it, and who charges each currency of it."""

    shown: PaymentMethod
    choice: CardChoice
    processors: tuple[Cards, ...]

    @property
    def key(self) -> str:
        """Its key on the page of all ways."""
        return self.shown.key

    def charging(self, currency: CardCurrency) -> Cards:
        """Find who charges a currency of the choice: the first who offers it."""
        return next(cards for cards in self.processors if currency in cards.choice.currencies)


def all_cards(at: Service) -> tuple[Cards, ...]:
    """List the methods that take cards and whose processor is built, in the order of the settings."""
    return tuple(
        Cards(method, method.card, at.processors[method.key])
        for method in at.assembly.methods
        if method.card is not None and method.key in at.processors
    )


def find_way(at: Service) -> CardWay | None:
    """Find the way to give by card; None where nobody charges cards."""
    cards = all_cards(at)
    shown = next((method for method in at.assembly.shown if method.card is not None), None)
    return CardWay(shown, shown.card, cards) if cards and shown is not None and shown.card is not None else None


def way_or_404() -> CardWay:
    """Find it for a view; 404 where this publisher takes no cards."""
    return find_way(service()) or abort(404)


def cards_or_404(rail: str) -> Cards:
    """Find who charges cards under a name; 404 where nobody does."""
    return next((cards for cards in all_cards(service()) if cards.processor.key == rail), None) or abort(404)


def form_policy(at: Service) -> str:
    """Write the policy of pages whose form ends at the payment page; all others may send forms home alone."""
    way = find_way(at)
    origins = " ".join(way.choice.checkout_origins) if way else ""
    policy = PAGE_POLICY | {"form-action": f"'self' {origins}".rstrip()}
    return "; ".join(f"{name} {value}" for name, value in policy.items())

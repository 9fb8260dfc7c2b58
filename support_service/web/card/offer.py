"""The card method of this publisher and the processor behind it, if there is one."""

from dataclasses import dataclass

from flask import abort

from support_service.giving import CardChoice, PaymentMethod
from support_service.rails.processor import Processor
from support_service.web.headers import PAGE_POLICY
from support_service.web.service import Service, service


@dataclass(frozen=True, slots=True)
class Cards:
    """A method that takes cards through a processor, and what it offers."""

    method: PaymentMethod
    choice: CardChoice
    processor: Processor


def find_cards(at: Service) -> Cards | None:
    """Find the first method that takes cards and whose processor is built; None where there is none."""
    for method in at.assembly.methods:
        processor = at.processors.get(method.key)
        if method.card is not None and processor is not None:
            return Cards(method, method.card, processor)
    return None


def cards_or_404() -> Cards:
    """Find it for a view; 404 where this publisher takes no cards."""
    return find_cards(service()) or abort(404)


def form_policy(at: Service) -> str:
    """Write the policy of pages whose form ends at the payment page; all others may send forms home alone."""
    cards = find_cards(at)
    origins = " ".join(cards.choice.checkout_origins) if cards else ""
    policy = PAGE_POLICY | {"form-action": f"'self' {origins}".rstrip()}
    return "; ".join(f"{name} {value}" for name, value in policy.items())

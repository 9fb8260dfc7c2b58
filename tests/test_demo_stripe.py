"""The stand-in for Stripe, with stripe-python over HTTP as its client: the life of a gift."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode
from urllib.request import HTTPRedirectHandler, Request, build_opener

import pytest
import stripe

from support_service.demo_stripe import KEY, SECRET, Endpoint, StripeFake
from tests.fixtures.wire import Reply, Server

THANKS = "http://127.0.0.1:1/thanks/abc"


class Hearer(Server):
    """A webhook endpoint that keeps what it hears; `statuses` are answered in turn, then 200."""

    def __init__(self) -> None:
        super().__init__(self._hear)
        self.statuses: list[int] = []

    def _hear(self, _body: bytes) -> Reply:
        return Reply(b"", self.statuses.pop(0) if self.statuses else 200)

    def types(self) -> list[str]:
        """Return the event types heard, in order."""
        return [json.loads(body)["type"] for body in self.bodies]


class NoRedirect(HTTPRedirectHandler):
    """Lets the test see where a reader is sent."""

    def redirect_request(self, *_: Any) -> None:
        """Follow nothing."""


@pytest.fixture
def hearer(stripe_fake: StripeFake) -> Iterator[Hearer]:
    with Hearer() as hearer:
        stripe_fake.hooks.endpoint = Endpoint(hearer.url, SECRET)
        yield hearer


@pytest.fixture
def client(stripe_fake: StripeFake) -> stripe.StripeClient:
    return stripe.StripeClient(KEY, base_addresses={"api": stripe_fake.url})


def order(**more: Any) -> Any:
    """Return the parameters of a one-off gift of 25.00 EUR."""
    item = {
        "quantity": 1,
        "price_data": {"currency": "eur", "unit_amount": 2500, "product_data": {"name": "Gift"}},
    }
    told = {"mode": "payment", "submit_type": "donate", "success_url": THANKS, "line_items": [item]}
    return told | {"metadata": {"intent": "i1"}, "payment_intent_data": {"metadata": {"intent": "i1"}}} | more


def press(url: str, button: str) -> tuple[int, str, str]:
    """Press a button of the hosted page: status, where to, text."""
    body = urlencode({"do": button, "email": "reader@example.org", "name": "Олена"}).encode()
    request = Request(url, body)
    try:
        with build_opener(NoRedirect).open(request, timeout=10) as answer:
            return answer.status, "", answer.read().decode()
    except OSError as error:
        with error:  # type: ignore[attr-defined]
            return error.code, error.headers.get("Location", ""), ""  # type: ignore[attr-defined]


def test_a_gift_goes_from_session_to_page_to_a_signed_event(
    stripe_fake: StripeFake, client: stripe.StripeClient, hearer: Hearer
) -> None:
    session = client.v1.checkout.sessions.create(order())
    assert (session.status, session.payment_status) == ("open", "unpaid")
    assert press(str(session.url), "pay")[:2] == (303, THANKS)
    assert stripe_fake.hooks.settle()
    assert hearer.types()[-1] == "checkout.session.completed"
    paid = client.v1.checkout.sessions.retrieve(session.id, {"expand": ["payment_intent.latest_charge"]})
    assert (paid.status, paid.payment_status, paid.metadata.to_dict()) == ("complete", "paid", {"intent": "i1"})

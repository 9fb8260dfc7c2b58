"""The page that stands in for hosted Checkout, in real Chromium: what a reader sees, and where buttons lead."""

import pytest
import stripe

from support_service.demo.stripe import StripeFake
from tests.fixtures.browser import DESKTOP, PHONE, Visit, barriers
from tests.fixtures.stripe import order, plan_order

pytestmark = pytest.mark.browser


@pytest.mark.parametrize(("size", "theme"), [(PHONE, "light"), (PHONE, "dark"), (DESKTOP, "light")])
def test_everybody_can_use_the_page(
    stripe_fake: StripeFake, stripe_client: stripe.StripeClient, visit: Visit, size: tuple[int, int], theme: str
) -> None:
    session = stripe_client.v1.checkout.sessions.create(plan_order())
    reader = visit(size=size, theme=theme)
    for button in (None, "Try a card that is declined"):
        if button:
            reader.page.get_by_role("button", name=button).click()
        else:
            reader.page.goto(str(session.url))
        assert barriers(reader.page) == []
        assert reader.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert reader.page.get_by_role("alert").inner_text().startswith("The demo card was declined")
    assert all(url.startswith(stripe_fake.url) for url in reader.requests)
    assert not reader.complaints


def test_buttons_lead_where_the_session_says_without_a_script(
    stripe_fake: StripeFake, stripe_client: stripe.StripeClient, visit: Visit
) -> None:
    # The page of another session stands in for the publisher's: it needs only to be there.
    there = str(stripe_client.v1.checkout.sessions.create(order()).url)
    reader = visit(has_script=False)
    for button, paid in (("Donate 25.00 EUR", "paid"), ("Pay with a slow method (bank debit)", "unpaid")):
        told = order(success_url=f"{there}?of={{CHECKOUT_SESSION_ID}}", cancel_url=there)
        session = stripe_client.v1.checkout.sessions.create(told)
        reader.page.goto(str(session.url))
        reader.page.get_by_role("button", name=button).click()
        reader.page.wait_for_url(f"{there}?of={session.id}")
        assert stripe_fake.get("checkout.session", session.id)["payment_status"] == paid
    session = stripe_client.v1.checkout.sessions.create(order(cancel_url=there))
    reader.page.goto(str(session.url))
    reader.page.get_by_role("link", name="Back").click()
    reader.page.wait_for_url(there)
    assert stripe_fake.get("checkout.session", session.id)["status"] == "open"

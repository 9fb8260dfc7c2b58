"""The stand-in for Stripe, with stripe-python over HTTP as its client: the whole life of gifts and plans."""

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from urllib.request import HTTPRedirectHandler, Request, build_opener

import pytest
import stripe

from support_service.demo.stripe import KEY, SECRET, StripeFake, Terms
from tests.fixtures.stripe import Hearer, order, plan_order
from tests.fixtures.stripe_schema import check

Client = stripe.StripeClient


class NoRedirect(HTTPRedirectHandler):
    """Lets a test see where a reader is sent."""

    def redirect_request(self, *_: Any) -> None:
        """Follow nothing."""


def press(url: str, button: str = "") -> tuple[int, str, str]:
    """Look at the hosted page, or press a button of it: status, where to, text."""
    body = urlencode({"do": button, "email": "reader@example.org", "name": "Олена"}).encode()
    try:
        with build_opener(NoRedirect).open(Request(url, body if button else None), timeout=10) as answer:
            return answer.status, "", answer.read().decode()
    except OSError as error:
        with error:  # type: ignore[attr-defined]
            return error.code, error.headers.get("Location", ""), ""  # type: ignore[attr-defined]


def paid(fake: StripeFake, client: Client, params: Any = None, **how: Any) -> Any:
    """Open a session, pay it, and return it as the API tells it then."""
    session = client.v1.checkout.sessions.create(params or order())
    fake.pay(session.id, **how)
    return client.v1.checkout.sessions.retrieve(session.id)


class MovedClock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.at = datetime(2026, 1, 31, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.at


def test_a_gift_goes_from_session_to_page_to_a_signed_event(
    stripe_fake: StripeFake, stripe_client: Client, hearer: Hearer
) -> None:
    session = stripe_client.v1.checkout.sessions.create(order())
    assert (session.status, session.payment_status) == ("open", "unpaid")
    assert press(str(session.url), "pay")[:2] == (303, session.success_url)
    assert stripe_fake.hooks.settle()
    body, header = hearer.heard[-1]
    event = stripe_client.construct_event(body, header, SECRET)
    assert (event.type, event.data.object.id) == ("checkout.session.completed", session.id)
    told = stripe_client.v1.checkout.sessions.retrieve(session.id, {"expand": ["payment_intent.latest_charge"]})
    assert (told.status, told.payment_status, told.url) == ("complete", "paid", None)
    intent: Any = told.payment_intent
    assert intent.metadata.to_dict() == {"intent": "i1"}
    assert (intent.latest_charge.amount, intent.latest_charge.billing_details.name) == (2500, "Олена")


def test_the_page_says_what_it_stands_in_for_and_asks_for_no_card(
    stripe_fake: StripeFake, stripe_client: Client
) -> None:
    session = stripe_client.v1.checkout.sessions.create(plan_order())
    status, _, page = press(str(session.url))
    assert status == 200
    assert "stands in for Stripe Checkout" in page and "10.00 EUR" in page and "every month" in page
    assert not {"cc-number", "cardnumber", "cvc"} & set(page.lower().split('"'))
    assert f'href="{session.cancel_url}"' in page
    assert press(f"{stripe_fake.url}/c/pay/cs_test_nobody")[0] == 404


def test_a_declined_card_leaves_the_session_open_for_another(stripe_fake: StripeFake, stripe_client: Client) -> None:
    session = stripe_client.v1.checkout.sessions.create(order())
    assert "was declined" in press(str(session.url), "decline")[2]
    assert press(str(session.url), "pay")[0] == 303
    assert "is done" in press(str(session.url), "pay")[2]  # a second press pays nothing
    kinds = [event["type"] for event in stripe_fake.events]
    assert (kinds.count("payment_intent.payment_failed"), kinds.count("charge.succeeded")) == (1, 1)
    assert len({event["data"]["object"]["id"] for event in stripe_fake.events if "intent" in event["type"]}) == 1


@pytest.mark.parametrize(("is_ok", "status", "money"), [(True, "paid", 2500 - 103), (False, "unpaid", 0)])
def test_a_slow_payment_completes_unpaid_and_is_settled_later(
    stripe_fake: StripeFake, stripe_client: Client, is_ok: bool, status: str, money: int
) -> None:
    session = paid(stripe_fake, stripe_client, is_async=True)
    assert (session.status, session.payment_status) == ("complete", "unpaid")
    assert stripe_fake.balance("eur") == 0
    stripe_fake.settle(session.id, is_ok=is_ok)
    assert stripe_client.v1.checkout.sessions.retrieve(session.id).payment_status == status
    assert stripe_fake.balance("eur") == money
    assert stripe_fake.events[0]["type"] == f"checkout.session.async_payment_{'succeeded' if is_ok else 'failed'}"


def test_a_session_expires_by_request_and_by_time() -> None:
    clock = MovedClock()
    with StripeFake(clock=clock, check=check) as fake:
        client = Client(KEY, base_addresses={"api": fake.url})
        soon = int((clock.at + timedelta(minutes=30)).timestamp())
        first, second = (client.v1.checkout.sessions.create(order(expires_at=soon)) for _ in range(2))
        client.v1.checkout.sessions.expire(first.id)
        with pytest.raises(stripe.InvalidRequestError, match="can be expired"):
            client.v1.checkout.sessions.expire(first.id)
        clock.at += timedelta(minutes=30)
        assert client.v1.checkout.sessions.retrieve(second.id).status == "expired"
        assert [event["type"] for event in fake.events] == ["checkout.session.expired"] * 2
        assert "is closed" in press(f"{fake.url}/c/pay/{second.id}", "pay")[2]


def test_a_plan_renews_fails_is_paid_after_all_and_ends(stripe_fake: StripeFake, stripe_client: Client) -> None:
    session = paid(stripe_fake, stripe_client, plan_order())
    plan = stripe_client.v1.subscriptions.retrieve(session.subscription)
    assert (plan.status, plan.metadata.to_dict()) == ("active", {"intent": "i1"})
    stripe_fake.renew(plan.id)
    failed = stripe_fake.renew(plan.id, is_ok=False)["id"]
    assert stripe_client.v1.subscriptions.retrieve(plan.id).status == "past_due"
    stripe_fake.retry(failed)
    invoices = stripe_client.v1.invoices.list({"subscription": plan.id, "expand": ["data.payments"]}).data
    assert [invoice.billing_reason for invoice in invoices] == ["subscription_cycle"] * 2 + ["subscription_create"]
    assert {invoice.status for invoice in invoices} == {"paid"}
    assert all(invoice.parent.subscription_details.subscription == plan.id for invoice in invoices)  # type: ignore[union-attr]
    assert len({invoice.payments.data[0].payment.payment_intent for invoice in invoices}) == 3  # type: ignore[union-attr]
    assert stripe_fake.balance("eur") == 3 * (1000 - 59)
    assert stripe_client.v1.subscriptions.cancel(plan.id).status == "canceled"
    with pytest.raises(stripe.InvalidRequestError):
        stripe_client.v1.subscriptions.cancel(plan.id)


def test_a_payment_intent_leads_to_its_invoice(stripe_fake: StripeFake, stripe_client: Client) -> None:
    first, second = (paid(stripe_fake, stripe_client, plan_order()).invoice for _ in range(2))
    intents = {one.invoice: one.payment.payment_intent for one in stripe_client.v1.invoice_payments.list().data}
    asked: Any = {"payment": {"type": "payment_intent", "payment_intent": intents[first]}}
    assert [one.invoice for one in stripe_client.v1.invoice_payments.list(asked).data] == [first]
    assert second in intents and len(set(intents.values())) == 2


@pytest.mark.parametrize(("interval", "second", "third"), [("month", "02-28", "03-28"), ("year", "01-31", "01-31")])
def test_periods_end_with_the_calendar(interval: str, second: str, third: str) -> None:
    with StripeFake(clock=MovedClock(), check=check) as fake:
        client = Client(KEY, base_addresses={"api": fake.url})
        plan = paid(fake, client, plan_order(interval)).subscription
        ends = []
        for _ in range(2):
            item = fake.get("subscription", plan)["items"]["data"][0]
            ends.append(datetime.fromtimestamp(item["current_period_end"], UTC).strftime("%m-%d"))
            fake.renew(plan)
        assert ends == [second, third]


def test_refunds_never_exceed_the_charge_also_when_pending_or_failed(
    stripe_fake: StripeFake, stripe_client: Client
) -> None:
    intent = paid(stripe_fake, stripe_client).payment_intent
    before = stripe_fake.balance("eur")
    pending = stripe_fake.refund(intent, 1000, "pending")
    assert stripe_fake.balance("eur") == before
    with pytest.raises(stripe.InvalidRequestError, match="greater than unrefunded"):
        stripe_client.v1.refunds.create({"payment_intent": intent, "amount": 1501})
    stripe_client.v1.refunds.create({"payment_intent": intent, "amount": 1500})
    stripe_fake.settle_refund(pending["id"])
    assert stripe_fake.balance("eur") == before - 2500
    with pytest.raises(stripe.InvalidRequestError) as caught:
        stripe_client.v1.refunds.create({"payment_intent": intent})
    assert caught.value.code == "charge_already_refunded"
    stripe_fake.fail_refund(pending["id"])
    assert stripe_fake.balance("eur") == before - 1500
    charge = stripe_client.v1.charges.list({"payment_intent": intent}).data[0]
    assert (charge.amount_refunded, charge.refunded) == (1500, False)


@pytest.mark.parametrize(("is_won", "money"), [(True, 2500 - 103 - 1500), (False, -103 - 1500)])
def test_a_dispute_takes_the_money_and_gives_it_back_if_won(
    stripe_fake: StripeFake, stripe_client: Client, is_won: bool, money: int
) -> None:
    intent = paid(stripe_fake, stripe_client).payment_intent
    dispute = stripe_fake.dispute(intent)
    assert stripe_fake.balance("eur") == -103 - 1500
    with pytest.raises(stripe.InvalidRequestError) as caught:
        stripe_client.v1.refunds.create({"payment_intent": intent})
    assert caught.value.code == "charge_disputed"
    stripe_fake.close_dispute(dispute["id"], is_won=is_won)
    assert stripe_fake.balance("eur") == money
    told = stripe_client.v1.disputes.retrieve(dispute["id"])
    assert told.status == ("won" if is_won else "lost")
    assert sum(one.net for one in told.balance_transactions) == (-1500 if is_won else -4000)
    if is_won:  # and may be given back after all
        stripe_client.v1.refunds.create({"payment_intent": intent, "amount": 100})
        assert stripe_fake.balance("eur") == money - 100


def test_an_inquiry_takes_nothing(stripe_fake: StripeFake, stripe_client: Client) -> None:
    dispute = stripe_fake.dispute(paid(stripe_fake, stripe_client).payment_intent, is_inquiry=True)
    assert stripe_fake.balance("eur") == 2500 - 103
    assert stripe_fake.close_dispute(dispute["id"], is_won=True)["status"] == "warning_closed"


def test_a_payout_lists_what_it_is_made_of(stripe_fake: StripeFake, stripe_client: Client) -> None:
    intent = paid(stripe_fake, stripe_client).payment_intent
    stripe_fake.refund(intent, 500)
    payout = stripe_fake.payout("eur")
    inside = stripe_client.v1.balance_transactions.list({"payout": payout["id"]}).data
    assert sorted(one.type for one in inside) == ["charge", "payout", "refund"]
    assert sum(one.net for one in inside) == stripe_fake.balance("eur") == 0
    assert payout["amount"] == 2500 - 103 - 500


def test_another_settlement_currency_changes_what_is_booked_not_what_was_given() -> None:
    terms = Terms(settlement_currency="usd", settlement_millionths=24_000)
    with StripeFake(check=check, terms=terms) as fake:
        client = Client(KEY, base_addresses={"api": fake.url})
        item = order()["line_items"][0]
        item["price_data"] |= {"currency": "uah", "unit_amount": 100_000}
        paid(fake, client, order(line_items=[item]))
        (charge,) = client.v1.charges.list({"expand": ["data.balance_transaction"]}).data
        booked: Any = charge.balance_transaction
        assert (charge.amount, charge.currency) == (100_000, "uah")
        assert (booked.amount, booked.currency, float(booked.exchange_rate)) == (2400, "usd", 0.024)


def test_events_are_listed_newest_first_in_pages_and_forgotten_in_time() -> None:
    clock = MovedClock()
    with StripeFake(clock=clock, check=check) as fake:
        client = Client(KEY, base_addresses={"api": fake.url})
        for _ in range(5):
            paid(fake, client)
            clock.at += timedelta(days=8)
        every = [event.id for event in client.v1.events.list({"limit": 3}).auto_paging_iter()]
        kept = [event["id"] for event in fake.events if event["created"] >= fake.account.now() - 30 * 86_400]
        assert every == kept and 0 < len(kept) < len(fake.events)
        newer = client.v1.events.list({"ending_before": kept[-1], "limit": 2}).data
        assert [event.id for event in newer] == kept[-3:-1]
        with pytest.raises(stripe.InvalidRequestError):
            client.v1.events.retrieve(fake.events[-1]["id"])
        since = int((clock.at - timedelta(days=9)).timestamp())
        wanted: Any = {"created": {"gte": since}, "types": ["checkout.session.completed", "charge.succeeded"]}
        assert [event.type for event in client.v1.events.list(wanted).data] == [
            "checkout.session.completed",
            "charge.succeeded",
        ]


def test_the_same_calls_make_the_same_objects() -> None:
    told = []
    for _ in range(2):
        with StripeFake(clock=MovedClock(), check=check, seed="x") as fake:
            paid(fake, Client(KEY, base_addresses={"api": fake.url}))
            told.append([{**event["data"]["object"], "url": ""} for event in fake.events])
    strip = [[{k: v for k, v in one.items() if k != "receipt_url"} for one in events] for events in told]
    assert strip[0] == strip[1]

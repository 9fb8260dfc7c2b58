"""What processors push: taken once, refused where it is not theirs, asked for again where we cannot take it."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support_service.assembly import assemble
from support_service.demo.stripe import StripeFake
from support_service.ledger import Ledger
from support_service.web.webhooks import BODY_BYTES_MAX
from tests.fixtures.cards import CardHouse, card_house
from tests.fixtures.door import create_site
from tests.fixtures.staff import FrozenClock


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def house(tmp_path: Path, database_url: str, clock: FrozenClock) -> Iterator[CardHouse]:
    with StripeFake(clock=clock) as fake:
        yield card_house(tmp_path, database_url, fake, clock)


def paid(house: CardHouse) -> None:
    house.fake.pay(house.reader().session(frequency="once"))


def test_a_signed_event_is_taken_and_then_known(house: CardHouse) -> None:
    paid(house)
    event = house.fake.events[0]
    first, second = house.deliver(event, event)
    assert (first.status_code, first.text) == (200, "accepted\n")
    assert (second.status_code, second.text) == (200, "known\n")
    metrics = house.reader().client.get("/metrics").text
    assert 'support_webhook_messages_total{processor="stripe",result="accepted"} 1' in metrics
    assert 'support_webhook_messages_total{processor="stripe",result="known"} 1' in metrics
    assert "# TYPE support_webhook_messages_total counter" in metrics


def test_whichever_web_process_is_asked_tells_what_came_to_all_of_them(house: CardHouse) -> None:
    other = create_site(assemble(house.file), clock=house.clock)
    clients = [house.app.test_client(), other.test_client()]

    def told() -> list[int]:
        texts = [client.get("/metrics").text for client in clients]
        found = [re.findall(r'support_webhook_messages_total.*result="refused".* ([0-9]+)', text) for text in texts]
        return [int(one) for numbers in found for one in numbers]

    for client in (*clients, clients[1]):
        assert client.post("/webhooks/stripe", data="forged").status_code == 400
    assert told() == [1, 3], "each adds its own before it tells the sum"
    assert told() == [3, 3]
    other.extensions["support"].ledger.dispose()


def test_what_is_not_the_processors_is_refused_and_counted(house: CardHouse) -> None:
    paid(house)
    client = house.app.test_client()
    body = json.dumps(house.fake.events[0])
    signature = house.fake.hooks.signed(body, "whsec_somebody_elses")
    bodies = [body, "", "[]", "{", "null", b"\xff\xfe", body + " "]
    answers = [client.post("/webhooks/stripe", data=one, headers={"Stripe-Signature": signature}) for one in bodies]
    answers += [
        client.post("/webhooks/stripe", data=body, headers=headers) for headers in ({}, {"Stripe-Signature": "ї"})
    ]
    assert {answer.status_code for answer in answers} == {400}
    assert house.ledger.head().number == 0
    metrics = client.get("/metrics").text
    assert f'support_webhook_messages_total{{processor="stripe",result="refused"}} {len(answers)}' in metrics


@pytest.mark.parametrize("size", [BODY_BYTES_MAX + 1, 5_000_000])
def test_a_flood_is_refused_before_it_is_read(house: CardHouse, size: int) -> None:
    answer = house.app.test_client().post("/webhooks/stripe", data=b"x" * size)
    assert answer.status_code == 400


def test_a_large_event_of_the_processors_own_is_taken(house: CardHouse) -> None:
    paid(house)
    event = house.fake.events[0]
    event = {**event, "id": "evt_large", "padding": "x" * 200_000}
    assert house.push(event).status_code == 200


def test_a_ledger_that_is_down_is_told_to_send_again(house: CardHouse, tmp_path: Path) -> None:
    paid(house)
    event = house.fake.events[0]
    service = house.app.extensions["support"]
    held = service.ledger
    object.__setattr__(service, "ledger", Ledger(f"sqlite:///{tmp_path}/gone/x.db", clock=house.clock))
    assert house.push(event).status_code == 503
    object.__setattr__(service, "ledger", held)
    assert house.push(event).text == "accepted\n"


@pytest.mark.parametrize("method", ["get", "put", "delete", "patch"])
def test_only_post_is_heard(house: CardHouse, method: str) -> None:
    assert getattr(house.app.test_client(), method)("/webhooks/stripe").status_code == 405


def test_an_unknown_processor_is_not_heard(house: CardHouse) -> None:
    assert house.app.test_client().post("/webhooks/mono", data=b"{}").status_code == 404


def plan_event(house: CardHouse, **changes: object) -> dict[str, Any]:
    """A plan's newest event, its object changed; nothing of it was delivered."""
    session = house.reader().session(frequency="monthly")
    house.fake.pay(session)
    (event,) = [one for one in house.fake.events if one["type"] == "customer.subscription.created"]
    of = {**event["data"]["object"], **changes}
    return {**event, "data": {**event["data"], "object": of}}


def items(event: dict[str, Any], **price: object) -> dict[str, Any]:
    """The items of a plan's event, their price changed."""
    of = event["data"]["object"]
    (item,) = of["items"]["data"]
    return {**of["items"], "data": [{**item, "price": {**item["price"], **price}}]}


def test_a_genuine_event_that_is_not_understood_is_kept_told_and_answered_200(house: CardHouse) -> None:
    event = plan_event(house)
    event = plan_event_with(event, items=items(event, unit_amount=None, unit_amount_decimal="333.5"))
    first, second = house.deliver(event, event)
    assert [(one.status_code, one.text) for one in (first, second)] == [(200, "set aside\n")] * 2
    (item,) = house.ledger.set_aside()
    assert (item.source, item.key) == ("stripe:sweep", event["id"])
    assert house.ledger.sweeps.known_reports("stripe", [f"unread:{event['id']}"])
    client = house.reader().client
    assert 'support_set_aside{source="stripe:sweep"} 1' in client.get("/metrics").text
    assert [one["what"] for one in client.get("/readyz").get_json()["set_aside"]] == [event["id"]]
    assert event["id"] in house.person("viewer").client.get("/staff/health?lang=en").text
    whole = plan_event_with(event, items=items(event, unit_amount=None, unit_amount_decimal="20000.0"))
    assert house.push(whole).text == "accepted\n"
    assert house.ledger.verify() == []


def plan_event_with(event: dict[str, Any], **changes: object) -> dict[str, Any]:
    """The event with its object changed."""
    of = event["data"]["object"]
    return {**event, "data": {"object": {**of, **changes}}}


@pytest.mark.parametrize(
    ("recurring", "changes", "told"),
    [
        ({"interval": "year", "interval_count": 1}, {}, "yearly"),
        ({"interval": "month", "interval_count": 3}, {}, "every 3 months"),
        ({"interval": "month", "interval_count": 1}, {"cancel_at": 4_102_444_800}, "charges until 2100-01-01"),
        # 23:30 in London is the next day for a publisher in Kyiv.
        ({"interval": "month", "interval_count": 1}, {"cancel_at": 4_102_529_400}, "charges until 2100-01-02"),
        (
            {"interval": "month", "interval_count": 1},
            {"pause_collection": {"behavior": "void"}},
            "collection is paused",
        ),
        (
            {"interval": "month", "interval_count": 1},
            {"status": "canceled", "ended_at": 1_767_225_600},
            "ended on 2026-01-01",
        ),
    ],
)
def test_a_plan_is_told_as_the_processor_charges_it(
    house: CardHouse, recurring: dict[str, Any], changes: dict[str, Any], told: str
) -> None:
    event = plan_event(house)
    event = plan_event_with(event, items=items(event, recurring=recurring, unit_amount=240_000), **changes)
    assert house.push(event).status_code == 200
    page = house.person("viewer").client.get("/staff/cards?lang=en").text
    assert told in page and "2\u202f400.00" in page
    (plan,) = house.ledger.plans.newest(10, None)
    thanks = house.reader().client.get(f"/thanks/{plan.intent}?lang=en").text
    assert told in thanks


@pytest.mark.parametrize("is_newer", [True, False])
def test_a_plan_that_ends_with_its_period_says_when_that_is(house: CardHouse, is_newer: bool) -> None:
    """Newer versions of Stripe's API tell the period by item, older ones of the plan."""
    event = plan_event(house)
    told = items(event, recurring={"interval": "month", "interval_count": 3}, unit_amount=240_000)
    told["data"][0]["current_period_end"] = 4_102_444_800 if is_newer else None
    period = {} if is_newer else {"current_period_end": 4_102_444_800}
    assert house.push(plan_event_with(event, items=told, cancel_at_period_end=True, **period)).status_code == 200
    assert "charges until 2100-01-01" in house.person("viewer").client.get("/staff/cards?lang=en").text
    (plan,) = house.ledger.plans.newest(10, None)
    answer = house.reader().client.get(f"/donations/{plan.intent}", headers={"Accept": "application/json"}).get_json()
    assert answer["frequency"] == "monthly"
    assert answer["plan"] == {
        "state": plan.state,
        "units": "240000",
        "amount": "2400",
        "currency": plan.currency,
        "interval": "month",
        "count": 3,
        "is_paused": False,
        "ends_at": "2100-01-01T00:00:00+00:00",
    }


def test_a_dispute_in_another_currency_is_subtracted_from_nothing_and_told(house: CardHouse) -> None:
    session = house.reader().session(frequency="once")
    house.fake.pay(session)
    payment = house.fake.get("checkout.session", session)["payment_intent"]
    house.fake.close_dispute(house.fake.dispute(payment)["id"], is_won=False)
    for event in house.fake.events[::-1]:
        of = event["data"]["object"]
        if of["object"] == "dispute":
            event = plan_event_with(event, currency="usd", amount=1_000)  # noqa: PLW2901
        assert house.push(event).status_code == 200
    (one,) = house.ledger.donations()
    assert (one.donation.refunded_units, one.donation.counted_units) == (0, one.donation.payment.units)
    (item,) = house.ledger.set_aside()
    assert "USD" in item.reason and "UAH" in item.reason
    assert house.ledger.verify() == []

"""What processors push: taken once, refused where it is not theirs, asked for again where we cannot take it."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from support_service.demo_stripe import StripeFake
from support_service.ledger import Ledger
from support_service.ledger.attempts import DECLINED
from support_service.web.card_guard import LIMITS
from support_service.web.webhooks import BODY_BYTES_MAX
from tests.fixtures.cards import CardHouse, card_house
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


def test_a_declined_card_is_counted_once(house: CardHouse) -> None:
    session = house.reader().session(frequency="once")
    house.fake.decline(session)
    declined = [event for event in house.fake.events if event["type"] == "payment_intent.payment_failed"]
    house.deliver(*declined, *declined)
    asked = (DECLINED, LIMITS.window)
    assert house.ledger.attempts.count([asked])[asked] == 1

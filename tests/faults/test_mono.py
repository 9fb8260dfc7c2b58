"""Faults of cards through plata by mono: whatever it says, how often and in what order, the ledger says the same."""

import itertools
import json
import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random

import pytest

from support_service.assembly import assemble
from support_service.demo.mono import Message, MonoFake
from support_service.giving import Report, State
from support_service.rails.processor import NotGenuine
from tests.fixtures.cards import books, told
from tests.fixtures.mono_schema import held_to_the_description
from tests.fixtures.orders import every_order
from tests.fixtures.plata import PlataHouse, plata_house
from tests.fixtures.staff import FrozenClock

GIFT = 200_00


@pytest.fixture
def house(tmp_path: Path, sqlite_url: str) -> Iterator[PlataHouse]:
    clock = FrozenClock()
    with held_to_the_description(MonoFake(clock=clock)) as fake:
        yield plata_house(tmp_path, sqlite_url, fake, clock)


def later(house: PlataHouse) -> None:
    house.clock.advance(seconds=1)


def refunded_in_part(house: PlataHouse, invoice: str) -> None:
    house.fake.refund(invoice, 50_00, is_slow=True)
    later(house)
    house.fake.settle_refunds(invoice)


def refunded_whole_in_two_steps(house: PlataHouse, invoice: str) -> None:
    house.fake.refund(invoice, 50_00)
    later(house)
    house.fake.refund(invoice, 150_00)


def refund_failed(house: PlataHouse, invoice: str) -> None:
    house.fake.refund(invoice, 50_00, is_slow=True)
    later(house)
    house.fake.settle_refunds(invoice, is_ok=False)


def nothing_more(_house: PlataHouse, _invoice: str) -> None:
    """It stays as it was paid."""


STORIES: dict[str, tuple[Callable[[PlataHouse, str], None], State, int]] = {
    "paid": (nothing_more, State.CONFIRMED, GIFT),
    "refunded in part": (refunded_in_part, State.PARTIALLY_REFUNDED, 150_00),
    "refunded whole": (refunded_whole_in_two_steps, State.REFUNDED, 0),
    "refund failed": (refund_failed, State.CONFIRMED, GIFT),
}


def reports(house: PlataHouse, messages: list[Message]) -> list[Report]:
    rail = house.app.extensions["support"].processors["mono"]
    return [rail.hear(one.body, {"X-Sign": one.sign}).report for one in messages]


@pytest.mark.parametrize("is_within_a_second", [False, True])
@pytest.mark.parametrize("story", STORIES)
def test_every_order_of_a_payments_messages_ends_alike(
    house: PlataHouse, tmp_path: Path, story: str, *, is_within_a_second: bool
) -> None:
    happen, state, counted = STORIES[story]
    invoice = house.paid()
    if not is_within_a_second:
        later(house)
    happen(house, invoice)
    # What claims nothing can put nothing out of order.
    made = [one for one in reports(house, house.fake.messages) if not one.claims_nothing]
    assert 1 <= len(made) <= 5
    intent = house.ledger.page_intent("mono", invoice)
    assert intent is not None
    orders, ends = set(), set()
    for order, ledger in every_order(tmp_path / "orders.db", intent, made, house.clock):
        ledger.accept(order[0])
        orders.add(tuple(report.key for report in order))
        ends.add((tuple(told(ledger)), tuple(sorted(books(ledger).items())), len(ledger.inbox())))
    assert len(orders) == math.factorial(len(made))
    assert [(held, waiting) for held, _, waiting in ends] == [(((f"mono:{invoice}", state, GIFT, counted),), 0)]


def test_one_message_delivered_by_twenty_at_once_is_one_gift(house: PlataHouse) -> None:
    invoice = house.paid()
    message = house.fake.messages[-1]
    with ThreadPoolExecutor(20) as many:
        answers = list(many.map(house.push, [message] * 20))
    assert {answer.status_code for answer in answers} <= {200, 503}
    assert [answer.text for answer in answers].count("accepted\n") == 1
    assert told(house.ledger) == [(f"mono:{invoice}", State.CONFIRMED, GIFT, GIFT)]


def test_messages_and_sweep_in_any_order_are_one_gift(house: PlataHouse) -> None:
    invoice = house.paid()
    house.fake.refund(invoice, 50_00)
    house.clock.advance(minutes=20)
    random = Random(7)
    for _ in range(12):
        if random.random() < 0.4:
            house.sweep()
        else:
            house.deliver([random.choice(house.fake.messages)])
        house.clock.advance(minutes=2)
    house.sweep()
    assert told(house.ledger) == [(f"mono:{invoice}", State.PARTIALLY_REFUNDED, GIFT, 150_00)]
    assert house.ledger.inbox() == ()


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_two_refunds_and_the_sweep_race_and_each_counts_once(house: PlataHouse, order: tuple[int, ...]) -> None:
    invoice = house.paid()
    house.deliver()
    house.clock.advance(minutes=20)
    processor = house.app.extensions["support"].processors["mono"]
    steps = [
        lambda: processor.refund(f"mono:{invoice}", 30_00, "key-one"),
        lambda: house.fake.refund(invoice, 20_00),
        house.sweep,
    ]
    for number in order:
        steps[number]()
    house.deliver()
    house.clock.advance(days=1)
    house.sweep()
    assert told(house.ledger) == [(f"mono:{invoice}", State.PARTIALLY_REFUNDED, GIFT, 150_00)]


HOSTILE = [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"invoiceId": 1}', b"[" * 50_000, b'{"a":' * 30_000, b"NaN"]


@pytest.mark.parametrize("body", HOSTILE)
def test_no_body_however_odd_is_more_than_a_400_unsigned_or_kept_signed(house: PlataHouse, body: bytes) -> None:
    house.page()
    client = house.app.test_client()
    assert client.post("/webhooks/mono", data=body, headers={"X-Sign": "MEUCIQ=="}).status_code == 400
    for _ in range(2):
        signed = client.post("/webhooks/mono", data=body, headers={"X-Sign": house.fake.hooks.sign(body)})
        assert signed.status_code == 200
    assert told(house.ledger) == []
    (aside,) = house.ledger.set_aside("mono:sweep")
    house.clock.advance(minutes=2)
    house.sweep()
    assert [(one.key, one.reason) for one in house.ledger.set_aside("mono:sweep")] == [(aside.key, aside.reason)]


def test_a_signature_holds_for_its_own_body_alone(house: PlataHouse) -> None:
    house.paid()
    rail = house.app.extensions["support"].processors["mono"]
    first, second = house.fake.messages[:2]
    richer = json.dumps(second.told | {"amount": 10**9}).encode()
    for body, sign in ((first.body, second.sign), (richer, second.sign), (second.body + b" ", second.sign)):
        with pytest.raises(NotGenuine):
            rail.hear(body, {"X-Sign": sign})
    assert rail.hear(second.body, {"x-sign": second.sign}).report.claims_nothing is False


def test_the_settings_name_the_sweep_without_asking_anybody(house: PlataHouse) -> None:
    assembly = assemble(house.file)
    (rail,) = [rail for rail in assembly.rails.values() if rail.name == "mono"]
    assert [one.name for one in rail.expected(assembly.given("mono"))] == ["mono:sweep"]
    assert house.fake.asked == []

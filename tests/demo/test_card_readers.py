"""The demo's readers by card: the way of a person, one month a minute, and patience where they are held back."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support_service.demo.card_readers import MONTH_SECONDS, READ_SECONDS, REST_SECONDS, CardReaders, form_fields
from support_service.demo.stripe import StripeFake
from tests.fixtures.browser import Serve
from tests.fixtures.cards import CardHouse, card_house
from tests.fixtures.staff import FrozenClock


@pytest.fixture
def house(tmp_path: Path, sqlite_url: str) -> Iterator[CardHouse]:
    clock = FrozenClock()
    with StripeFake(clock=clock) as fake:
        yield card_house(tmp_path, sqlite_url, fake, clock)


def test_each_gift_is_given_once_and_a_monthly_one_again_each_minute(house: CardHouse, serve: Serve) -> None:
    readers = CardReaders(serve(house.app), house.fake)
    assert readers.turn(1) == []
    assert readers.turn(1 + READ_SECONDS) == [], "held back: too fast for the service's clock"
    assert readers.turn(2 + READ_SECONDS) == [], "nothing is due"
    told, now = [], 1 + READ_SECONDS + REST_SECONDS
    while readers.left:
        told += readers.turn(now)
        house.clock.advance(seconds=READ_SECONDS)
        now += REST_SECONDS
    assert told == ["a reader gives  10 EUR by card, every month", "a reader gives  200 UAH by card"]
    house.fake.pay(house.reader().session(amount="50", frequency="once"), is_async=True)
    assert readers.turn(1 + MONTH_SECONDS) == [
        "a month passes: monthly gifts by card are charged again (1)",
        "slow payments arrive (1)",
    ]
    assert readers.turn(2 + MONTH_SECONDS) == []
    house.deliver_all()
    assert {(total.asset, total.units, total.count) for total in house.ledger.totals()} == {
        ("EUR", 2_000, 2),
        ("UAH", 25_000, 2),
    }


def test_a_service_that_is_not_there_is_an_oserror(stripe_fake: StripeFake) -> None:
    with pytest.raises(ConnectionRefusedError):
        CardReaders("http://127.0.0.1:9", stripe_fake).turn(1)


def test_only_the_form_that_changes_something_is_read() -> None:
    text = """<form method="get"><input name="q" value="1"></form><form method="post"><input name="a" value="2">
    <input type="checkbox" name="c" value="yes"><input name="b"></form><input name="z" value="3">"""
    assert form_fields(text) == {"a": "2", "b": ""}

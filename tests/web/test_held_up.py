"""Pages while others hold the database, or a processor says nothing: told soon, in words, and nothing typed is lost."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from flask import Flask

from support_service.demo.stripe import StripeFake
from support_service.ledger.staff import SESSION_MARK
from support_service.web.breaker import LEDGER_RESTS
from support_service.web.card.checkouts import AT_ONCE_MAX, Checkouts
from tests.fixtures.cards import CardHouse, CardReader, card_house
from tests.fixtures.held import locked, silent_server
from tests.fixtures.staff import NOON, FrozenClock, forms
from tests.fixtures.stripe_schema import check

# About a second on a quiet machine; ten before this held.
SOON_SECONDS = 4
STAFF_PAGES = (
    "/staff/",
    "/staff/cards",
    "/staff/health",
    "/staff/exports/donations.csv",
    "/staff/donations/" + "0" * 24,
)
TYPED = {"name": "Олена", "message": "За репортажі"}


@contextmanager
def soon() -> Iterator[None]:
    begun = time.monotonic()
    yield
    assert time.monotonic() - begun < SOON_SECONDS


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock(NOON)


@pytest.fixture
def house(tmp_path: Path, database_url: str, clock: FrozenClock) -> Iterator[CardHouse]:
    with StripeFake(check=check, clock=clock) as fake:
        made = card_house(tmp_path, database_url, fake, clock)
        yield made
        made.ledger.dispose()


def rest(house: CardHouse) -> None:
    house.clock.advance(seconds=LEDGER_RESTS.total_seconds() + 1)


def kept(text: str) -> dict[str, str]:
    """Read what the one form of a page would send again."""
    (form,) = [form for form in forms(text) if form.method == "post"]
    return form.fields


def test_staff_are_told_soon_that_the_ledger_is_held(house: CardHouse, database_url: str) -> None:
    anna = house.person("admin")
    with locked(database_url):
        for path in (*STAFF_PAGES, "/staff/entry", "/staff/exports"):
            rest(house)
            with soon():
                answer = anna.get(path, lang="en")
            assert answer.status_code == 503, path
            assert "The database does not answer. Nothing is lost" in answer.text
            assert answer.headers["Retry-After"]
    rest(house)
    assert anna.get("/staff/").status_code == 200


@pytest.mark.postgres
@pytest.mark.parametrize("tables", [("donation",), ("report",), ("source_freeze",)], ids=str)
def test_a_staff_page_waits_for_no_single_table_that_is_held(
    tmp_path: Path, postgresql_url: str, clock: FrozenClock, tables: tuple[str, ...]
) -> None:
    with StripeFake(check=check, clock=clock) as fake:
        house = card_house(tmp_path, postgresql_url, fake, clock)
        anna = house.person("admin")
        with locked(postgresql_url, *tables):
            for path in STAFF_PAGES:
                rest(house)
                with soon():
                    assert anna.get(path, lang="en").status_code in {200, 404, 503}, path
        house.ledger.dispose()


def test_who_looks_needs_no_writer(house: CardHouse, database_url: str) -> None:
    anna = house.person("admin")
    house.clock.advance(seconds=2 * SESSION_MARK.total_seconds())
    with locked(database_url, for_readers=False), soon():
        assert anna.get("/staff/").status_code == 200
    assert anna.get("/staff/").status_code == 200


def test_machines_are_told_soon_that_the_ledger_is_held_and_readers_the_last_totals(
    house: CardHouse, database_url: str
) -> None:
    client = house.app.test_client()
    assert client.get("/totals.json").status_code == 200
    with locked(database_url):
        for path, status in (("/readyz", 503), ("/metrics", 200), ("/totals.json", 200), ("/healthz", 200)):
            rest(house)
            with soon():
                answer = client.get(path)
            assert answer.status_code == status, path
        assert "support_ledger_up 0" in client.get("/metrics").text
    rest(house)
    assert "support_ledger_up 1" in client.get("/metrics").text


def test_a_reader_at_a_held_ledger_is_told_soon_and_loses_nothing(house: CardHouse, database_url: str) -> None:
    someone = house.reader()
    fields = someone.fields() | TYPED
    with locked(database_url):
        with soon():
            looked = someone.look()
        assert looked.status_code == 503
        assert "Nothing was charged" in looked.text
        rest(house)
        with soon():
            pressed = someone.press(fields)
        assert pressed.status_code == 503
        assert "Nothing was charged" in pressed.text
        assert "Or in another way" in pressed.text or "other way" in pressed.text
        rest(house)
        with soon():
            assert "/thanks/" not in someone.client.get("/thanks/" + "0" * 32).text
    again = kept(pressed.text)
    assert again | TYPED == again
    rest(house)
    assert someone.press(again).status_code == 303
    assert house.sessions == 1


def test_a_gift_under_way_is_told_of_later_while_the_ledger_is_held(house: CardHouse, database_url: str) -> None:
    someone = house.reader()
    assert someone.give().status_code == 303
    (session,) = house.fake.account.all("checkout.session")
    thanks = session["success_url"].removeprefix("http://127.0.0.1:8000")
    assert someone.client.get(thanks).status_code == 200
    with locked(database_url):
        rest(house)
        with soon():
            told = someone.client.get(thanks)
    assert told.status_code == 503
    assert told.headers["Cache-Control"] == "no-store"
    assert "<h1" in told.text


@pytest.fixture
def hushed(tmp_path: Path, sqlite_url: str, clock: FrozenClock) -> Iterator[CardHouse]:
    """A service whose processor takes calls and says nothing; a call is given up after a moment."""
    with StripeFake(check=check, clock=clock) as fake, silent_server() as silent:
        made = card_house(tmp_path, sqlite_url, fake, clock, changes={fake.url: silent})
        hurry(made.app, clock)
        yield made
        made.ledger.dispose()


def hurry(app: Flask, clock: FrozenClock) -> None:
    app.extensions["support"] = replace(app.extensions["support"], checkouts=Checkouts(clock, seconds_max=0.3))


def test_a_silent_processor_is_told_soon_and_nothing_typed_is_lost(hushed: CardHouse) -> None:
    someone = hushed.reader()
    fields = someone.fields() | TYPED
    for _ in range(AT_ONCE_MAX + 2):
        with soon():
            answer = someone.press(fields)
        assert answer.status_code == 503
        assert "The card processor does not answer. Nothing was charged." in answer.text
        assert kept(answer.text) | TYPED == kept(answer.text)
        with soon():
            assert someone.client.get("/support").status_code == 200
            assert someone.look().status_code == 200
            assert CardReader(someone.client, hushed).client.get("/thanks/" + "0" * 32).status_code == 404

"""Search: a gift is found by what a person remembers of it, along an index, and not by what was erased."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine, event, text
from sqlalchemy.engine import Engine

from support_service.giving import Frequency, Intent, Kind, Observation, Personal, PlanClaim, Report, State
from support_service.ledger import Ledger, Wanted
from support_service.ledger.derived import fill_derived
from support_service.ledger.engine import Database
from support_service.ledger.terms import terms_of
from tests.fixtures.reports import NOON, Chain, gift, pushed, transfer

ANYTHING = Wanted()
OLENA = Personal(
    payer="Олена Мар’янівна Коваль",
    message="Дякую за вашу роботу!",
    party='{"email": "Olena.Koval@example.org", "account": "UA043052990000026007015028783"}',
)
TX = "0x" + "ab" * 32
CHOICE = "c" * 32


def found(ledger: Ledger, asked: str, wanted: Wanted = ANYTHING, **more: Any) -> list[str]:
    listed = ledger.search.find(asked, wanted, **({"with_people": True} | more)).listed
    return [one.donation.identity.locator for one in listed]


@pytest.fixture
def books(ledger: Ledger) -> Ledger:
    """Three gifts: by card in hryvnia of a named reader, by card in euro, and ether."""
    ledger.intents.open(Intent(CHOICE, "stripe", "EUR", 2, 10_00, Frequency.MONTHLY, "uk", NOON), nonce="n")
    plan = PlanClaim("sub_1", CHOICE, 10_00, "EUR", 2, Frequency.MONTHLY, "active", NOON, (1, 0))
    hryvnia = gift("pi_1", units=1_500_50, personal=OLENA, article="https://www.example.com/news/drone-workshop")
    hryvnia = replace(hryvnia, identity=replace(hryvnia.identity, asset="UAH"))
    euro = gift("pi_2", units=1_000_00, support_code="2A3C-4E62", intent=CHOICE, personal=Personal(payer="Іван"))
    ledger.accept(Report("stripe", "e1", (hryvnia, euro), plans=(plan,)))
    Chain(ledger).says(transfer(TX, units=2 * 10**17, personal=Personal(payer="0x" + "cd" * 20)))
    return ledger


@pytest.mark.parametrize(
    ("asked", "locators"),
    [
        ("1500.50", ["pi_1"]),
        ("1 500,50", ["pi_1"]),
        ("1500,5 ₴", ["pi_1"]),
        ("1500,5 eur", []),
        ("1,000", ["pi_2"]),
        ("0,2", [f"{TX}:value"]),
        (TX, [f"{TX}:value"]),
        (TX[:12], [f"{TX}:value"]),
        (f"{TX}:value", [f"{TX}:value"]),
        ("0X" + "CD" * 20, [f"{TX}:value"]),
        ("pi_2", ["pi_2"]),
        ("коваль", ["pi_1"]),
        ("КОВА мар'ян", ["pi_1"]),
        ("коваль 1500,50", ["pi_1"]),
        ("коваль іван", []),
        ("olena.koval@EXAMPLE.org", ["pi_1"]),
        ("ua0430529900000", ["pi_1"]),
        ("роботу дякую", ["pi_1"]),
        ("https://example.com/news/drone-workshop", ["pi_1"]),
        ("workshop", ["pi_1"]),
        ("2a3c4e62", ["pi_2"]),
        ("2А3С-4Е62", ["pi_2"]),
        ("sub_1", ["pi_2"]),
        ("", []),
        ("%", []),
        ("\0\ud800", []),
    ],
)
def test_a_gift_is_found_by_what_is_remembered_of_it(books: Ledger, asked: str, locators: list[str]) -> None:
    assert found(books, asked) == locators


def test_a_gift_is_found_by_its_own_number(books: Ledger) -> None:
    for one in books.donations():
        assert found(books, one.donation.identity.ref) == [one.donation.identity.locator]


def test_who_may_not_see_who_gave_does_not_find_out_by_asking(books: Ledger) -> None:
    assert found(books, "коваль", with_people=False) == []
    assert found(books, "olena.koval@example.org", with_people=False) == []
    assert found(books, "pi_1", with_people=False) == ["pi_1"]


def test_a_search_and_a_filter_hold_together(books: Ledger) -> None:
    assert found(books, "example", Wanted(state=State.SEEN)) == []
    assert found(books, "1500,50", Wanted(kind=Kind.DONATION, rail="evm")) == []
    assert found(books, TX, Wanted(rail="evm", state=State.SEEN)) == [f"{TX}:value"]


def test_what_is_corrected_is_found_by_what_it_says_now_alone(books: Ledger) -> None:
    books.accept(pushed("e2", _in_hryvnia(gift("pi_1", units=1_600_00, personal=Personal(payer="Остап"), rank=(9, 9)))))
    assert found(books, "1500,50") == found(books, "коваль") == []
    assert found(books, "1600") == found(books, "остап") == ["pi_1"]
    assert books.verify() == []


def test_who_is_erased_is_gone_from_the_search(books: Ledger, database_url: str) -> None:
    """Also where the erasing is done by a statement of SQL."""
    engine = create_engine(database_url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE personal_data SET body = NULL, erased_at = 1"))
    engine.dispose()
    assert found(books, "коваль") == found(books, "olena.koval@example.org") == found(books, "дякую") == []
    assert found(books, "1500,50") == ["pi_1"]
    assert books.verify() == []


MAIL = "receipt@example.org"
LAST_WORD = gift("pi_9", personal=Personal(payer="Олекса Ткач"), rank=(5, 0))
WITH_MAIL = gift("pi_9", personal=Personal(payer="Олекса Ткач", party=f'{{"email": "{MAIL}"}}'), rank=(4, 0))


@pytest.mark.parametrize("told", [(WITH_MAIL, LAST_WORD), (LAST_WORD, WITH_MAIL)])
def test_a_card_gift_is_found_by_the_e_mail_of_its_receipt_which_its_last_word_does_not_tell(
    ledger: Ledger, database_url: str, told: tuple[Observation, Observation]
) -> None:
    for number, one in enumerate(told):
        ledger.accept(pushed(f"e{number}", one))
    assert found(ledger, MAIL) == found(ledger, "receipt@ex") == ["pi_9"]
    assert found(ledger, MAIL, with_people=False) == []
    assert ledger.verify() == []
    _write_terms_anew(database_url)
    assert found(ledger, MAIL) == ["pi_9"], "as migrate finds it in an older ledger"
    assert ledger.donors.find(MAIL).donations == (LAST_WORD.identity.ref,)
    ledger.donors.erase(MAIL, by="anna@example.org")
    assert found(ledger, MAIL) == found(ledger, "ткач") == []
    assert ledger.donors.find(MAIL).is_empty
    assert ledger.verify() == []


def test_what_is_left_of_a_gift_is_found_when_a_part_of_it_is_forgotten(ledger: Ledger) -> None:
    ledger.accept(pushed("e1", WITH_MAIL))
    until = ledger.donors.find(MAIL).kept[0].stored_at
    ledger.accept(pushed("e2", LAST_WORD))
    assert ledger.donors.forget_before(until + timedelta(microseconds=1)) == 1
    assert found(ledger, MAIL) == []
    assert found(ledger, "ткач") == ["pi_9"]
    assert ledger.verify() == []


def test_a_gift_is_found_by_who_chose_it_until_they_are_erased(ledger: Ledger, database_url: str) -> None:
    who = Personal(payer="Роман Гук", party=f'{{"email": "{MAIL}"}}')
    ledger.intents.open(Intent(CHOICE, "stripe", "EUR", 2, 10_00, Frequency.ONCE, "uk", NOON, personal=who), nonce="n")
    ledger.accept(pushed("e1", gift("pi_1", intent=CHOICE)))
    assert found(ledger, MAIL) == found(ledger, "гук роман") == ["pi_1"]
    assert ledger.verify() == []
    _write_terms_anew(database_url)
    assert found(ledger, MAIL) == ["pi_1"]
    engine = create_engine(database_url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE personal_data SET body = NULL, erased_at = 1"))
    engine.dispose()
    assert found(ledger, MAIL) == found(ledger, "гук") == []
    assert found(ledger, "pi_1") == ["pi_1"]
    assert ledger.verify() == []


def _write_terms_anew(url: str) -> None:
    database = Database(url)
    with database.write() as tx:
        tx.execute(text("DELETE FROM search_term"))
        fill_derived(tx)
    database.dispose()


def test_a_long_text_without_spaces_holds_nobody_up(ledger: Ledger) -> None:
    began = time.process_time()
    ledger.accept(pushed("long", gift(personal=Personal(message="й" * 20_000 + " olena@example.org"))))
    assert time.process_time() - began < 2, "to look for addresses from each letter takes five seconds"
    assert found(ledger, "olena@example.org") == ["pi_1"]


def test_pages_of_a_search_follow_each_other(ledger: Ledger) -> None:
    ledger.accept(pushed("many", *(gift(f"pi_{number}", personal=Personal(payer="Олег")) for number in range(7))))
    first = ledger.search.find("олег", ANYTHING, limit=3, with_people=True).listed
    assert [one.number for one in first] == [7, 6, 5]
    rest = ledger.search.find("олег", ANYTHING, limit=9, before=5, with_people=True).listed
    assert [one.number for one in rest] == [4, 3, 2, 1]


def test_a_rare_word_beside_a_common_one_is_found_however_old_it_is(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("support_service.ledger.search.CANDIDATES_MAX", 3)
    rare = gift("pi_rare", personal=Personal(payer="Остап", message="дякую"))
    common = (gift(f"pi_{number}", personal=Personal(message="дякую вам")) for number in range(9))
    ledger.accept(pushed("many", rare, *common))
    assert found(ledger, "дякую остап") == ["pi_rare"]
    assert not ledger.search.find("дякую вам", ANYTHING, with_people=True).is_whole


# Every question of a page is answered along an index.

QUESTIONS = [
    *("коваль 7", "остап", "200", "дякую за", "0x" + "ab" * 20, "someone@example.org", "sub_1", "workshop"),
]
FILTERS = [
    *(Wanted(state=state) for state in (State.REFUNDED, State.SEEN, State.QUARANTINED)),
    *(Wanted(kind=kind) for kind in (Kind.PAYOUT, Kind.REVIEW)),
    *(Wanted(rail="bank"), Wanted(method="iban"), Wanted(state=State.DISPUTED, method="stripe")),
]


def test_every_search_and_filter_goes_along_an_index(database_url: str) -> None:
    ledger = Ledger(database_url)
    told: list[Observation] = []
    for number in range(3_000):
        person = Personal(payer=f"Остап {number}", message="дякую за роботу")
        told.append(
            gift(f"pi_{number}", units=200_00 + number, personal=person, article="https://example.com/workshop")
        )
    ledger.accept(pushed("many", *told))
    engine = create_engine(database_url)
    if engine.dialect.name == "postgresql":
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM ANALYZE"))
    with _heard() as statements:
        for asked in QUESTIONS:
            ledger.search.find(asked, ANYTHING, with_people=True)
        for wanted in FILTERS:
            ledger.donations(wanted)
            ledger.search.find("дякую", wanted, with_people=True)
    assert len(statements) > 20
    plans = {statement: _plan(engine, statement, values) for statement, values in statements}
    slow = {statement: plan for statement, plan in plans.items() if _reads_a_table(plan)}
    engine.dispose()
    ledger.dispose()
    assert slow == {}


@given(st.lists(st.text(alphabet="aΣς@.'’ \n<>é\u0301ﬁ１İі-", max_size=12), min_size=3, max_size=3))
@settings(max_examples=300, deadline=None)
def test_the_words_of_a_person_are_those_of_each_text(texts: list[str]) -> None:
    row = {"state": "confirmed", "units": 1, "exponent": 0, "asset": "UAH", "tx": None, "locator": "", "address": ""}
    row |= {"support_code": None, "article": None}

    def found(*people: Personal) -> frozenset[str]:
        return terms_of(row, people)

    together = found(Personal(payer=texts[0], message=texts[1], note=texts[2]))
    assert together == found(*(Personal(payer=text) for text in texts))


@contextmanager
def _heard() -> Iterator[list[tuple[str, Any]]]:
    """Note every question to a database, as it is sent."""
    statements: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, values: Any, _context: Any, _many: bool) -> None:
        if "search_term" in statement or "FROM donation" in statement:
            statements.append((statement, values))

    event.listen(Engine, "before_cursor_execute", note)
    yield statements
    event.remove(Engine, "before_cursor_execute", note)


def _plan(engine: Engine, statement: str, values: Any) -> str:
    how = "EXPLAIN QUERY PLAN " if engine.dialect.name == "sqlite" else "EXPLAIN "
    with engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            # A small table may be read whole for speed; what has no index still is.
            connection.exec_driver_sql("SET enable_seqscan = off")
        return "\n".join(str(row[-1]) for row in connection.exec_driver_sql(how + statement, values))


def _reads_a_table(plan: str) -> bool:
    """Tell whether a plan goes through a whole table of gifts or terms."""
    return any(
        line.startswith(f"SCAN {table}") or f"Seq Scan on {table}" in line
        for line in plan.splitlines()
        for table in ("donation", "search_term")
    )


def _in_hryvnia(made: Observation) -> Observation:
    return replace(made, identity=replace(made.identity, asset="UAH"))

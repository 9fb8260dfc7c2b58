"""Lines of the bank account on the staff pages: found, shown, judged by a person, and judged again."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from support_service.giving import utc_now
from support_service.rails.bank.booking import import_lines
from support_service.rails.bank.classes import CLASS_WORDS, LineClass
from support_service.rails.bank.settings import BankChoices
from tests.fixtures.staff import House, build_house
from tests.rails.bank.vectors import WORLD, read_vector

NAME = "camt053/v02-batch-no-details.xml"


@pytest.fixture
def house(tmp_path: Path, database_url: str) -> Iterator[House]:
    made = build_house(tmp_path, database_url)
    bring(made, NAME)
    yield made
    made.ledger.dispose()


def bring(house: House, name: str) -> None:
    list(import_lines(read_vector(name).lines, house.ledger.lines, BankChoices(world=WORLD), now=utc_now()))


def test_a_line_that_waits_for_a_person_counts_once_a_person_says_that_it_is_a_gift(house: House) -> None:
    visitor = house.person()
    (row,) = house.ledger.export()
    assert (row["kind"], row["counted_units"], row["bank_rule"]) == ("review", "0", "batch")
    page = f"/staff/donations/{row['id']}"
    assert "batch" in visitor.get(page).text
    answer = visitor.fill(page, form="/class", **{"class": "gift"})
    assert answer.status_code == 303
    (row,) = house.ledger.export()
    assert (row["kind"], row["counted_units"], row["bank_rule"]) == ("donation", row["units"], "staff")
    bring(house, NAME)
    assert next(house.ledger.export())["kind"] == "donation", "the file again changes no person's word"
    assert visitor.fill(page, form="/class", **{"class": ""}).status_code == 303
    (row,) = house.ledger.export()
    assert (row["kind"], row["counted_units"], row["bank_class"]) == ("review", "0", "review")
    assert house.ledger.totals() == ()
    assert house.ledger.verify() == []


def test_what_a_line_may_be_is_said_in_words(house: House) -> None:
    assert set(CLASS_WORDS) == set(LineClass)
    (row,) = house.ledger.export()
    anna = house.person()
    for lang, said in (("en", "Between our own accounts"), ("uk", "Переказ між своїми рахунками")):
        for path in ("/staff/inbox", f"/staff/donations/{row['id']}"):
            page = anna.get(path, lang=lang).text
            assert re.search(rf'value="own_transfer"[^>]*>{said}</button>', page), path
            assert ">own_transfer<" not in page


def test_a_word_that_is_no_class_of_this_line_changes_nothing(house: House) -> None:
    visitor = house.person()
    (row,) = house.ledger.export()
    for wrong in ("fee", "reversal", "no such", "review"):
        assert visitor.fill(f"/staff/donations/{row['id']}", form="/class", **{"class": wrong}).status_code == 400
    assert list(house.ledger.export()) == [row]


def test_two_people_who_judge_one_line_are_not_both_believed(house: House) -> None:
    anna, bob = house.person(), house.person(email="bob@example.com")
    (row,) = house.ledger.export()
    page = f"/staff/donations/{row['id']}"
    form = bob.form(page, "/class")
    anna.fill(page, form="/class", **{"class": "gift"})
    assert bob.send(form, **{"class": "own_transfer"}).status_code == 409
    assert next(house.ledger.export())["kind"] == "donation"
    assert house.ledger.verify() == []


def test_a_viewer_judges_nothing(house: House) -> None:
    (row,) = house.ledger.export()
    assert "/class" not in house.person(role="viewer").get(f"/staff/donations/{row['id']}").text


@pytest.mark.parametrize(("kind", "count"), [("review", 1), ("payout", 0), ("other", 0), ("donation", 0)])
def test_lines_are_found_by_their_kind(house: House, kind: str, count: int) -> None:
    found = house.person().get("/staff/donations", kind=kind, rail="bank").text
    assert found.count('href="/staff/donations/') >= count
    assert bool(count) == ("/staff/donations/" in found)

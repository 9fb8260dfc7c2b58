"""Statements that staff bring: looked at first, booked by one button, taken back as a whole and put back."""

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from werkzeug.test import TestResponse

from support_service.door.body import FORMS, STATEMENTS, limit_of
from support_service.giving import utc_now
from support_service.rails.bank.booking import import_lines
from support_service.rails.bank.settings import BankChoices
from tests.fixtures.staff import House, Visitor, build_house
from tests.fixtures.statements import gift_units
from tests.rails.bank.vectors import FOLDER, read_vector, told
from tests.web.staff.test_links import ACCOUNT, CODE, issue, rows

NAME = "camt053/v02-plain.xml"
TABLE = "Date;Amount;Purpose;Reference\n2026-05-20;250.00;help;RB1\n2026-05-21;100.00;help;RB2\n"


@pytest.fixture
def house(tmp_path: Path, database_url: str) -> Iterator[House]:
    made = build_house(tmp_path, database_url)
    yield made
    made.ledger.dispose()


def bring(visitor: Visitor, data: bytes, name: str = "x.csv", **fields: str) -> TestResponse:
    """Fill the form with a file, as a browser sends it."""
    form = visitor.form("/staff/imports", "/imports")
    sent = {**form.fields, "form": "", "profile": "", "account": ACCOUNT, **fields, "file": (io.BytesIO(data), name)}
    return visitor.client.post(form.action, data=sent, content_type="multipart/form-data")


def book(visitor: Visitor, data: bytes, **fields: str) -> str:
    answer = bring(visitor, data, **fields)
    assert answer.status_code == 303, answer.text
    page = answer.headers["Location"]
    assert visitor.fill(page, form="/book").status_code == 303
    return page


def test_a_file_is_looked_at_first_and_booked_by_one_button_once(house: House) -> None:
    visitor = house.person()
    answer = bring(visitor, TABLE.encode())
    page = answer.headers["Location"]
    seen = visitor.get(page).text
    assert house.ledger.head().number == 0
    assert seen.count("help") == 2
    late = visitor.form(page, "/book")
    assert visitor.send(late).status_code == 303
    assert gift_units(rows(house)) == 35_000
    assert visitor.send(late).status_code == 409
    assert "new 2, known 0, changed 0, refused 0" in visitor.get("/staff/imports", lang="en").text
    assert "new 0, known 2" in visitor.get(book(visitor, TABLE.encode()), lang="en").text


def test_what_an_import_told_is_said_in_the_language_of_the_page(house: House) -> None:
    visitor = house.person()
    page = book(visitor, TABLE.encode())
    for path in (page, "/staff/imports"):
        told = visitor.get(path, lang="uk").text
        assert "нових: 2, відомих: 0, змінених: 0, відхилених: 0" in told and "known" not in told, path
    assert house.ledger.imports.newest()[0].told == "new 2, known 0, changed 0, refused 0"


def test_a_preview_says_why_a_line_is_taken_for_a_readers(house: House) -> None:
    issue(house)
    visitor = house.person()
    table = f"Date;Amount;Purpose;Reference\n2026-05-20;250.00;дякую {CODE};RB1\n2026-05-21;9.00;help;RB2\n"
    page = bring(visitor, table.encode()).headers["Location"]
    for lang, why in (("uk", "код є в призначенні платежу"), ("en", "the code stands in what was written")):
        assert visitor.get(page, lang=lang).text.count(why) == 1


def test_a_camt_file_shows_that_its_balances_close(house: House) -> None:
    visitor = house.person()
    answer = bring(visitor, (FOLDER / NAME).read_bytes(), "september.xml", account="")
    seen = visitor.get(answer.headers["Location"], lang="en").text
    assert "opening and lines make the closing balance" in seen
    assert all(line["counterparty"]["name"] in seen for line in told(NAME)["lines"] if line["counterparty"]["name"])


@pytest.mark.parametrize(
    ("data", "told_of"),
    [
        (b"%PDF-1.7 x", "PDF"),
        (b"", ""),
        (b"<html><body>", "HTML"),
    ],
)
def test_what_is_no_statement_is_refused_by_its_name_and_kept_nowhere(house: House, data: bytes, told_of: str) -> None:
    visitor = house.person()
    answer = bring(visitor, data)
    assert answer.status_code == 400
    assert told_of in answer.text
    assert house.ledger.imports.newest() == ()


def test_unreadable_rows_are_named_with_row_and_field_and_the_others_are_booked(house: House) -> None:
    visitor = house.person()
    answer = bring(visitor, f"{TABLE}2026-02-31;5.00;x;RB3\n".encode())
    assert "row 4: date" in visitor.get(answer.headers["Location"]).text.replace("Date", "date")
    assert visitor.fill(answer.headers["Location"], form="/book").status_code == 303
    assert gift_units(rows(house)) == 35_000


def test_a_file_taken_back_counts_no_more_and_put_back_it_counts_again(house: House) -> None:
    visitor = house.person()
    page = book(visitor, TABLE.encode())
    for _ in range(2):
        assert visitor.fill(page, form="/stand", stands="no").status_code == 303
        assert gift_units(rows(house)) == 0
        assert house.ledger.totals() == ()
        assert visitor.fill(page, form="/stand", stands="yes").status_code == 303
        assert gift_units(rows(house)) == 35_000
    assert {one["state"] for one in rows(house)} == {"confirmed"}


def test_what_another_file_tells_too_stands_and_bringing_a_file_again_brings_it_back(house: House) -> None:
    visitor = house.person()
    first = book(visitor, TABLE.encode())
    second = book(visitor, b"Date;Amount;Purpose;Reference\n2026-05-21;100.00;help;RB2\n2026-05-22;50.00;help;RB3\n")
    visitor.fill(first, form="/stand", stands="no")
    assert gift_units(rows(house)) == 15_000
    visitor.fill(second, form="/stand", stands="no")
    assert gift_units(rows(house)) == 0
    for _ in range(2):
        third = book(visitor, TABLE.encode())
        assert gift_units(rows(house)) == 35_000
        visitor.fill(third, form="/stand", stands="no")
        assert gift_units(rows(house)) == 0


def test_what_the_bank_itself_told_stands_when_a_file_is_taken_back(house: House) -> None:
    visitor = house.person()
    page = book(visitor, (FOLDER / NAME).read_bytes(), account="")
    list(import_lines(read_vector(NAME).lines, house.ledger.lines, BankChoices(), now=utc_now()))
    before = gift_units(rows(house))
    visitor.fill(page, form="/stand", stands="no")
    assert gift_units(rows(house)) == before > 0


def test_a_gift_booked_by_hand_counts_again_when_the_file_of_its_line_is_taken_back(house: House) -> None:
    visitor = house.person()
    visitor.book(method="iban", amount="250", known_as="RB1")
    page = book(visitor, TABLE.encode())
    assert gift_units(rows(house)) == 35_000
    visitor.fill(page, form="/stand", stands="no")
    assert gift_units(rows(house)) == 25_000
    visitor.fill(page, form="/stand", stands="yes")
    assert gift_units(rows(house)) == 35_000


def test_only_bookkeepers_bring_files(house: House) -> None:
    viewer = house.person(role="viewer")
    assert viewer.get("/staff/imports").status_code == 403
    stranger = house.visitor()
    sent = {"file": (io.BytesIO(b"x" * 100_000), "x.csv")}
    answer = stranger.client.post("/staff/imports", data=sent, content_type="multipart/form-data")
    assert answer.status_code == 403
    assert house.ledger.imports.newest() == ()


def test_the_door_takes_a_statement_of_twenty_megabytes_there_alone() -> None:
    assert limit_of("/staff/imports") is STATEMENTS
    assert STATEMENTS.bytes_max > 20_000_000
    assert {limit_of(path) for path in ("/staff/imports/1/book", "/staff/entry", "/staff/importsx")} == {FORMS}


def test_rows_pasted_from_a_table_are_shown_and_then_booked_once(house: House) -> None:
    visitor = house.person()
    text = "Хто\tСума\tДень\nОлена\t250,00\t20.05.2026\nТарас\t1 000\t\n"
    form = visitor.form("/staff/entry/rows", "/rows")
    seen = visitor.send(form, method="iban", date="2026-05-19", rows=text)
    assert seen.status_code == 200
    assert rows(house) == []
    for _ in range(2):
        answer = visitor.send(form, method="iban", date="2026-05-19", rows=text, action="book")
        assert answer.status_code == 303
    told_of = rows(house)
    assert [one["units"] for one in told_of] == ["25000", "100000"]
    assert [one["payer"] for one in told_of] == ["Олена", "Тарас"]
    assert [str(one["occurred_at"])[:10] for one in told_of] == ["2026-05-20", "2026-05-19"]


@pytest.mark.parametrize(
    "row", ["x;y", "200 USD;A", "1,000;A", "200;300", "200;20.05.2027", "0;A", "200;A;2026-02-31;B;1"]
)
def test_a_row_that_may_be_read_wrongly_books_nothing(house: House, row: str) -> None:
    visitor = house.person()
    form = visitor.form("/staff/entry/rows", "/rows")
    answer = visitor.send(form, method="iban", date="2026-05-19", rows=f"5;B\n{row}", action="book")
    assert answer.status_code == 400
    assert rows(house) == []


def test_book_and_add_another_keeps_method_and_day(house: House) -> None:
    visitor = house.person()
    sent = {"method": "iban", "amount": "250", "date": "2026-05-18", "action": "another"}
    answer = visitor.fill("/staff/entry", form="entry", **sent)
    page = visitor.get(answer.headers["Location"]).text
    assert 'value="2026-05-18"' in page
    assert '<option value="iban" selected>' in page
    assert gift_units(rows(house)) == 25_000

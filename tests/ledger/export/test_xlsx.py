"""The workbook for people: local times, names, typed numbers, and nothing that runs."""

import io
import re
import zipfile
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import openpyxl
import pytest

from support_service.giving import MATCH_PART, BankFacts, MatchClaim, Observation, Personal
from support_service.ledger import ForPeople, Ledger
from support_service.ledger.export import xlsx
from support_service.rails.bank import BANK
from support_service.web.spoken import speech
from tests.fixtures.books import HOSTILE, keep
from tests.fixtures.reports import gift, pushed

KYIV = ForPeople(ZoneInfo("Europe/Kyiv"), {"eth": "Ethereum (ETH)", "iban": "Рахунок"}, speech("uk"))


def made(ledger: Ledger, people: ForPeople = KYIV) -> bytes:
    return b"".join(xlsx.write(ledger.exported(), people))


def sheets(data: bytes) -> list[list[list[Any]]]:
    return [[list(row) for row in sheet.iter_rows()] for sheet in openpyxl.load_workbook(io.BytesIO(data))]


@pytest.fixture
def books(ledger: Ledger) -> Ledger:
    keep(ledger)
    return ledger


def test_a_row_speaks_the_publishers_language_and_tells_its_clocks(books: Ledger) -> None:
    gifts, _sums = sheets(made(books))
    head, first = ([cell.value for cell in row] for row in gifts[:2])
    assert head[:3] == ["Дата", "Спосіб", "Вид"]
    assert first[:2] == [datetime.fromisoformat("2026-05-01T15:00"), "Ethereum (ETH)"]
    assert first[2:7] == ["пожертва", "підтверджено", 2.5, "ETH", 2.5]
    assert first[10:12] == [10_400_000, "UAH"]
    assert len(gifts) == 1 + sum(1 for _ in books.export())


def test_numbers_are_numbers_of_as_many_digits_as_a_spreadsheet_holds(books: Ledger) -> None:
    data = made(books)
    sheet = zipfile.ZipFile(io.BytesIO(data)).read("xl/worksheets/sheet1.xml").decode()
    assert {"2.5", "1.23456789", "10.5", "5123456.78"} <= set(re.findall(r"<v>([^<]*)</v>", sheet))
    assert "<v>1.157920892373162e+59</v>" in sheet
    gifts, _sums = sheets(data)
    for row in gifts[1:]:
        assert {cell.data_type for cell in row[4:11] if cell.value is not None} <= {"n", "s"}
        assert row[4].data_type == row[6].data_type == "n"
        assert row[0].is_date


def test_what_counts_sums_to_the_ledgers_totals(books: Ledger) -> None:
    gifts, sums = sheets(made(books, ForPeople()))
    counted: dict[tuple[str, str], Decimal] = {}
    for row in gifts[1:]:
        key = (row[1].value, row[5].value)
        counted[key] = counted.get(key, Decimal()) + Decimal(str(row[6].value))
    totals = {(one.method, one.asset): Decimal(one.units).scaleb(-one.exponent) for one in books.totals()}
    assert {key: float(total) for key, total in counted.items() if total} == {
        key: float(total) for key, total in totals.items()
    }
    told = {(row[0].value, row[1].value): row[3].value for row in sums[1:] if row[2].value is not None}
    assert told == {key: float(total) for key, total in totals.items()}


def test_no_text_of_a_stranger_is_a_formula(books: Ledger) -> None:
    data = made(books)
    archive = zipfile.ZipFile(io.BytesIO(data))
    for name in archive.namelist():
        assert not re.search(r"<f[ >]", archive.read(name).decode())
    gifts, _sums = sheets(data)
    assert all(cell.data_type != "f" for row in gifts for cell in row)
    risky = [cell for row in gifts[1:] for cell in row if str(cell.value).startswith("=")]
    assert risky and all(cell.quotePrefix for cell in risky)
    assert {cell.value for row in gifts for cell in row} >= {text for text in HOSTILE if text.isprintable()}


def test_a_text_that_no_cell_can_hold_is_cut_and_the_rest_stays(ledger: Ledger) -> None:
    ledger.accept(pushed("1", gift(personal=Personal(message="a\x01" + "й" * 40_000))))
    gifts, _sums = sheets(made(ledger))
    message = gifts[1][14].value
    assert len(message) <= xlsx.CELL_CHARS_MAX and message.startswith("a\ufffdйй")


def test_rows_beyond_a_sheets_end_go_on_a_next_one(books: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xlsx, "SHEET_ROWS_MAX", 20)
    first, second, _sums = sheets(made(books))
    assert (len(first), len(first) + len(second) - 2) == (21, sum(1 for _ in books.export()))


def test_a_download_that_is_broken_off_leaves_no_file(
    books: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))

    def broken() -> Any:
        yield next(books.exported())
        raise OSError("the database went away")

    with pytest.raises(OSError, match="went away"):
        list(xlsx.write(broken(), KYIV))
    whole = xlsx.write(books.exported(), KYIV)
    next(whole)
    whole.close()  # type: ignore[attr-defined]
    assert list(folder.iterdir()) == []


def test_lines_of_the_bank_say_their_class_their_rule_and_how_they_found_their_reader(ledger: Ledger) -> None:
    line = gift("RB1", bank=BankFacts("gift", "credit", None))
    match = Observation(line.identity, MatchClaim("2A3C-4E62", "code", "code 2A3C-4E62, read exact"), MATCH_PART)
    ledger.accept(pushed("1", line, match))
    people = ForPeople(say=speech("uk"), classes=BANK.line_words)
    gifts, _sums = sheets(made(ledger, people))
    assert [cell.value for cell in gifts[0][-3:]] == ["Клас", "Яке правило його віднесло", "Як знайдено читача"]
    assert [cell.value for cell in gifts[1][-3:]] == ["Пожертва", "credit", "код підтримки"]
    assert all(cell.data_type == "s" for cell in gifts[1][-3:])

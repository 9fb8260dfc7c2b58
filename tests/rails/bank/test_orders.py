"""Overlapping files in every order, files cut anywhere: nothing is lost, doubled or invented."""

import io
import itertools
import json
import re
from collections import Counter
from collections.abc import Callable

import openpyxl
import pytest

from support_service.rails.bank.identity import Recognition
from support_service.rails.bank.line import Line
from support_service.rails.bank.statements import StatementFile, StatementRefused
from tests.rails.bank.vectors import FOLDER, Books, files, read_vector

# Files of one account that tell of the same days, and how many lines they tell of together.
OVERLAPPING = {
    ("camt053/v08-overlap-a.xml", "camt053/v08-overlap-b.xml"): 4,
    ("camt053/v02-plain.xml", "mt940/structured-funds-code.sta"): 3,
    (
        "privatbank/business-2026-09.csv",
        "privatbank/business-2026-09.xlsx",
        "privatbank/api-interim-2026-09-02.json",
        "privatbank/api-final.json",
    ): 7,
    ("privatbank/api-page-1.json", "privatbank/api-page-2.json", "privatbank/api-cp1251.json"): 5,
    ("monobank/app-uk.csv", "monobank/app-en.csv", "monobank/statement.json"): 4,
    ("monobank/webhook-hold.json", "monobank/statement-settled.json"): 1,
}
ORDERS = [(order, count) for group, count in OVERLAPPING.items() for order in itertools.permutations(group)]
TABLES = [name for name in files(refused=False) if name.endswith(("csv", "sta"))]
BYTES_BETWEEN_CUTS = 5


@pytest.mark.parametrize(
    ("order", "count"), ORDERS, ids=lambda value: " ".join(value) if isinstance(value, tuple) else ""
)
def test_overlapping_files_end_alike_in_every_order(order: tuple[str, ...], count: int) -> None:
    books, back = Books(), Books()
    for name in (*order, *reversed(order)):
        books.take(read_vector(name).lines)
    for name in sorted(order):
        back.take(read_vector(name).lines)
    assert len(books.lines) == count
    assert (books.gift_units, books.booked, books.booked_units) == (back.gift_units, back.booked, back.booked_units)


def ends_of_rows(data: bytes) -> list[int]:
    return [place + 1 for place, byte in enumerate(data) if byte == 0x0A]


def shown(lines: list[Line]) -> list[tuple[object, ...]]:
    return [(line.account, line.day, line.money.units, line.counterparty.account, line.document) for line in lines]


@pytest.mark.parametrize("name", files(refused=False))
def test_a_file_cut_anywhere_is_refused_or_tells_nothing_that_the_whole_does_not(name: str) -> None:
    data = (FOLDER / name).read_bytes()
    whole = shown(list(read_vector(name).lines))
    step = BYTES_BETWEEN_CUTS if name in TABLES else max(len(data) // 60, 1)
    for length in sorted({*range(1, len(data), step), *(ends_of_rows(data) if name in TABLES else ())}):
        try:
            some = shown(list(read_vector(name, data[:length]).lines))
        except StatementRefused:
            continue
        assert all(some.count(one) <= whole.count(one) for one in some), length


@pytest.mark.parametrize("name", TABLES)
def test_what_a_cut_file_told_is_known_when_the_whole_one_comes(name: str) -> None:
    data = (FOLDER / name).read_bytes()
    alone = Books()
    alone.take(read_vector(name).lines)
    for length in sorted({*range(1, len(data), BYTES_BETWEEN_CUTS), *ends_of_rows(data)}):
        books = Books()
        try:
            books.take(read_vector(name, data[:length]).lines)
        except StatementRefused:
            continue
        books.take(read_vector(name).lines)
        assert len(books.lines) == len(alone.lines), length
        assert books.booked_units == alone.booked_units


# The rows of a text; what no row is (balances, headers, brackets) stays where it stands.
ROWS = {
    "xml": re.compile(r"<(\w+:)?Ntry>.*?</(\w+:)?Ntry>", re.DOTALL),
    "sta": re.compile(r"^:61:.*?(?=^:6|^-)", re.DOTALL | re.MULTILINE),
    "csv": re.compile(r'^(?:[^"\n]|"[^"]*")+(?:\n|\Z)', re.MULTILINE),
}
Keeps = Callable[[int], bool]
Writes = Callable[[Keeps], bytes]


def rewritten(name: str) -> tuple[int, Writes]:
    """Tell how many rows a vector has, and how it is written with some of them: a whole file of its kind."""
    data = (FOLDER / name).read_bytes()
    end, encoding = name.rpartition(".")[2], StatementFile(name, data).encoding
    if end == "xlsx":
        return sheet_of(data)
    text = data.decode(encoding)
    if end == "json":
        count, write = json_of(text)
    else:
        places = [found.span() for found in ROWS[end].finditer(text)][end == "csv" :]
        count, write = len(places), lambda keeps: without(text, [one for at, one in enumerate(places) if not keeps(at)])
    return count, lambda keeps: write(keeps).encode(encoding)


def without(text: str, places: list[tuple[int, int]]) -> str:
    for start, end in reversed(places):
        text = text[:start] + text[end:]
    return text


def json_of(text: str) -> tuple[int, Callable[[Keeps], str]]:
    told = json.loads(text)
    rows = told if isinstance(told, list) else told.get("transactions", [])
    whole = list(rows)

    def write(keeps: Keeps) -> str:
        rows[:] = [row for at, row in enumerate(whole) if keeps(at)]
        return json.dumps(told, ensure_ascii=False)

    return len(whole), write


def sheet_of(data: bytes) -> tuple[int, Writes]:
    """The rows of a sheet are those below the one with most cells of text."""
    rows = openpyxl.load_workbook(io.BytesIO(data)).worksheets[0].iter_rows(values_only=True)
    wide = [sum(isinstance(cell, str) for cell in row) for row in rows]
    head = wide.index(max(wide)) + 1

    def write(keeps: Keeps) -> bytes:
        book, written = openpyxl.load_workbook(io.BytesIO(data)), io.BytesIO()
        for at in reversed(range(len(wide) - head)):
            if not keeps(at):
                book.worksheets[0].delete_rows(head + at + 1)
        book.save(written)
        return written.getvalue()

    return len(wide) - head, write


def state_of(books: Books) -> tuple[int, int, int]:
    return len(books.lines), books.booked_units, books.gift_units


@pytest.mark.parametrize("name", files(refused=False))
def test_a_whole_file_of_some_rows_is_refused_by_its_balances_or_tells_them_alone(name: str) -> None:
    whole, alone = read_vector(name), Books()
    alone.take(whole.lines)
    has_balances = any(one.opening_units is not None for one in whole.statements)
    count, write = rewritten(name)
    assert shown(list(read_vector(name, write(lambda _: True)).lines)) == shown(list(whole.lines))
    for first, last in itertools.combinations(range(count + 1), 2):
        if last - first == count:
            continue
        try:
            read = read_vector(name, write(lambda at: first <= at < last))  # noqa: B023 - called at once
        except StatementRefused:
            continue
        some, books = list(read.lines), Books()
        assert Counter(shown(some)) <= Counter(shown(list(whole.lines))), (first, last)
        if has_balances:
            told = sum(one.money.units for one in some if one.books_money)
            assert told == alone.booked_units, f"rows {first} to {last} close without the others"
        books.take(some)
        books.take(whole.lines)
        assert state_of(books) == state_of(alone), (first, last)


def test_an_entry_that_a_bank_splits_later_is_not_booked_again() -> None:
    name = "camt053/v02-batch-of-three.xml"
    data = (FOLDER / name).read_text(encoding="utf-8")
    unsplit = data.partition("<NtryDtls>")[0] + data.rpartition("</NtryDtls>")[2]
    books = Books()
    books.take(read_vector(name, unsplit.encode()).lines)
    again = books.take(read_vector(name).lines)
    assert books.booked_units == 17550
    assert {one.outcome for one in again} == {Recognition.KNOWN}
    assert all("splits this entry" in one.conflict for one in again)


def test_one_reference_for_several_entries_drops_none() -> None:
    name = "camt053/v08-overlap-a.xml"
    data = (FOLDER / name).read_text(encoding="utf-8")
    for number in range(1, 4):
        data = data.replace(f"RB091{1 if number == 1 else 2}O000{number}", "SHARED")
    books = Books()
    books.take(read_vector(name, data.encode()).lines)
    assert len(books.lines) == 3
    assert {one.outcome for one in books.take(read_vector(name, data.encode()).lines)} == {Recognition.KNOWN}


def test_a_repeated_row_of_an_api_is_one_line_also_inside_one_answer() -> None:
    name = "privatbank/api-page-1.json"
    lines = list(read_vector(name).lines)
    books = Books()
    assert [one.outcome for one in books.take([*lines, *lines])].count(Recognition.NEW) == 3


def test_an_older_file_never_revives_what_was_taken_back() -> None:
    books = Books()
    for name in ("api-final.json", "api-interim-2026-09-02.json", "business-2026-09.csv", "business-2026-09.xlsx"):
        books.take(read_vector(f"privatbank/{name}").lines)
        assert books.gift_units == 14463

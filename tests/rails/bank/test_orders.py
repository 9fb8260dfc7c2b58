"""Overlapping files in every order, files cut anywhere: nothing is lost, doubled or invented."""

import itertools

import pytest

from support_service.rails.bank.identity import Recognition
from support_service.rails.bank.line import Line
from support_service.rails.bank.statements import StatementRefused
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

"""Hostile and damaged files: a named refusal, never a crash, a hang or all of the memory."""

import io
import os
import time
import tracemalloc
import zipfile
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support_service.rails.bank.statements import (
    FORMATS,
    StatementFile,
    StatementRefused,
    WantedStatement,
    read_statements,
)
from tests.rails.bank.vectors import FOLDER, files

WANTED = WantedStatement(account="UA043808050000026009999000303")
MEMORY_BYTES_MAX = 100 * 2**20
SECONDS_MAX = 20
# So few each time. In `make campaign` every parser is asked again and again for FUZZ_SECONDS of the clock, here once.
EXAMPLES = 25
FUZZ_SECONDS = float(os.environ.get("FUZZ_SECONDS", "0"))
# A parser that is asked less often hangs.
EXAMPLES_PER_SECOND_MIN = 5
SEEDS = {name: (FOLDER / name).read_bytes() for name in files(refused=False)}


def outcome(data: bytes, key: str = "") -> str:
    """Why the file is refused, or how many lines it has."""
    try:
        read = read_statements(StatementFile("upload", data), key, WANTED)
    except StatementRefused as refused:
        return str(refused)
    return f"{sum(1 for _ in read.lines)} lines"


def spreadsheet(*members: tuple[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return packed.getvalue()


def camt(inside: str, before: str = "") -> bytes:
    return (
        f'<?xml version="1.0"?>{before}<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08">'
        f"<BkToCstmrStmt><Stmt>{inside}</Stmt></BkToCstmrStmt></Document>"
    ).encode()


LAUGHS = '<!DOCTYPE a [<!ENTITY x "ha"><!ENTITY y "&x;&x;&x;&x;"><!ENTITY z "&y;&y;&y;&y;">]>'
OUTSIDE = '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
HOSTILE: dict[str, Callable[[], bytes]] = {
    "entities that multiply": lambda: camt("<Id>&z;</Id>", LAUGHS),
    "an entity from outside": lambda: camt("<Id>&x;</Id>", OUTSIDE),
    "a DTD in UTF-16": lambda: camt("<Id>1</Id>", LAUGHS).decode().encode("utf-16"),
    "a name of ten megabytes": lambda: camt("<Id>" + "a" * 10_000_000 + "</Id>"),
    "an attribute of ten megabytes": lambda: camt('<Id a="' + "a" * 10_000_000 + '"/>'),
    "a comment of ten megabytes": lambda: camt("<!--" + "a" * 10_000_000 + "--><Id>1</Id>"),
    "a deep tree": lambda: camt("<Ntry>" + "<a>" * 100_000),
    "a bomb of a spreadsheet": lambda: spreadsheet(("xl/worksheets/sheet1.xml", b"0" * 200_000_000)),
    "a zip of other things": lambda: spreadsheet(("notes.txt", b"hello")),
    "a spreadsheet of nothing": lambda: spreadsheet(("xl/workbook.xml", b"<workbook/>")),
    "a spreadsheet of ten thousand parts": lambda: spreadsheet(*((f"xl/{i}", b"") for i in range(10_000))),
    "a CSV line of ten megabytes": lambda: b"Date;Amount\n" + b"1" * 10_000_000,
    "a quote that never closes": lambda: b'Date;Amount;Name\n"' + b"1;2;3\n" * 1_000_000,
    "deep JSON": lambda: b'{"transactions":' + b"[" * 1_000_000,
    "JSON of millions of values": lambda: b'{"transactions":[' + b"{}," * 3_000_000 + b"{}]}",
    "a number of a million digits": lambda: b'[{"id":"1","operationAmount":' + b"9" * 1_000_000 + b"}]",
    "an MT940 field without end": lambda: b":20:1\n:25:UA\n:60F:C260901UAH0,\n:61:" + b"x\n" * 1_000_000,
    "PDF": lambda: b"%PDF-1.7\n",
    "a sign-in page": lambda: b"<!DOCTYPE html>\n<html><body>Sign in</body></html>",
    "old Excel": lambda: b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600,
    "a picture": lambda: b"\x89PNG\r\n\x1a\n",
    "only spaces": lambda: b" \r\n\t ",
    "nothing": lambda: b"",
    "zeros": lambda: b"\0" * 5_000,
}


@pytest.mark.parametrize("make", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_file_is_refused_in_bounded_time_and_memory(make: Callable[[], bytes]) -> None:
    data = make()
    tracemalloc.start()
    began = time.monotonic()
    try:
        said = outcome(data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert said
    assert said == "0 lines" or not said.endswith(" lines")
    assert time.monotonic() - began < SECONDS_MAX
    assert peak < MEMORY_BYTES_MAX


few = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
NOISE = st.binary(max_size=400) | st.text(max_size=400).map(str.encode)
CHANGES = st.lists(st.tuples(st.integers(0, 10**6), st.binary(max_size=3), st.integers(0, 40)), max_size=6)
IN_A_SHEET = st.tuples(st.integers(0, 10**6), st.binary(max_size=4), st.integers(0, 20))
SHEETS = [name for name in SEEDS if name.endswith("xlsx")]


def parser_of(name: str) -> str:
    return name.partition("/")[0]


def damaged(name: str, changes: list[tuple[int, bytes, int]]) -> bytes:
    data = SEEDS[name]
    for place, put, dropped in changes:
        at = place % (len(data) + 1)
        data = data[:at] + put + data[at + dropped :]
    return data


def damaged_inside(name: str, change: tuple[int, bytes, int]) -> bytes:
    """The archive is whole, one of its members is not."""
    place, put, member = change
    with zipfile.ZipFile(FOLDER / name) as archive:
        members = [(one, archive.read(one)) for one in archive.namelist()]
    chosen, data = members[member % len(members)]
    at = place % (len(data) + 1)
    members[member % len(members)] = (chosen, data[:at] + put + data[at + len(put) :])
    return spreadsheet(*members)


@pytest.mark.parametrize("key", [one.key for one in FORMATS])
@few
@given(data=NOISE)
def test_noise_is_refused_or_read(key: str, data: bytes) -> None:
    for named in (key, ""):
        assert outcome(data, named)


@pytest.mark.parametrize("name", SEEDS)
@few
@given(changes=CHANGES)
def test_a_damaged_statement_is_refused_or_read(name: str, changes: list[tuple[int, bytes, int]]) -> None:
    data = damaged(name, changes)
    for key in (parser_of(name), ""):
        assert outcome(data, key)


@pytest.mark.parametrize("name", SHEETS)
@few
@given(change=IN_A_SHEET)
def test_a_damaged_sheet_inside_a_whole_archive_is_refused_or_read(name: str, change: tuple[int, bytes, int]) -> None:
    assert outcome(damaged_inside(name, change), parser_of(name))


@pytest.mark.parametrize("key", [one.key for one in FORMATS])
def test_a_parser_stands_whatever_it_is_asked_until_its_time_is_over(key: str) -> None:
    statements = [name for name in SEEDS if parser_of(name) == key]
    sheets = [name for name in SHEETS if parser_of(name) == key]
    drawn = NOISE | st.builds(damaged, st.sampled_from(statements), CHANGES)
    if sheets:
        drawn |= st.builds(damaged_inside, st.sampled_from(sheets), IN_A_SHEET)
    asked = 0

    @few
    @given(data=drawn)
    def ask(data: bytes) -> None:
        nonlocal asked
        asked += 1
        began = time.monotonic()
        assert outcome(data, key)
        assert time.monotonic() - began < SECONDS_MAX

    began = time.monotonic()
    ask()
    while time.monotonic() - began < FUZZ_SECONDS:
        ask()
    assert asked >= EXAMPLES_PER_SECOND_MIN * FUZZ_SECONDS, f"only {asked} in {FUZZ_SECONDS} s"

"""Every export format of the table, held to one contract; CSV and JSON Lines are the same to the byte as ever."""

import csv
import io
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from support_service import cli
from support_service.ledger import FORMATS, ExportFormat, ForPeople, Ledger, Wanted
from support_service.ledger.export import FORMATS as TABLE
from support_service.ledger.export import __file__ as folder
from support_service.ledger.export.cells import harmless
from support_service.ledger.export.rows import Exported
from tests.fixtures.books import HOSTILE, keep
from tests.fixtures.database import prepare
from tests.fixtures.service import ROOT, Command

README = Path(folder).with_name("README.md").read_text(encoding="utf-8")
each_format = pytest.mark.parametrize("form", FORMATS, ids=lambda form: form.name)


def written(ledger: Ledger, form: ExportFormat, people: ForPeople | None = None, wanted: Wanted | None = None) -> bytes:
    return b"".join(form.write(ledger.exported(wanted or Wanted()), people or ForPeople()))


def named(name: str) -> ExportFormat:
    (form,) = [one for one in FORMATS if one.name == name]
    return form


def parts(data: bytes) -> dict[str, bytes]:
    """Take an archive apart, for it tells when it was packed; what is none is one part."""
    if not data.startswith(b"PK"):
        return {"": data}
    archive = zipfile.ZipFile(io.BytesIO(data))
    return {name: archive.read(name) for name in archive.namelist() if name != "docProps/core.xml"}


@pytest.fixture
def books(ledger: Ledger) -> Ledger:
    keep(ledger)
    return ledger


@pytest.mark.parametrize("name", ["jsonl", "csv"])
def test_what_scripts_read_is_the_same_to_the_byte_as_before_there_was_a_table(books: Ledger, name: str) -> None:
    assert written(books, named(name)) == (ROOT / "tests" / "golden" / f"export.{name}").read_bytes()


def test_names_are_unique_and_say_what_the_contract_says() -> None:
    names = [form.name for form in FORMATS]
    assert len(set(names)) == len(names)
    assert {"jsonl", "csv", "xlsx", "hledger", "beancount"} <= set(names)


@each_format
def test_a_format_yields_bytes_and_the_same_ones_each_time(books: Ledger, form: ExportFormat) -> None:
    chunks = list(form.write(books.exported(), ForPeople()))
    assert all(isinstance(chunk, bytes) for chunk in chunks)
    assert parts(b"".join(chunks)) == parts(written(books, form))
    assert parts(written(books, form, wanted=Wanted(rail="bank"))) != parts(b"".join(chunks))


@each_format
def test_a_format_writes_an_empty_ledger(ledger: Ledger, form: ExportFormat) -> None:
    assert isinstance(written(ledger, form), bytes)


@each_format
def test_the_command_writes_every_format_of_the_table(
    command: Command, settings_file: Path, form: ExportFormat
) -> None:
    prepare(f"sqlite:///{settings_file.parent}/support.db")
    out = settings_file.parent / f"out.{form.suffix}"
    told = command("--config", settings_file, "export", "--format", form.name, "--out", out)
    assert (told.exit_code, told.stderr) == (0, "")
    assert out.exists()


def test_a_word_that_names_no_format_is_refused_and_never_read_as_another(
    command: Command, settings_file: Path
) -> None:
    told = command("--config", settings_file, "export", "--format", "json")
    assert told.exit_code == 2
    assert all(form.name in told.stderr for form in FORMATS)
    assert set(cli.FORMS) == {form.name for form in FORMATS}


def test_the_page_that_says_how_to_add_a_format_holds(books: Ledger) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    module = ModuleType("sums")
    exec(compile(code, "sums.py", "exec"), module.__dict__)  # our own page, nothing from outside
    form = module.__dict__["FORMAT"]
    assert isinstance(form, ExportFormat)
    lines = written(books, form, ForPeople(titles={"iban": "Рахунок"})).decode().splitlines()
    assert "Рахунок\t150\tUAH" in lines
    assert "btc\t1.23456789\tBTC" in lines
    assert TABLE is FORMATS


def excel_rows(ledger: Ledger) -> Iterator[dict[str, str]]:
    text = written(ledger, named("csv-excel")).decode()
    assert text.startswith("\ufeff")
    return iter(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline=""), delimiter=";"))


def test_excels_dialect_has_its_marks_and_the_same_cells(books: Ledger) -> None:
    plain = list(csv.DictReader(io.StringIO(written(books, named("csv")).decode(), newline="")))
    told = list(excel_rows(books))
    assert [row["amount"].replace(",", ".") for row in told] == [row["amount"] for row in plain]
    assert any("," in row["amount"] for row in told) and not any("." in row["amount"] for row in told)
    assert [{**row, "amount": ""} for row in told] == [{**row, "amount": ""} for row in plain]


@pytest.mark.parametrize("name", ["csv", "csv-excel"])
def test_no_text_of_a_stranger_begins_a_formula_in_either_dialect(books: Ledger, name: str) -> None:
    text = written(books, named(name)).decode().removeprefix("\ufeff")
    for separator in ";,\t|":
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator):
            for line in (line for cell in row for line in cell.splitlines()):
                assert not line.lstrip('" \u00a0\ufeff\u200b\x01').startswith(("=", "+", "@", "＝")), line
    assert len(HOSTILE) > 5


@pytest.mark.parametrize("piece", ["\t", "; ", "\n", "\"'", " \t", "\xa0"])
def test_a_cell_of_blanks_holds_no_export_up(piece: str) -> None:
    # Were each blank looked at from each other, this would take hours.
    assert harmless(piece * 5_000 + "x").endswith("x")
    assert "'=1" in harmless("x;" + " " * 2_000 + "=1")


def test_the_page_names_what_a_writer_is_given() -> None:
    assert set(re.findall(r"`people\.(\w+)`", README)) == set(ForPeople.__dataclass_fields__)
    assert all(hasattr(Exported, name) for name in re.findall(r"`one\.(\w+)`", README))

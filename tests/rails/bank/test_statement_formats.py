"""The page that says how to add a format holds, and the table of formats is sound."""

import re
import sys
from collections.abc import Iterator
from importlib import import_module, reload
from pathlib import Path
from typing import get_args

import pytest
from click.testing import CliRunner

from support_service import cli
from support_service.commands import import_
from support_service.rails.bank import statements
from support_service.rails.bank.statements import (
    FORMATS,
    StatementFile,
    StatementRefused,
    WantedStatement,
    read_statements,
)
from support_service.rails.bank.statements.format import StatementFormat
from support_service.rails.bank.statements.statement import Part
from support_service.web.staff import imports
from tests.fixtures.staff import build_house
from tests.fixtures.statements import bookkeeper, gift_units, said
from tests.rails.bank.vectors import FOLDER, Books, files, told

README = Path(str(statements.__file__)).with_name("README.md").read_text(encoding="utf-8")


EXAMPLE = re.findall(r"```\n(TOYBANK.*?)```", README, re.DOTALL)[0].encode()


@pytest.fixture
def toybank(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StatementFormat]:
    """The format of README.md: its file in the folder of formats, its line in the table."""
    folder, name = tmp_path / "statements", f"{statements.__name__}.toybank"
    folder.mkdir()
    code = re.findall(r"```python\n(.*?)```", README, re.DOTALL)[0]
    (folder / "toybank.py").write_text(code, encoding="utf-8")
    monkeypatch.setattr(statements, "__path__", [*statements.__path__, str(folder)])
    monkeypatch.delitem(sys.modules, name, raising=False)
    made = import_module(name).FORMAT
    assert isinstance(made, StatementFormat)
    with monkeypatch.context() as during:
        during.setattr(statements, "FORMATS", (made, *FORMATS))
        # Whoever took the table when the process began takes it anew.
        during.setattr(imports, "FORMATS", statements.FORMATS)
        _reload_command()
        yield made
    _reload_command()
    sys.modules.pop(name, None)


def _reload_command() -> None:
    reload(import_)
    reload(cli)


def test_the_format_that_the_page_adds_reads_its_example(toybank: StatementFormat) -> None:
    read = read_statements(StatementFile("toy", EXAMPLE), "", WantedStatement())
    assert read.format == toybank.key == "toybank"
    assert [str(line.money) for line in read.lines] == ["150 UAH"]
    books = Books()
    books.take(read.lines)
    books.take(read.lines)
    assert len(books.lines) == 1


def test_the_command_books_the_format_that_the_page_adds(toybank: StatementFormat, tmp_path: Path) -> None:
    file = tmp_path / "september.tsv"
    file.write_bytes(EXAMPLE)
    with bookkeeper(tmp_path, f"sqlite:///{tmp_path}/books.db") as books:
        line = ["--config", str(books.settings), "import", str(file), "--format", toybank.key]
        for counts in ([1, 0, 0, 0], [0, 1, 0, 0]):
            assert said(CliRunner().invoke(cli.commands, line)) == counts
        assert gift_units(books.rows()) == 15_000
    assert "toybank" in CliRunner().invoke(cli.commands, ["import", "--help"]).stdout


def test_the_staff_page_offers_the_format_that_the_page_adds(
    toybank: StatementFormat, tmp_path: Path, sqlite_url: str
) -> None:
    house = build_house(tmp_path, sqlite_url)
    assert f'value="{toybank.key}"' in house.person().get("/staff/imports").text
    house.ledger.dispose()


def test_the_format_that_the_page_adds_names_a_bad_row(toybank: StatementFormat) -> None:
    data = b"TOYBANK\tUA043808050000026009999000303\tUAH\n31.02.2026\t1.00\tx\ty\n2026-09-02\t1.00\tx\ty\n"
    read = read_statements(StatementFile("toy", data), toybank.key, WantedStatement())
    assert [problem.row for problem in read.problems] == [2]
    assert len(list(read.lines)) == 1


def test_the_page_names_every_part_that_a_format_may_yield() -> None:
    rows = re.findall(r"^\| (`[A-Z].*?) \|", README, re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`([A-Z]\w+)", row)} - {"BadField"}
    assert named == {part.__name__ for part in get_args(Part)}


def test_every_format_is_one_file_with_sniff_and_read() -> None:
    for one in FORMATS:
        module = sys.modules[one.read.__module__]
        assert module.__dict__["FORMAT"] is one
        assert (one.sniff.__name__, one.read.__name__) == ("sniff", "read")
    assert len({one.key for one in FORMATS}) == len(FORMATS)


@pytest.mark.parametrize("name", files(refused=False))
def test_a_format_is_known_by_its_content_and_a_wrong_word_is_told(name: str) -> None:
    file, key = StatementFile("no name", FOLDER / name), told(name)["format"]
    first = next(one for one in FORMATS if one.sniff(file))
    assert first.key == key
    for other in ("camt053", "mt940"):
        if other != key:
            with pytest.raises(StatementRefused, match=f"--format {key}"):
                read_statements(file, other, WantedStatement())


def test_an_unknown_word_names_the_known_ones() -> None:
    with pytest.raises(StatementRefused, match="camt053, csv, monobank, mt940, privatbank"):
        read_statements(StatementFile("x", b"a;b\n"), "ofx", WantedStatement())


def test_lines_can_be_read_as_often_as_one_likes_and_progress_is_told() -> None:
    rows = "".join(f"{day:02}.09.2026;1.00;x\n" for day in range(1, 29)) * 60
    told_rows: list[int] = []
    file = StatementFile("long", f"Date;Amount;Name\n{rows}".encode())
    wanted = WantedStatement(account="UA043808050000026009999000303")
    read = read_statements(file, "csv", wanted, progress=told_rows.append)
    assert told_rows == [1000, 1680]
    assert list(read.lines) == list(read.lines)
    assert len(list(read.lines)) == 1680

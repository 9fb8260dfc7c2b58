"""Names, purposes and references that programs may take for an order stay texts: on pages, in CSV, in workbooks."""

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import openpyxl
import pytest

from support_service.ledger import ForPeople
from support_service.ledger.export import csv_tables, xlsx
from support_service.rails.bank.line import Party
from tests.fixtures.books import HOSTILE
from tests.fixtures.staff import House, build_house
from tests.rails.bank.test_settling import PAYER, bring, line

TEXTS = (
    *HOSTILE,
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</pre></code><svg onload=alert(1)>",
    "javascript:alert(1)",
    "{{ 7*7 }}{% raw %}%(name)s",
    "@SUM(1+1)",
    "+380441234567",
    "-2+3",
    "\u202egnp.exe\u202c",
    "]]><!--",
    "&lt;b&gt;&#x3c;script&#x3e;",
    "'; DROP TABLE donation; --",
)


class _Tags(HTMLParser):
    """Notes what a browser would build: each element with its attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, {name: value or "" for name, value in attrs}))


def tags(page: str) -> list[tuple[str, dict[str, str]]]:
    parser = _Tags()
    parser.feed(page)
    return parser.found


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Lines whose every text is hostile: gifts, one for a person to judge, one that takes back, one that went out."""
    folder: Path = tmp_path_factory.mktemp("house")
    made = build_house(folder, f"sqlite:///{folder}/books.db")
    for number, text in enumerate(TEXTS):
        party = Party(text, f"{PAYER.account}{number}", text[:10])
        fields: dict[str, object] = {
            "counterparty": party,
            "purpose": text,
            "document": text,
            "end_to_end": text,
            "raw": text,
        }
        bring(
            made,
            line(f"A{number}{text}", 1_000 + number, 20, **fields),
            line(f"B{number}", 5_000 + number, 20, **{**fields, "purpose": f"Оплата згідно реєстру № {text}"}),
            line(f"C{number}", -7_000 - number, 20, **fields),
            line(f"D{number}", -9_000 - number, 21, is_reversal=True, **fields),
            replace(line(f"E{number}", 3_000 + number, 20, **fields), paid_through=text, payer_in_text=text),
        )
    yield made
    made.ledger.dispose()


def test_no_text_of_a_line_becomes_a_tag_on_any_page_of_staff(house: House) -> None:
    visitor = house.person()
    pages = ["/staff/", "/staff/inbox", *(f"/staff/donations/{one['id']}" for one in house.ledger.export())]
    for page in pages:
        answer = visitor.get(page)
        assert answer.status_code == 200
        for tag, attributes in tags(answer.text):
            assert tag not in {"img", "b"}, page
            assert tag != "script" or attributes["src"].startswith("/static/"), page
            assert not [name for name in attributes if name.startswith("on")], page
            assert not [value for value in attributes.values() if value.startswith("javascript:")], page
        assert "49{%" not in answer.text


def test_no_text_of_a_line_begins_a_formula_in_a_table(house: House) -> None:
    written = b"".join(csv_tables.write(house.ledger.exported(), ForPeople())).decode()
    cells = {cell for row in csv.reader(io.StringIO(written, newline="")) for cell in row}
    risky = {cell for cell in cells if cell[:1] in set("=+-@\t\r") and not re.fullmatch(r"-?[0-9.]+", cell)}
    assert not risky
    assert any(cell.endswith('=HYPERLINK("http://x")') for cell in cells)


def test_no_text_of_a_line_is_a_formula_in_a_workbook(house: House) -> None:
    data = b"".join(xlsx.write(house.ledger.exported(), ForPeople()))
    cells = [cell for sheet in openpyxl.load_workbook(io.BytesIO(data)) for row in sheet.iter_rows() for cell in row]
    assert not [cell.value for cell in cells if cell.data_type == "f"]
    risky = [cell for cell in cells if str(cell.value)[:1] in "=@＝" and cell.value is not None]
    assert risky and all(cell.quotePrefix for cell in risky if str(cell.value).startswith("="))
    assert {text for text in TEXTS if text.isprintable()} <= {cell.value for cell in cells}

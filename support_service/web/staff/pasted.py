"""Rows pasted from a table, or typed one a line: sums, days and names. Pure.

A tab parts columns, else a semicolon. What a cell is shows by itself: a day, a sum, else a text: of texts the first
is who gave, the second a note. A first row without any sum is a heading.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from support_service.giving import Phrase
from support_service.money import Asset, BadAmount, Money
from support_service.web.amounts import SeveralMeanings, read_typed

ROWS_MAX = 200
TEXT_CHARS_MAX = 200

_DAY = re.compile(r"(\d{1,2})[./](\d{1,2})[./](\d{4})", re.ASCII)
_SUM = re.compile(r"[+]?(\d[\d\s\u00a0\u202f']*(?:[.,]\d+)?)\s*([^\d\s]{0,4})")
# What may stand beside a sum in a cell, beside the code itself; another currency's sum is no sum of this method.
_SIGNS = {"UAH": {"₴", "грн", "грн."}, "EUR": {"€"}, "USD": {"$"}}


@dataclass(frozen=True, slots=True)
class PastedRow:
    """One row as it was read; mistake says why it cannot be booked. day None: none stands in the row."""

    number: int
    text: str
    money: Money | None = None
    day: date | None = None
    payer: str | None = None
    note: str | None = None
    mistake: Phrase | None = None


def read_rows(text: str, asset: Asset) -> tuple[PastedRow, ...]:
    """Read every row; what cannot be read is told with its row, and nothing is guessed."""
    rows = list(_rows(text, asset))
    if rows and rows[0].money is None and len(rows) > 1 and not any(one.isdigit() for one in rows[0].text):
        rows = rows[1:]
    return tuple(rows)


def _rows(text: str, asset: Asset) -> Iterator[PastedRow]:
    separator = "\t" if "\t" in text else ";"
    lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip(" ;\t")]
    for number, line in lines[:ROWS_MAX]:
        yield _row(number, line, [" ".join(cell.split()) for cell in line.split(separator)], asset)
    if len(lines) > ROWS_MAX:
        values = (("rows", str(ROWS_MAX)),)
        yield PastedRow(lines[ROWS_MAX][0], "", mistake=Phrase("At most %(rows)s rows at once.", values))


def _row(number: int, line: str, cells: list[str], asset: Asset) -> PastedRow:
    days = [day for cell in cells if (day := _day(cell)) is not None]
    sums = [cell for cell in cells if _day(cell) is None and _bare_sum(cell, asset)]
    texts = [cell for cell in cells if cell and _day(cell) is None and cell not in sums]
    day = days[0] if len(days) == 1 else None
    payer, note = (texts[0] if texts else None), (" · ".join(texts[1:]) or None)
    told = PastedRow(number, line[:TEXT_CHARS_MAX], None, day, payer, note)
    mistake: Phrase | None = None
    money: Money | None = None
    if len(days) > 1 or len(sums) > 1:
        mistake = Phrase("More than one day or sum stands in it.")
    elif not sums:
        mistake = Phrase("No sum stands in it.")
    elif any(len(text or "") > TEXT_CHARS_MAX for text in (payer, note)):
        mistake = Phrase("At most %(chars)s characters.", (("chars", str(TEXT_CHARS_MAX)),))
    else:
        money, mistake = _money(sums[0], asset)
    return PastedRow(number, told.text, money, day, payer, note, mistake)


def _money(text: str, asset: Asset) -> tuple[Money | None, Phrase | None]:
    try:
        money = read_typed(_bare_sum(text, asset), asset)
    except SeveralMeanings:
        return None, Phrase("This may be read as two amounts. Which one is it?")
    except BadAmount:
        return None, Phrase("Write the sum as a number, such as 200 or 10.50.")
    return (money, None) if money.units else (None, Phrase("The amount must be more than zero."))


def _bare_sum(text: str, asset: Asset) -> str:
    """Read the digits of a sum of this asset; "" for what is none."""
    found = _SUM.fullmatch(text)
    if found is None or found[2] not in {"", asset.code, *_SIGNS.get(asset.code, set())}:
        return ""
    return " ".join(found[1].replace("'", " ").split())


def _day(text: str) -> date | None:
    named = _DAY.fullmatch(text)
    try:
        return date(int(named[3]), int(named[2]), int(named[1])) if named else date.fromisoformat(text)
    except ValueError:
        return None

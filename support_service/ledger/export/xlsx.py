"""A workbook for people: local times, names of methods, typed numbers, one row a piece of money.

Amounts of the way out are negative, `Counts` is what totals sum (0 until confirmed), and `Value` is the worth of what
counts: each column may be summed where it holds one asset or currency, and the second sheet gives the sums by asset.
Spreadsheets calculate with 15 digits, and a number here has 16; formats for machines hold all.
"""

import re
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from support_service.giving import Direction, Donation, Phrase
from support_service.giving.words import KIND_WORDS, MATCH_WORDS, STATE_WORDS
from support_service.ledger.export.format import ExportFormat, ForPeople
from support_service.ledger.export.rows import Exported
from support_service.money import plain_units, share

# Excel's own limits: rows of a sheet (one is the head), characters of a cell.
SHEET_ROWS_MAX = 1_048_575
CELL_CHARS_MAX = 32_767
CHUNK_BYTES = 64 * 1024

_DATE_FORMAT = "yyyy-mm-dd hh:mm"
# What XML 1.0 cannot hold.
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")

_GIFTS, _SUMS = Phrase("Gifts"), Phrase("Sums")


# Each column: its heading, and how wide it is.
@dataclass(frozen=True, slots=True)
class SheetColumn:
    """A column of a sheet: its heading, and how many characters wide it is."""

    heading: Phrase
    width: int


_COLUMNS = (
    SheetColumn(Phrase("Date"), 17),
    SheetColumn(Phrase("Method"), 26),
    SheetColumn(Phrase("Kind"), 14),
    SheetColumn(Phrase("State"), 14),
    SheetColumn(Phrase("Amount"), 16),
    SheetColumn(Phrase("Asset"), 8),
    SheetColumn(Phrase("Counts"), 16),
    SheetColumn(Phrase("Refunded"), 12),
    SheetColumn(Phrase("Fee"), 10),
    SheetColumn(Phrase("Net"), 14),
    SheetColumn(Phrase("Value"), 14),
    SheetColumn(Phrase("Currency of the value"), 10),
    SheetColumn(Phrase("Article"), 40),
    SheetColumn(Phrase("Payer"), 26),
    SheetColumn(Phrase("Message"), 40),
    SheetColumn(Phrase("Support code"), 14),
    SheetColumn(Phrase("Reference"), 26),
    SheetColumn(Phrase("Class"), 22),
    SheetColumn(Phrase("Rule that took it"), 18),
    SheetColumn(Phrase("Matched by"), 26),
)
_SUM_COLUMNS = (
    SheetColumn(Phrase("Method"), 26),
    SheetColumn(Phrase("Asset"), 8),
    SheetColumn(Phrase("Gifts"), 10),
    SheetColumn(Phrase("Counts"), 18),
    SheetColumn(Phrase("Fee"), 14),
)


@dataclass(slots=True)
class SheetSums:
    """What counts of each method and asset: how many gifts, how much, and what was kept of it."""

    gifts: Counter[tuple[str, str, int]] = field(default_factory=Counter)
    counted: Counter[tuple[str, str, int]] = field(default_factory=Counter)
    fees: Counter[tuple[str, str, int]] = field(default_factory=Counter)
    values: Counter[tuple[str, int]] = field(default_factory=Counter)

    def add(self, gift: Donation) -> None:
        """Count a gift in, if it counts."""
        if not gift.counted_units:
            return
        key = (gift.payment.method, gift.identity.asset, gift.payment.exponent)
        self.gifts[key] += 1
        self.counted[key] += gift.counted_units
        self.fees[key] += gift.fee_units or 0
        if gift.value is not None:
            self.values[gift.value.currency, gift.value.exponent] += counted_value(gift)


def counted_value(gift: Donation) -> int:
    """Tell the worth, in the value's units, of what counts of a gift."""
    if gift.value is None or not gift.counted_units:
        return 0
    return share(gift.value.units, [gift.counted_units, gift.payment.units - gift.counted_units])[0]


def write(exported: Iterable[Exported], people: ForPeople) -> Iterator[bytes]:
    """Write the workbook to a temporary file row by row, then hand it out: memory stays flat however many there are."""
    # Late: who streams other formats does not pay for it.
    from openpyxl import Workbook  # noqa: PLC0415

    book = Workbook(write_only=True)
    try:
        _fill(book, exported, people)
        with tempfile.TemporaryFile() as file:
            book.save(file)
            file.seek(0)
            while chunk := file.read(CHUNK_BYTES):
                yield chunk
    finally:
        _leave_nothing(book)


def _fill(book: Any, exported: Iterable[Exported], people: ForPeople) -> None:
    sums, sheet, rows = SheetSums(), _Sheet(book, people.say(_GIFTS), _COLUMNS, people), 0
    for one in exported:
        if rows == SHEET_ROWS_MAX:
            sheet, rows = _Sheet(book, people.say(_GIFTS), _COLUMNS, people), 0
        gift = one.donation
        sheet.add(_gift_cells(gift, people))
        sums.add(gift)
        rows += 1
    _write_sums(_Sheet(book, people.say(_SUMS), _SUM_COLUMNS, people), sums, people)


def _leave_nothing(book: Any) -> None:
    """Remove the files that the library keeps of each sheet until a book is saved; one that broke off never is."""
    for sheet in book.worksheets:
        if sheet._rows is not None and not sheet.closed:
            sheet._rows.close()
            sheet._writer.xf.close()
        if sheet._writer is not None:
            Path(sheet._writer.out).unlink(missing_ok=True)


class _Sheet:
    """One sheet with a head that stays in sight; text is always text, whatever it begins with."""

    def __init__(self, book: Any, title: str, columns: tuple[SheetColumn, ...], people: ForPeople) -> None:
        from openpyxl.cell import WriteOnlyCell  # noqa: PLC0415
        from openpyxl.utils import get_column_letter  # noqa: PLC0415

        self._cell, self._sheet = WriteOnlyCell, book.create_sheet(title)
        self._sheet.freeze_panes = "A2"
        for number, column in enumerate(columns, 1):
            self._sheet.column_dimensions[get_column_letter(number)].width = column.width
        self.add([people.say(column.heading) for column in columns])

    def add(self, values: list[object]) -> None:
        """Write a row: texts as texts, numbers as numbers, moments as local times without a zone."""
        self._sheet.append([self._typed(value) for value in values])

    def _typed(self, value: object) -> object:
        if isinstance(value, str):
            return self._text(value) if value else None
        if isinstance(value, datetime):
            cell = self._cell(self._sheet, value.replace(tzinfo=None, microsecond=0))
            cell.number_format = _DATE_FORMAT
            return cell
        return value

    def _text(self, text: str) -> object:
        cell = self._cell(self._sheet, _NOT_XML.sub("\ufffd", text)[:CELL_CHARS_MAX])
        # Else a text that begins with "=" would be a formula, and one such as "#N/A" an error.
        cell.data_type = "s"
        if not text[:1].isalnum():
            # Said to be text also after somebody has touched the cell.
            cell.quotePrefix = True
        return cell


def _gift_cells(gift: Donation, people: ForPeople) -> list[object]:
    payment, personal, value = gift.payment, gift.payment.personal, gift.value
    sign = -1 if gift.identity.direction is Direction.OUT else 1

    def amount(units: int | None) -> Decimal | None:
        return None if units is None else _number(sign * units, payment.exponent)

    return [
        payment.occurred_at.astimezone(people.zone),
        people.titles.get(payment.method, payment.method),
        people.say(KIND_WORDS[payment.kind]),
        people.say(STATE_WORDS[gift.state]),
        amount(payment.units),
        gift.identity.asset,
        amount(gift.counted_units),
        amount(gift.refunded_units),
        amount(gift.fee_units),
        amount(gift.net_units),
        None if value is None else _number(counted_value(gift), value.exponent),
        None if value is None else value.currency,
        gift.article or "",
        personal.payer or "",
        personal.message or "",
        gift.support_code or "",
        gift.identity.ref,
        _class_words(gift, people),
        gift.payment.bank.rule if gift.payment.bank else "",
        _match_words(gift, people),
    ]


def _class_words(gift: Donation, people: ForPeople) -> str:
    if gift.payment.bank is None:
        return ""
    line_class = gift.payment.bank.line_class
    return people.say(people.classes[line_class]) if line_class in people.classes else line_class


def _match_words(gift: Donation, people: ForPeople) -> str:
    if gift.match is None or not gift.match.support_code:
        return ""
    return people.say(MATCH_WORDS[gift.match.by]) if gift.match.by in MATCH_WORDS else gift.match.by


def _number(units: int, exponent: int) -> Decimal:
    return Decimal(plain_units(units, exponent))


def _write_sums(sheet: _Sheet, sums: SheetSums, people: ForPeople) -> None:
    for key in sorted(sums.gifts):
        method, asset, exponent = key
        counted, fees = (_number(sums_of[key], exponent) for sums_of in (sums.counted, sums.fees))
        sheet.add([people.titles.get(method, method), asset, sums.gifts[key], counted, fees])
    for (currency, exponent), units in sorted(sums.values.items()):
        sheet.add([people.say(Phrase("Value")), currency, None, _number(units, exponent), None])


FORMAT = ExportFormat(
    "xlsx",
    Phrase("Download Excel"),
    "xlsx",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    write,
)

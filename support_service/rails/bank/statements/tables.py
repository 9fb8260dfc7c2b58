"""Rows of a table, from delimited text or from a spreadsheet, and which column holds what."""

import csv
import re
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from itertools import islice
from json.encoder import encode_basestring as quoted
from xml.etree.ElementTree import ParseError

from support_service.rails.bank.folding import fold
from support_service.rails.bank.statements.intake import StatementFile
from support_service.rails.bank.statements.statement import BadField, StatementRefused

DELIMITERS = ";,\t|"
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f]")
HEADER_ROWS_MAX = 40
SAMPLE_ROWS = 60
COLUMNS_MAX = 60
SHEET_ROWS_MAX = 250_000
# What a spreadsheet unpacks to; a bank's of 200,000 rows has some 100 MB.
UNPACKED_BYTES_MAX = 150 * 2**20
UNPACKED_TIMES_MAX = 200
ARCHIVE_FILES_MAX = 200
# The spreadsheet library answers a damaged file with whatever its parts raise; each means the same to us.
_DAMAGED = (
    zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, ParseError, EOFError, OSError,
    KeyError, ValueError, TypeError, IndexError, AttributeError, NotImplementedError, OverflowError, RuntimeError,
    AssertionError,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class TableRow:
    """Cells as text. number is the line of the file, or the row of the sheet, counted from 1.

    is_whole is False for a last row without line end: its last cell may be cut off.
    """

    number: int
    cells: tuple[str, ...]
    is_whole: bool = True

    @property
    def is_empty(self) -> bool:
        """Nothing stands in it."""
        return not any(cell.strip() for cell in self.cells)

    @property
    def raw(self) -> str:
        """What the row said, to be kept; a sheet pads its rows with empty cells."""
        filled = max((place for place, cell in enumerate(self.cells, start=1) if cell), default=0)
        return f"[{','.join(map(quoted, self.cells[:filled]))}]"


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row whose quoting cannot be read."""

    number: int
    reason: str


Columns = Mapping[str, int]
FindColumns = Callable[[TableRow], Columns | None]


def delimited_rows(file: StatementFile, delimiter: str, *, is_quoted: bool = True) -> Iterator[TableRow | BadRow]:
    """Read rows of delimited text; quotes are letters like any other where is_quoted is False."""
    lines = _Numbered(file.lines())
    rows = csv.reader(
        lines, delimiter=delimiter, quoting=csv.QUOTE_MINIMAL if is_quoted else csv.QUOTE_NONE, strict=True
    )
    while True:
        number = lines.number + 1
        try:
            cells = next(rows, None)
        except csv.Error as error:
            yield BadRow(number, f"its quotes or fields cannot be read ({error})")
            continue
        if cells is None:
            return
        # A quote or a delimiter at the end proves nothing: the next byte may have been cut off.
        yield TableRow(number, tuple(cells), lines.last.endswith(("\n", "\r")))


class _Numbered:
    """Lines that know how many were read: a row may span several."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines
        self.number = 0
        self.last = ""

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        self.last = next(self._lines)
        self.number += 1
        return self.last


def find_delimiter(file: StatementFile) -> str:
    """Find the delimiter that gives most rows the same count of columns above one; "" if none does."""
    best, best_score = "", 0
    for delimiter in DELIMITERS:
        rows = [row for row in islice(delimited_rows(file, delimiter), SAMPLE_ROWS) if isinstance(row, TableRow)]
        widths = [len(row.cells) for row in rows if len(row.cells) > 1]
        score = max((widths.count(width) for width in set(widths)), default=0)
        if score > best_score:
            best, best_score = delimiter, score
    return best


def sheet_rows(file: StatementFile) -> Iterator[TableRow]:
    """Read the first sheet of an XLSX: stored values alone, formulas are never worked out."""
    # Late: the web process checks the settings of formats, and need not carry 6 MiB for what it seldom reads.
    from openpyxl import load_workbook  # noqa: PLC0415

    data = file.whole()
    _refuse_bombs(file)
    try:
        with warnings.catch_warnings(), file.open() as stream:
            warnings.simplefilter("ignore")
            book = load_workbook(stream, read_only=True, data_only=True, keep_links=False)
            sheet = book.worksheets[0]
            found = sheet.iter_rows(max_row=SHEET_ROWS_MAX, max_col=COLUMNS_MAX, values_only=True)
            for number, cells in enumerate(found, start=1):
                yield TableRow(number, tuple(_cell_text(cell) for cell in cells))
    except StatementRefused:
        raise
    except _DAMAGED as error:
        raise StatementRefused(
            f"the spreadsheet is damaged or cut off ({len(data)} bytes): download it again"
        ) from error


def _refuse_bombs(file: StatementFile) -> None:
    try:
        with file.open() as stream, zipfile.ZipFile(stream) as archive:
            members = archive.infolist()
    except _DAMAGED as error:
        raise StatementRefused("the file is a damaged or cut-off zip archive: download it again") from error
    if not any(member.filename.startswith("xl/") for member in members):
        raise StatementRefused("this is a zip archive, not a statement: unpack it and import the file inside")
    unpacked = sum(member.file_size for member in members)
    bound = min(UNPACKED_BYTES_MAX, max(file.size * UNPACKED_TIMES_MAX, 2**20))
    if len(members) > ARCHIVE_FILES_MAX or unpacked > bound or any(member.flag_bits & 1 for member in members):
        raise StatementRefused("the spreadsheet unpacks to more than any statement, or is locked: this is no statement")


def _cell_text(cell: object) -> str:
    match cell:
        case None:
            text = ""
        case float():
            # The shortest text that means this number: 44.63 stays 44.63. No arithmetic is done on it.
            text = repr(cell).removesuffix(".0")
        case datetime():
            text = cell.strftime("%Y-%m-%d %H:%M:%S")
        case date() | time():
            text = cell.isoformat()
        case _:
            text = str(cell)
    return text


@dataclass(frozen=True, slots=True)
class FoundHeader:
    """The row of headers, which column holds what, and the noise above it."""

    row: TableRow
    columns: Columns
    above: Sequence[TableRow]


def find_header(rows: Iterator[TableRow | BadRow], find_columns: FindColumns) -> FoundHeader | None:
    """Read up to the header row; None if there is none."""
    above: list[TableRow] = []
    for row in islice(rows, HEADER_ROWS_MAX):
        if isinstance(row, TableRow):
            columns = find_columns(row)
            if columns is not None:
                return FoundHeader(row, columns, above)
            above.append(row)
    return None


def columns_of(row: TableRow, names: Mapping[str, tuple[str, ...]], needed: frozenset[str]) -> Columns | None:
    """Find which cell heads which field; None where a needed field has no header in this row."""
    heads: dict[str, int] = {}
    for place, cell in enumerate(row.cells):
        heads.setdefault(fold(cell), place)
    found = {
        name: next(heads[fold(head)] for head in headers if fold(head) in heads)
        for name, headers in names.items()
        if any(fold(head) in heads for head in headers)
    }
    return found if needed <= found.keys() else None


def cell(row: TableRow, columns: Columns, name: str) -> str:
    """The text of a field; "" where the table has no such column. BadField where the row is too short."""
    place = columns.get(name)
    if place is None:
        return ""
    if place >= len(row.cells):
        raise BadField(name, f"is missing: the row has {len(row.cells)} columns only")
    text = row.cells[place]
    return text.strip() if text.isprintable() else _CONTROLS.sub("", text).strip()

"""CSV in two dialects: RFC 4180 for machines, and what a Ukrainian Excel opens with a double click.

Both hold the contract's fields under their names. Text gets an apostrophe before each sign (= + - @)
that a spreadsheet could take for the start of a formula: at the front of a cell, and behind ; , | a tab
or a line end, which may end a cell where the separator is another one. Nothing else changes: without the
apostrophes that stand before a sign at these places it is the text again; JSON Lines hold it as it was.
Numbers get none. Flags are joined by a space, value is JSON, null is an empty cell.
"""

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache, partial
from typing import Any

from support_service.giving import Phrase
from support_service.ledger.export.cells import harmless
from support_service.ledger.export.format import ExportFormat, ForPeople
from support_service.ledger.export.rows import FIELDS, Exported

_JSON = json.JSONEncoder(ensure_ascii=False)
# Excel takes a file with it for UTF-8. Scripts take it for a part of the first column's name.
_BYTE_ORDER_MARK = "\ufeff"
# Fields that are decimals; all other numbers are whole.
_DECIMALS = ("amount",)
# Numbers, moments and words of our own: there is nothing in them that a spreadsheet could run.
_OURS = {
    *("kind", "units", "amount", "refunded_units", "counted_units", "fee_units", "net_units", "state", "direction"),
    *("id", "belongs_to", "block_height", "seen_at", "confirmed_at", "occurred_at", "booking_date"),
}
# Few of each, and in every row.
_FEW = {"rail", "network", "method", "address", "asset", "bank_class", "bank_rule", "matched_by"}


def write(exported: Iterable[Exported], _for: ForPeople) -> Iterator[bytes]:
    """Write UTF-8 without a byte order mark, commas between cells, lines that end with CR LF."""
    return _lines(exported, separator=",", decimal_sign=".")


def write_for_excel(exported: Iterable[Exported], _for: ForPeople) -> Iterator[bytes]:
    """Write what Excel reads where numbers have a decimal comma: a byte order mark, semicolons between cells."""
    yield _BYTE_ORDER_MARK.encode()
    yield from _lines(exported, separator=";", decimal_sign=",")


def _lines(exported: Iterable[Exported], *, separator: str, decimal_sign: str) -> Iterator[bytes]:
    line = io.StringIO(newline="")
    add = csv.writer(line, delimiter=separator, lineterminator="\r\n").writerow
    add(FIELDS)
    for one in exported:
        yield line.getvalue().encode()
        line.seek(0)
        line.truncate()
        row = one.row
        if decimal_sign != ".":
            row |= {name: str(row[name]).replace(".", decimal_sign) for name in _DECIMALS}
        # What is no text of others stands as it is; the writer leaves a cell empty where there is nothing.
        cells = zip(row.values(), _HOW_EACH, strict=True)
        add([value if told is None or value is None else told(value) for value, told in cells])
    yield line.getvalue().encode()


def _value(value: dict[str, str | None]) -> str:
    return _JSON.encode(value)


# How each field is written; None: as it is.
_HOW: dict[str, Callable[[Any], str]] = {"flags": " ".join, "value": _value}
_HOW |= dict.fromkeys(_FEW, lru_cache(maxsize=1024)(harmless))
_HOW_EACH = [None if name in _OURS else _HOW.get(name, harmless) for name in FIELDS]

_format = partial(ExportFormat, suffix="csv", media_type="text/csv")
FORMAT = _format("csv", Phrase("Download CSV"), write=write)
FOR_EXCEL = _format("csv-excel", Phrase("Download CSV for Excel"), write=write_for_excel)

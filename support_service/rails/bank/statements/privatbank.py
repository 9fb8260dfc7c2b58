"""PrivatBank: the business CSV and XLSX, the personal card XLSX and a saved answer of Autoclient 3.

The CSV is Windows-1251, quotes nothing, writes Latin i for Ukrainian і and knows no reference.
The API's sums have no sign: TRANTYPE says it. Booked is PR_PR r and FL_REAL r; t was taken back.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import date

from support_service.money import Money
from support_service.rails.bank.folding import fold
from support_service.rails.bank.line import Line, LineStanding, Party
from support_service.rails.bank.statements.format import StatementFormat
from support_service.rails.bank.statements.intake import StatementFile
from support_service.rails.bank.statements.json_answers import Json, read_json, text_of
from support_service.rails.bank.statements.statement import BadField, Part, Problem, StatementRefused, WantedStatement
from support_service.rails.bank.statements.tables import (
    BadRow,
    Columns,
    TableRow,
    cell,
    columns_of,
    delimited_rows,
    find_header,
    sheet_rows,
)
from support_service.rails.bank.statements.values import (
    clock_at,
    read_asset,
    read_day,
    read_serial,
    read_units,
    which_account,
)

BANK_CODE = "14360570"
Heads = Mapping[str, tuple[str, ...]]
RowReader = Callable[[TableRow], Line | None]

CSV_HEADS: Heads = {
    "own_account": ("Рахунок",), "currency": ("Валюта",), "document": ("Номер документу", "Номер документа"),
    "date": ("Дата операції",), "account": ("Рахунок кореспондента",), "code": ("ЄДРПОУ кореспондента",),
    "name": ("Кореспондент",), "amount": ("Сума",), "purpose": ("Призначення платежу",),
}  # fmt: skip
SHEET_HEADS: Heads = {
    "document": ("№ документа", "Номер документа"), "date": ("Дата операції",), "time": ("Час операції",),
    "amount": ("Сума",), "currency": ("Валюта",), "purpose": ("Призначення платежу",),
    "code": ("ЄДРПОУ/РНОКПП", "ЄДРПОУ"), "name": ("Назва контрагента",), "account": ("Рахунок контрагента",),
    "reference": ("Референс",),
}  # fmt: skip
CARD_HEADS: Heads = {
    "date": ("Дата",), "card": ("Картка",), "purpose": ("Опис операції",), "amount": ("Сума в валюті картки",),
    "currency": ("Валюта картки",), "balance": ("Залишок на кінець періоду",), "category": ("Категорія",),
}  # fmt: skip
_CARRIED = fold("ПЕРЕНЕСЕННЯ ЗАЛИШКУ")
_IBAN = re.compile(r"UA\d{27}")
_PAYER = re.compile(r"(?:,|\bв[iі]д\b)\s*([^,\d]{5,80})\W*$", re.IGNORECASE)


def sniff(file: StatementFile) -> bool:
    """The bank's own headers or keys; a spreadsheet, which no other bank here offers."""
    if file.is_zip:
        return True
    text = file.head_text
    if file.is_json:
        keys = ('"AUT_MY_', '"TRANTYPE"', '"serviceCode"', '"exist_next_page"', '"date_final_statement"')
        return any(key in text for key in keys) or re.search(r'"status"\s*:\s*"(SUCCESS|ERROR)"', text) is not None
    head = fold(text.partition("\n")[0])
    return all(fold(word) in head for word in ("МФО банку", "Рахунок кореспондента", "Сума", "Призначення платежу"))


def read(file: StatementFile, wanted: WantedStatement) -> Iterator[Part]:
    """Read whichever of the bank's four shapes this is."""
    if file.is_json:
        return _read_answer(file, wanted)
    return _read_sheet(file, wanted) if file.is_zip else _read_csv(file, wanted)


FORMAT = StatementFormat("privatbank", "PrivatBank (CSV, XLSX, Autoclient JSON)", sniff, read)


def _read_csv(file: StatementFile, wanted: WantedStatement) -> Iterator[Part]:
    rows = delimited_rows(file, ";", is_quoted=False)
    found = find_header(rows, lambda row: columns_of(row, CSV_HEADS, frozenset(CSV_HEADS)))
    if found is None:
        raise StatementRefused("the table has not PrivatBank's 13 columns: is this its business CSV?")
    header, columns = found.row, found.columns
    width = len(header.cells) - (0 if header.cells[-1].strip() else 1)
    for row in rows:
        if isinstance(row, BadRow):
            yield Problem(row.number, "", row.reason)
        elif not row.is_empty:
            yield from _named(row, lambda row: _business(_unbroken(row, width), columns, wanted, ""))


def _unbroken(row: TableRow, width: int) -> TableRow:
    """Nothing is escaped: what is too much belongs to the purpose. Every whole row ends with the delimiter."""
    if len(row.cells) <= width:
        raise BadField("", f"has {len(row.cells)} columns of {width}: the file ends inside this row")
    purpose = ";".join(row.cells[width - 1 : -1]) if not row.cells[-1].strip() else ";".join(row.cells[width - 1 :])
    return TableRow(row.number, (*row.cells[: width - 1], purpose), row.is_whole)


def _read_sheet(file: StatementFile, wanted: WantedStatement) -> Iterator[Part]:
    rows = sheet_rows(file)
    found = find_header(rows, _sheet_columns)
    if found is None:
        raise StatementRefused("the spreadsheet has no row with PrivatBank's headers: is this its statement?")
    columns = found.columns
    noise = " ".join(text for row in found.above for text in row.cells)
    named = next(iter(_IBAN.findall(noise.replace(" ", ""))), "")
    cards: dict[str, str] = {}
    for row in rows:
        if row.is_empty:
            continue
        if "card" in columns:
            yield from _named(row, lambda row: _card(row, columns, wanted, cards))
        else:
            yield from _named(row, lambda row: _business(row, columns, wanted, named))


def _sheet_columns(row: TableRow) -> Columns | None:
    for heads in (SHEET_HEADS, CARD_HEADS):
        optional = {"time", "reference", "category"}
        found = columns_of(row, heads, frozenset(heads) - optional)
        if found is not None:
            return found
    return None


def _named(row: TableRow, read_row: RowReader) -> Iterator[Line | Problem]:
    try:
        line = read_row(row)
    except BadField as error:
        yield error.at(row.number)
    else:
        if line and line.money.units:
            yield line


def _business(row: TableRow, columns: Columns, wanted: WantedStatement, named: str) -> Line | None:
    if _CARRIED in fold(" ".join(row.cells)):
        return None  # repeats a balance; no money moved
    day, clock = _sheet_day(cell(row, columns, "date"))
    asset = read_asset(cell(row, columns, "currency"))
    purpose = cell(row, columns, "purpose")
    time_text = cell(row, columns, "time")
    clock = clock or (read_day(f"2000-01-01 {time_text}", name="time")[1] if time_text else "")
    party = Party(
        cell(row, columns, "name"), cell(row, columns, "account").replace(" ", ""), _padded(cell(row, columns, "code"))
    )
    reference = cell(row, columns, "reference")
    return Line(
        account=which_account(cell(row, columns, "own_account") or named, wanted), day=day,
        money=Money(read_units(cell(row, columns, "amount"), asset, decimal="."), asset), family="privatbank",
        counterparty=party, payer_in_text=payer_in(purpose, party), purpose=purpose, value_day=day,
        clock=clock_at(day, clock), document=cell(row, columns, "document"),
        partial_references=(reference,) if reference else (), row=row.number, raw=row.raw,
    )  # fmt: skip


def _card(row: TableRow, columns: Columns, wanted: WantedStatement, cards: dict[str, str]) -> Line:
    day, clock = _sheet_day(cell(row, columns, "date"))
    asset = read_asset(cell(row, columns, "currency"))
    card = cell(row, columns, "card").replace(" ", "")
    if card not in cards:
        if wanted.account and cards:
            raise StatementRefused("the spreadsheet holds several cards: import it without --account")
        cards[card] = wanted.account or f"card:{card}"
    balance = cell(row, columns, "balance")
    return Line(
        account=cards[card], day=day, money=Money(read_units(cell(row, columns, "amount"), asset, decimal="."), asset),
        family="privatbank", purpose=cell(row, columns, "purpose"), value_day=day, clock=clock_at(day, clock),
        balance_after_units=read_units(balance, asset, name="balance", decimal=".") if balance else None,
        kind="card", row=row.number, raw=row.raw,
    )  # fmt: skip


def _sheet_day(text: str) -> tuple[date, str]:
    if re.fullmatch(r"\d{5}(\.\d+)?", text):
        return read_serial(text), ""
    return read_day(text)


def _padded(code: str) -> str:
    """A spreadsheet loses leading zeros: EDRPOU has 8 digits, RNOKPP 10."""
    if not code.isdigit():
        return code
    return code.rjust(8, "0") if len(code) < 8 else code.rjust(10, "0") if len(code) == 9 else code


def payer_in(purpose: str, party: Party) -> str:
    """Read the payer at the end of the purpose, where the bank's own transit account carried the money."""
    if party.code != BANK_CODE or "ТРАНЗ" not in fold(party.name):
        return ""
    match = _PAYER.search(purpose)
    return match[1].strip() if match and len(match[1].split()) > 1 else ""


def _read_answer(file: StatementFile, wanted: WantedStatement) -> Iterator[Part]:
    answer = read_json(file)
    if not isinstance(answer, dict):
        raise StatementRefused("the JSON is no answer of Autoclient: it must be an object with transactions")
    if str(answer.get("status", "")).upper() == "ERROR":
        said = f"{str(answer.get('code', ''))[:20]} {str(answer.get('message', ''))[:80]}".strip()
        raise StatementRefused(f"the bank answered ERROR ({said}): this is never an empty statement")
    rows = answer.get("transactions")
    if not isinstance(rows, list):
        kind = str(answer.get("type", "unknown"))[:20]
        raise StatementRefused(f"the answer of /{kind} is not a statement: save the answer of /transactions")
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, dict):
            yield Problem(number, "", "is no row of a statement")
            continue
        try:
            line = transaction(row, wanted, number)
        except BadField as error:
            yield error.at(number)
        else:
            if line and line.money.units:
                yield line


def transaction(row: dict[str, Json], wanted: WantedStatement, number: int) -> Line | None:
    """Read one row of Autoclient's answer; None for a rejected one, which never moved money."""
    standing = _standing(text_of(row, "PR_PR"), text_of(row, "FL_REAL"))
    if standing is None:
        return None
    asset = read_asset(text_of(row, "CCY"))
    units = read_units(text_of(row, "SUM"), asset, name="SUM", decimal=".")
    sign = {"C": 1, "D": -1}.get(text_of(row, "TRANTYPE").upper())
    if sign is None or units < 0:
        raise BadField("TRANTYPE", "is neither C nor D, or SUM is negative")
    day, _ = read_day(text_of(row, "DAT_OD"), name="DAT_OD")
    time_text = text_of(row, "TIM_P")
    clock = read_day(f"2000-01-01 {time_text}", name="TIM_P")[1] if time_text else ""
    party = Party(text_of(row, "AUT_CNTR_NAM"), text_of(row, "AUT_CNTR_ACC"), text_of(row, "AUT_CNTR_CRF"))
    reference, part = text_of(row, "REF"), text_of(row, "REFN")
    purpose = text_of(row, "OSND")
    return Line(
        account=which_account(text_of(row, "AUT_MY_ACC"), wanted), day=day, money=Money(sign * units, asset),
        family="privatbank", standing=standing, counterparty=party, purpose=purpose, value_day=day,
        payer_in_text=text_of(row, "PAYER_ULTMT_NAME") or payer_in(purpose, party),
        clock=clock_at(day, f"{clock}:00" if len(clock) == 5 else clock),
        document=text_of(row, "NUM_DOC"), reference=reference, reference_part=part, is_reference_unique=True,
        partial_references=(reference, f"{reference}{part}") if reference else (),
        is_reversal=standing is LineStanding.TAKEN_BACK, row=number, raw=json.dumps(row, ensure_ascii=False),
    )  # fmt: skip


def _standing(progress: str, reality: str) -> LineStanding | None:
    match progress.lower(), reality.lower():
        case "r", "r":
            return LineStanding.BOOKED
        case "t", _:
            return LineStanding.TAKEN_BACK
        case "n", _:
            return None
        case ("p", _) | ("r", "i"):
            return LineStanding.PENDING
    raise BadField("PR_PR", f"{progress[:10]!r} with FL_REAL {reality[:10]!r} is not known")

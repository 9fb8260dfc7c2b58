"""monobank: the app's CSV (Ukrainian or English) and saved answers of its personal and corporate API.

The personal API has no purpose: description and comment are all the text there is, and currencyCode
belongs to the operation, not to the account. The app's CSV has no comment, so no code can be read.
"""

import json
import re
from collections.abc import Iterator

from support_service.money import Asset, Money
from support_service.rails.bank.folding import fold
from support_service.rails.bank.line import Line, LineStanding, Party
from support_service.rails.bank.statements.format import StatementFormat
from support_service.rails.bank.statements.intake import StatementFile
from support_service.rails.bank.statements.json_answers import Json, read_json, text_of, units_of
from support_service.rails.bank.statements.statement import (
    BadField,
    Note,
    Part,
    Problem,
    StatementRefused,
    WantedStatement,
)
from support_service.rails.bank.statements.tables import (
    BadRow,
    Columns,
    TableRow,
    cell,
    columns_of,
    delimited_rows,
    find_header,
)
from support_service.rails.bank.statements.values import (
    clock_at,
    kyiv_clock,
    read_asset,
    read_day,
    read_units,
    which_account,
)

_HEADS = {
    "date": ("Дата і час операції", "Date and time"),
    "purpose": ("Деталі операції", "Description"),
    "mcc": ("MCC",),
    "balance": ("Залишок після операції", "Balance"),
}
# The account's currency stands in this header alone: "Сума в валюті картки (UAH)".
_AMOUNT_HEAD = re.compile(r"(?:СУМА В ВАЛЮТI КАРТКИ|CARD CURRENCY AMOUNT) ([A-Z]{3})")
_NOTHING = frozenset({"", "—", "-", "–"})
_KEYS = (
    '"statementItem"', '"operationAmount"', '"cashbackAmount"', '"counterEdrpou"', '"externalReference"',
    '"completedTime"', '"errorDescription"', '"counterName"',
)  # fmt: skip


def sniff(file: StatementFile) -> bool:
    """The app's headers, or the keys of its APIs; an empty list is a time without movement."""
    text = file.head_text.lstrip("\ufeff")
    if file.is_json:
        return any(key in text for key in _KEYS) or re.fullmatch(r"\s*\[\s*\]\s*", text) is not None
    return _AMOUNT_HEAD.search(fold(text.partition("\n")[0])) is not None


def read(file: StatementFile, wanted: WantedStatement) -> Iterator[Part]:
    """Read the app's CSV or an API's answer."""
    return _read_answer(file, wanted) if file.is_json else _read_csv(file, wanted)


FORMAT = StatementFormat("monobank", "monobank (app CSV, API JSON)", sniff, read)


def _read_csv(file: StatementFile, wanted: WantedStatement) -> Iterator[Part]:
    rows = delimited_rows(file, ",")
    found = find_header(rows, _csv_columns)
    if found is None:
        raise StatementRefused("the table has not the headers of monobank's app statement")
    header, columns = found.row, found.columns
    account = which_account("", wanted)
    code = _AMOUNT_HEAD.fullmatch(fold(header.cells[columns["amount"]]))
    assert code
    asset = read_asset(code[1])
    yield Note("the app's CSV leaves the payers' comments out, so no support code can be read: prefer the API")
    newer: Line | None = None
    for row in rows:
        if isinstance(row, BadRow):
            yield Problem(row.number, "", row.reason)
        elif not row.is_empty:
            try:
                _check_whole(row, len(header.cells))
                line = _csv_line(row, columns, asset, account)
                _check_chain(row, line, newer)
            except BadField as error:
                yield error.at(row.number)
            else:
                newer = line
                if line.money.units:
                    yield line


def _csv_columns(row: TableRow) -> Columns | None:
    found = columns_of(row, _HEADS, frozenset({"date", "purpose", "balance"}))
    amounts = [place for place, head in enumerate(row.cells) if _AMOUNT_HEAD.fullmatch(fold(head))]
    return {**found, "amount": amounts[0]} if found is not None and amounts else None


def _check_whole(row: TableRow, width: int) -> None:
    if len(row.cells) != width:
        raise BadField("", f"has {len(row.cells)} columns, the header has {width}")


def _check_chain(row: TableRow, line: Line, newer: Line | None) -> None:
    """The last cell is a balance: where the file ends without line end, the row above must prove it."""
    if row.is_whole:
        return
    above = newer.balance_after_units if newer else None
    if newer is None or above is None or line.balance_after_units != above - newer.money.units:
        raise BadField("balance", "the file ends inside this row")


def _csv_line(row: TableRow, columns: Columns, asset: Asset, account: str) -> Line:
    day, clock = read_day(cell(row, columns, "date"))
    balance = cell(row, columns, "balance")
    units = read_units(cell(row, columns, "amount"), asset, decimal=".")
    mcc = cell(row, columns, "mcc")
    return Line(
        account=account, day=day, money=Money(units, asset), family="monobank",
        purpose=cell(row, columns, "purpose"), value_day=day, clock=clock_at(day, clock),
        balance_after_units=None if balance in _NOTHING else read_units(balance, asset, name="balance", decimal="."),
        kind=f"mcc {mcc}" if mcc.isdigit() else "", may_be_cut=not row.is_whole, row=row.number, raw=row.raw,
    )  # fmt: skip


def _read_answer(file: StatementFile, wanted: WantedStatement) -> Iterator[Part]:
    answer = read_json(file)
    if isinstance(answer, dict) and ("errorDescription" in answer or "errText" in answer):
        said = str(answer.get("errorDescription", answer.get("errText", "")))[:80]
        raise StatementRefused(f"the bank answered an error ({said}): this is never an empty statement")
    named, items = _items(answer)
    account = which_account(named, wanted)
    is_corporate = any(isinstance(item, dict) and "status" in item for item in items)
    asset = None if is_corporate else account_asset(items, wanted)
    for number, item in enumerate(items, start=1):
        if not isinstance(item, dict):
            yield Problem(number, "", "is no row of a statement")
            continue
        try:
            line = personal(item, Money(0, asset), account, number) if asset else corporate(item, account, number)
        except BadField as error:
            yield error.at(number)
        else:
            if line and line.money.units:
                yield line


def _items(answer: Json) -> tuple[str, list[Json]]:
    """The rows, and the account that a webhook names (an id of client-info, no IBAN)."""
    if isinstance(answer, list):
        return "", answer
    data = answer.get("data") if isinstance(answer, dict) else None
    if isinstance(data, dict) and isinstance(data.get("statementItem"), dict):
        return text_of(data, "account"), [data["statementItem"]]
    for name in ("statement", "statements", "items"):
        if isinstance(answer, dict) and isinstance(answer.get(name), list):
            return "", answer[name]
    raise StatementRefused("the JSON is no statement of monobank: save the answer of /personal/statement")


def account_asset(items: list[Json], wanted: WantedStatement) -> Asset:
    """Say the account's currency: the one given, else that of operations that needed no exchange, else hryvnia."""
    if wanted.currency:
        return read_asset(wanted.currency)
    same = {
        str(item.get("currencyCode"))
        for item in items
        if isinstance(item, dict) and item.get("amount") == item.get("operationAmount") and item.get("amount")
    }
    if len(same) > 1:
        raise StatementRefused("the answer does not tell the account's currency: name it in the settings")
    try:
        return read_asset(same.pop() if same else "UAH")
    except BadField as error:
        raise StatementRefused(f"the account's currency is not known: {error}") from error


def personal(item: dict[str, Json], zero: Money, account: str, number: int) -> Line:
    """Read one item of /personal/statement or of a webhook; its amount is in the account's own units."""
    day, clock = kyiv_clock(units_of(item, "time"))
    reference = text_of(item, "id")
    if not reference:
        raise BadField("id", "is missing")
    hold = item.get("hold", False)
    if not isinstance(hold, bool):
        raise BadField("hold", "is neither true nor false")
    words = (text_of(item, "description"), text_of(item, "comment"))
    mcc = text_of(item, "mcc")
    return Line(
        account=account, day=day, money=Money(units_of(item, "amount"), zero.asset), family="monobank",
        standing=LineStanding.PENDING if hold else LineStanding.BOOKED,
        counterparty=Party(
            text_of(item, "counterName"), text_of(item, "counterIban"), text_of(item, "counterEdrpou")
        ),
        purpose=" ".join(" ".join(word for word in words if word).split()), value_day=day, clock=clock,
        reference=reference, is_reference_unique=True,
        balance_after_units=units_of(item, "balance") if "balance" in item else None,
        kind=f"mcc {mcc}" if mcc else "", row=number, raw=json.dumps(item, ensure_ascii=False),
    )  # fmt: skip


_STANDINGS = {"DONE": LineStanding.BOOKED, "PENDING": LineStanding.PENDING}


def corporate(item: dict[str, Json], account: str, number: int) -> Line | None:
    """Read one item of the corporate API: booked when completed, not when created; None for a declined one."""
    status = text_of(item, "status").upper()
    if status == "DECLINED":
        return None
    if status not in _STANDINGS:
        raise BadField("status", f"{status[:20]!r} is not known")
    reference = text_of(item, "id")
    if not reference:
        raise BadField("id", "is missing")
    day, clock = kyiv_clock(units_of(item, "completedTime" if item.get("completedTime") else "time"))
    carrier = Party(text_of(item, "counterName"), text_of(item, "counterIban"), text_of(item, "counterEdrpou"))
    ultimate = item.get("ultimateDebit")
    ultimate = ultimate if isinstance(ultimate, dict) and text_of(ultimate, "name") else None
    party = Party(text_of(ultimate, "name"), carrier.account, text_of(ultimate, "idCode")) if ultimate else carrier
    return Line(
        account=account, day=day, money=Money(units_of(item, "amount"), read_asset(text_of(item, "currencyCode"))),
        family="monobank_business", standing=_STANDINGS[status], counterparty=party,
        paid_through=carrier.name if ultimate and carrier.name != party.name else "",
        purpose=text_of(item, "description"), value_day=day, clock=clock, reference=reference,
        is_reference_unique=True, is_reversal=item.get("reverse") is True, row=number,
        raw=json.dumps(item, ensure_ascii=False),
    )  # fmt: skip

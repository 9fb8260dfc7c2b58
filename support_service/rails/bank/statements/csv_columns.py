"""Delimited text from any bank, by a map of its columns: one of the settings, or one that ships ready.

A profile says which header holds which field. Delimiter and encoding are found out; an amount or a
date that may be read in two ways is a bad row until the profile says how.
"""

from collections.abc import Iterator, Mapping
from functools import partial

from support_service.money import Asset, Money
from support_service.rails.bank.folding import fold
from support_service.rails.bank.line import Line, Party
from support_service.rails.bank.statements.format import StatementFormat
from support_service.rails.bank.statements.intake import StatementFile
from support_service.rails.bank.statements.statement import (
    BadField,
    Note,
    Part,
    Problem,
    Profile,
    StatementRefused,
    WantedStatement,
)
from support_service.rails.bank.statements.tables import (
    DELIMITERS,
    BadRow,
    Columns,
    TableRow,
    cell,
    columns_of,
    delimited_rows,
    find_delimiter,
    find_header,
)
from support_service.rails.bank.statements.values import (
    clock_at,
    read_asset,
    read_day,
    read_units,
    usual_asset,
    which_account,
)
from support_service.rails.options import BadOption

# What a column may hold; "date" and a sum ("amount", or "debit" with "credit") are needed.
FIELDS = frozenset((
    "date", "value_date", "time", "amount", "debit", "credit", "sign", "currency", "purpose", "name", "account",
    "code", "reference", "document", "own_account", "balance",
))  # fmt: skip
_CREDIT = frozenset(("КТ", "K", "К", "КРЕДИТ", "CREDIT", "C", "CR", "CRDT", "+", "IN", "НАДХОДЖЕННЯ", "ЗАРАХУВАННЯ"))
_DEBIT = frozenset(("ДТ", "Д", "ДЕБЕТ", "DEBIT", "D", "DR", "DBIT", "-", "OUT", "ВИТРАТИ", "СПИСАННЯ"))


def _ready(name: str, /, **columns: str) -> Profile:
    return Profile(name, {field: tuple(heads.split("|")) for field, heads in columns.items()}, decimal=".")


PROFILES: Mapping[str, Profile] = {
    "ibank2": _ready(  # UKRSIBBANK, ProCredit, Raiffeisen, Vostok and other users of iBank 2 UA: 17 or 18 columns
        "ibank2", own_account="Рахунок", currency="Валюта", date="Дата операції", account="Рахунок кореспондента",
        code="ЄДРПОУ кореспондента", name="Кореспондент", document="Номер документа|Документ", debit="Дебет",
        credit="Кредит", purpose="Призначення платежу", reference="Ідентифікатор операції",
    ),
    "sense": _ready(  # Sense (Alfa) business: 19 columns, the direction in words
        "sense", own_account="Наш IBAN", sign="Операція", account="IBAN|Рахунок", name="Найменування контрагента",
        code="Код контрагента", purpose="Призначення платежу", date="Дата проведення", document="Номер документа",
        amount="Сума", currency="Валюта", time="Час проведення",
    ),
}  # fmt: skip
# Headers that need no map, tried last: only what can mean nothing else.
_COMMON = _ready(
    "common", date="Дата|Дата операції|Date|Booking date|Buchungstag", value_date="Value date|Дата валютування",
    amount="Сума|Amount|Betrag", debit="Дебет|Debit", credit="Кредит|Credit", currency="Валюта|Currency",
    purpose="Призначення|Призначення платежу|Purpose|Description|Details", document="Номер документа|Номер документу",
    name="Контрагент|Кореспондент|Назва контрагента|Payer|Name|Counterparty", reference="Reference|Референс",
    account="Рахунок контрагента|Рахунок кореспондента|Payer account|Counterparty account|IBAN контрагента",
    code="Код контрагента|ЄДРПОУ контрагента|ЄДРПОУ кореспондента",
)  # fmt: skip
_COMMON = Profile(_COMMON.name, _COMMON.columns)


def read_profile(name: str, options: Mapping[str, object]) -> Profile:
    """Read one [bank.profiles.NAME] of the settings; BadOption says what is wrong with it."""
    columns: dict[str, tuple[str, ...]] = {}
    texts = {key: options.get(key, "") for key in ("delimiter", "decimal", "day_order")}
    for key, value in options.items():
        heads = (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list | tuple) else ()
        if key in texts:
            continue
        if key not in FIELDS:
            raise BadOption(f"{key!r} is no field; known are {', '.join(sorted(FIELDS))}")
        if not heads or not all(isinstance(head, str) and head.strip() for head in heads):
            raise BadOption(f"{key} must name a column's header")
        columns[key] = tuple(str(head) for head in heads)
    if "date" not in columns or not ("amount" in columns or {"debit", "credit"} <= columns.keys()):
        raise BadOption("must name the columns date and amount, or date, debit and credit")
    if texts["delimiter"] not in {"", *DELIMITERS} or texts["decimal"] not in {"", ".", ","}:
        raise BadOption('delimiter is one of ";", ",", "|" or a tab; decimal is "." or ","')
    if texts["day_order"] not in {"", "DMY", "MDY", "YMD"}:
        raise BadOption("day_order is DMY, MDY or YMD")
    currency = columns["currency"][0].upper() if _is_code(columns.get("currency", ())) else ""
    return Profile(name, columns, str(texts["delimiter"]), str(texts["decimal"]), str(texts["day_order"]), currency)


def _is_code(heads: tuple[str, ...]) -> bool:
    return len(heads) == 1 and len(heads[0]) == 3 and heads[0].isascii() and heads[0].isalpha()


def sniff(file: StatementFile) -> bool:
    """Text that one delimiter cuts into columns."""
    if file.is_zip or file.is_json or file.head_text.lstrip("\ufeff").lstrip().startswith(("<", ":", "{")):
        return False
    return bool(find_delimiter(file))


def read(file: StatementFile, wanted: WantedStatement) -> Iterator[Part]:
    """Find the header by the profile, then read row by row."""
    profiles = [wanted.profile] if wanted.profile else [*PROFILES.values(), _COMMON]
    for profile in profiles:
        delimiter = profile.delimiter or find_delimiter(file)
        if not delimiter:
            continue
        rows = delimited_rows(file, delimiter)
        found = find_header(rows, partial(_columns, profile))
        if found:
            yield from _Table(profile, found.columns, found.row, wanted).parts(rows)
            return
    names = ", ".join(profile.name for profile in profiles)
    raise StatementRefused(
        f"no row holds the headers that the column map names ({names}): give the map of this bank (--profile)"
    )


FORMAT = StatementFormat("csv", "CSV by a column map", sniff, read)


def _columns(profile: Profile, row: TableRow) -> Columns | None:
    found = columns_of(row, profile.columns, frozenset({"date"}))
    has_sum = found is not None and ("amount" in found or {"debit", "credit"} <= found.keys())
    # A ready profile fits its own bank's table alone: every column that it names must be there.
    if found is None or not has_sum or (profile.name in PROFILES and len(found) < len(profile.columns) - 1):
        return None
    return found


class _Table:
    """The rows below one header."""

    def __init__(self, profile: Profile, columns: Columns, header: TableRow, wanted: WantedStatement) -> None:
        self._profile, self._columns, self._header, self._wanted = profile, columns, header, wanted
        self._width = len(header.cells) - (0 if header.cells[-1].strip() else 1)
        self._ends_with_delimiter = not header.cells[-1].strip()
        self._accounts: dict[str, str] = {}
        self._assets: dict[str, Asset] = {}
        self._assumed = ""

    def parts(self, rows: Iterator[TableRow | BadRow]) -> Iterator[Part]:
        """Read each row into a line, or name it."""
        if "own_account" not in self._columns:
            self._account("")
        for row in rows:
            if isinstance(row, BadRow):
                yield Problem(row.number, "", row.reason)
            elif row.is_empty or self._is_header(row):
                continue
            else:
                try:
                    line = self._line(row)
                except BadField as error:
                    yield error.at(row.number)
                else:
                    if line.money.units:
                        yield line
        if self._assumed:
            yield Note(f"the table names no currency: {self._assumed} is assumed")

    def _is_header(self, row: TableRow) -> bool:
        """Tell whether a row repeats the header; nearly every row tells by its first cell that it does not."""
        cells, head = row.cells, self._header.cells
        return len(cells) == len(head) and all(fold(one) == fold(other) for one, other in zip(cells, head, strict=True))

    def _line(self, row: TableRow) -> Line:
        self._check_width(row)
        said = {name: cell(row, self._columns, name) for name in self._columns}
        day, clock = read_day(said["date"], order=self._profile.day_order)
        value_text = said.get("value_date", "")
        value_day = read_day(value_text, name="value_date", order=self._profile.day_order)[0] if value_text else day
        clock = clock or self._clock(said)
        account = self._account(said.get("own_account", ""))
        asset = self._asset(said, account)
        balance = said.get("balance", "")
        decimal = self._profile.decimal
        money = Money(self._units(row, said, asset), asset)
        return Line(
            account=account, day=day, money=money, family="csv", value_day=value_day,
            counterparty=Party(
                " ".join(said.get("name", "").split()),
                said.get("account", "").replace(" ", ""),
                said.get("code", ""),
            ),
            purpose=said.get("purpose", ""), clock=clock_at(day, clock), document=said.get("document", ""),
            reference=said.get("reference", ""), may_be_cut=not row.is_whole and not self._ends_with_delimiter,
            balance_after_units=read_units(balance, asset, name="balance", decimal=decimal) if balance else None,
            row=row.number, raw=row.raw,
        )  # fmt: skip

    def _check_width(self, row: TableRow) -> None:
        filled = len(row.cells)
        while filled > self._width and not row.cells[filled - 1].strip():
            filled -= 1
        if filled != self._width:
            raise BadField("", f"has {filled} columns, the header has {self._width}")
        if not row.is_whole and self._ends_with_delimiter and len(row.cells) == self._width:
            raise BadField("", "the file ends inside this row")

    def _clock(self, said: Mapping[str, str]) -> str:
        text = said.get("time", "")
        return read_day(f"2000-01-01 {text}", name="time")[1] if text and ":" in text[:3] else ""

    def _account(self, named: str) -> str:
        if named not in self._accounts:
            self._accounts[named] = which_account(named, self._wanted)
        return self._accounts[named]

    def _asset(self, said: Mapping[str, str], account: str) -> Asset:
        text = self._profile.currency or said.get("currency", "")
        key = text or account
        if key not in self._assets:
            asset = read_asset(text) if text else usual_asset(account, self._wanted.currency)
            if asset is None:
                raise BadField("currency", "is told neither by the table nor by the settings")
            self._assets[key] = asset
            self._assumed = asset.code if not text and not self._wanted.currency else self._assumed
        return self._assets[key]

    def _units(self, row: TableRow, said: Mapping[str, str], asset: Asset) -> int:
        """Read the sum: one signed column, one with its direction in words, or debit and credit."""
        if "amount" not in self._columns:
            return self._two_columns(row, said, asset)
        units = read_units(said.get("amount", ""), asset, decimal=self._profile.decimal)
        self._refuse_cut(row, "amount", asset)
        if "sign" not in self._columns:
            return units
        word = fold(said.get("sign", "")) or said.get("sign", "").strip()
        if units < 0 or word not in _CREDIT | _DEBIT:
            raise BadField("sign", f"{word[:20]!r} with {said.get('amount', '')[:20]!r} says no direction")
        return units if word in _CREDIT else -units

    def _two_columns(self, row: TableRow, said: Mapping[str, str], asset: Asset) -> int:
        sums = {}
        for name in ("debit", "credit"):
            text = said.get(name, "")
            sums[name] = read_units(text, asset, name=name, decimal=self._profile.decimal) if text else 0
            self._refuse_cut(row, name, asset)
        debit, credit = sums["debit"], sums["credit"]
        if not said.get("debit") and not said.get("credit"):
            raise BadField("amount", "is empty")
        if (debit and credit) or credit < 0:
            raise BadField("debit", "debit and credit must not both be filled, nor be negative")
        # Some banks write debits with a minus, some without: either way they went out.
        return credit or -abs(debit)

    def _refuse_cut(self, row: TableRow, name: str, asset: Asset) -> None:
        """A sum that ends the file without line end may have lost digits, unless all its decimals are there."""
        if row.is_whole or self._columns[name] != len(row.cells) - 1:
            return
        text = row.cells[-1].strip()
        if len(text) <= asset.exponent or text[-asset.exponent - 1] not in ".,":
            raise BadField(name, "the file ends inside this sum")

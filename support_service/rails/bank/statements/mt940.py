"""SWIFT MT940 (STA), the end-of-day statement: fields 60, 61, 86 and 62, with or without envelope.

RC is a credit taken back (money out), RD a debit taken back (money in); CR is C with funds code R.
The closing balance proves it. Line ends inside field 86 mean nothing.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date

from support_service.money import Asset, Money
from support_service.rails.bank.line import Line, LineStanding, Party
from support_service.rails.bank.statements.format import StatementFormat
from support_service.rails.bank.statements.intake import StatementFile
from support_service.rails.bank.statements.statement import (
    BadField,
    Balance,
    Closed,
    Note,
    Opened,
    Part,
    Problem,
    StatementRefused,
    WantedStatement,
)
from support_service.rails.bank.statements.values import read_asset, read_units, which_account

FIELD_LINES_MAX = 100

_FIELD = re.compile(r"(?:\{4:)?:(\d{2}[A-Z]?):(.*)", re.DOTALL)
_BALANCE = re.compile(r"([CD])(\d{6})([A-Z]{3})(\d[\d ]*,\d*)")
_ENTRY = re.compile(
    r"(?P<value>\d{6})(?P<entry>\d{4})?(?P<mark>RC|RD|EC|ED|C|D)(?P<funds>[A-Z])?(?P<amount>\d+,\d*)"
    r"(?P<type>[NSF][A-Z0-9]{3})(?P<rest>.*)"
)
_NEGATIVE = re.compile(r"\d{6}(?:\d{4})?(?:RC|RD|C|D)[A-Z]?-")
_SUBFIELD = re.compile(r"\?(\d{2})")
_SEPA_MARK = re.compile(r"(EREF|KREF|MREF|CRED|DEBT|COAM|OAMT|SVWZ|ABWA|ABWE|PURP|RTRN)\+")
_SLASH_CODE = re.compile(
    r"/(EREF|REMI|NAME|IBAN|BIC|CNTP|ORDP|BENM|TRTP|MARF|CSID|ADDR|PREF|RTRN|ISDT|UDTR|UCRD|PURP|OCMT|CHGS|EXCH|INIT)/"
)
_NO_REFERENCE = frozenset({"", "NONREF", "NOTPROVIDED", "NOREF"})
_SIGNS = {"C": 1, "D": -1, "RC": -1, "RD": 1, "EC": 1, "ED": -1}


def sniff(file: StatementFile) -> bool:
    """Text whose lines begin with SWIFT's field tags."""
    return re.search(r"(^|\{4:|\n)\s*:(20|25|28C?|60[FM]):", file.head_text.lstrip("\ufeff")) is not None


def read(file: StatementFile, wanted: WantedStatement) -> Iterator[Part]:
    """Read every statement of the file; the pages of one are one."""
    message = _Message(wanted)
    for tag, lines in _fields(file):
        yield from message.take(tag, lines)
    yield from message.end()


FORMAT = StatementFormat("mt940", "SWIFT MT940 (STA)", sniff, read)


def _fields(file: StatementFile) -> Iterator[tuple[str, list[str]]]:
    """Yield each field as its tag and its lines; a tag counts at the beginning of a line alone."""
    tag, lines = "", [""]
    for raw in file.lines():
        text = raw.lstrip("\ufeff").rstrip("\r\n")
        text = text.partition("{4:")[2] if text.startswith("{1:") and "{4:" in text else text
        for line in text.split("\r"):
            match = _FIELD.match(line)
            if match or line.rstrip() in {"-", "-}"} or line.startswith(("{1:", "-}{1:")):
                if tag:
                    yield tag, lines
                tag, lines = (match[1], [match[2]]) if match else ("", [""])
            elif tag:
                lines.append(line)
                if len(lines) > FIELD_LINES_MAX:
                    raise StatementRefused(f"field :{tag}: has more than {FIELD_LINES_MAX} lines: this is no MT940")
    if tag:
        yield tag, lines


@dataclass(slots=True)
class _Message:
    """The statement that is being read, over all its pages."""

    wanted: WantedStatement
    account: str = ""
    number: str = ""
    asset: Asset | None = None
    is_open: bool = False
    is_page_open: bool = False
    middle: Money | None = None
    row: int = 0
    entry: Line | None = None
    last_closing: dict[str, int] = field(default_factory=dict)
    count: int = 0

    def take(self, tag: str, lines: list[str]) -> Iterator[Part]:
        """Take one field."""
        if tag in {"61", "62F", "62M", "20", "25"}:
            yield from self._flush()
        match tag:
            case "25" | "25P":
                self.account = lines[0].strip()
            case "28" | "28C":
                self.number = lines[0].strip().partition("/")[0]
            case "60F" | "60M":
                yield from self._open(_read_balance(tag, lines[0]), is_intermediate=tag == "60M")
            case "61":
                yield from self._begin_entry(lines)
            case "86" if self.entry:
                self.entry = _explained(self.entry, lines)
                yield from self._flush()
            case "62F" | "62M":
                yield from self._close(_read_balance(tag, lines[0]), is_intermediate=tag == "62M")
            case "34F" | "13D" | "90D" | "90C":
                raise StatementRefused("MT942 is an interim report without balances: ask the bank for MT940 (STA)")
            case _:
                pass

    def end(self) -> Iterator[Part]:
        """End the file."""
        if self.is_page_open:
            raise StatementRefused(f"statement {self.number} has no closing balance (:62F:): the file is cut off")
        if not self.count:
            raise StatementRefused("the file holds no opening balance (:60F:), so it is no MT940 statement")
        if self.is_open:
            yield Closed()

    def _open(self, balance: Money, *, is_intermediate: bool) -> Iterator[Part]:
        if self.is_page_open:
            raise StatementRefused(f"statement {self.number} opens twice without a closing balance: a page is damaged")
        self.is_page_open = True
        self.count += 1
        if self.is_open and is_intermediate:
            if balance != self.middle:
                raise StatementRefused(
                    f"the pages of statement {self.number} do not follow each other: a page is missing"
                )
            return
        if self.is_open:
            yield Closed()
        account = which_account(self.account, self.wanted)
        yield Opened(account, balance.asset, self.number)
        yield Balance(balance.units, is_opening=True)
        if self.last_closing.get(account, balance.units) != balance.units:
            yield Note(f"the balance jumps before statement {self.number} of {account}: a statement is missing between")
        self.is_open, self.asset = True, balance.asset

    def _close(self, balance: Money, *, is_intermediate: bool) -> Iterator[Part]:
        if not self.is_page_open:
            raise StatementRefused(f"statement {self.number} has a closing balance and no opening balance (:60F:)")
        if balance.asset != self.asset:
            raise StatementRefused(f"statement {self.number} opens and closes in different currencies")
        self.is_page_open = False
        self.middle = balance
        yield Balance(balance.units, is_opening=False, is_final=not is_intermediate)
        if not is_intermediate:
            self.last_closing[which_account(self.account, self.wanted)] = balance.units
            self.is_open = False
            yield Closed()

    def _begin_entry(self, lines: list[str]) -> Iterator[Part]:
        self.row += 1
        if not self.is_page_open or self.asset is None:
            raise StatementRefused(
                "an entry (:61:) stands outside opening and closing balance: this is no MT940 statement"
            )
        try:
            self.entry = _entry(lines, which_account(self.account, self.wanted), self.asset, self.row)
        except BadField as error:
            self.entry = None
            yield error.at(self.row)

    def _flush(self) -> Iterator[Line | Problem]:
        if self.entry and self.entry.money.units:
            yield self.entry
        self.entry = None


def _read_balance(tag: str, text: str) -> Money:
    match = _BALANCE.fullmatch(text.strip())
    if match is None:
        raise StatementRefused(f"balance :{tag}: {text[:40]!r} cannot be read: the file is cut off or damaged")
    try:
        asset = read_asset(match[3])
        units = read_units(match[4].rstrip(","), asset, decimal=",")
    except BadField as error:
        raise StatementRefused(f"balance :{tag}: {text[:40]!r} cannot be read: {error}") from error
    return Money(units if match[1] == "C" else -units, asset)


def _entry(lines: list[str], account: str, asset: Asset, row: int) -> Line:
    text = lines[0].strip()
    match = _ENTRY.fullmatch(text)
    if match is None:
        is_negative = _NEGATIVE.match(text) is not None
        reason = "a negative sum; the direction stands in the mark alone" if is_negative else "cannot be read"
        raise BadField(":61:", f"{text[:40]!r}: {reason}")
    value_day = _value_day(match["value"])
    day = _entry_day(match["entry"], value_day) if match["entry"] else value_day
    amount = match["amount"]
    units = read_units(amount.rstrip(","), asset, name=":61: amount", decimal=",")
    customer, _, bank = match["rest"].partition("//")
    customer, bank = customer.strip(), bank.strip()
    return Line(
        account=account, day=day, money=Money(_SIGNS[match["mark"]] * units, asset), family="mt940",
        standing=LineStanding.PENDING if match["mark"] in {"EC", "ED"} else LineStanding.BOOKED,
        value_day=value_day, reference="" if bank.upper() in _NO_REFERENCE else bank,
        document="" if customer.upper() in _NO_REFERENCE else customer,
        is_reversal=match["mark"] in {"RC", "RD"}, kind=match["type"][1:],
        purpose=" ".join(line.strip() for line in lines[1:] if line.strip()), row=row, raw="\n".join(lines),
    )  # fmt: skip


def _value_day(text: str) -> date:
    year = int(text[:2])
    return _date(2000 + year if year < 80 else 1900 + year, int(text[2:4]), int(text[4:6]))


def _entry_day(text: str, value_day: date) -> date:
    """Give MMDD the year that brings it nearest to the value date: 1231 beside 1 January is last year's."""
    near = []
    for year in (value_day.year - 1, value_day.year, value_day.year + 1):
        try:
            near.append(date(year, int(text[:2]), int(text[2:])))
        except ValueError:
            continue  # 29 February of another year
    if not near:
        raise BadField(":61: entry date", f"{text!r} is no day of the calendar")
    return min(near, key=lambda day: abs((day - value_day).days))


def _date(year: int, month: int, day: int) -> date:
    try:
        return date(year, month, day)
    except ValueError as error:
        raise BadField(":61: value date", f"{day:02}.{month:02}.{year} is no day of the calendar") from error


def _explained(entry: Line, lines: list[str]) -> Line:
    """Read field 86 in whichever of its three forms the bank writes it."""
    joined = "".join(lines)
    entry = replace(entry, raw=f"{entry.raw}\n:86:" + "\n".join(lines))
    if re.match(r"\d{3}\?\d{2}|\?\d{2}", joined):
        return _structured(entry, joined)
    if _SLASH_CODE.match(joined):
        return _slashed(entry, joined)
    # Free text: name and account may stand in it, and are not guessed.
    return replace(entry, purpose=" ".join(line.strip() for line in lines if line.strip()))


def _structured(entry: Line, text: str) -> Line:
    parts = _SUBFIELD.split(text)
    fields: dict[str, str] = {}
    for code, value in zip(parts[1::2], parts[2::2], strict=True):
        fields[code] = fields.get(code, "") + value
    remittance = "".join(fields.get(str(code), "") for code in (*range(20, 30), *range(60, 64)))
    marked = _marked(_SEPA_MARK, remittance)
    name = (fields.get("32", "") + fields.get("33", "")).strip()
    payer = marked.get("ABWA", "").strip()
    reference = marked.get("EREF", "").strip()
    return replace(
        entry,
        counterparty=Party(payer or name, fields.get("31", "").replace(" ", "").strip()),
        paid_through=name if payer and payer != name else "",
        purpose=(marked.get("SVWZ") or marked.get("") or fields.get("00", "")).strip(),
        end_to_end="" if reference.upper() in _NO_REFERENCE else reference,
        is_return="RTRN" in marked,
    )


def _slashed(entry: Line, text: str) -> Line:
    marked = _marked(_SLASH_CODE, text)
    party = [part.strip() for part in marked.get("CNTP", "").split("/")]
    account = marked.get("IBAN", "").strip(" /") or (party[0] if party else "")
    name = marked.get("NAME", "").strip(" /") or (party[2] if len(party) > 2 else "")
    reference = marked.get("EREF", "").strip(" /")
    remittance = re.sub(r"^(USTD|STRD)//?", "", marked.get("REMI", "").strip(" /"))
    return replace(
        entry,
        counterparty=Party(name, account.replace(" ", "")),
        purpose=remittance.strip(" /"),
        end_to_end="" if reference.upper() in _NO_REFERENCE else reference,
        is_return="RTRN" in marked,
    )


def _marked(mark: re.Pattern[str], text: str) -> dict[str, str]:
    """Split text at its marks: what stands before the first is under ""."""
    parts = mark.split(text)
    found = {"": parts[0].strip()}
    for name, value in zip(parts[1::2], parts[2::2], strict=True):
        found[name] = found.get(name, "") + value
    return found

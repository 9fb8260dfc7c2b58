"""ISO 20022 camt.053, the end-of-day statement; versions .02 to .13, whatever prefix a bank writes.

Elements are found by their local names below the checked namespace. Rules and their sources: the
definitions in the ISO schemas (ReversalIndicator, AmountDetails), and what banks do against them.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date

from support_service.money import Asset, Money
from support_service.rails.bank.line import Line, LineStanding
from support_service.rails.bank.statements.camt_fields import (
    counterparty,
    day_of,
    day_or_none,
    instructed,
    is_true,
    reference_of,
    sign_of,
    units_of,
)
from support_service.rails.bank.statements.format import StatementFormat
from support_service.rails.bank.statements.intake import StatementFile
from support_service.rails.bank.statements.statement import (
    BadField,
    Balance,
    Closed,
    Note,
    Opened,
    Part,
    StatementRefused,
    WantedStatement,
)
from support_service.rails.bank.statements.values import clock_at, read_asset, read_units, usual_asset, which_account
from support_service.rails.bank.statements.xml_elements import Began, Element, Ended, read_trees

NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:camt.053.001."
_PARENTS = frozenset({"BkToCstmrStmt", "Stmt"})
_OPENING, _CLOSING = ("OPBD", "PRCD"), ("CLBD",)
_STANDINGS = {"BOOK": LineStanding.BOOKED, "PDNG": LineStanding.PENDING}
_NO_MONEY = frozenset({"INFO", "FUTR"})


def sniff(file: StatementFile) -> bool:
    """XML that names camt.053, or holds its statement element."""
    text = file.head_text.lstrip("\ufeff \t\r\n")
    return text.startswith("<") and (NAMESPACE in text or re.search(r"<(\w+:)?BkToCstmrStmt\b", text) is not None)


def read(file: StatementFile, wanted: WantedStatement) -> Iterator[Part]:
    """Read every Stmt: balances, then each booked or pending entry as one or more lines."""
    seen: set[str] = set()
    statement: _Statement | None = None
    with file.open() as stream:
        for event in read_trees(stream, _PARENTS):
            match event:
                case Began(name="Document", namespace=namespace):
                    _check_namespace(namespace)
                case Began(name="Stmt"):
                    statement = _Statement(wanted)
                    seen.add("Stmt")
                case Ended(name="Stmt"):
                    assert statement
                    yield from statement.close()
                    statement = None
                case Element() if statement:
                    yield from statement.take(event)
                case _:
                    pass
    if not seen:
        raise StatementRefused("the XML holds no statement (Stmt) of camt.053")


FORMAT = StatementFormat("camt053", "ISO 20022 camt.053 (XML)", sniff, read)


def _check_namespace(namespace: str) -> None:
    if namespace and not namespace.startswith(NAMESPACE):
        raise StatementRefused(f"the XML is {namespace.rpartition(':')[2][:40] or namespace[:40]}, not camt.053")


@dataclass(frozen=True, slots=True)
class _Entry:
    """What all lines of one Ntry share; line is the whole entry as one line."""

    line: Line
    sign: int
    details: Sequence[Element]


class _Statement:
    """One Stmt while its children come in."""

    def __init__(self, wanted: WantedStatement) -> None:
        self._wanted = wanted
        self._label = ""
        self._account = ""
        self._asset: Asset | None = None
        self._balances: list[Element] = []
        self._is_open = False
        self._row = 0
        self._created: date | None = None

    def take(self, element: Element) -> Iterator[Part]:
        """Take one child of Stmt."""
        match element.name:
            case "Id":
                self._label = element.text.strip()
            case "CreDtTm":
                self._created = day_or_none(element, "CreDtTm")
            case "Acct":
                self._account = which_account(element.said("Id/IBAN", "Id/Othr/Id", "Id/PrtryAcct/Id"), self._wanted)
                currency = element.said("Ccy")
                self._asset = read_asset(currency) if currency else None
            case "Bal":
                self._balances.append(element)
            case "Ntry":
                yield from self._opening()
                self._row += 1
                try:
                    yield from self._lines(element)
                except BadField as error:
                    yield error.at(self._row)

    def close(self) -> Iterator[Part]:
        """End the statement; one without entries is valid."""
        yield from self._opening()
        yield Closed()

    def _opening(self) -> Iterator[Part]:
        if self._is_open:
            return
        self._is_open = True
        if not self._account:
            self._account = which_account("", self._wanted)
        asset = self._asset or self._asset_of_balances() or usual_asset(self._account, self._wanted.currency)
        if asset is None:
            raise StatementRefused(f"statement {self._label} names no currency")
        self._asset = asset
        yield Opened(self._account, asset, self._label)
        yield from self._read_balances(asset)

    def _asset_of_balances(self) -> Asset | None:
        amount = next((amount for balance in self._balances for amount in balance.each("Amt")), None)
        return read_asset(amount.attributes.get("Ccy", "")) if amount else None

    def _read_balances(self, asset: Asset) -> Iterator[Part]:
        """Opening from OPBD or PRCD, closing from CLBD; ITBD stands for either on the pages of a long statement."""
        try:
            named = [(kind(balance), balance) for balance in self._balances]
            middle = [balance for code, balance in named if code == "ITBD"]
            opening = next((balance for code in _OPENING for name, balance in named if name == code), None)
            closing = next((balance for name, balance in named if name in _CLOSING), None)
            # With both known an intermediate balance says nothing; with one known it is the other.
            if opening is None and middle and (closing or len(middle) > 1):
                opening = middle.pop(0)
            is_final = closing is not None
            if closing is None and opening is not None and middle:
                closing = middle[-1]
            if opening is not None:
                yield Balance(_balance_units(opening, asset), is_opening=True)
            if closing is not None:
                yield Balance(_balance_units(closing, asset), is_opening=False, is_final=is_final)
                last_day = day_or_none(closing, "Dt")
                if last_day and self._created and last_day >= self._created:
                    yield Note(
                        f"statement {self._label} was made before its last day was over: entries may still change"
                    )
        except BadField as error:
            raise StatementRefused(f"a balance of statement {self._label} cannot be read: {error}") from error

    def _lines(self, entry: Element) -> Iterator[Part]:
        status = entry.said("Sts/Cd", "Sts/Prtry", "Sts").upper()
        if status in _NO_MONEY:
            return
        if status not in _STANDINGS:
            raise BadField("Sts", f"{status[:20]!r} is neither BOOK nor PDNG")
        assert self._asset
        sign = sign_of(entry)
        units = sign * units_of(entry, self._asset)
        if units == 0:
            return
        details = entry.each("NtryDtls/TxDtls")
        day, clock = day_of(entry, "BookgDt")
        value_day = day_of(entry, "ValDt")[0]
        standing = _STANDINGS[status]
        if day is None and standing is LineStanding.BOOKED:
            day = value_day
            if day is None:
                raise BadField("BookgDt", "is missing")
        whole = Line(
            account=self._account, day=day, money=Money(units, self._asset), family="camt053", standing=standing,
            purpose=entry.said("AddtlNtryInf"), value_day=value_day, clock=clock_at(day, clock) if day else "",
            reference=reference_of(entry.said("AcctSvcrRef")), entry_units=units, entry_parts=max(len(details), 1),
            batch_count=_batch_count(entry, details), is_reversal=is_true(entry.said("RvslInd")),
            kind=_kind(entry), row=self._row, raw=entry.as_text(),
        )  # fmt: skip
        yield from _split(_Entry(whole, sign, details), entry)


def kind(balance: Element) -> str:
    """The code of a balance: OPBD, CLBD, ITBD ..."""
    return balance.said("Tp/CdOrPrtry/Cd", "Tp/CdOrPrtry/Prtry", "Tp/Cd").upper()


def _split(entry: _Entry, element: Element) -> Iterator[Line]:
    """One line per TxDtls where their booked amounts add up to the entry, else the whole entry as one line."""
    if not entry.details:
        yield entry.line
        return
    if len(entry.details) == 1:
        # Its own amount may be what the payer instructed in another currency; what was booked is the entry's.
        yield _with_details(entry, entry.details[0], entry.line.money.units)
        return
    units = [_detail_units(entry, detail) for detail in entry.details]
    known = [one for one in units if one is not None]
    if len(known) == len(units) and sum(known) == entry.line.money.units:
        for detail, one in zip(entry.details, known, strict=True):
            if one:
                yield _with_details(entry, detail, one)
        return
    purpose = entry.line.purpose or element.said("NtryDtls/TxDtls/RmtInf/Ustrd")
    yield replace(entry.line, purpose=purpose, batch_count=max(entry.line.batch_count, len(entry.details)))


def _detail_units(entry: _Entry, detail: Element) -> int | None:
    """What was booked for one transaction of a batch; never InstdAmt, which stands first. None where not told."""
    amount = detail.first("Amt", "AmtDtls/TxAmt/Amt")
    asset = entry.line.money.asset
    if amount is None or amount.attributes.get("Ccy", asset.code) != asset.code:
        return None
    said = detail.said("CdtDbtInd")
    sign = sign_of(detail) if said else entry.sign
    return sign * read_units(amount.text, asset, name="TxDtls/Amt", decimal=".")


def _with_details(entry: _Entry, detail: Element, units: int) -> Line:
    line = entry.line
    party, paid_through = counterparty(detail, line.account, is_credit=units > 0, is_reversal=line.is_reversal)
    own = reference_of(detail.said("Refs/AcctSvcrRef"))
    purpose = " ".join(text for one in detail.each("RmtInf/Ustrd") if (text := one.text.strip()))
    return replace(
        line,
        money=Money(units, line.money.asset),
        counterparty=party,
        paid_through=paid_through,
        purpose=purpose or detail.said("AddtlTxInf") or line.purpose,
        end_to_end=reference_of(detail.said("Refs/EndToEndId")),
        structured_reference=detail.said("RmtInf/Strd/CdtrRefInf/Ref", "RmtInf/Strd/CdtrRefInf/CdtrRef"),
        partial_references=(own,) if own and own != line.reference else (),
        batch_count=1 if len(entry.details) > 1 else line.batch_count,
        is_return=detail.first("RtrInf") is not None,
        instructed=instructed(detail, Money(abs(units), line.money.asset)),
        kind=f"{line.kind} {detail.said('Purp/Cd')}".strip(),
        raw=entry.line.raw if len(entry.details) == 1 else detail.as_text(),
    )


def _balance_units(balance: Element, asset: Asset) -> int:
    return sign_of(balance) * units_of(balance, asset)


def _batch_count(entry: Element, details: Sequence[Element]) -> int:
    said = entry.said("NtryDtls/Btch/NbOfTxs")
    count = int(said) if said.isascii() and said.isdigit() and len(said) < 8 else 1
    return max(count, 1) if len(details) < 2 else 1


def _kind(entry: Element) -> str:
    codes = ("BkTxCd/Domn/Cd", "BkTxCd/Domn/Fmly/Cd", "BkTxCd/Domn/Fmly/SubFmlyCd", "BkTxCd/Prtry/Cd")
    return " ".join(code for path in codes if (code := entry.said(path)))

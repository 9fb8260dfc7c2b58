"""PrivatBank's Autoclient 3: what is booked since, what is on its way, and ten days once more each day.

Documented at acp.privatbank.ua and never tried against the live service. Its days are its own: `settings` tells
which day it works on, so our clock decides nothing.
"""

import contextlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from support_service.giving import HeldBalance
from support_service.rails.bank.balances import held_on
from support_service.rails.bank.line import Line
from support_service.rails.bank.live import DAYS_READ_AGAIN, DaysBalance, Marks, Read, row_key
from support_service.rails.bank.live.connection import BankConnection, Manners
from support_service.rails.bank.statements.json_answers import Json, text_of
from support_service.rails.bank.statements.privatbank import transaction
from support_service.rails.bank.statements.statement import BadField, StatementRefused, WantedStatement
from support_service.rails.bank.statements.values import read_asset, read_day, read_units
from support_service.rails.source import SourceDown, SourceLied

API_BASE = "https://acp.privatbank.ua"
# User-Agent is demanded; without the charset the answer comes in Windows-1251.
MANNERS = Manners("token", {"User-Agent": "support-service", "Content-Type": "application/json;charset=utf8"})
# The bank answers up to 500 and advises no more than 100.
PAGE_ROWS = 100
PAGES_MAX = 500
# The bank asks to be left alone while it closes its day.
CLOSING = "PrivatBank is closing its day and asks not to be asked"

_DENIED = frozenset({"401", "403"})


@dataclass(frozen=True, slots=True)
class Days:
    """The bank's own days: the one it works on, the one before, the last one that is final."""

    today: date
    before: date
    final: date


class Autoclient:
    """One account."""

    def __init__(self, account: str, connection: BankConnection, wanted: WantedStatement) -> None:
        self._account, self._connection, self._wanted = account, connection, wanted
        self.notice = ""

    def reads(self, marks: Marks) -> Iterator[Read]:
        """Read what became final since, each day ten days again, and what is on its way."""
        days = self._days()
        self.notice = CLOSING if days is None else ""
        if days is None:
            return
        last = date.fromisoformat(marks["final"]) if "final" in marks else None
        first = days.before
        if marks.get("again") != days.today.isoformat():
            # Once a day: only so is seen what was taken back after its day was final.
            first = min(days.today - timedelta(DAYS_READ_AGAIN), last or days.today)
            yield from self._read("", marks, first=first, last=days.today)
        elif last is None or days.final > last:
            if last is not None and days.final - last > timedelta(1):
                yield from self._read("", marks, first=last, last=days.final)
            yield from self._read("/final", marks)
        yield from self._read("/interim", marks)
        now = {"final": days.final.isoformat(), "again": days.today.isoformat()}
        yield Read((), now, whole_from=min(first, days.before), balances=tuple(self._evenings(days, last)))

    def greet(self) -> str:
        """Ask for the days, and for one row of the account."""
        days = self._days()
        if days is None:
            return f"{self._connection.host}: takes the token; {CLOSING}"
        self._rows(self._ask("/transactions/interim", {"limit": "1"}))
        return f"{self._connection.host}: tells of {self._account}; final up to {days.final.isoformat()}"

    def balance(self) -> DaysBalance | None:
        """Ask for the balance before the tenth day from today and after the last final day."""
        days = self._days()
        if days is None:
            raise SourceDown(f"{self._connection.host}: {CLOSING}")
        first = days.today - timedelta(DAYS_READ_AGAIN)
        if first > days.final:
            return None
        opened, closed = self._balance_of(first), self._balance_of(days.final)
        if opened is None or closed is None:
            return None
        asset = read_asset(text_of(opened, "currency"))
        try:
            change = read_units(text_of(closed, "balanceOut"), asset) - read_units(text_of(opened, "balanceIn"), asset)
        except BadField as error:
            raise SourceDown(f"{self._connection.host}: a balance cannot be read: {error.name}: {error}") from error
        return DaysBalance(asset, first, days.final, change)

    def _evenings(self, days: Days, last: date | None) -> Iterator[HeldBalance]:
        """Ask once for the evening of each last final day, and at first for that before all that was read.

        Lines do not wait for it: what the bank does not tell just now is left out.
        """
        if last is not None and days.final <= last:
            return
        with contextlib.suppress(SourceDown, BadField):
            closed = self._balance_of(days.final)
            first = days.today - timedelta(DAYS_READ_AGAIN)
            opened = self._balance_of(first) if last is None and first <= days.final else None
            if opened is not None:
                yield self._evening(opened, "balanceIn", first - timedelta(1))
            if closed is not None:
                yield self._evening(closed, "balanceOut", days.final)

    def _evening(self, told: dict[str, Json], name: str, day: date) -> HeldBalance:
        asset = read_asset(text_of(told, "currency"))
        return held_on(self._account, asset, read_units(text_of(told, name), asset), day)

    def _balance_of(self, day: date) -> dict[str, Json] | None:
        answer = self._ask("/balance", {"startDate": _written(day), "endDate": _written(day)})
        rows = answer.get("balances")
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise SourceDown(f"{self._connection.host}: an answer of another form than agreed")
        return next((row for row in rows if row.get("acc") == self._account), None)

    def _days(self) -> Days | None:
        """Ask for the bank's days; None while it does not want to be asked for more."""
        told = self._ask("/settings", {}).get("settings")
        if not isinstance(told, dict):
            raise SourceDown(f"{self._connection.host}: an answer of another form than agreed")
        try:
            if text_of(told, "phase") != "WRK" or text_of(told, "work_balance") != "N":
                return None
            names = ("today", "lastday", "date_final_statement")
            return Days(*(read_day(text_of(told, name), name=name)[0] for name in names))
        except BadField as error:
            raise SourceDown(f"{self._connection.host}: settings cannot be read: {error.name}: {error}") from error

    def _read(self, which: str, marks: Marks, *, first: date | None = None, last: date | None = None) -> Iterator[Read]:
        """Read all pages of one question. What came before a fault is given before it is raised."""
        asked = {"limit": str(PAGE_ROWS)}
        if first and last:
            asked |= {"startDate": _written(first), "endDate": _written(last)}
        told = _AnsweredRows(self._wanted, self._connection.host)
        try:
            for rows in self._pages(f"/transactions{which}", asked):
                told.take(rows)
        except SourceDown:
            yield told.read(marks)
            raise
        yield told.read(marks)

    def _pages(self, path: str, asked: Mapping[str, str]) -> Iterator[list[Json]]:
        followed: set[str] = set()
        pages: set[str] = set()
        more = dict(asked)
        for _ in range(PAGES_MAX):
            answer = self._ask(path, more)
            rows = self._rows(answer)
            page = json.dumps(rows, sort_keys=True)
            if rows and page in pages:
                raise SourceDown(f"{self._connection.host}: told one page twice")
            pages.add(page)
            yield rows
            if str(answer.get("exist_next_page")).lower() != "true":
                return
            follow = str(answer.get("next_page_id") or "")
            if not follow or follow in followed:
                raise SourceDown(f"{self._connection.host}: its pages lead in a circle")
            followed.add(follow)
            more["followId"] = follow
        raise SourceDown(f"{self._connection.host}: more than {PAGES_MAX} pages for one question")

    def _rows(self, answer: dict[str, Json]) -> list[Json]:
        rows = answer.get("transactions")
        if not isinstance(rows, list):
            raise SourceDown(f"{self._connection.host}: an answer of another form than agreed")
        return rows

    def _ask(self, path: str, asked: Mapping[str, str]) -> dict[str, Json]:
        """Ask about our account; an answer that is none, also with HTTP 200, is a fault."""
        about = {} if path == "/settings" else {"acc": self._account}
        answer = self._connection.get(f"/api/statements{path}", {**about, **asked})
        if not isinstance(answer, dict):
            raise SourceDown(f"{self._connection.host}: an answer of another form than agreed")
        if answer.get("status") == "SUCCESS":
            return answer
        code = str(answer.get("code", ""))[:20]
        if code in _DENIED:
            raise self._connection.refuse()
        raise SourceDown(
            f"{self._connection.host}: answered {str(answer.get('status', 'nothing'))[:20]!r} {code}".rstrip()
        )


class _AnsweredRows:
    """The rows of one question, whatever pages they came in."""

    def __init__(self, wanted: WantedStatement, host: str) -> None:
        self._wanted, self._host = wanted, host
        self._lines: list[Line] = []
        self._bad: dict[str, str] = {}
        self._ids: set[str] = set()
        self._count = 0

    def take(self, rows: list[Json]) -> None:
        """Take a page; a row that slid onto the next page while we paged is one row."""
        for row in rows:
            self._count += 1
            if not isinstance(row, dict):
                self._bad[row_key(f"number {self._count}")] = "is no row of a statement"
                continue
            name = str(row.get("ID") or row.get("TECHNICAL_TRANSACTION_ID") or "")
            if name and f"{name}{row.get('TRANTYPE')}" in self._ids:
                continue
            self._ids.add(f"{name}{row.get('TRANTYPE')}")
            self._take(row)

    def read(self, marks: Marks) -> Read:
        """Say what was told so far."""
        return Read(tuple(self._lines), marks, self._bad)

    def _take(self, row: dict[str, Json]) -> None:
        try:
            line = transaction(row, self._wanted, self._count)
        except BadField as error:
            named = row.get("REF") or row.get("ID") or f"number {self._count}"
            self._bad[row_key(str(named))] = f"{error.name}: {error}"
            return
        except StatementRefused as error:
            raise SourceLied(f"{self._host}: answered about another account than was asked for") from error
        if line and line.money.units:
            self._lines.append(line)


def _written(day: date) -> str:
    return day.strftime("%d-%m-%Y")

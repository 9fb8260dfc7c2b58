"""monobank's two APIs: the personal one (persons, FOP, jars), and the corporate one of legal entities.

The personal one is documented at api.monobank.ua and takes one question a minute for each token, over all its
accounts. The corporate one is known from public code alone. Neither was ever tried against the live service.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Protocol

from support_service.giving import Clock, HeldBalance
from support_service.money import Asset, Money
from support_service.rails.bank.balances import held_on
from support_service.rails.bank.line import Line, LineStanding
from support_service.rails.bank.live import DAYS_READ_AGAIN, DaysBalance, Marks, Read, row_key
from support_service.rails.bank.live.connection import BankConnection, Manners
from support_service.rails.bank.statements.json_answers import Json, text_of, units_of
from support_service.rails.bank.statements.monobank import corporate, personal
from support_service.rails.bank.statements.statement import BadField
from support_service.rails.bank.statements.values import kyiv_clock, read_asset
from support_service.rails.source import SourceDown, SourceLied

API_BASE, BUSINESS_API_BASE = "https://api.monobank.ua", "https://corp-api.monobank.ua"
# The seconds between two questions come with the account, see Bank.pace_seconds.
MANNERS = Manners("X-Token", {})
BUSINESS_MANNERS = Manners("x-token", {})
PAGE_ROWS = 500
PAGES_MAX = 60
# "31 days + 1 hour": the longest time that one question may span.
SPAN_SECONDS_MAX = 2_682_000
DAY_SECONDS = 86_400
# A corporate operation stands under the time when it was created, days before it is booked.
OVERLAP_SECONDS, BUSINESS_OVERLAP_SECONDS = DAY_SECONDS, 7 * DAY_SECONDS


@dataclass(frozen=True, slots=True)
class OneAccount:
    """What monobank calls an account, and its currency; asset None where each row names its own."""

    id: str
    asset: Asset | None


class Rows(Protocol):
    """How one of the APIs is asked for rows."""

    overlap_seconds: int

    def account(self) -> OneAccount:
        """Find our account."""
        ...

    def page(self, account: OneAccount, start: int, end: int) -> Json:
        """Ask for the newest rows between two times, both inclusive."""
        ...


class TokenAccounts:
    """The accounts and jars of one personal token, asked for once."""

    def __init__(self, connection: BankConnection) -> None:
        self.connection = connection
        self._told: list[dict[str, Json]] | None = None

    def find(self, account: str) -> OneAccount:
        """Find an account by its IBAN, "card:<masked number>", "jar:<id>" or "account:<id>"."""
        if self._told is None or not any(_is_it(one, account) for one in self._told):
            self._told = self._ask()
        found = [one for one in self._told if _is_it(one, account)]
        if len(found) != 1:
            raise SourceLied(
                f"{self.connection.host}: {account} is none of the {len(self._told)} accounts of this token"
            )
        try:
            return OneAccount(text_of(found[0], "id"), read_asset(text_of(found[0], "currencyCode")))
        except BadField as error:
            raise SourceDown(f"{self.connection.host}: the account cannot be read: {error.name}: {error}") from error

    def _ask(self) -> list[dict[str, Json]]:
        answer = self.connection.get("/personal/client-info", {})
        if not isinstance(answer, dict):
            raise SourceDown(f"{self.connection.host}: an answer of another form than agreed")
        refuse_error(answer, self.connection)
        told = [*(answer.get("accounts") or []), *(answer.get("jars") or [])]
        return [one for one in told if isinstance(one, dict)]


class PersonalApi:
    """Rows of the personal API."""

    overlap_seconds = OVERLAP_SECONDS

    def __init__(self, account: str, accounts: TokenAccounts) -> None:
        self._account, self._accounts = account, accounts

    def account(self) -> OneAccount:
        """Find it among the token's accounts and jars."""
        return self._accounts.find(self._account)

    def page(self, account: OneAccount, start: int, end: int) -> Json:
        """Ask for at most 500 rows."""
        return self._accounts.connection.get(f"/personal/statement/{account.id}/{start}/{end}", {})


class Business:
    """Rows of the corporate API."""

    overlap_seconds = BUSINESS_OVERLAP_SECONDS

    def __init__(self, account: str, connection: BankConnection) -> None:
        self._account, self._connection = account, connection

    def account(self) -> OneAccount:
        """The IBAN is the account's name."""
        return OneAccount(self._account, None)

    def page(self, account: OneAccount, start: int, end: int) -> Json:
        """Ask for at most 500 rows; unasked it gives ten."""
        return self._connection.get(f"/ext/v1/statement/{account.id}/{start}/{end}", {"limit": str(PAGE_ROWS)})


class Monobank:
    """One account at either API; it is named by `account` in our books."""

    def __init__(self, account: str, rows: Rows, connection: BankConnection, clock: Clock) -> None:
        self._account, self._rows, self._connection, self._clock = account, rows, connection, clock
        self.notice = ""

    def reads(self, marks: Marks) -> Iterator[Read]:
        """Read what is new since, a while before that again, and once a day ten days."""
        account, now = self._rows.account(), int(self._clock().timestamp())
        today = kyiv_clock(now)[0].isoformat()
        start = now - DAYS_READ_AGAIN * DAY_SECONDS
        if "until" in marks:
            since = int(marks["until"]) - self._rows.overlap_seconds
            start = since if marks.get("again") == today else min(start, since)
        whole_from, is_first = kyiv_clock(start)[0] + timedelta(1), "until" not in marks
        while True:
            end = min(start + SPAN_SECONDS_MAX, now)
            lines: list[Line] = []
            for read in self._window(account, start, end, marks):
                yield read
                lines += read.lines
            if end >= now:
                break
            start = end
        told = tuple(_evenings(lines, whole_from, kyiv_clock(now)[0])) if marks.get("again") != today else ()
        # What came before the first look is in no book of ours.
        balances = told if is_first else told[1:]
        yield Read((), {"until": str(now), "again": today}, whole_from=whole_from, balances=balances)

    def greet(self) -> str:
        """Ask for the account; where the API has no such question, for its last minute."""
        account, now = self._rows.account(), int(self._clock().timestamp())
        if account.asset is None:
            self._items(self._rows.page(account, now - 60, now))
        currency = f" in {account.asset.code}" if account.asset else ""
        return f"{self._connection.host}: tells of {self._account}{currency}"

    def balance(self) -> DaysBalance | None:
        """Read the last ten whole days; each row of the personal API carries the balance after it."""
        account, now = self._rows.account(), int(self._clock().timestamp())
        if account.asset is None:
            return None
        today, first = kyiv_clock(now)[0], kyiv_clock(now)[0] - timedelta(DAYS_READ_AGAIN)
        lines: list[Line] = []
        for read in self._window(account, now - (DAYS_READ_AGAIN + 2) * DAY_SECONDS, now, {}):
            lines += read.lines
        lines = [line for line in _once(lines) if line.day and first <= line.day < today]
        return _change(lines, account.asset, first, today - timedelta(1))

    def _window(self, account: OneAccount, start: int, end: int, marks: Marks) -> Iterator[Read]:
        """Read the rows between two times, newest page first; each page is given as it comes."""
        for _ in range(PAGES_MAX):
            items = self._items(self._rows.page(account, start, end))
            page = self._lines(items, account)
            oldest, bad = min(page.times, default=start), page.bad
            is_stuck = len(items) >= PAGE_ROWS and oldest >= end
            if is_stuck:
                bad[row_key(f"at {end}")] = f"more than {PAGE_ROWS} rows of one second: the API tells no more of it"
            yield Read(tuple(page.lines), marks, bad)
            if len(items) < PAGE_ROWS:
                return
            # Rows of that second come again; each has an id.
            end = end - 1 if is_stuck else oldest
        raise SourceDown(f"{self._connection.host}: more than {PAGES_MAX} pages for one question")

    def _items(self, answer: Json) -> list[Json]:
        refuse_error(answer, self._connection)
        if isinstance(answer, dict) and isinstance(answer.get("statement"), list):
            answer = answer["statement"]
        if not isinstance(answer, list):
            raise SourceDown(f"{self._connection.host}: an answer of another form than agreed")
        return answer

    def _lines(self, items: Sequence[Json], account: OneAccount) -> "_Page":
        page = _Page()
        for number, item in enumerate(items, 1):
            if not isinstance(item, dict):
                page.bad[row_key(f"number {number}")] = "is no row of a statement"
                continue
            try:
                page.times.append(units_of(item, "time"))
                line: Line | None
                if account.asset:
                    line = personal(item, Money(0, account.asset), self._account, number)
                else:
                    line = corporate(item, self._account, number)
            except BadField as error:
                page.bad[row_key(str(item.get("id") or f"number {number}"))] = f"{error.name}: {error}"
            else:
                if line and line.money.units:
                    page.lines.append(line)
        return page


@dataclass(slots=True)
class _Page:
    """The lines of a page, why other rows are none, and the times of all that have one, in Unix seconds."""

    lines: list[Line] = field(default_factory=list)
    bad: dict[str, str] = field(default_factory=dict)
    times: list[int] = field(default_factory=list)


def refuse_error(answer: Json, connection: BankConnection) -> None:
    """Refuse an error that came instead of an answer."""
    if isinstance(answer, Mapping) and any(key in answer for key in ("errorDescription", "errText", "errCode")):
        raise SourceDown(f"{connection.host}: answered an error instead of rows")


def _is_it(one: Mapping[str, Json], account: str) -> bool:
    kind, _, name = account.partition(":")
    if not name:
        return one.get("iban") == account
    if kind == "card":
        return name in (one.get("maskedPan") or ())
    return name in (one.get("id"), one.get("sendId"))


def _once(lines: Sequence[Line]) -> list[Line]:
    """Leave out rows that came again on the next page; the newest stands first."""
    return list({line.reference: line for line in lines}.values())


def _evenings(lines: Sequence[Line], whole_from: date, today: date) -> Iterator[HeldBalance]:
    """Tell the evening before whole days, and yesterday's, from the balances that rows carry; the newest row is first.

    A card's balance holds what was reserved and let go since, of which no row is left: of cards nothing is told, nor
    while something is reserved.
    """
    rows = _once(lines)
    past = [line for line in rows if line.day and whole_from <= line.day < today]
    if not past or past[0].account.startswith("card:") or any(one.standing is LineStanding.PENDING for one in rows):
        return
    newest, oldest = past[0], past[-1]
    if newest.balance_after_units is None or oldest.balance_after_units is None:
        return
    asset = newest.money.asset
    yield held_on(newest.account, asset, oldest.balance_after_units - oldest.money.units, whole_from - timedelta(1))
    yield held_on(newest.account, asset, newest.balance_after_units, today - timedelta(1))


def _change(lines: Sequence[Line], asset: Asset, first: date, last: date) -> DaysBalance | None:
    """Say by how much booked lines changed the balance: what is held changed it, too, and is none of ours yet."""
    if not lines:
        return None
    newest, oldest = lines[0], lines[-1]
    if newest.balance_after_units is None or oldest.balance_after_units is None:
        return None
    change = newest.balance_after_units - (oldest.balance_after_units - oldest.money.units)
    held = sum(line.money.units for line in lines if line.standing is LineStanding.PENDING)
    return DaysBalance(asset, first, last, change - held)

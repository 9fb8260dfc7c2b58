"""The stand-ins for monobank: the personal API with its one question a minute, and the corporate API."""

import re
import time
from collections.abc import Callable, Sequence
from datetime import datetime

from support_service.demo.bank.account import BOOKED, ON_ITS_WAY, TAKEN_BACK, DemoBankAccount, Payment
from support_service.demo.bank.answers import BankAnswer, BankQuestion
from support_service.demo.json_values import Json
from support_service.giving import Clock

PAGE_ROWS, PAGE_ROWS_UNASKED = 500, 10
SPAN_SECONDS_MAX = 2_682_000
NUMBERS = {"UAH": 980, "EUR": 978, "USD": 840}
_PERSONAL = re.compile(r"/personal/statement/([^/]+)/(\d+)/(\d+)")
_CORPORATE = re.compile(r"/ext/v1/statement/([^/]+)/(\d+)/(\d+)")


class MonobankFake:
    """The personal API of one person, over all accounts and jars."""

    def __init__(
        self,
        accounts: Sequence[DemoBankAccount],
        clock: Clock,
        minute_seconds: float,
        monotonic: Callable[[], float] | None = None,
    ) -> None:
        self._accounts, self._clock = accounts, clock
        self._minute, self._monotonic = minute_seconds, monotonic or time.monotonic
        self._asked_at: float | None = None

    def answer(self, asked: BankQuestion, token: str) -> BankAnswer:
        """Answer one question, or refuse it."""
        if asked.headers.get("x-token") != token:
            return BankAnswer({"errorDescription": "Unknown 'X-Token'"}, 403)
        now = self._monotonic()
        if self._asked_at is not None and now - self._asked_at < self._minute:
            return BankAnswer({"errorDescription": "Too many requests"}, 429)
        self._asked_at = now
        if asked.path == "/personal/client-info":
            return BankAnswer(self._client())
        found = _PERSONAL.fullmatch(asked.path)
        account = next((one for one in self._accounts if found and one.id == found[1]), None)
        if found is None or account is None:
            return BankAnswer({"errorDescription": "invalid account"}, 400)
        start, end = int(found[2]), int(found[3])
        if end - start > SPAN_SECONDS_MAX or end < start:
            return BankAnswer({"errorDescription": "Period must be no more than 31 days"}, 400)
        with account.lock:
            return BankAnswer([_item(account, one) for one in _between(account, start, end)][:PAGE_ROWS])

    def _client(self) -> Json:
        jars = [one for one in self._accounts if one.name.startswith("jar:")]
        return {
            "clientId": "demo",
            "name": "Demo",
            "webHookUrl": "",
            "permissions": "psfj",
            "accounts": [_account(one) for one in self._accounts if one not in jars],
            "jars": [{**_account(one), "title": "Jar", "goal": 0} for one in jars],
        }


class Corporate:
    """The corporate API of a legal entity."""

    def __init__(self, accounts: Sequence[DemoBankAccount]) -> None:
        self._accounts = accounts

    def answer(self, asked: BankQuestion, token: str) -> BankAnswer:
        """Answer one question, or refuse it."""
        if asked.headers.get("x-token") != token:
            return BankAnswer({"errCode": "FORBIDDEN", "errText": "forbidden"}, 403)
        found = _CORPORATE.fullmatch(asked.path)
        account = next((one for one in self._accounts if found and one.name == found[1]), None)
        limit = asked.query.get("limit", str(PAGE_ROWS_UNASKED))
        if found is None or account is None or not limit.isdigit() or int(limit) > PAGE_ROWS:
            return BankAnswer({"errCode": "BAD_REQUEST", "errText": "bad request"}, 400)
        with account.lock:
            rows = _between(account, int(found[2]), int(found[3]))
            return BankAnswer([_operation(account, one) for one in rows][: int(limit)])


def _between(account: DemoBankAccount, start: int, end: int) -> list[Payment]:
    """Newest first, by the time when it was made; what was taken back is not told of."""
    asked = (one for one in account.payments if start <= _unix(one.made_at) <= end)
    told = (one for one in asked if one.standing != TAKEN_BACK and not one.is_passed_over)
    return sorted(told, key=lambda one: (_unix(one.made_at), one.number), reverse=True)


def _item(account: DemoBankAccount, one: Payment) -> Json:
    return {
        "id": f"Demo{one.number:06}", "time": _unix(one.made_at), "description": f"Від: {one.name}", "mcc": 4829,
        "originalMcc": 4829, "hold": one.standing == ON_ITS_WAY, "amount": one.units, "operationAmount": one.units,
        "currencyCode": NUMBERS[account.currency], "commissionRate": 0, "cashbackAmount": 0,
        "balance": _balance_after(account, one), "comment": one.purpose,
    }  # fmt: skip


def _operation(account: DemoBankAccount, one: Payment) -> Json:
    booked = {"completedTime": _unix(one.booked_at)} if one.booked_at else {}
    return {
        "id": f"op-{one.number:06}", "externalReference": "", "time": _unix(one.made_at), "description": one.purpose,
        "amount": one.units, "currencyCode": account.currency,
        "status": {BOOKED: "DONE", ON_ITS_WAY: "PENDING"}.get(one.standing, "DECLINED"), **booked,
        "counterEdrpou": one.code, "counterIban": one.account, "counterName": one.name,
    }  # fmt: skip


def _balance_after(account: DemoBankAccount, upto: Payment) -> int:
    """What is held is in this balance, too."""
    total = account.opening_units
    for one in account.payments:
        total += one.units if one.standing in (BOOKED, ON_ITS_WAY) else 0
        if one is upto:
            break
    return total


def _account(account: DemoBankAccount) -> Json:
    masked = [account.name.partition(":")[2]] if account.name.startswith("card:") else []
    return {
        "id": account.id, "sendId": account.id, "balance": account.balance_units(), "creditLimit": 0, "type": "fop",
        "currencyCode": NUMBERS[account.currency], "cashbackType": "", "maskedPan": masked,
        "iban": account.name if ":" not in account.name else "",
    }  # fmt: skip


def _unix(moment: datetime | None) -> int:
    assert moment is not None
    return int(moment.timestamp())

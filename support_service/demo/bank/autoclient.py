"""The stand-in for Autoclient 3: settings, balances and transactions, in pages, in the charset that was asked for."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta

from support_service.demo.bank.account import KYIV, ON_ITS_WAY, DemoBankAccount, Payment
from support_service.demo.bank.answers import BankAnswer, BankQuestion
from support_service.demo.json_values import Json
from support_service.giving import Clock

ROOT = "/api/statements/"
PAGE_ROWS, PAGE_ROWS_MAX = 20, 500
OWN_CODE, BANK_CODE = "99999991", "305299"
# What is final lies this many days behind the day that the bank works on.
DAYS_TO_FINAL = 2


class PrivatBankFake:
    """PrivatBank, as far as statements go."""

    def __init__(self, accounts: Sequence[DemoBankAccount], clock: Clock) -> None:
        self._accounts, self._clock = accounts, clock

    @property
    def today(self) -> date:
        """The day that the bank works on."""
        return self._clock().astimezone(KYIV).date()

    @property
    def final(self) -> date:
        """The last day that is final."""
        return self.today - timedelta(DAYS_TO_FINAL)

    def answer(self, asked: BankQuestion, token: str) -> BankAnswer:
        """Answer one question, or refuse it."""
        if asked.headers.get("token") != token:
            return _error(401, "token is not valid")
        if not asked.headers.get("user-agent"):
            return _error(400, "User-Agent is missing")
        what = asked.path.removeprefix(ROOT)
        if what == "settings":
            return self._told(asked, {"type": "settings", "settings": self._settings()})
        account = next((one for one in self._accounts if one.name == asked.query.get("acc")), None)
        if account is None:
            return _error(400, "invalid account")
        with account.lock:
            return self._about(account, what, asked)

    def _about(self, account: DemoBankAccount, what: str, asked: BankQuestion) -> BankAnswer:
        first, last = _days(asked)
        match what:
            case "transactions/interim":
                first, last = self.today - timedelta(1), self.today
            case "transactions/final":
                first = last = self.final
            case "transactions" | "balance" if first and last and first <= last:
                pass
            case _:
                return _error(400, "wrong dates or question")
        if what == "balance":
            return self._told(asked, {"type": "balances", "balances": [_balance(account, first, last)]})
        told = [one for one in account.payments if first <= one.booking_day <= last and not one.is_passed_over]
        return self._page(asked, [_row(account, one, self.final) for one in reversed(told)])

    def _page(self, asked: BankQuestion, rows: list[Json]) -> BankAnswer:
        limit = asked.query.get("limit", str(PAGE_ROWS))
        if not limit.isdigit() or not 1 <= int(limit) <= PAGE_ROWS_MAX:
            return _error(400, "limit is wrong")
        follow, names = asked.query.get("followId"), [row["ID"] for row in rows]
        if follow is not None and follow not in names:
            return _error(400, "followId is wrong")
        start = names.index(follow) if follow is not None else 0
        page, rest = rows[start : start + int(limit)], rows[start + int(limit) :]
        more = {"exist_next_page": bool(rest)} | ({"next_page_id": rest[0]["ID"]} if rest else {})
        return self._told(asked, {"type": "transactions", **more, "transactions": page})

    def _settings(self) -> Json:
        return {
            "phase": "WRK",
            "dates_without_oper_day": [],
            "today": _stamp(self.today),
            "lastday": _stamp(self.today - timedelta(1)),
            "work_balance": "N",
            "server_date_time": self._clock().astimezone(KYIV).strftime("%d.%m.%Y %H:%M:%S"),
            "date_final_statement": _stamp(self.final),
        }

    def _told(self, asked: BankQuestion, body: Json) -> BankAnswer:
        """Without a charset in the question the answer comes in Windows-1251."""
        is_utf8 = "utf" in asked.headers.get("content-type", "").lower()
        return BankAnswer({"status": "SUCCESS", **body}, charset="utf-8" if is_utf8 else "cp1251")


def _row(account: DemoBankAccount, one: Payment, final: date) -> Json:
    """A row as the bank writes it: all is text, and no sum has a sign."""
    is_final = one.booking_day <= final
    at = (one.booked_at or one.made_at).astimezone(KYIV)
    reference = f"D{one.number:012}P" if one.has_reference else ""
    name = f"{reference}1{at:%d%m%Y%H%M%S}" if is_final and reference else f"{700_000_000 + one.number}"
    return {
        "AUT_MY_CRF": OWN_CODE, "AUT_MY_MFO": BANK_CODE, "AUT_MY_ACC": account.name, "AUT_MY_NAM": "ГО ПРИКЛАД",
        "AUT_CNTR_CRF": one.code, "AUT_CNTR_MFO": BANK_CODE, "AUT_CNTR_ACC": one.account, "AUT_CNTR_NAM": one.name,
        "CCY": account.currency, "FL_REAL": "i" if one.standing == ON_ITS_WAY else "r", "PR_PR": one.standing,
        "DOC_TYP": "m", "NUM_DOC": f"@2PL{one.number:06}", "DAT_KL": f"{at:%d.%m.%Y}",
        "DAT_OD": f"{one.booking_day:%d.%m.%Y}", "OSND": one.purpose, "SUM": _sum(abs(one.units)),
        "SUM_E": _sum(abs(one.units)), "REF": reference, "REFN": "1" if reference else "", "TIM_P": f"{at:%H:%M}",
        "DATE_TIME_DAT_OD_TIM_P": f"{one.booking_day:%d.%m.%Y} {at:%H:%M}:00", "ID": name,
        "TRANTYPE": "C" if one.units > 0 else "D", "DLR": "", "TECHNICAL_TRANSACTION_ID": f"{name}_online",
    }  # fmt: skip


def _balance(account: DemoBankAccount, first: date, last: date) -> Json:
    opening, closing = account.balance_units(before=first), account.balance_units(before=last + timedelta(1))
    return {
        "acc": account.name, "currency": account.currency, "balanceIn": _sum(opening), "balanceOut": _sum(closing),
        "turnoverDebt": "0.00", "turnoverCred": "0.00", "dpd": _stamp(last), "nameACC": "ГО ПРИКЛАД", "state": "a",
        "is_final_bal": True,
    }  # fmt: skip


def _days(asked: BankQuestion) -> tuple[date, date] | tuple[None, None]:
    try:
        return _day(asked.query["startDate"]), _day(asked.query["endDate"])
    except (KeyError, ValueError):
        return None, None


def _day(text: str) -> date:
    return datetime.strptime(text, "%d-%m-%Y").replace(tzinfo=KYIV).date()


def _stamp(day: date) -> str:
    return f"{day:%d.%m.%Y} 00:00:00"


def _sum(units: int) -> str:
    sign, whole, part = "-" if units < 0 else "", *divmod(abs(units), 100)
    return f"{sign}{whole}.{part:02}"


def _error(status: int, message: str) -> BankAnswer:
    body = {"status": "ERROR", "code": str(status), "message": message, "requestId": "0", "serviceCode": "PMTSRV0112"}
    return BankAnswer(body, status)

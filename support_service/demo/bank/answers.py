"""What the stand-ins were asked and what they answer, and how a trouble spoils an answer."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from support_service.demo.bank.faults import BankTrouble
from support_service.demo.json_values import Json

PAGE = "<!DOCTYPE html><html><body>Bad gateway</body></html>"
LARGE_BYTES = 9 * 2**20


@dataclass(frozen=True, slots=True)
class BankQuestion:
    """A question: path and query, headers by their lower-case names."""

    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class BankAnswer:
    """An answer; body as JSON, text as it is."""

    body: Json = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    text: str | None = None
    charset: str = "utf-8"
    named_charset: str = ""

    @property
    def data(self) -> bytes:
        """The bytes of the body."""
        text = json.dumps(self.body, ensure_ascii=False) if self.text is None else self.text
        return text.encode(self.charset, "replace")


_STATUSES = {
    BankTrouble.BUSY: BankAnswer({"errorDescription": "Too many requests"}, 429, {"Retry-After": "7"}),
    BankTrouble.BUSY_UNTIL: BankAnswer({"code": "429"}, 429, {"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}),
    BankTrouble.BROKEN: BankAnswer({"errorDescription": "internal error"}, 500),
    BankTrouble.BROKEN_PAGE: BankAnswer(status=502, text=PAGE),
    BankTrouble.RESTING: BankAnswer({"message": "maintenance"}, 503, {"Retry-After": "9"}),
    BankTrouble.LOGIN_PAGE: BankAnswer(text=PAGE),
    BankTrouble.DENIED: BankAnswer({"status": "ERROR", "code": "401"}, 401),
    BankTrouble.FORBIDDEN: BankAnswer({"errorDescription": "Unknown 'X-Token'"}, 403),
    BankTrouble.WALL: BankAnswer(status=403, text=PAGE),
    BankTrouble.EMPTY: BankAnswer(text=""),
    BankTrouble.OTHER_SHAPE: BankAnswer({"answer": 42}),
    BankTrouble.NOT_JSON_NUMBER: BankAnswer(text='{"status": "SUCCESS", "transactions": [NaN]}'),
    BankTrouble.TOO_DEEP: BankAnswer(text="[" * 200_000),
    BankTrouble.TOO_LARGE: BankAnswer(text="[" + " " * LARGE_BYTES + "]"),
    BankTrouble.ERROR: BankAnswer({"status": "ERROR", "code": "500", "message": "no", "errorDescription": "no"}),
}


def spoiled(answer: BankAnswer, trouble: BankTrouble, before: Json, url: str) -> BankAnswer:
    """Spoil an answer; before is the body of the one before it."""
    if trouble in _STATUSES:
        return _STATUSES[trouble]
    text = json.dumps(answer.body, ensure_ascii=False)
    otherwise = {
        BankTrouble.MOVED: BankAnswer(status=302, headers={"Location": f"{url}/elsewhere"}, text=""),
        BankTrouble.CUT_JSON: BankAnswer(text=text[: len(text) * 2 // 3]),
        BankTrouble.CP1251: BankAnswer(answer.body, charset="cp1251", named_charset="utf-8"),
        BankTrouble.UTF8: BankAnswer(answer.body, named_charset="windows-1251"),
        BankTrouble.BOM: BankAnswer(text=f"\ufeff{text}"),
    }
    return otherwise[trouble] if trouble in otherwise else BankAnswer(_SPOILS[trouble](answer.body, before))


def rows_of(body: Json) -> list[Json]:
    """The rows of either API's answer; none in an answer of another kind."""
    rows = body.get("transactions", []) if isinstance(body, dict) else body
    return list(rows) if isinstance(rows, list) else []


def _same_page(body: Json, before: Json) -> Json:
    return _with_rows(body, rows_of(before))


def _circle(body: Json, before: Json) -> Json:  # noqa: ARG001 - all have the same form
    return {**body, "exist_next_page": True, "next_page_id": "circle"}


def _no_next(body: Json, before: Json) -> Json:  # noqa: ARG001
    return {key: value for key, value in body.items() if key != "next_page_id"} | {"exist_next_page": True}


def _text_flag(body: Json, before: Json) -> Json:  # noqa: ARG001
    return {**body, "exist_next_page": str(body.get("exist_next_page", False)).lower()}


def _slid(body: Json, before: Json) -> Json:
    return _with_rows(body, [*rows_of(before)[-1:], *rows_of(body)])


def _shuffled(body: Json, before: Json) -> Json:  # noqa: ARG001
    return _with_rows(body, sorted(rows_of(body), key=lambda row: str(row.get("ID", row.get("id")))[::-1]))


def _bad_row(body: Json, before: Json) -> Json:  # noqa: ARG001
    first, *rest = rows_of(body)
    wrong = {"SUM": "1.000.00,5"} if "SUM" in first else {"amount": "12 hryvnias"}
    return _with_rows(body, [{**first, **wrong}, *rest])


def _one_less(body: Json, before: Json) -> Json:  # noqa: ARG001
    return _with_rows(body, rows_of(body)[:-1])


def _other_account(body: Json, before: Json) -> Json:  # noqa: ARG001
    return _with_rows(body, [{**row, "AUT_MY_ACC": "UA713052990000029029999000111"} for row in rows_of(body)])


def _closing(body: Json, before: Json) -> Json:  # noqa: ARG001
    return {**body, "settings": {**body["settings"], "phase": "NOP", "work_balance": "Y"}}


_SPOILS: Mapping[BankTrouble, Callable[[Json, Json], Json]] = {
    BankTrouble.SAME_PAGE: _same_page,
    BankTrouble.CIRCLE: _circle,
    BankTrouble.NO_NEXT: _no_next,
    BankTrouble.TEXT_FLAG: _text_flag,
    BankTrouble.SLID: _slid,
    BankTrouble.SHUFFLED: _shuffled,
    BankTrouble.BAD_ROW: _bad_row,
    BankTrouble.ONE_LESS: _one_less,
    BankTrouble.OTHER_ACCOUNT: _other_account,
    BankTrouble.CLOSING: _closing,
}


def _with_rows(body: Json, rows: list[Json]) -> Json:
    return {**body, "transactions": rows} if isinstance(body, dict) else rows

"""What the stand-ins were asked and what they answer, and how a trouble spoils an answer."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from support_service.demo.bank.faults import Trouble

Json: TypeAlias = Any
PAGE = "<!DOCTYPE html><html><body>Bad gateway</body></html>"
LARGE_BYTES = 9 * 2**20


@dataclass(frozen=True, slots=True)
class Asked:
    """A question: path and query, headers by their lower-case names."""

    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Answer:
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
    Trouble.BUSY: Answer({"errorDescription": "Too many requests"}, 429, {"Retry-After": "7"}),
    Trouble.BUSY_UNTIL: Answer({"code": "429"}, 429, {"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}),
    Trouble.BROKEN: Answer({"errorDescription": "internal error"}, 500),
    Trouble.BROKEN_PAGE: Answer(status=502, text=PAGE),
    Trouble.RESTING: Answer({"message": "maintenance"}, 503, {"Retry-After": "9"}),
    Trouble.LOGIN_PAGE: Answer(text=PAGE),
    Trouble.DENIED: Answer({"status": "ERROR", "code": "401"}, 401),
    Trouble.FORBIDDEN: Answer({"errorDescription": "Unknown 'X-Token'"}, 403),
    Trouble.WALL: Answer(status=403, text=PAGE),
    Trouble.EMPTY: Answer(text=""),
    Trouble.OTHER_SHAPE: Answer({"answer": 42}),
    Trouble.NOT_JSON_NUMBER: Answer(text='{"status": "SUCCESS", "transactions": [NaN]}'),
    Trouble.TOO_DEEP: Answer(text="[" * 200_000),
    Trouble.TOO_LARGE: Answer(text="[" + " " * LARGE_BYTES + "]"),
    Trouble.ERROR: Answer({"status": "ERROR", "code": "500", "message": "no", "errorDescription": "no"}),
}


def spoiled(answer: Answer, trouble: Trouble, before: Json, url: str) -> Answer:
    """Spoil an answer; before is the body of the one before it."""
    if trouble in _STATUSES:
        return _STATUSES[trouble]
    text = json.dumps(answer.body, ensure_ascii=False)
    otherwise = {
        Trouble.MOVED: Answer(status=302, headers={"Location": f"{url}/elsewhere"}, text=""),
        Trouble.CUT_JSON: Answer(text=text[: len(text) * 2 // 3]),
        Trouble.CP1251: Answer(answer.body, charset="cp1251", named_charset="utf-8"),
        Trouble.UTF8: Answer(answer.body, named_charset="windows-1251"),
        Trouble.BOM: Answer(text=f"\ufeff{text}"),
    }
    return otherwise[trouble] if trouble in otherwise else Answer(_SPOILS[trouble](answer.body, before))


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


_SPOILS: Mapping[Trouble, Callable[[Json, Json], Json]] = {
    Trouble.SAME_PAGE: _same_page,
    Trouble.CIRCLE: _circle,
    Trouble.NO_NEXT: _no_next,
    Trouble.TEXT_FLAG: _text_flag,
    Trouble.SLID: _slid,
    Trouble.SHUFFLED: _shuffled,
    Trouble.BAD_ROW: _bad_row,
    Trouble.ONE_LESS: _one_less,
    Trouble.OTHER_ACCOUNT: _other_account,
    Trouble.CLOSING: _closing,
}


def _with_rows(body: Json, rows: list[Json]) -> Json:
    return {**body, "transactions": rows} if isinstance(body, dict) else rows

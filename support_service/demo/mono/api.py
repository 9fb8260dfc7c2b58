"""The stand-in's API: what may be asked, of whom, and with what; anything else is refused as mono would."""

import copy
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from support_service.demo.mono.hooks import MonoHooks
from support_service.demo.mono.merchant import HeldPlan, JsonObject, MayNot, Merchant, NoSuch

SPAN_SECONDS_MAX = 31 * 86_400
AMOUNT_MAX = 10**12
VALIDITY_MIN, VALIDITY_MAX = 60, 30 * 86_400
CURRENCIES = frozenset({980, 978, 840})
PAGE_ROWS_MAX = 100

# What each order may hold, and of what kind; a mark at the end says that it must be there.
_ORDERS: dict[str, dict[str, str]] = {
    "/api/merchant/invoice/create": {
        "amount": "amount!", "ccy": "currency", "merchantPaymInfo": "info", "redirectUrl": "url", "webHookUrl": "url",
        "validity": "validity", "paymentType": "kind",
    },
    "/api/merchant/invoice/cancel": {"invoiceId": "text!", "extRef": "text", "amount": "amount"},
    "/api/merchant/invoice/remove": {"invoiceId": "text!"},
    "/api/merchant/subscription/create": {
        "amount": "amount!", "ccy": "currency", "interval": "interval!", "redirectUrl": "url", "webHookUrls": "urls",
        "validity": "validity",
    },
    "/api/merchant/subscription/edit": {"subscriptionId": "text!", "action": "action!"},
    "/api/merchant/subscription/remove": {"subscriptionId": "text!"},
}  # fmt: skip
_QUESTIONS: dict[str, dict[str, str]] = {
    "/api/merchant/details": {},
    "/api/merchant/pubkey": {},
    "/api/merchant/invoice/status": {"invoiceId": "text!"},
    "/api/merchant/subscription/status": {"subscriptionId": "text!"},
    "/api/merchant/subscription/payments": {
        "subscriptionId": "text!", "dateFrom": "time!", "dateTo": "time", "limit": "digits", "page": "digits",
    },
    "/api/merchant/statement": {"from": "digits!", "to": "digits", "code": "text"},
}  # fmt: skip


@dataclass
class MonoRefusal(Exception):
    """A no of the API."""

    status: int
    code: str
    text: str

    @property
    def body(self) -> JsonObject:
        """What is answered."""
        return {"errCode": self.code, "errText": self.text}


class MerchantApi:
    """Answers one merchant; raises Refused."""

    def __init__(self, merchant: Merchant, token: str, hooks: MonoHooks) -> None:
        self._merchant, self._token, self._hooks = merchant, token, hooks

    def answer(self, method: str, path: str, token: str, told: Mapping[str, Any]) -> JsonObject:
        """Answer a question (told: its query) or an order (told: its body)."""
        shapes = _QUESTIONS if method == "GET" else _ORDERS
        if path not in shapes:
            known = path in _QUESTIONS or path in _ORDERS
            raise MonoRefusal(405 if known else 404, "METHOD_NOT_ALLOWED" if known else "NOT_FOUND", "no such question")
        if token != self._token:
            raise MonoRefusal(403, "FORBIDDEN", "forbidden")
        _check(shapes[path], told)
        try:
            with self._merchant.lock:
                return self._answer(path, told)
        except NoSuch as error:
            raise MonoRefusal(404, "NOT_FOUND", "not found") from error
        except MayNot as error:
            raise MonoRefusal(400, "BAD_REQUEST", str(error)) from error

    def _answer(self, path: str, told: Mapping[str, Any]) -> JsonObject:
        asked = path.removeprefix("/api/merchant/")
        if asked == "statement":
            return self._statement(told)
        if asked == "pubkey":
            return {"key": self._hooks.public_key}
        if asked == "details":
            return {"merchantId": "demo", "merchantName": "Demo merchant", "edrpou": "12345678"}
        return self._invoice(asked, told) if asked.startswith("invoice/") else self._plan(asked, told)

    def _invoice(self, asked: str, told: Mapping[str, Any]) -> JsonObject:
        at = self._merchant
        if asked == "invoice/create":
            name = at.open_invoice(dict(told)).told["invoiceId"]
            return {"invoiceId": name, "pageUrl": f"{at.base}/pay/{name}"}
        if asked == "invoice/status":
            return copy.deepcopy(at.invoice(told["invoiceId"]).told)
        if asked == "invoice/remove":
            at.remove(told["invoiceId"])
            return {}
        entry = at.cancel(told["invoiceId"], told.get("amount"), told.get("extRef", ""))
        return {name: entry[name] for name in ("status", "createdDate", "modifiedDate")}

    def _plan(self, asked: str, told: Mapping[str, Any]) -> JsonObject:
        at = self._merchant
        if asked == "subscription/create":
            name = at.open_plan(dict(told)).told["subscriptionId"]
            return {"subscriptionId": name, "pageUrl": f"{at.base}/pay/{name}"}
        name = told["subscriptionId"]
        plan = at.plan(name)
        if asked == "subscription/edit":
            at.stop(name)
            return {}
        if asked == "subscription/remove":
            if plan.payments:
                raise MayNot("it was paid already")
            del at.plans[name]
            return {}
        return copy.deepcopy(plan.told) if asked == "subscription/status" else self._payments(plan, told)

    def _payments(self, plan: HeldPlan, told: Mapping[str, Any]) -> JsonObject:
        since = datetime.fromisoformat(told["dateFrom"])
        found = [one for one in plan.payments if datetime.fromisoformat(one["chargedAt"]) >= since]
        limit, page = min(int(told.get("limit", 20)), PAGE_ROWS_MAX), int(told.get("page", 1))
        pages = max(1, -(-len(found) // limit))
        paging = {"totalItems": len(found), "itemsPerPage": limit, "currentPage": page, "totalPages": pages}
        return {"payments": found[(page - 1) * limit : page * limit], "pagination": paging}

    def _statement(self, told: Mapping[str, Any]) -> JsonObject:
        start = int(told["from"])
        end = int(told.get("to", start + SPAN_SECONDS_MAX))
        if not start <= end <= start + SPAN_SECONDS_MAX:
            raise MonoRefusal(400, "BAD_REQUEST", "a statement spans 31 days at most")
        return {"list": self._merchant.statement(*(datetime.fromtimestamp(one, UTC) for one in (start, end)))}


def _check(shape: Mapping[str, str], told: Mapping[str, Any]) -> None:
    strange = sorted(set(told) - set(shape))
    missing = sorted(name for name, kind in shape.items() if kind.endswith("!") and name not in told)
    wrong = sorted(name for name, value in told.items() if name in shape and not _is_of(shape[name].rstrip("!"), value))
    if strange or missing or wrong:
        raise MonoRefusal(400, "BAD_REQUEST", f"unknown: {strange}, missing: {missing}, wrong: {wrong}")


def _is_of(kind: str, value: Any) -> bool:
    return _KINDS[kind](value)


def _is_text(value: Any, most: int = 200) -> bool:
    return isinstance(value, str) and 0 < len(value) <= most


def _is_like(pattern: str) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and re.fullmatch(pattern, value, re.ASCII) is not None


def _holds(names: set[str], is_right: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, dict) and set(value) <= names and all(map(is_right, value.values()))


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


_is_url = _is_like(r"https?://[^\s]{3,2000}")
_KINDS: dict[str, Callable[[Any], bool]] = {
    "amount": lambda value: _is_whole(value) and 0 < value <= AMOUNT_MAX,
    "currency": lambda value: _is_whole(value) and value in CURRENCIES,
    "validity": lambda value: _is_whole(value) and VALIDITY_MIN <= value <= VALIDITY_MAX,
    "kind": lambda value: value == "debit",
    "action": lambda value: value == "cancel",
    "interval": _is_like(r"[1-9][0-9]*[dwmy]"),
    "url": _is_url,
    "urls": _holds({"chargeUrl", "statusUrl"}, _is_url),
    "info": _holds({"reference", "destination", "comment"}, lambda value: _is_text(value, 280)),
    "time": _is_like(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d)"),
    "digits": _is_like(r"[0-9]{1,12}"),
    "text": _is_text,
}

"""A merchant's books at the stand-in: invoices, refunds, subscriptions, and what is pushed of them."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import RLock
from typing import Any, TypeAlias

from support_service.giving import Clock

JsonObject: TypeAlias = dict[str, Any]
Push: TypeAlias = Callable[[str, JsonObject], None]

FEE_PERMILLE = 13
MONTH = timedelta(days=30)
# A card that was saved for the next time.
WALLET = {"cardToken": "67XZtXdR4NpKU3", "walletId": "w1", "status": "created"}
FINAL = frozenset({"success", "failure", "reversed", "expired"})


class NoSuch(Exception):
    """Nothing has this name: 404."""


class MayNot(Exception):
    """What was asked cannot be done as things stand: 400."""


@dataclass
class HeldInvoice:
    """One invoice; told is its status as the API tells it."""

    told: JsonObject
    closes_at: datetime
    redirect_url: str = ""
    hook_url: str = ""
    paid_at: datetime | None = None


@dataclass
class HeldPlan:
    """One subscription; hooks are where its charges and its states are pushed to."""

    told: JsonObject
    closes_at: datetime
    redirect_url: str = ""
    charge_url: str = ""
    status_url: str = ""
    payments: list[JsonObject] = field(default_factory=list)


class Merchant:
    """All of it, under one lock. is_slow_to_refund: refunds that are asked for are on their way at first."""

    def __init__(self, clock: Clock, seed: str, push: Push) -> None:
        self.lock, self.base = RLock(), ""
        self.invoices: dict[str, HeldInvoice] = {}
        self.plans: dict[str, HeldPlan] = {}
        self.is_slow_to_refund = False
        self._clock, self._seed, self._push, self._count = clock, seed, push, 0

    def now(self) -> str:
        """Tell the time as the API writes it: in whole seconds."""
        return written(self._clock())

    def name(self, kind: str) -> str:
        """Make the next name."""
        self._count += 1
        return f"{kind}_{hashlib.sha256(f'{self._seed}:{self._count}'.encode()).hexdigest()[:18]}"

    def open_invoice(self, order: JsonObject) -> HeldInvoice:
        """Open an invoice."""
        now, info = self.now(), order.get("merchantPaymInfo", {})
        told = {
            "invoiceId": self.name("p2"), "status": "created", "amount": order["amount"], "ccy": order.get("ccy", 980),
            "finalAmount": 0, "createdDate": now, "modifiedDate": now,
            "reference": info.get("reference", ""), "destination": info.get("destination", ""),
        }  # fmt: skip
        closes = self._clock() + timedelta(seconds=order.get("validity", 86_400))
        held = HeldInvoice(told, closes, order.get("redirectUrl", ""), order.get("webHookUrl", ""))
        self.invoices[told["invoiceId"]] = held
        return held

    def open_plan(self, order: JsonObject) -> HeldPlan:
        """Open a subscription; it has not begun before its first payment."""
        now, hooks = self._clock(), order.get("webHookUrls", {})
        told = {
            "subscriptionId": self.name("sub"), "status": "active", "amount": order["amount"],
            "ccy": order.get("ccy", 980), "interval": order["interval"], "startDate": written(now),
            "summary": {"totalPaid": 0, "totalFailed": 0},
            "walletData": {"cardToken": "", "walletId": "w1", "status": "new"},
        }  # fmt: skip
        closes = now + timedelta(seconds=order.get("validity", 86_400))
        urls = (order.get("redirectUrl", ""), hooks.get("chargeUrl", ""), hooks.get("statusUrl", ""))
        self.plans[told["subscriptionId"]] = held = HeldPlan(told, closes, *urls)
        return held

    def invoice(self, name: str) -> HeldInvoice:
        """Find an invoice; one whose time is over has expired."""
        held = self.invoices.get(name)
        if held is None:
            raise NoSuch(name)
        if held.told["status"] == "created" and self._clock() >= held.closes_at:
            held.told |= {"status": "expired", "modifiedDate": written(held.closes_at)}
        return held

    def plan(self, name: str) -> HeldPlan:
        """Find a subscription."""
        if name not in self.plans:
            raise NoSuch(name)
        return self.plans[name]

    def pay(self, page: str) -> str:
        """Pay at a page; return the invoice's name."""
        with self.lock:
            if page in self.plans:
                if self.plans[page].payments:
                    raise MayNot("it is paid already")
                return self.charge(page)
            held = self.invoice(page)
            if held.told["status"] != "created":
                raise MayNot("it is not open")
            self._move(held, "processing")
            self._succeed(held)
            return page

    def decline(self, page: str) -> None:
        """Decline a card at an invoice's page."""
        with self.lock:
            held = self.invoice(page)
            if held.told["status"] != "created":
                raise MayNot("it is not open")
            self._move(held, "processing")
            self._move(held, "failure", failureReason="Недостатньо коштів", errCode="59")

    def expire(self, page: str) -> None:
        """Close an invoice unpaid; nothing is pushed."""
        with self.lock:
            held = self.invoice(page)
            held.closes_at = self._clock()
            self.invoice(page)

    def charge(self, plan: str, *, is_ok: bool = True) -> str:
        """Charge a subscription once; return the invoice's name."""
        with self.lock:
            held, now = self.plan(plan), self._clock()
            if held.told["status"] != "active":
                raise MayNot("it is stopped")
            order = {"amount": held.told["amount"], "ccy": held.told["ccy"], "webHookUrl": held.charge_url}
            invoice = self.open_invoice(order)
            invoice.told |= {"subscriptionId": plan}
            self._move(invoice, "processing")
            told = {"amount": held.told["amount"], "ccy": held.told["ccy"], "chargedAt": written(now)}
            held.payments.append({**told, "status": "success" if is_ok else "failed"})
            held.told["summary"]["totalPaid" if is_ok else "totalFailed"] += 1
            held.told["walletData"] = WALLET
            held.told["nextChargeDate"] = written(now + MONTH)
            if is_ok:
                self._succeed(invoice)
            else:
                self._move(invoice, "failure", failureReason="Недостатньо коштів", errCode="59")
            if len(held.payments) == 1:
                self._push(held.status_url, held.told)
            return str(invoice.told["invoiceId"])

    def stop(self, plan: str) -> None:
        """Stop a subscription."""
        with self.lock:
            held = self.plan(plan)
            if held.told["status"] != "active":
                raise MayNot("it is stopped already")
            held.told.pop("nextChargeDate", None)
            held.told |= {"status": "cancelled", "endDate": self.now()}
            self._push(held.status_url, held.told)

    def cancel(self, name: str, units: int | None, key: str, *, is_slow: bool | None = None) -> JsonObject:
        """Give back in part or in full, once for each key; return the entry of the list."""
        with self.lock:
            held = self.invoice(name)
            entries: list[JsonObject] = held.told.setdefault("cancelList", [])
            known = next((one for one in entries if key and one.get("extRef") == key), None)
            if known is not None:
                return known
            if held.told["status"] != "success":
                raise MayNot("only what was paid is given back")
            left = left_of(held.told)
            units = left if units is None else units
            if not 0 < units <= left:
                raise MayNot("more than is left")
            now = self.now()
            entry = {"status": "processing", "amount": units, "ccy": held.told["ccy"], "createdDate": now,
                     "modifiedDate": now, **({"extRef": key} if key else {})}  # fmt: skip
            entries.append(entry)
            self._move(held, "success", finalAmount=left - units)
            if not (self.is_slow_to_refund if is_slow is None else is_slow):
                self.settle_cancels(name)
            return entry

    def settle_cancels(self, name: str, *, is_ok: bool = True) -> None:
        """Let refunds on their way succeed, or fail."""
        with self.lock:
            held = self.invoice(name)
            for entry in held.told.get("cancelList", []):
                if entry["status"] == "processing":
                    end = {"approvalCode": "123456", "rrn": "060189181768"} if is_ok else {}
                    entry |= {"status": "success" if is_ok else "failure", "modifiedDate": self.now(), **end}
            is_gone = is_ok and left_of(held.told) == 0
            self._move(held, "reversed" if is_gone else "success", finalAmount=left_of(held.told))

    def remove(self, name: str) -> None:
        """Close an invoice that nobody has paid."""
        with self.lock:
            held = self.invoice(name)
            if held.told["status"] != "created":
                raise MayNot("it is not open")
            held.told |= {"status": "expired", "modifiedDate": self.now()}

    def statement(self, start: datetime, end: datetime) -> list[JsonObject]:
        """List what was paid between two times."""
        with self.lock:
            paid = [one for one in self.invoices.values() if one.paid_at is not None and start <= one.paid_at <= end]
            return [_row(one) for one in paid]

    def _succeed(self, held: HeldInvoice) -> None:
        held.paid_at = self._clock()
        fee = fee_of(held.told["amount"])
        info = {"maskedPan": "444403******1902", "approvalCode": "662476", "rrn": "060189181768",
                "terminal": "MI001088", "bank": "Універсал Банк", "paymentSystem": "visa", "paymentMethod": "pan",
                "country": "804", "fee": fee}  # fmt: skip
        more = {"walletData": WALLET} if "subscriptionId" in held.told else {}
        self._move(held, "success", finalAmount=held.told["amount"], paymentInfo=info, **more)

    def _move(self, held: HeldInvoice, status: str, **more: Any) -> None:
        held.told |= {"status": status, "modifiedDate": self.now(), **more}
        self._push(held.hook_url, held.told)


def written(moment: datetime) -> str:
    """Write a time as the API does."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def fee_of(units: int) -> int:
    """Tell what is kept of a payment, rounded half up."""
    return (units * FEE_PERMILLE + 500) // 1000


def left_of(told: JsonObject) -> int:
    """Tell what was not given back, nor is on its way back."""
    entries = told.get("cancelList", [])
    return int(told["amount"] - sum(one["amount"] for one in entries if one["status"] != "failure"))


def _row(held: HeldInvoice) -> JsonObject:
    told, info = held.told, held.told["paymentInfo"]
    back = [one for one in told.get("cancelList", []) if one["status"] == "success"]
    assert held.paid_at is not None
    row = {
        "invoiceId": told["invoiceId"], "status": "success", "maskedPan": info["maskedPan"],
        "date": written(held.paid_at), "paymentScheme": "full", "amount": told["amount"],
        "profitAmount": told["amount"] - info["fee"], "ccy": told["ccy"], "approvalCode": info["approvalCode"],
        "rrn": info["rrn"], "reference": told["reference"], "destination": told["destination"],
    }  # fmt: skip
    cancels = [
        {"amount": one["amount"], "ccy": one["ccy"], "date": one["modifiedDate"], "approvalCode": one["approvalCode"],
         "rrn": one["rrn"], "maskedPan": info["maskedPan"]}
        for one in back
    ]  # fmt: skip
    return {**row, **({"cancelList": cancels} if cancels else {})}

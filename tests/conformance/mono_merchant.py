"""`make conformance-mono TOKEN=...`: is the stand-in like plata by mono? Asks both the same and compares.

The tests never reach mono; whoever has a token for trying out can. It opens an invoice and a subscription, reads and
closes them, and asks for the statement: nobody pays, so nothing moves, whatever kind of token it is.
"""

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

from support_service.demo.mono import TOKEN, MonoFake
from support_service.rails.mono.client import MonoClient
from support_service.rails.mono.fields import BadMessage, MonoJson, known_as
from support_service.rails.mono.invoices import read_invoice, read_subscription
from support_service.rails.mono.method import API_BASE
from support_service.rails.mono.signature import BadMonoKey, read_key
from support_service.rails.mono.statement import read_row
from support_service.rails.processor import CheckoutDown, CheckoutRefused

HOOK = "https://example.com/webhooks/mono"
BACK = "https://example.com/thanks"
# What mono may tell beside what we read; and whatever the merchant's own books hold.
FREE = frozenset({"list", "merchantId", "merchantName", "edrpou", "appUrl", "walletData", "paymentInfo", "summary"})


@dataclass
class Desk:
    """One of the two merchants, and what earlier steps made there."""

    client: MonoClient
    made: dict[str, str] = field(default_factory=dict)


Step: TypeAlias = Callable[[Desk], MonoJson]


def tells_who_it_is(at: Desk) -> MonoJson:
    """The merchant."""
    return at.client.get("/api/merchant/details")


def gives_its_key(at: Desk) -> MonoJson:
    """A key of P-256."""
    told = at.client.get("/api/merchant/pubkey")
    read_key(told.get("key"))
    return told


def opens_an_invoice(at: Desk) -> MonoJson:
    """An invoice as the service opens it."""
    info = {"reference": "0" * 32, "destination": "Благодійний внесок, код AAAA-BBBB"}
    order = {"amount": 4200, "ccy": 980, "merchantPaymInfo": info, "redirectUrl": BACK, "webHookUrl": HOOK}
    told = at.client.post("/api/merchant/invoice/create", {**order, "validity": 3480, "paymentType": "debit"})
    at.made["invoice"] = known_as(told, "invoiceId")
    return told


def says_how_it_is(at: Desk) -> MonoJson:
    """An invoice that nobody has paid."""
    told = at.client.get("/api/merchant/invoice/status", {"invoiceId": at.made["invoice"]})
    read_invoice(told)
    return told


def refuses_to_give_back_what_was_not_paid(at: Desk) -> MonoJson:
    """A refund of an unpaid invoice."""
    order = {"invoiceId": at.made["invoice"], "extRef": "conformance", "amount": 100}
    return at.client.post("/api/merchant/invoice/cancel", order)


def closes_an_invoice(at: Desk) -> MonoJson:
    """An invoice is closed by request."""
    return at.client.post("/api/merchant/invoice/remove", {"invoiceId": at.made["invoice"]})


def knows_no_such_invoice(at: Desk) -> MonoJson:
    """What is not there."""
    return at.client.get("/api/merchant/invoice/status", {"invoiceId": "nobody"})


def refuses_nothing_at_all(at: Desk) -> MonoJson:
    """An invoice of nothing."""
    return at.client.post("/api/merchant/invoice/create", {"amount": 0})


def opens_a_subscription(at: Desk) -> MonoJson:
    """A subscription as the service opens it."""
    hooks = {"chargeUrl": HOOK, "statusUrl": HOOK}
    order = {"amount": 4200, "ccy": 980, "interval": "1m", "redirectUrl": BACK, "webHookUrls": hooks, "validity": 3480}
    told = at.client.post("/api/merchant/subscription/create", order)
    at.made["plan"] = known_as(told, "subscriptionId")
    return told


def says_how_a_subscription_is(at: Desk) -> MonoJson:
    """A subscription that nobody has paid."""
    told = at.client.get("/api/merchant/subscription/status", {"subscriptionId": at.made["plan"]})
    read_subscription(told)
    return told


def lists_its_payments(at: Desk) -> MonoJson:
    """None yet."""
    since = (datetime.now(UTC) - timedelta(days=1)).isoformat(timespec="seconds")
    asked = {"subscriptionId": at.made["plan"], "dateFrom": since, "limit": "100", "page": "1"}
    return at.client.get("/api/merchant/subscription/payments", asked)


def closes_a_subscription(at: Desk) -> MonoJson:
    """Before its first payment."""
    return at.client.post("/api/merchant/subscription/remove", {"subscriptionId": at.made["plan"]})


def tells_its_statement(at: Desk) -> MonoJson:
    """The statement of a month; every row must be readable."""
    now = int(datetime.now(UTC).timestamp())
    told = at.client.get("/api/merchant/statement", {"from": str(now - 30 * 86_400), "to": str(now)})
    rows = told.get("list")
    for row in rows if isinstance(rows, list) else []:
        read_row(row)
    return told


STEPS: dict[str, Step] = {
    "tells who it is": tells_who_it_is,
    "gives its key": gives_its_key,
    "opens an invoice": opens_an_invoice,
    "says how it is": says_how_it_is,
    "refuses to give back what was not paid": refuses_to_give_back_what_was_not_paid,
    "closes an invoice": closes_an_invoice,
    "knows no such invoice": knows_no_such_invoice,
    "refuses nothing at all": refuses_nothing_at_all,
    "opens a subscription": opens_a_subscription,
    "says how a subscription is": says_how_a_subscription_is,
    "lists its payments": lists_its_payments,
    "closes a subscription": closes_a_subscription,
    "tells its statement": tells_its_statement,
}


def outcome(step: Step, at: Desk) -> dict[str, str]:
    """Carry a step out: what kind each key of its answer is of, or how it was refused."""
    try:
        return {key: _kind(value) for key, value in step(at).items() if key not in FREE}
    except KeyError as missing:
        return {"needs": f"what an earlier step should have made: {missing}"}
    except (BadMessage, BadMonoKey) as error:
        return {"cannot be read": str(error)}
    except (CheckoutDown, CheckoutRefused) as error:
        return {"refused": type(error).__name__, "how": str(error).partition(": ")[2]}


def compare(token: str, base: str, tell: Callable[[str], object] = print) -> int:
    """Carry out every step at both, tell how each went, and return how many differ."""
    different = 0
    with MonoFake() as fake:
        theirs, ours = Desk(MonoClient(token, base)), Desk(MonoClient(TOKEN, fake.url))
        for name, step in STEPS.items():
            found = differences(outcome(step, theirs), outcome(step, ours))
            different += bool(found)
            tell(f"{'DIFFERS' if found else 'alike  '}  {name}")
            for one in found:
                tell(f"           {one}")
    tell(f"{len(STEPS) - different} of {len(STEPS)} steps alike")
    return different


def differences(theirs: dict[str, str], ours: dict[str, str]) -> list[str]:
    """Say where two answers differ."""
    keys = sorted({*theirs, *ours})
    return [
        f"{key}: mono {theirs.get(key, 'nothing')}, stand-in {ours.get(key, 'nothing')}"
        for key in keys
        if theirs.get(key) != ours.get(key)
    ]


def main() -> int:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="conformance-mono", description=__doc__)
    parser.add_argument("--token", required=True, help="a token for trying out")
    parser.add_argument("--api-base", default=API_BASE)
    asked = parser.parse_args()
    if not asked.token.strip():
        print("conformance-mono: give a token (TOKEN=...); nothing was asked", file=sys.stderr)
        return 2
    return 1 if compare(asked.token.strip(), asked.api_base) else 0


def _kind(value: object) -> str:
    return type(value).__name__


if __name__ == "__main__":
    sys.exit(main())

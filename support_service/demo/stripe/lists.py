"""Lists as Stripe gives them: newest first, a page at a time, filtered; and expanded fields."""

from collections.abc import Callable, Sequence
from copy import deepcopy
from datetime import timedelta
from itertools import islice
from operator import itemgetter

from support_service.demo.json_values import Json
from support_service.demo.stripe import checkout, invoices
from support_service.demo.stripe.account import StripeAccount
from support_service.demo.stripe.errors import StripeRefusal, invalid, missing
from support_service.demo.stripe.form import Form, listed, whole, word

PAGE_DEFAULT, PAGE_MAX = 10, 100
_PAGING = {"limit", "starting_after", "ending_before", "expand"}
_KINDS = {
    "ch": "charge",
    "cus": "customer",
    "du": "dispute",
    "in": "invoice",
    "pi": "payment_intent",
    "pm": "payment_method",
    "po": "payout",
    "price": "price",
    "prod": "product",
    "re": "refund",
    "sub": "subscription",
    "txn": "balance_transaction",
}
_COMPARED: dict[str, Callable[[int, int], bool]] = {
    "gt": lambda value, limit: value > limit,
    "gte": lambda value, limit: value >= limit,
    "lt": lambda value, limit: value < limit,
    "lte": lambda value, limit: value <= limit,
}


def view(account: StripeAccount, of: Json, form: Form) -> Json:
    """Return a copy of an object as it is told now, with the fields that `expand` names in full."""
    if of["object"] == "event" and "expand" not in form:
        return of  # an event is never changed, and there are many
    told = deepcopy(of)
    _refresh(account, told)
    for path in listed(form, "expand"):
        _expand(account, told, path.split("."), path)
    return told


def page(account: StripeAccount, kind: str, form: Form, url: str) -> Json:
    """Return one page of all objects of a kind that the filters let through."""
    limit = whole(form, "limit", PAGE_DEFAULT)
    if not 1 <= limit <= PAGE_MAX:
        raise invalid(f"Invalid limit: must be between 1 and {PAGE_MAX}", "limit", "parameter_invalid_integer")
    # One more than a page tells whether there is more; the rest of a long list is not looked at.
    wanted = (one for one in _from_cursor(account, kind, form) if _is_wanted(account, one, form))
    told = list(islice(wanted, limit + 1))
    chosen = told[:limit]
    if "ending_before" in form:
        chosen.reverse()
    paths = [path.removeprefix("data.") for path in listed(form, "expand")]
    inner = {"expand": paths} if paths else {}
    return listing([view(account, one, inner) for one in chosen], url, has_more=len(told) > limit)


def listing(data: list[Json], url: str, *, has_more: bool = False) -> Json:
    """Return a list object."""
    return {"object": "list", "data": data, "has_more": has_more, "url": url}


def kept_events(account: StripeAccount) -> list[Json]:
    """Return the events that Stripe would still have, oldest first."""
    oldest = account.now() - int(account.events_kept_for / timedelta(seconds=1))
    return [event for event in account.events if event["created"] >= oldest]


def _newest_first(account: StripeAccount, kind: str) -> list[Json]:
    told = kept_events(account) if kind == "event" else account.all(kind)
    # Sorting keeps the order of equals: of one second, the later made comes first too.
    told.reverse()
    told.sort(key=itemgetter("created"), reverse=True)
    return told


def _from_cursor(account: StripeAccount, kind: str, form: Form) -> Sequence[Json]:
    """Return what lies beyond the cursor, nearest first."""
    told = _newest_first(account, kind)
    after, before = word(form, "starting_after"), word(form, "ending_before")
    if after and before:
        raise invalid("You may only specify one of these parameters: ending_before, starting_after.", "ending_before")
    if not after and not before:
        return told
    param, name = ("starting_after", after) if after else ("ending_before", before)
    at = next((at for at, one in enumerate(told) if one["id"] == name), None)
    if at is None:
        raise missing("object in this list", str(name), param)
    return told[at + 1 :] if after else told[:at][::-1]


def _is_wanted(account: StripeAccount, one: Json, form: Form) -> bool:
    return all(_matches(account, one, name, value) for name, value in form.items() if name not in _PAGING)


def _matches(account: StripeAccount, one: Json, name: str, value: Form) -> bool:
    match one["object"], name:
        case _, "created" | "arrival_date":
            is_so = _is_in_time(one[name], value, name)
        case "event", "type" | "types":
            is_so = any(_is_of_type(one, kind) for kind in ([value] if name == "type" else value))
        case "event", "delivery_success":
            is_so = (one["pending_webhooks"] == 0) == (value == "true")
        case "invoice", "subscription":
            is_so = one["parent"]["subscription_details"]["subscription"] == value
        case "invoice_payment", "payment":
            is_so = one["payment"]["payment_intent"] == value.get("payment_intent")
        case "balance_transaction", "payout":
            is_so = one["id"] in account.objects.get("_payouts", {}).get(value, ())
        case _, "status" if value == "all":
            is_so = True
        case _, "active":
            is_so = one["active"] == (value == "true")
        case _ if name not in one:
            raise invalid(f"Received unknown parameter: {name}", name, "parameter_unknown")
        case _:
            is_so = one[name] == value
    return bool(is_so)


def _is_of_type(event: Json, kind: str) -> bool:
    told: str = event["type"]
    return told.startswith(kind.removesuffix("*")) if kind.endswith(".*") else told == kind


def _is_in_time(at: int, limits: Form, name: str) -> bool:
    if isinstance(limits, str):
        return at == whole({name: limits}, name)
    return all(_compared(how, name)(at, whole(limits, how)) for how in limits)


def _compared(how: str, name: str) -> Callable[[int, int], bool]:
    if how not in _COMPARED:
        raise invalid(f"Received unknown parameter: {name}[{how}]", f"{name}[{how}]", "parameter_unknown")
    return _COMPARED[how]


def _refresh(account: StripeAccount, told: Json) -> None:
    if told["object"] == "balance_transaction" and told["available_on"] <= account.now():
        told["status"] = "available"


def _expand(account: StripeAccount, told: Json, path: list[str], whole_path: str) -> None:
    name = path[0]
    made = _made(account, told, name)
    if made is not None:
        told[name] = made
    value = told.get(name)
    if isinstance(value, str):
        value = told[name] = _looked_up(account, value, whole_path)
    elif name not in told:
        raise _unexpandable(whole_path)
    if len(path) > 1:
        for inner in _inner(value):
            _expand(account, inner, [part for part in path[1:] if part != "data"], whole_path)


def _inner(value: Json) -> list[Json]:
    if value is None:
        return []
    if isinstance(value, list):
        return value
    return list(value["data"]) if value.get("object") == "list" else [value]


def _made(account: StripeAccount, told: Json, name: str) -> Json | None:
    """Return a list that an object carries only where it is asked for."""
    kind = told.get("object")
    if (kind, name) == ("invoice", "payments"):
        return listing(deepcopy(invoices.payments_of(account, told)), f"/v1/invoice_payments?invoice={told['id']}")
    if (kind, name) == ("checkout.session", "line_items"):
        items = deepcopy(checkout.items_of(account, told))
        return listing(items, f"/v1/checkout/sessions/{told['id']}/line_items")
    if (kind, name) == ("charge", "refunds"):
        refunds = [deepcopy(one) for one in reversed(account.all("refund")) if one["charge"] == told["id"]]
        return listing(refunds, f"/v1/charges/{told['id']}/refunds")
    return None


def _looked_up(account: StripeAccount, name: str, path: str) -> Json:
    kind = _KINDS.get(name.split("_", maxsplit=1)[0])
    if kind is None:
        raise _unexpandable(path)
    found = deepcopy(account.get(kind, name, "expand"))
    _refresh(account, found)
    return found


def _unexpandable(path: str) -> StripeRefusal:
    return invalid(f"This property cannot be expanded ({path}).", "expand")

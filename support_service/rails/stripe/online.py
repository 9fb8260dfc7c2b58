"""Stripe asked by hand: may the key read what it must, and what do its own books hold of every payment."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from support_service.giving import Clock
from support_service.rails.options import Mistake
from support_service.rails.processor import ProcessorAccount
from support_service.rails.rail import RailSettings
from support_service.rails.source import HeldPayment, SourceDown, SourceError
from support_service.rails.stripe.api import PATHS, StripeApi
from support_service.rails.stripe.balance_transactions import owner
from support_service.rails.stripe.checkout import strange_page
from support_service.rails.stripe.fields import NotReadable, StripeJson, currency, moment, whole
from support_service.rails.stripe.objects import Reader
from support_service.rails.stripe.processor import is_live_key
from support_service.rails.stripe.settings import own_account
from support_service.rails.stripe.sweep_state import since

# Answers that are about the key or what it asks for; all others are trouble on the way.
_NO = frozenset({400, 401, 403, 404})


def ask_account(given: RailSettings, *, clock: Clock) -> list[str | Mistake]:
    """Ask whether the account works as the settings say; nothing to ask without the table."""
    del clock
    return [] if given.own is None else [_ask(own_account(given))]


def _ask(account: ProcessorAccount) -> str | Mistake:
    """Read a page of everything that the sweep reads: a restricted key may lack the right to some of it."""
    api = StripeApi(account.key, account.api_base, "stripe")
    sessions: list[StripeJson] = []
    try:
        for path in PATHS.values():
            page = next(api.pages(path))
            if path == PATHS["checkout.session"]:
                sessions = page
    except SourceError as error:
        return _why_not(error)
    # Stripe tells the domain of an account's pages nowhere else: only those that are open have an address.
    for url in (session.get("url") for session in sessions):
        why = strange_page(url, account.checkout_origins) if isinstance(url, str) else None
        if why is not None:
            return Mistake("stripe.checkout_origins", why)
    mode = "live: real money" if is_live_key(account.key) else "test: no real money"
    return f"stripe: the key may read all that is needed; {mode}"


def _why_not(error: SourceError) -> Mistake:
    """Say whether the key is at fault or nobody could be asked: only Stripe's own no speaks of the key."""
    cause: BaseException | None = error
    while cause is not None and not hasattr(cause, "http_status"):
        cause = cause.__cause__
    status = getattr(cause, "http_status", None)
    if status in _NO:
        return Mistake("stripe.secret_key_file", f"{error}; a restricted key must be allowed to read that")
    return Mistake("stripe.api_base", f"{error}; so nothing is known of the key: look at the network, and ask again")


def held_payments(api: StripeApi, reader: Reader, first: datetime, source: str) -> Iterator[HeldPayment]:
    """Sum the entries of each payment since a moment: what was charged less what was given or taken back.

    In the payment's own currency, before fees. Raises SourceDown, also where an entry cannot be read: what is
    summed must be whole.
    """
    sums: dict[tuple[str, str], tuple[int, datetime]] = {}
    charged: set[tuple[str, str]] = set()
    filters = {"created": since(int(first.timestamp())), "expand": ["data.source"]}
    for page in api.pages("/v1/balance_transactions", **filters):
        for entry in page:
            try:
                payment = owner(entry)
                if payment is not None:
                    moved = _moved(entry)
                    before, newest = sums.get((payment, moved.code), (0, moved.at))
                    sums[payment, moved.code] = (before + moved.units, max(newest, moved.at))
                    charged |= {(payment, moved.code)} if entry["source"].get("object") == "charge" else set()
            except NotReadable as error:
                raise SourceDown(f"{source}: balance transaction {entry.get('id')} cannot be read: {error}") from error
    # What is told in another currency than the payment's is people's to judge, here as in the ledger.
    known = {payment for payment, _ in charged}
    for (payment, code), (amount, newest) in sums.items():
        if payment in known and (payment, code) not in charged:
            continue
        money = reader.money(code, abs(amount))
        yield HeldPayment(payment, code, money.asset.exponent, money.units if amount >= 0 else -money.units, newest)


@dataclass(frozen=True, slots=True)
class _Moved:
    """What an entry moved, in Stripe's units of a currency, and when."""

    code: str
    units: int
    at: datetime


def _moved(entry: StripeJson) -> _Moved:
    """Read what an entry moved in the payment's currency: its own amount is in that of the account."""
    source = entry["source"]
    amount = whole(source, "amount")
    sign = 1 if whole(entry, "amount", signed=True) >= 0 else -1
    return _Moved(currency(source).upper(), sign * amount, moment(entry).astimezone(UTC))

"""Mono asked by hand: whose token this is, whether the key of its messages can be had, and what it has paid out."""

from collections.abc import Iterator
from datetime import timedelta

from support_service.giving import Clock
from support_service.money import Asset, Money, plain
from support_service.rails.books import Books
from support_service.rails.mono.api import MonoApi
from support_service.rails.mono.client import MonoClient
from support_service.rails.mono.fields import BadMessage
from support_service.rails.mono.method import CURRENCY_EXPONENT, KEY, RAIL
from support_service.rails.mono.payouts import KYIV, PaidDays, day_books, tied
from support_service.rails.mono.settings import own_account
from support_service.rails.mono.signature import BadMonoKey, read_key
from support_service.rails.mono.statement import read_row
from support_service.rails.options import Mistake
from support_service.rails.processor import CheckoutDown, CheckoutRefused
from support_service.rails.rail import Compared, RailSettings
from support_service.rails.source import SourceDown

_NAME_CHARACTERS_MAX = 100
# How far back payouts are tied, and the class of the bank's lines that bring them.
LOOKED_BACK = timedelta(days=93)
LINE_CLASS = "payout_acquirer"


def ask_merchant(given: RailSettings, *, clock: Clock) -> list[str | Mistake]:
    """Ask whether the token works; nothing to ask without the table."""
    del clock
    if given.own is None:
        return []
    account = own_account(given)
    client = MonoClient(account.token, account.api_base)
    try:
        told = client.get("/api/merchant/details")
        read_key(client.get("/api/merchant/pubkey").get("key"))
    except (CheckoutDown, CheckoutRefused) as error:
        return [Mistake("mono.token_file", f"{error}; look at the token and the network, and ask again")]
    except BadMonoKey as error:
        return [Mistake("mono.api_base", f"the key of its messages is none: {error}")]
    name = told.get("merchantName")
    shown = name[:_NAME_CHARACTERS_MAX] if isinstance(name, str) and name.isprintable() else "a merchant without a name"
    # The API does not say which tokens are for trying out.
    return [f"mono: the token is that of {shown}; whether it is one for trying out, only the cabinet shows"]


def compare_payouts(given: RailSettings, books: Books, *, clock: Clock) -> Iterator[Compared]:
    """Tie what the bank says was paid out, as its lines of that class, to the days of the statement that came to it."""
    account, now = own_account(given), clock()
    first = books.sweeps.first_intent_at(KEY)
    if first is None:
        return
    since = max(first, now - LOOKED_BACK)
    lines = books.sweeps.bank_lines(LINE_CLASS, since.astimezone(KYIV).date())
    if not lines:
        return
    api = MonoApi(account.token, account.api_base, RAIL)
    try:
        told = [row for rows in api.statement(int(since.timestamp()), int(now.timestamp())) for row in rows]
        days = day_books(read_row(of) for of in told)
    except (SourceDown, BadMessage) as error:
        yield Compared(f"{RAIL}: payouts could not be tied: {error}", is_equal=False)
        return
    for payout in tied(lines, days):
        yield Compared(_told(payout))


def _told(payout: PaidDays) -> str:
    line, books = payout.line, payout.books

    def shown(units: int) -> str:
        return f"{plain(Money(units, Asset(line.asset, CURRENCY_EXPONENT)))} {line.asset}"

    if not payout.days:
        return f"{RAIL}: {shown(line.units)} that the bank booked on {line.day} is no sum of days before it"
    days = " to ".join(dict.fromkeys((payout.days[0].isoformat(), payout.days[-1].isoformat())))
    back = f" and {shown(books.back_units)} given back" if books.back_units else ""
    what = (
        f"{books.payments} payments of {days}: {shown(books.gross_units)} less a fee of {shown(books.fee_units)}{back}"
    )
    return f"{RAIL}: {shown(line.units)} that the bank booked on {line.day} pays out {what}"

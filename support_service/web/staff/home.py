"""How the month goes, at a glance: sums, days, ways, articles, what needs a person, the latest gifts."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from flask import render_template, request

from support_service.giving import Frequency, Kind, Listed
from support_service.ledger import Ledger, Wanted
from support_service.ledger.staff import Role
from support_service.money import Asset, Money, worth
from support_service.web import guard
from support_service.web.service import Service, service
from support_service.web.staff import month_sums
from support_service.web.staff.articles import add_up_articles, month_of
from support_service.web.staff.month_sums import ends_of, previous_month, read_month
from support_service.web.staff.needs import needs

MONTHS_OFFERED = 24
ARTICLES_SHOWN, LATEST_SHOWN = 8, 10


@dataclass(frozen=True, slots=True)
class Repeating:
    """Plans that go on: how many, and what they bring in a month by currency.

    about is all of it in the currency of values, by the newest rates; None where one of them is not known.
    """

    count: int
    sums: tuple[Money, ...]
    about: Money | None = None


def page() -> str:
    """Draw the page."""
    at = service()
    today = at.today()
    first = read_month(request.args.get("month", ""), today)
    month = month_of(at, at.books, first)
    before = month_of(at, at.books, previous_month(first))
    articles = add_up_articles(month, at.books.overviews.article_sums(*ends_of(first, at.zone)), (), {}, views={})
    is_bookkeeper = guard.signed_in().person.role.covers(Role.BOOKKEEPER)
    wanting = needs(is_bookkeeper=is_bookkeeper)
    return render_template(
        "staff/home.html",
        asked="",
        month=month,
        change=_change(month.worth or month.gifts, before.worth or before.gifts),
        is_running=first == today.replace(day=1),
        months=_offered(today, first),
        bars=month_sums.bars(month),
        chart={"height": month_sums.CHART_HEIGHT, "width": month_sums.BAR_WIDTH, "step": month_sums.BAR_STEP},
        by_day=month_sums.by_day(month),
        articles=articles[:ARTICLES_SHOWN],
        titles=at.books.overviews.article_titles(*ends_of(first, at.zone)),
        repeating=_repeating(at, at.books),
        needs=wanting,
        needed=sum(one.count for one in wanting),
        latest=_latest(at.books),
        is_bookkeeper=is_bookkeeper,
    )


def _change(now: int, before: int) -> int | None:
    """Compare with the whole month before, in percent; None where it brought nothing."""
    return round(100 * (now - before) / before) if before else None


def _offered(today: date, first: date) -> list[date]:
    months = [today.replace(day=1)]
    while len(months) < MONTHS_OFFERED:
        months.append(previous_month(months[-1]))
    return months if first in months else [*months, first]


def _latest(ledger: Ledger) -> tuple[Listed, ...]:
    return ledger.donations(Wanted(kind=Kind.DONATION), limit=LATEST_SHOWN)


def _repeating(at: Service, ledger: Ledger) -> Repeating:
    """Sum the plans that still charge; a yearly one brings a twelfth of it in a month."""
    sums: dict[Asset, int] = {}
    count = 0
    for one in ledger.overviews.plan_sums():
        rail = at.configured.rails.get(one.rail)
        if rail is None or one.state in rail.ended_plans:
            continue
        months = 12 if one.frequency is Frequency.YEARLY else 1
        asset = Asset(one.currency, one.exponent)
        sums[asset] = sums.get(asset, 0) + one.units * one.count // months
        count += one.count
    in_order = sorted(sums, key=lambda asset: asset.code)
    monies = tuple(Money(sums[asset], asset) for asset in in_order)
    return Repeating(count, monies, _about(at, ledger, monies))


def _about(at: Service, ledger: Ledger, monies: tuple[Money, ...]) -> Money | None:
    """Add money up in the currency of values, by the newest rates that gifts were valued at."""
    if at.configured.value is None or not monies:
        return None
    currency = at.configured.value.currency
    rates = {**ledger.overviews.newest_rates(currency.code), currency.code: Decimal(1)}
    if any(money.asset.code not in rates for money in monies):
        return None
    return Money(sum(worth(money.units, money.asset, rates[money.asset.code], currency) for money in monies), currency)

"""What readers had read before they gave: gifts, their worth and monthly gifts begun, by article."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

from flask import Blueprint, render_template, request

from support_service.ledger import GIFTS_MAX, ArticleGift, Ledger
from support_service.ledger.staff import Role
from support_service.web.guard import login_required
from support_service.web.service import Service, service
from support_service.web.staff.month_sums import MonthSums, add_up, ends_of, next_month, previous_month, read_month

blueprint = Blueprint("articles", __name__)

ROWS_MAX = 200
# So few gifts are no trend, and may tell who gave.
TREND_FLOOR = 5


@dataclass(slots=True)
class ArticleSums:
    """What an article brought: gifts that count, their worth in the currency of values, monthly gifts begun.

    before is how many gifts it brought in the month before.
    """

    article: str
    gifts: int = 0
    worth: int = 0
    begun: int = 0
    before: int = 0

    @property
    def trend(self) -> int | None:
        """By how many percent more gifts than the month before; None where so few are no trend."""
        if min(self.gifts, self.before) < TREND_FLOOR:
            return None
        return round(100 * (self.gifts - self.before) / self.before)


@blueprint.get("/articles")
@login_required(Role.VIEWER)
def overview() -> str:
    """Show the articles of a month, and how much came by none."""
    at = service()
    first = read_month(request.args.get("month", ""), at.today())
    sums = month_of(at, at.books, first)
    gifts = at.books.article_gifts(*ends_of(first, at.zone))
    earlier = at.books.article_gifts(*ends_of(previous_month(first), at.zone))
    begun = at.books.plans_begun(*ends_of(first, at.zone))
    articles = add_up_articles(sums, gifts, earlier, begun)
    return render_template(
        "staff/articles.html",
        month=sums,
        earlier=previous_month(first),
        later=next_month(first) if first < at.today().replace(day=1) else None,
        articles=articles[:ROWS_MAX],
        titles=at.books.article_titles(*ends_of(first, at.zone)),
        is_whole=len(gifts) < GIFTS_MAX,
        unknown_gifts=sums.gifts - sum(one.gifts for one in articles),
        unknown_worth=sums.worth - sum(one.worth for one in articles),
        unknown_begun=begun.get(None, 0),
    )


def month_of(at: Service, ledger: Ledger, first: date) -> MonthSums:
    """Add up a month from the ledger."""
    currency = at.configured.value.currency if at.configured.value else None
    return add_up(first, ledger.quarters(*ends_of(first, at.zone)), zone=at.zone, currency=currency)


def add_up_articles(
    month: MonthSums, gifts: Iterable[ArticleGift], earlier: Iterable[ArticleGift], begun: Mapping[str | None, int]
) -> list[ArticleSums]:
    """Add gifts up by article, the one that brought most first."""
    held: dict[str, ArticleSums] = {}
    for gift in gifts:
        one = held.setdefault(gift.article, ArticleSums(gift.article))
        one.gifts += 1
        value = gift.value
        if value is not None and month.currency is not None and value.currency == month.currency.code and gift.units:
            one.worth += value.units * gift.counted_units // gift.units
    for gift in earlier:
        if gift.article in held:
            held[gift.article].before += 1
    for article, count in begun.items():
        if article is not None:
            held.setdefault(article, ArticleSums(article)).begun += count
    return sorted(held.values(), key=lambda one: (-one.worth, -one.gifts, -one.begun, one.article))

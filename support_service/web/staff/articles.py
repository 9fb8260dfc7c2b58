"""What readers had read before they gave: gifts, their worth and monthly gifts begun, by article."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from urllib.parse import unquote

from flask import Blueprint, render_template, request

from support_service.ledger import PLACEMENT, ArticleSum, Ledger, LedgerError
from support_service.ledger.staff import Role
from support_service.origin import BadAddress, split_origin
from support_service.web.guard import login_required
from support_service.web.reader import seen
from support_service.web.service import Service, service
from support_service.web.staff.month_sums import (
    MonthSums,
    add_up,
    day_starts,
    ends_of,
    next_month,
    previous_month,
    read_month,
)

blueprint = Blueprint("articles", __name__)

ROWS_MAX, SECTIONS_MAX = 200, 30
# Addresses are strangers' text; "uk" and "en" before the section are languages.
SECTION_CHARS_MAX, LANGUAGE_CHARS = 60, 2
# So few gifts are no trend, and may tell who gave.
TREND_FLOOR = 5


@dataclass(slots=True)
class ArticleSums:
    """What an article brought: gifts that count, their worth in the currency of values, monthly gifts begun.

    before is how many gifts it brought in the month before, views how often its block was seen; None: not counted.
    """

    article: str
    gifts: int = 0
    worth: int = 0
    begun: int = 0
    before: int = 0
    views: int | None = None

    @property
    def trend(self) -> int | None:
        """By how many percent more gifts than the month before; None where so few are no trend."""
        if min(self.gifts, self.before) < TREND_FLOOR:
            return None
        return round(100 * (self.gifts - self.before) / self.before)

    @property
    def gifts_of_thousand(self) -> Decimal | None:
        """How many of 1,000 views led to a gift; None where views were not counted, or so few gifts tell nothing."""
        if not self.views or self.gifts < TREND_FLOOR:
            return None
        return (Decimal(1_000 * self.gifts) / self.views).quantize(Decimal("0.1"))


def section_of(article: str) -> str:
    """Name the part of the site an article stands in, as its address says: "" where that says none.

    "https://example.com/news/drones" stands in "news"; a part that is a year or a language is none.
    """
    try:
        _, rest = split_origin(article)
    except BadAddress:
        return ""
    parts = [part for part in rest.partition("?")[0].partition("#")[0].split("/") if part]
    named = [part for part in parts[:-1] if not part.isdigit() and len(part) > LANGUAGE_CHARS]
    return unquote(named[0])[:SECTION_CHARS_MAX] if named else ""


def add_up_sections(articles: Iterable[ArticleSums], views: Mapping[str, int]) -> list[ArticleSums]:
    """Add articles up by section, the one that brought most first; none where no address names one.

    Seen were also its articles that brought nothing.
    """
    held: dict[str, ArticleSums] = {}
    for one in articles:
        section = section_of(one.article)
        total = held.setdefault(section, ArticleSums(section))
        total.gifts += one.gifts
        total.worth += one.worth
        total.begun += one.begun
        total.before += one.before
    if set(held) <= {""}:
        return []
    for article, number in views.items():
        if not article.startswith(PLACEMENT) and (of := held.get(section_of(article))) is not None:
            of.views = (of.views or 0) + number
    return sorted(held.values(), key=lambda one: (-one.worth, -one.gifts, -one.begun, one.article))


@blueprint.get("/articles")
@login_required(Role.VIEWER)
def overview() -> str:
    """Show the articles of a month, and how much came by none."""
    at = service()
    first = read_month(request.args.get("month", ""), at.today())
    sums = month_of(at, at.books, first)
    gifts = at.books.overviews.article_sums(*ends_of(first, at.zone))
    earlier = at.books.overviews.article_sums(*ends_of(previous_month(first), at.zone))
    begun = at.books.overviews.plans_begun(*ends_of(first, at.zone))
    views = _views_of(at, first)
    articles = add_up_articles(sums, gifts, earlier, begun.by_article, views=views)
    placed = at.books.overviews.placement_sums(*ends_of(first, at.zone))
    placed_before = at.books.overviews.placement_sums(*ends_of(previous_month(first), at.zone))
    placements = add_up_placements(sums, placed, placed_before, begun.by_placement, views=views)
    return render_template(
        "staff/articles.html",
        month=sums,
        earlier=previous_month(first),
        later=next_month(first) if first < at.today().replace(day=1) else None,
        articles=articles[:ROWS_MAX],
        titles=at.books.overviews.article_titles(*ends_of(first, at.zone)),
        sections=add_up_sections(articles, views)[:SECTIONS_MAX],
        placements=placements[:SECTIONS_MAX],
        has_views=bool(views),
        unknown_gifts=sums.gifts - sum(one.gifts for one in articles),
        unknown_worth=sums.worth - sum(one.worth for one in articles),
        unknown_begun=begun.by_article.get(None, 0),
    )


def _views_of(at: Service, first: date) -> dict[str, int]:
    """Read what was counted, with what this process has counted and not told; what no row names is left out."""
    with suppress(LedgerError):  # they are told later
        seen.views().tell(at.books)
    return {what: number for what, number in at.books.views.of_month(first).items() if what}


def month_of(at: Service, ledger: Ledger, first: date) -> MonthSums:
    """Add up a month from the ledger."""
    currency = at.configured.value.currency if at.configured.value else None
    totals = ledger.quarters(*ends_of(first, at.zone), day_starts(first, at.zone))
    return add_up(first, totals, zone=at.zone, currency=currency)


def add_up_placements(
    month: MonthSums,
    sums: Iterable[ArticleSum],
    earlier: Iterable[ArticleSum],
    begun: Mapping[str, int],
    *,
    views: Mapping[str, int],
) -> list[ArticleSums]:
    """Add gifts up by the placement of the block, the one that brought most first; none where nobody names one."""
    of_placements = {what: number for what, number in views.items() if what.startswith(PLACEMENT)}
    found = add_up_articles(month, sums, earlier, begun, views={})
    for what in of_placements.keys() - {one.article for one in found}:
        found.append(ArticleSums(what))
    for one in found:
        one.views = of_placements.get(one.article)
        one.article = one.article.removeprefix(PLACEMENT)
    return found


def add_up_articles(
    month: MonthSums,
    sums: Iterable[ArticleSum],
    earlier: Iterable[ArticleSum],
    begun: Mapping[str, int] | Mapping[str | None, int],
    *,
    views: Mapping[str, int],
) -> list[ArticleSums]:
    """Add gifts up by article, the one that brought most first."""
    held: dict[str, ArticleSums] = {}
    for found in sums:
        one = held.setdefault(found.article, ArticleSums(found.article))
        one.gifts += found.gifts
        if month.currency is not None and found.currency == month.currency.code:
            one.worth += found.worth_units
    for found in earlier:
        if found.article in held:
            held[found.article].before += found.gifts
    for article, count in begun.items():
        if article is not None:
            held.setdefault(article, ArticleSums(article)).begun += count
    for article, one in held.items():
        one.views = views.get(article)
    return sorted(held.values(), key=lambda one: (-one.worth, -one.gifts, -one.begun, one.article))

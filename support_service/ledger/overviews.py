"""What staff look at from above: articles that brought gifts, and what repeats."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, exists, func, literal, select, tuple_

from support_service.giving import Frequency
from support_service.ledger.article_totals import PLACEMENT, ArticleSum, counted_between, read_articles
from support_service.ledger.columns import to_micros
from support_service.ledger.engine import Database
from support_service.ledger.rows import read_value
from support_service.ledger.tables import donation, intent, plan

# Plans of one sum are one row of this question; a publisher with more kinds of sums is told about these.
PLAN_SUMS_MAX = 5_000
# So many choices that became plans are read by one question; a month with more is read by several.
BEGUN_CHUNK = 1_000
# So many of the newest gifts are asked what their article was called.
TITLES_READ_MAX = 2_000


# So many of the newest gifts are asked what a whole unit of their currency was worth.
RATES_READ_MAX = 1_000


@dataclass(frozen=True, slots=True)
class PlanSum:
    """So many plans of one rail, state, sum and frequency."""

    rail: str
    state: str
    currency: str
    exponent: int
    frequency: Frequency
    units: int
    count: int


@dataclass(frozen=True, slots=True)
class PlansBegun:
    """How many plans were begun: by the article their readers had read, None: by none; by the block's placement.

    by_placement has keys behind PLACEMENT, as the sums of gifts have; most choices name no placement.
    """

    by_article: Mapping[str | None, int]
    by_placement: Mapping[str, int]


class Overviews:
    """The ledger's side of the pages that sum up; every method may raise LedgerError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def article_sums(self, since: datetime, until: datetime) -> tuple[ArticleSum, ...]:
        """Sum the gifts of these days that followed an article, by article and currency of value."""
        with self._database.read() as tx:
            return read_articles(tx, since, until)

    def placement_sums(self, since: datetime, until: datetime) -> tuple[ArticleSum, ...]:
        """Sum the gifts of these days by the placement of the block that they came from, behind PLACEMENT."""
        with self._database.read() as tx:
            return read_articles(tx, since, until, by_placement=True)

    def article_titles(self, since: datetime, until: datetime) -> Mapping[str, str]:
        """Tell by its address what most of an article's gifts of these days called it; of equals, the newest.

        Only what money came with has a voice: anybody can call an article anything.
        """
        # So many gifts, and then their intents: a month of gifts without any is not looked through.
        newest = (
            select(donation.c.article, donation.c.intent)
            .where(donation.c.article.is_not(None), *counted_between(since, until))
            .order_by(donation.c.occurred_at.desc())
            .limit(TITLES_READ_MAX)
            .subquery()
        )
        asked = select(newest.c.article, intent.c.body).join(intent, intent.c.ref == newest.c.intent)
        told: dict[str, Counter[str]] = {}
        with self._database.read() as tx:
            for article, body in tx.execute(asked):
                chosen = json.loads(body)
                if chosen["article"] == article and "article_title" in chosen:
                    told.setdefault(article, Counter())[chosen["article_title"]] += 1
        return {article: titles.most_common(1)[0][0] for article, titles in told.items()}

    def plan_sums(self) -> tuple[PlanSum, ...]:
        """Count plans by rail, state and sum."""
        names = ("rail", "state", "currency", "exponent", "frequency", "units")
        columns = [plan.c[name] for name in names]
        asked = select(*columns, func.count()).group_by(*columns).order_by(*columns).limit(PLAN_SUMS_MAX)
        with self._database.read() as tx:
            return tuple(
                PlanSum(row[0], row[1], row[2], row[3], Frequency(row[4]), row[5], row[6]) for row in tx.execute(asked)
            )

    def newest_rates(self, currency: str) -> Mapping[str, Decimal]:
        """Tell what one whole unit of other currencies was worth in this one, by the newest gifts that are valued."""
        newest = select(donation.c.network, donation.c.asset, donation.c.value).order_by(donation.c.id.desc())
        found: dict[str, Decimal] = {}
        with self._database.read() as tx:
            for row in tx.execute(newest.limit(RATES_READ_MAX)):
                value = read_value(row.value)
                if value is not None and value.currency == currency and not row.network:
                    found.setdefault(row.asset, Decimal(value.rate))
        return found

    def plans_begun(self, since: datetime, until: datetime) -> PlansBegun:
        """Count the plans that readers began in these days, however many, by what they had read and seen."""
        by_article: Counter[str | None] = Counter()
        by_placement: Counter[str] = Counter()
        with self._database.read() as tx:
            for chosen in _chosen_for_plans(tx, to_micros(since), to_micros(until)):
                by_article[chosen["article"]] += 1
                if placement := chosen.get("placement"):
                    by_placement[f"{PLACEMENT}{placement}"] += 1
        return PlansBegun(by_article, by_placement)


def _chosen_for_plans(tx: Connection, since: int, until: int) -> Iterator[dict[str, Any]]:
    """Read the bodies of choices that became plans, BEGUN_CHUNK at a time: a month's never stand in memory."""
    place = (intent.c.made_at, intent.c.ref)
    asked = (
        select(*place, intent.c.body)
        .where(intent.c.made_at >= since, intent.c.made_at < until, exists().where(plan.c.intent == intent.c.ref))
        .order_by(*place)
    )
    last: tuple[int, str] | None = None
    while True:
        further = asked if last is None else asked.where(tuple_(*place) > tuple_(*map(literal, last)))
        rows = tx.execute(further.limit(BEGUN_CHUNK)).all()
        yield from (json.loads(row.body) for row in rows)
        if len(rows) < BEGUN_CHUNK:
            return
        last = (rows[-1].made_at, rows[-1].ref)

"""What staff look at from above: articles that brought gifts, and what repeats."""

import json
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, select

from support_service.giving import Frequency
from support_service.ledger.article_totals import ArticleSum, counted_between, read_articles
from support_service.ledger.columns import to_micros
from support_service.ledger.engine import Database
from support_service.ledger.rows import in_chunks
from support_service.ledger.tables import donation, intent, plan

# Plans of one sum are one row of this question; a publisher with more kinds of sums is told about these.
PLAN_SUMS_MAX = 5_000
# So many plans that began last are asked for what their readers had read.
BEGUN_MAX = 2_000
# So many of the newest gifts are asked what their article was called.
TITLES_READ_MAX = 2_000


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

    def plans_begun(self, since: datetime, until: datetime) -> Mapping[str | None, int]:
        """Count the plans that readers began in these days by the article they had read; None: by no article."""
        asked = (
            select(intent.c.ref)
            .join(plan, plan.c.intent == intent.c.ref)
            .where(intent.c.made_at >= to_micros(since), intent.c.made_at < to_micros(until))
            .order_by(intent.c.made_at.desc())
            .limit(BEGUN_MAX)
        )
        counted: dict[str | None, int] = {}
        with self._database.read() as tx:
            for body in _bodies(tx, tx.execute(asked).scalars().all()):
                article = json.loads(body)["article"]
                counted[article] = counted.get(article, 0) + 1
        return counted


def _bodies(tx: Connection, refs: Collection[str]) -> list[str]:
    return [
        body
        for chunk in in_chunks(sorted(refs))
        for body in tx.execute(select(intent.c.body).where(intent.c.ref.in_(chunk))).scalars()
    ]

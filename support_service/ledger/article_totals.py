"""What articles brought, and each placement of the block on them, by month of UTC, kept by accept.

A publisher's month is one of UTC but for the hours between its ends and those of UTC: the gifts of these are read.
"""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from itertools import pairwise
from typing import TypeAlias

from sqlalchemy import ColumnElement, Connection, or_, select

from support_service.giving import COUNTED_KINDS, Direction, Donation, State
from support_service.ledger.canonical import sha256
from support_service.ledger.columns import to_micros
from support_service.ledger.kept_sums import Added, KeptSums, SumKey, add
from support_service.ledger.quarters import worth
from support_service.ledger.rows import in_chunks, read_value
from support_service.ledger.sum_tables import article_total
from support_service.ledger.tables import donation, intent

# Month of UTC, digest of the article, currency of value ("" while no value is known), article.
ArticleKey: TypeAlias = tuple[int, str, str, str]
ARTICLES = KeptSums(article_total, 4)
MONTHS = 12
# What stands before a placement, where it is summed as an article is: no article's address begins so.
PLACEMENT = "placement:"

# How a choice's body names one; in a person's own words the quotation marks stand behind backslashes.
_NAMED = '"placement":'
_COUNTED = (State.CONFIRMED, State.PARTIALLY_REFUNDED)


@dataclass(frozen=True, slots=True)
class ArticleSum:
    """Gifts that count and that followed an article, and what they were worth in one currency; "": not known.

    article: its address, or a placement behind PLACEMENT.
    """

    article: str
    currency: str
    gifts: int
    worth_units: int


def article_in(found: Donation) -> tuple[ArticleKey, Added] | None:
    """Tell where a gift is summed by its article, and with what; None for what followed none, or does not count."""
    return None if found.article is None else _followed(found, found.article)


def placement_in(found: Donation, placements: Mapping[str, str]) -> tuple[ArticleKey, Added] | None:
    """Tell where a gift is summed by the placement that its choice names, and with what; placements: by choice."""
    placement = placements.get(found.intent or "")
    return None if placement is None else _followed(found, f"{PLACEMENT}{placement}")


def _followed(found: Donation, what: str) -> tuple[ArticleKey, Added] | None:
    if not found.counted_units:
        return None
    currency = found.value.currency if found.value else ""
    sums = (1, worth(found.value, found.counted_units, of=found.payment.units))
    return article_key(found.payment.occurred_at, what, currency), sums


def placements_of(tx: Connection, intents: Collection[str | None]) -> dict[str, str]:
    """Tell the placement that these choices name; most name none."""
    found: dict[str, str] = {}
    for chunk in in_chunks(sorted({ref for ref in intents if ref})):
        asked = select(intent.c.ref, intent.c.body).where(intent.c.ref.in_(chunk), intent.c.body.contains(_NAMED))
        found |= {ref: _placement(body) for ref, body in tx.execute(asked)}
    return {ref: placement for ref, placement in found.items() if placement}


def _placement(body: str) -> str:
    """Read the placement that a choice names; a damaged one, which `verify` tells of, names none."""
    try:
        return str(json.loads(body)["placement"])
    except (ValueError, KeyError, TypeError):
        return ""


def article_key(occurred_at: datetime, article: str, currency: str) -> ArticleKey:
    """Name the sum that a gift of this moment, which followed an article, counts in."""
    return (_month(occurred_at), _digest(article), currency, article)


# Many gifts follow few articles.
_digest = lru_cache(maxsize=1_024)(sha256)


def move_articles(tx: Connection, changed: Iterable[tuple[Donation | None, Donation | None]]) -> None:
    """Bring the sums up to date; changed are donations before and after."""
    moves: dict[SumKey, Added] = {}
    moved = [
        (found, sign)
        for before, after in changed
        for found, sign in ((before, -1), (after, 1))
        if found is not None and (found.article or found.intent)
    ]
    placements = placements_of(tx, [found.intent for found, _ in moved])
    for found, sign in moved:
        for told in (article_in(found), placement_in(found, placements)):
            if told is not None:
                add(moves, *told, sign)
    ARTICLES.move(tx, moves)


def read_articles(
    tx: Connection, since: datetime, until: datetime, *, by_placement: bool = False
) -> tuple[ArticleSum, ...]:
    """Sum the gifts that followed an article and came between two moments, by article and currency of value.

    by_placement: those that name a placement, by it.
    """
    held: dict[SumKey, Added] = {}
    first, end = _nearest(since), _nearest(until)
    ends = [since, until] if first >= end else [since, _begin(first), _begin(end), until]
    if first < end:
        asked = select(article_total).where(article_total.c.month >= first, article_total.c.month < end)
        named = article_total.c.article.startswith(PLACEMENT)
        for row in tx.execute(asked.where(named if by_placement else ~named)):
            add(held, (row.article, row.currency), (row.gifts, row.worth_units))
    edges = [pair for place, pair in enumerate(pairwise(ends)) if place != 1]
    for begin, finish in edges:
        for key, units in _gifts(tx, min(begin, finish), max(begin, finish)):
            if key[0].startswith(PLACEMENT) == by_placement:
                add(held, key, (1, units), 1 if begin < finish else -1)
    return tuple(ArticleSum(*key, *held[key]) for key in sorted(held) if held[key][0])


def _gifts(tx: Connection, since: datetime, until: datetime) -> Iterator[tuple[tuple[str, str], int]]:
    names = ("article", "intent", "value", "units", "counted_units")
    asked = select(*(donation.c[name] for name in names)).where(
        or_(donation.c.article.is_not(None), donation.c.intent.is_not(None)), *counted_between(since, until)
    )
    rows = tx.execute(asked).all() if since < until else []
    placements = placements_of(tx, [row.intent for row in rows])
    for article, chosen, text, units, counted in rows:
        value = read_value(text)
        placement = placements.get(chosen or "")
        for what in (article, placement and f"{PLACEMENT}{placement}"):
            if counted and what is not None:
                yield (what, value.currency if value else ""), worth(value, counted, of=units)


def counted_between(since: datetime, until: datetime) -> tuple[ColumnElement[bool], ...]:
    """Ask for the gifts that count and came in this time."""
    return (
        donation.c.occurred_at >= to_micros(since),
        donation.c.occurred_at < to_micros(until),
        donation.c.state.in_(_COUNTED),
        donation.c.direction == Direction.IN,
        donation.c.kind.in_(sorted(COUNTED_KINDS)),
    )


def _month(moment: datetime) -> int:
    return moment.year * MONTHS + moment.month - 1


def _begin(month: int) -> datetime:
    return datetime(month // MONTHS, month % MONTHS + 1, 1, tzinfo=UTC)


def _nearest(moment: datetime) -> int:
    """Number the month of UTC whose begin is nearest."""
    month = _month(moment)
    return month if moment - _begin(month) < _begin(month + 1) - moment else month + 1

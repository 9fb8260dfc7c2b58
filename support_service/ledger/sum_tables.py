"""The tables of sums by time, as queries see them: what pages that sum up are made from. All of it is derived."""

from sqlalchemy import Column, Integer, Table, Text

from support_service.ledger.columns import SUM_DIGITS_MAX, Units
from support_service.ledger.tables import WholeNumber, metadata


def _by_time(name: str, time: str) -> Table:
    """Sums by a piece of time, numbered from 1970 on, by way and by currency of value."""
    return Table(
        name,
        metadata,
        Column(time, WholeNumber, primary_key=True, autoincrement=False),
        Column("method", Text, primary_key=True),
        Column("rail", Text, primary_key=True),
        Column("network", Text, primary_key=True),
        Column("asset", Text, primary_key=True),
        Column("exponent", Integer, primary_key=True, autoincrement=False),
        Column("currency", Text, primary_key=True),
        Column("currency_exponent", Integer, primary_key=True, autoincrement=False),
        Column("gifts", WholeNumber, nullable=False),
        Column("counted_gifts", WholeNumber, nullable=False),
        Column("units", Units(SUM_DIGITS_MAX), nullable=False),
        Column("refunded_units", Units(SUM_DIGITS_MAX), nullable=False),
        Column("fee_units", Units(SUM_DIGITS_MAX), nullable=False),
        Column("worth_units", Units(SUM_DIGITS_MAX), nullable=False),
    )


quarter_total, day_total = _by_time("quarter_total", "quarter"), _by_time("day_total", "day")

article_total = Table(
    "article_total",
    metadata,
    # Months of UTC are numbered from year 0 on.
    Column("month", WholeNumber, primary_key=True, autoincrement=False),
    Column("article_digest", Text, primary_key=True),
    Column("currency", Text, primary_key=True),
    Column("article", Text, nullable=False),
    Column("gifts", WholeNumber, nullable=False),
    Column("worth_units", Units(SUM_DIGITS_MAX), nullable=False),
)

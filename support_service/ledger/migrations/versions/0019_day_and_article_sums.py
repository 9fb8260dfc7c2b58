"""Sums by day, and by month and article: what a month is added up from, however many gifts it had.

This file is frozen: databases in the field were made by it. Both tables are derived; `derived.py` fills them.
"""

from alembic import op

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    """Add tables; nothing that is there changes."""
    connection = op.get_bind()
    is_sqlite = connection.dialect.name == "sqlite"
    whole, end = ("INTEGER", ") STRICT, WITHOUT ROWID") if is_sqlite else ("BIGINT", ")")
    units = "TEXT" if is_sqlite else "NUMERIC(96,0)"
    connection.exec_driver_sql(
        f"""CREATE TABLE day_total (
            day {whole} NOT NULL,
            method TEXT NOT NULL,
            rail TEXT NOT NULL,
            network TEXT NOT NULL,
            asset TEXT NOT NULL,
            exponent INTEGER NOT NULL,
            currency TEXT NOT NULL,
            currency_exponent INTEGER NOT NULL,
            gifts {whole} NOT NULL CHECK (gifts >= 1),
            counted_gifts {whole} NOT NULL CHECK (counted_gifts >= 0),
            units {units} NOT NULL,
            refunded_units {units} NOT NULL,
            fee_units {units} NOT NULL,
            worth_units {units} NOT NULL,
            PRIMARY KEY (day, method, rail, network, asset, exponent, currency, currency_exponent)
        {end}"""
    )
    # An address may be longer than a key of an index.
    connection.exec_driver_sql(
        f"""CREATE TABLE article_total (
            month {whole} NOT NULL,
            article_digest TEXT NOT NULL,
            currency TEXT NOT NULL,
            article TEXT NOT NULL,
            gifts {whole} NOT NULL CHECK (gifts >= 1),
            worth_units {units} NOT NULL,
            PRIMARY KEY (month, article_digest, currency)
        {end}"""
    )

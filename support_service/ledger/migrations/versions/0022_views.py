"""How often the block was seen, by month and by article or placement.

This file is frozen: databases in the field were made by it.
"""

from alembic import op

revision = "0022"
down_revision = "0021"


def upgrade() -> None:
    """Add a table; nothing that is there changes."""
    connection = op.get_bind()
    whole, end = ("INTEGER", ") STRICT, WITHOUT ROWID") if connection.dialect.name == "sqlite" else ("BIGINT", ")")
    # An address may be longer than a key of an index.
    connection.exec_driver_sql(
        f"""CREATE TABLE view_count (
            month {whole} NOT NULL,
            subject_digest TEXT NOT NULL,
            subject TEXT NOT NULL,
            number {whole} NOT NULL CHECK (number > 0),
            PRIMARY KEY (month, subject_digest)
        {end}"""
    )

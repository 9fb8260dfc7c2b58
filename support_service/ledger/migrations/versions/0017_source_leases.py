"""Who reads which source now, where watchers on several machines share one database.

This file is frozen: databases in the field were made by it.
"""

from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    """Add a table; nothing that is there changes."""
    connection = op.get_bind()
    whole, end = ("INTEGER", ") STRICT") if connection.dialect.name == "sqlite" else ("BIGINT", ")")
    connection.exec_driver_sql(
        f"""CREATE TABLE source_lease (
            source TEXT NOT NULL PRIMARY KEY CHECK (source <> ''),
            holder TEXT NOT NULL CHECK (holder <> ''),
            since {whole} NOT NULL,
            until {whole} NOT NULL
        {end}"""
    )

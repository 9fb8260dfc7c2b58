"""Freezes: from which source nothing is accepted until a person has looked, and why. This file is frozen."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the table; a database of the first revision has no freezes."""
    connection = op.get_bind()
    is_sqlite = connection.dialect.name == "sqlite"
    whole, end = ("INTEGER", ") STRICT") if is_sqlite else ("BIGINT", ")")
    connection.exec_driver_sql(
        f"""CREATE TABLE source_freeze (
            id {whole} NOT NULL PRIMARY KEY CHECK (id >= 1),
            source TEXT NOT NULL CHECK (source <> ''),
            network TEXT NOT NULL,
            since {whole} NOT NULL,
            reason TEXT NOT NULL,
            evidence TEXT NOT NULL,
            ended_at {whole},
            ended_by TEXT,
            note TEXT,
            CONSTRAINT it_ends_by_somebody CHECK (
                (ended_at IS NULL AND ended_by IS NULL AND note IS NULL) OR
                (ended_at IS NOT NULL AND ended_by IS NOT NULL AND note IS NOT NULL))
        {end}"""
    )
    # A source is frozen once, however many watchers find out together.
    connection.exec_driver_sql("CREATE UNIQUE INDEX one_open_freeze ON source_freeze (source) WHERE ended_at IS NULL")

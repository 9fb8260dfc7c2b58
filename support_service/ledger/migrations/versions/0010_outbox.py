"""What people and programs are to be told, until they were; and how far that telling has got.

This file is frozen: databases in the field were made by it.
"""

from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Add two tables and their indexes; nothing that is there changes."""
    connection = op.get_bind()
    is_sqlite = connection.dialect.name == "sqlite"
    whole, end = ("INTEGER", ") STRICT") if is_sqlite else ("BIGINT", ")")
    for statement in (
        f"""CREATE TABLE outbox (
            number {whole} NOT NULL PRIMARY KEY,
            channel TEXT NOT NULL CHECK (channel <> ''),
            key TEXT NOT NULL CHECK (key <> ''),
            thread TEXT NOT NULL,
            kind TEXT NOT NULL,
            facts TEXT NOT NULL,
            made_at {whole} NOT NULL,
            state TEXT NOT NULL CHECK (state IN ('waiting', 'sent', 'failed', 'void')),
            tries {whole} NOT NULL,
            next_try_at {whole} NOT NULL,
            give_up_at {whole} NOT NULL,
            taken_by TEXT NOT NULL,
            error TEXT NOT NULL,
            done_at {whole},
            UNIQUE (channel, key)
        {end}""",
        "CREATE INDEX outbox_waiting ON outbox (channel, next_try_at) WHERE state = 'waiting'",
        "CREATE INDEX outbox_threads ON outbox (channel, thread, number) WHERE state = 'waiting'",
        "CREATE INDEX outbox_done ON outbox (done_at) WHERE state <> 'waiting'",
        "CREATE INDEX outbox_made ON outbox (channel, made_at)",
        f"""CREATE TABLE outbox_place (
            name TEXT NOT NULL PRIMARY KEY CHECK (name <> ''),
            memo TEXT NOT NULL,
            moved_at {whole} NOT NULL
        {end}""",
    ):
        connection.exec_driver_sql(statement)

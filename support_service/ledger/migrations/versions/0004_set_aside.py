"""What cannot be read; how plans charge; what a waiting claim is counted in. This file is frozen."""

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add a table and columns; empty means what it meant before there were any."""
    connection = op.get_bind()
    is_sqlite = connection.dialect.name == "sqlite"
    whole, end = ("INTEGER", ") STRICT") if is_sqlite else ("BIGINT", ")")
    for statement in (
        f"""CREATE TABLE set_aside (
            source TEXT NOT NULL CHECK (source <> ''),
            key TEXT NOT NULL CHECK (key <> ''),
            reason TEXT NOT NULL,
            since {whole} NOT NULL,
            next_try_at {whole} NOT NULL,
            tries INTEGER NOT NULL CHECK (tries >= 1),
            memo TEXT NOT NULL,
            PRIMARY KEY (source, key)
        {end}""",
        "ALTER TABLE waiting_claim ADD COLUMN asset TEXT",
        "ALTER TABLE plan ADD COLUMN terms TEXT",
        "CREATE INDEX plan_of_intent ON plan (intent) WHERE intent IS NOT NULL",
    ):
        connection.exec_driver_sql(statement)

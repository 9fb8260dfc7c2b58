"""Attempts say how long they are kept, and are found by it. This file is frozen."""

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the moment and its index; attempts that are there are kept as long as they were to be."""
    connection = op.get_bind()
    whole = "INTEGER" if connection.dialect.name == "sqlite" else "BIGINT"
    for statement in (
        f"ALTER TABLE login_attempt ADD COLUMN kept_until {whole} NOT NULL DEFAULT 0",
        "UPDATE login_attempt SET kept_until = at + 43200000000",
        "CREATE INDEX login_attempt_by_end ON login_attempt (kept_until)",
    ):
        connection.exec_driver_sql(statement)

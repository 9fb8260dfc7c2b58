"""Invitations by one-time links, what staff did, and when a person was last here.

This file is frozen: databases in the field were made by it.
"""

from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Add tables and a column; empty means never."""
    connection = op.get_bind()
    is_sqlite = connection.dialect.name == "sqlite"
    whole, end = ("INTEGER", ") STRICT") if is_sqlite else ("BIGINT", ")")
    for statement in (
        f"ALTER TABLE staff ADD COLUMN seen_at {whole}",
        f"""CREATE TABLE staff_invite (
            token_digest TEXT NOT NULL PRIMARY KEY CHECK (length(token_digest) = 64),
            email TEXT NOT NULL,
            role TEXT NOT NULL CHECK (role IN ('viewer','bookkeeper','admin')),
            made_by TEXT NOT NULL,
            expires_at {whole} NOT NULL,
            used_at {whole}
        {end}""",
        f"""CREATE TABLE staff_action (
            number {whole} NOT NULL PRIMARY KEY CHECK (number >= 1),
            at {whole} NOT NULL,
            by TEXT NOT NULL,
            action TEXT NOT NULL CHECK (action <> ''),
            about TEXT NOT NULL
        {end}""",
    ):
        connection.exec_driver_sql(statement)
    for action in ("UPDATE", "DELETE"):
        name = f"staff_action_no_{action.lower()}"
        connection.exec_driver_sql(
            f"CREATE TRIGGER {name} BEFORE {action} ON staff_action "
            "BEGIN SELECT RAISE(ABORT, 'staff_action is append-only'); END"
            if is_sqlite
            else f"CREATE TRIGGER {name} BEFORE {action} ON staff_action FOR EACH ROW EXECUTE FUNCTION refuse_change()"
        )
    if not is_sqlite:
        connection.exec_driver_sql(
            "CREATE TRIGGER staff_action_no_truncate BEFORE TRUNCATE ON staff_action "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )

"""What a person signs in with besides a password, forms that a session's end cut off, links to a new password.

This file is frozen: databases in the field were made by it.
"""

from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    """Add tables and a column; empty means that the session was proved when it began."""
    connection = op.get_bind()
    is_sqlite = connection.dialect.name == "sqlite"
    whole, end = ("INTEGER", ") STRICT") if is_sqlite else ("BIGINT", ")")
    for statement in (
        f"ALTER TABLE staff_session ADD COLUMN proved_at {whole}",
        f"""CREATE TABLE staff_kept_form (
            token_digest TEXT NOT NULL PRIMARY KEY CHECK (length(token_digest) = 64),
            email TEXT NOT NULL,
            kept_at {whole} NOT NULL,
            sealed TEXT NOT NULL
        {end}""",
        f"""CREATE TABLE staff_code_key (
            email TEXT NOT NULL PRIMARY KEY,
            sealed TEXT NOT NULL,
            made_at {whole} NOT NULL,
            confirmed_at {whole},
            step_used {whole} NOT NULL
        {end}""",
        f"""CREATE TABLE staff_recovery_code (
            email TEXT NOT NULL,
            code_digest TEXT NOT NULL CHECK (length(code_digest) = 64),
            used_at {whole},
            PRIMARY KEY (email, code_digest)
        {end}""",
        f"""CREATE TABLE staff_passkey (
            credential TEXT NOT NULL PRIMARY KEY,
            email TEXT NOT NULL,
            name TEXT NOT NULL CHECK (name <> ''),
            public_key TEXT NOT NULL,
            signs {whole} NOT NULL CHECK (signs >= 0),
            made_at {whole} NOT NULL,
            used_at {whole}
        {end}""",
        f"""CREATE TABLE staff_spent (
            digest TEXT NOT NULL PRIMARY KEY CHECK (length(digest) = 64),
            kept_until {whole} NOT NULL
        {end}""",
        f"""CREATE TABLE staff_new_password (
            token_digest TEXT NOT NULL PRIMARY KEY CHECK (length(token_digest) = 64),
            email TEXT NOT NULL,
            expires_at {whole} NOT NULL,
            used_at {whole}
        {end}""",
        "CREATE INDEX staff_kept_form_by_person ON staff_kept_form (email, kept_at)",
        "CREATE INDEX staff_passkey_by_person ON staff_passkey (email)",
    ):
        connection.exec_driver_sql(statement)

"""Work of people on bank lines: what is the same money, what a line holds, which file told it.

This file is frozen: databases in the field were made by it.
"""

from alembic import op
from sqlalchemy import Connection

revision = "0008"
down_revision = "0007"

# Of a line, what it is known by; what is remembered of it, and what it takes back, may be told anew.
LINE_IS = "number, locator, account, ref"


def upgrade() -> None:
    """Add columns, tables and guards; empty means none."""
    connection = op.get_bind()
    is_sqlite = connection.dialect.name == "sqlite"
    whole, end = ("INTEGER", ") STRICT") if is_sqlite else ("BIGINT", ")")
    content = "BLOB" if is_sqlite else "BYTEA"
    for statement in (
        *(f"ALTER TABLE donation ADD COLUMN {name} TEXT" for name in ("link", "linked_to", "split", "stand")),
        "CREATE INDEX donation_by_hand ON donation (asset, units) WHERE flags = 'manual'",
        "CREATE INDEX donation_linked ON donation (linked_to) WHERE linked_to IS NOT NULL",
        "CREATE INDEX donation_reversals ON donation (address) WHERE bank_class = 'reversal'",
        "CREATE INDEX donation_to_review ON donation (id) WHERE kind = 'review'",
        "CREATE INDEX donation_hinted ON donation (id) WHERE match IS NOT NULL AND support_code IS NULL",
        "CREATE INDEX donation_split ON donation (id) WHERE split IS NOT NULL",
        "CREATE INDEX known_line_reverses ON known_line (number) WHERE reverses IS NOT NULL",
        f"""CREATE TABLE statement_import (
            number {whole} NOT NULL PRIMARY KEY CHECK (number >= 1),
            nonce TEXT NOT NULL UNIQUE,
            by TEXT NOT NULL,
            started_at {whole} NOT NULL,
            name TEXT NOT NULL,
            form TEXT NOT NULL,
            account TEXT NOT NULL,
            profile TEXT NOT NULL,
            digest TEXT NOT NULL,
            content {content},
            told TEXT NOT NULL,
            booked_at {whole},
            taken_back_at {whole},
            taken_back_by TEXT
        {end}""",
        f"""CREATE TABLE import_line (
            import {whole} NOT NULL REFERENCES statement_import (number),
            line {whole} NOT NULL REFERENCES known_line (number),
            PRIMARY KEY (import, line)
        {end}""",
        "CREATE INDEX import_line_of_line ON import_line (line)",
    ):
        connection.exec_driver_sql(statement)
    (_protect_sqlite if is_sqlite else _protect_postgresql)(connection)


def _protect_sqlite(connection: Connection) -> None:
    refuse = "BEGIN SELECT RAISE(ABORT, '{} is append-only'); END"
    for name, action, table in (
        ("line_key_no_update", "UPDATE", "line_key"),
        ("line_key_no_delete", "DELETE", "line_key"),
        ("known_line_no_update", f"UPDATE OF {LINE_IS}", "known_line"),
        ("known_line_no_delete", "DELETE", "known_line"),
        ("import_line_no_update", "UPDATE", "import_line"),
        ("import_line_no_delete", "DELETE", "import_line"),
    ):
        connection.exec_driver_sql(f"CREATE TRIGGER {name} BEFORE {action} ON {table} {refuse.format(table)}")


def _protect_postgresql(connection: Connection) -> None:
    for table in ("line_key", "known_line", "import_line"):
        update = f"UPDATE OF {LINE_IS}" if table == "known_line" else "UPDATE"
        for name, action, each in (
            ("update", update, "ROW"),
            ("delete", "DELETE", "ROW"),
            ("truncate", "TRUNCATE", "STATEMENT"),
        ):
            connection.exec_driver_sql(
                f"CREATE TRIGGER {table}_no_{name} BEFORE {action} ON {table} "
                f"FOR EACH {each} EXECUTE FUNCTION refuse_change()"
            )

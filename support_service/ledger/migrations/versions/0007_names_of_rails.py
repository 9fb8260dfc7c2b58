"""Names, claims that wait and plans belong to a rail: two processors may use one name for two things.

This file is frozen: databases in the field were made by it.
"""

from alembic import op
from sqlalchemy import Connection

revision = "0007"
down_revision = "0006"

# Table -> its key. The rail of a row is that of the source whose report told it.
KEYS = {"alias": "(rail, name)", "waiting_claim": "(report_number, name, part)", "plan": "(rail, name)"}
APPEND_ONLY = ("alias", "waiting_claim")
NEW_INDEX = "CREATE INDEX waiting_claim_by_rail ON waiting_claim (rail, name)"
# They go with the tables that SQLite gives up.
LOST_INDEXES = (
    "CREATE INDEX waiting_claim_by_name ON waiting_claim (name)",
    "CREATE INDEX plan_by_change ON plan (report_number)",
    "CREATE INDEX plan_of_intent ON plan (intent) WHERE intent IS NOT NULL",
)


def upgrade() -> None:
    """Add the column `rail` and make it part of the key; no row of history changes otherwise."""
    connection = op.get_bind()
    is_sqlite = connection.dialect.name == "sqlite"
    for table, key in KEYS.items():
        (_rebuild if is_sqlite else _alter)(connection, table, key)
    for statement in (NEW_INDEX, *(LOST_INDEXES if is_sqlite else ())):
        connection.exec_driver_sql(statement)


def _rebuild(connection: Connection, table: str, key: str) -> None:
    """SQLite changes no key of a table: one with the new key takes the rows over, and then its name."""
    held = connection.exec_driver_sql("SELECT sql FROM sqlite_master WHERE name = ?", (table,)).scalar_one()
    body = held[held.index("(") : held.rindex(")")].replace("NOT NULL PRIMARY KEY", "NOT NULL")
    body = body.replace(f"PRIMARY KEY {key}", "").rstrip().rstrip(",")
    assert "PRIMARY KEY" not in body
    names = [row[1] for row in connection.exec_driver_sql(f"PRAGMA table_info({table})")]
    to, told = ", ".join(names), ", ".join(f"{table}.{name}" for name in names)
    rail = "substr(report.source, 1, instr(report.source || ':', ':') - 1)"
    rows = f"SELECT {told}, {rail} FROM {table} JOIN report ON report.number = {table}.report_number"  # noqa: S608
    for statement in (
        f"CREATE TABLE {table}_0007 {body}, rail TEXT NOT NULL CHECK (rail <> ''), PRIMARY KEY {key}) STRICT",
        f"INSERT INTO {table}_0007 ({to}, rail) {rows}",
        f"DROP TABLE {table}",
        f"ALTER TABLE {table}_0007 RENAME TO {table}",
    ):
        connection.exec_driver_sql(statement)
    for action in ("UPDATE", "DELETE") if table in APPEND_ONLY else ():
        connection.exec_driver_sql(
            f"CREATE TRIGGER {table}_no_{action.lower()} BEFORE {action} ON {table} "
            f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
        )


def _alter(connection: Connection, table: str, key: str) -> None:
    is_protected = table in APPEND_ONLY
    rails = f"FROM report WHERE report.number = {table}.report_number"
    for statement in (
        f"ALTER TABLE {table} ADD COLUMN rail TEXT CHECK (rail <> '')",
        f"ALTER TABLE {table} DISABLE TRIGGER {table}_no_update" if is_protected else "",
        f"UPDATE {table} SET rail = split_part(report.source, ':', 1) {rails}",  # noqa: S608
        f"ALTER TABLE {table} ENABLE TRIGGER {table}_no_update" if is_protected else "",
        f"ALTER TABLE {table} ALTER COLUMN rail SET NOT NULL",
        f"ALTER TABLE {table} DROP CONSTRAINT {table}_pkey",
        f"ALTER TABLE {table} ADD PRIMARY KEY {key}",
    ):
        if statement:
            connection.exec_driver_sql(statement)

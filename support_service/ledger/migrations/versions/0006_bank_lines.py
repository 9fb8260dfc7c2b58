"""Lines of bank accounts: their kinds and classes, what they are known again by, and support codes.

This file is frozen: databases in the field were made by it.
"""

from alembic import op
from sqlalchemy import Connection

revision = "0006"
down_revision = "0005"

KINDS = "'donation','outflow','protocol','unattributed','internal','opening'"
MORE_KINDS = f"{KINDS},'payout','other','review'"


def upgrade() -> None:
    """Add columns and tables; empty means what it meant before there were any."""
    connection = op.get_bind()
    is_sqlite = connection.dialect.name == "sqlite"
    whole, end = ("INTEGER", ") STRICT") if is_sqlite else ("BIGINT", ")")
    (_allow_kinds_sqlite if is_sqlite else _allow_kinds_postgresql)(connection)
    for statement in (
        *(
            f"ALTER TABLE donation ADD COLUMN {name} TEXT"
            for name in ("bank_class", "bank_rule", "booking_date", "match")
        ),
        "CREATE INDEX donation_of_account ON donation (address, asset, units) WHERE bank_class IS NOT NULL",
        f"""CREATE TABLE known_line (
            number {whole} NOT NULL PRIMARY KEY CHECK (number >= 1),
            locator TEXT NOT NULL UNIQUE,
            account TEXT NOT NULL,
            ref TEXT NOT NULL,
            memo TEXT NOT NULL,
            reverses TEXT
        {end}""",
        f"""CREATE TABLE line_key (
            key TEXT NOT NULL CHECK (key <> ''),
            number {whole} NOT NULL REFERENCES known_line (number),
            PRIMARY KEY (key, number)
        {end}""",
        f"""CREATE TABLE support_code (
            code TEXT NOT NULL PRIMARY KEY,
            intent TEXT NOT NULL UNIQUE,
            issued_at {whole} NOT NULL
        {end}""",
        "CREATE INDEX known_line_of_ref ON known_line (ref)",
        "CREATE INDEX line_key_of_line ON line_key (number)",
    ):
        connection.exec_driver_sql(statement)


def _allow_kinds_sqlite(connection: Connection) -> None:
    """Let more kinds in by the way that SQLite documents for constraints: the table's text is changed, no row is."""
    held = connection.exec_driver_sql("SELECT sql FROM sqlite_master WHERE name = 'donation'").scalar_one()
    assert held.count(KINDS) == 1
    version = connection.exec_driver_sql("PRAGMA schema_version").scalar_one()
    connection.exec_driver_sql("PRAGMA writable_schema = ON")
    connection.exec_driver_sql(
        "UPDATE sqlite_master SET sql = ? WHERE type = 'table' AND name = 'donation'",
        (held.replace(KINDS, MORE_KINDS),),
    )
    connection.exec_driver_sql(f"PRAGMA schema_version = {version + 1}")
    connection.exec_driver_sql("PRAGMA writable_schema = OFF")


def _allow_kinds_postgresql(connection: Connection) -> None:
    connection.exec_driver_sql("ALTER TABLE donation DROP CONSTRAINT donation_kind_check")
    connection.exec_driver_sql(
        f"ALTER TABLE donation ADD CONSTRAINT donation_kind_check CHECK (kind IN ({MORE_KINDS}))"
    )

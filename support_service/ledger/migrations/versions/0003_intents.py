"""Intents, payment pages, names of money, claims that wait for a name, plans. This file is frozen."""

from alembic import op
from sqlalchemy import Connection

revision = "0003"
down_revision = "0002"

APPEND_ONLY = ("alias", "waiting_claim")


def upgrade() -> None:
    """Add tables and columns; what an older database holds keeps its meaning and its hashes."""
    connection = op.get_bind()
    is_sqlite = connection.dialect.name == "sqlite"
    for statement in (*_tables(is_sqlite=is_sqlite), *_columns(is_sqlite=is_sqlite), *INDEXES):
        connection.exec_driver_sql(statement)
    (_protect_sqlite if is_sqlite else _protect_postgresql)(connection)


def _units(column: str, null: str, *, is_sqlite: bool) -> str:
    """Declare an amount as the first revision does."""
    if not is_sqlite:
        return f"{column} NUMERIC(78,0) {null} CHECK ({column} >= 0)"
    return (
        f"{column} TEXT {null} CHECK ({column} NOT GLOB '*[^0-9]*' "
        f"AND ({column} = '0' OR {column} GLOB '[1-9]*') AND length({column}) <= 78)"
    )


def _tables(*, is_sqlite: bool) -> list[str]:
    whole = "INTEGER" if is_sqlite else "BIGINT"
    end = ") STRICT" if is_sqlite else ")"
    return [
        f"""CREATE TABLE intent (
            ref TEXT NOT NULL PRIMARY KEY CHECK (length(ref) = 32),
            nonce TEXT NOT NULL UNIQUE CHECK (nonce <> ''),
            method TEXT NOT NULL,
            made_at {whole} NOT NULL,
            body TEXT NOT NULL,
            personal_digest TEXT CHECK (length(personal_digest) = 64),
            hash TEXT NOT NULL CHECK (length(hash) = 64)
        {end}""",
        f"""CREATE TABLE checkout_attempt (
            intent_ref TEXT NOT NULL REFERENCES intent (ref),
            number INTEGER NOT NULL CHECK (number >= 1),
            started_at {whole} NOT NULL,
            refused_at {whole},
            session TEXT UNIQUE,
            url TEXT,
            expires_at {whole},
            CONSTRAINT a_page_is_whole CHECK (
                (session IS NULL AND url IS NULL AND expires_at IS NULL) OR
                (session IS NOT NULL AND url IS NOT NULL AND expires_at IS NOT NULL)),
            PRIMARY KEY (intent_ref, number)
        {end}""",
        f"""CREATE TABLE alias (
            name TEXT NOT NULL PRIMARY KEY CHECK (name <> ''),
            report_number {whole} NOT NULL REFERENCES report (number),
            network TEXT NOT NULL,
            asset TEXT NOT NULL CHECK (asset <> ''),
            address TEXT NOT NULL,
            direction TEXT NOT NULL CHECK (direction IN ('in','out')),
            locator TEXT NOT NULL CHECK (locator <> '')
        {end}""",
        f"""CREATE TABLE waiting_claim (
            report_number {whole} NOT NULL REFERENCES report (number),
            name TEXT NOT NULL CHECK (name <> ''),
            part TEXT NOT NULL CHECK (part <> ''),
            rank_major {whole} NOT NULL,
            rank_minor {whole} NOT NULL,
            claim TEXT NOT NULL,
            PRIMARY KEY (report_number, name, part)
        {end}""",
        f"""CREATE TABLE plan (
            name TEXT NOT NULL PRIMARY KEY CHECK (name <> ''),
            intent TEXT,
            {_units("units", "NOT NULL", is_sqlite=is_sqlite)},
            currency TEXT NOT NULL,
            exponent INTEGER NOT NULL,
            frequency TEXT NOT NULL CHECK (frequency IN ('once','monthly','yearly')),
            state TEXT NOT NULL,
            changed_at {whole} NOT NULL,
            rank_major {whole} NOT NULL,
            rank_minor {whole} NOT NULL,
            report_number {whole} NOT NULL REFERENCES report (number)
        {end}""",
    ]


def _columns(*, is_sqlite: bool) -> list[str]:
    """Empty means none, so that rows made before need no change."""
    withheld = _units("withheld_units", "", is_sqlite=is_sqlite)
    return [
        "ALTER TABLE donation ADD COLUMN intent TEXT",
        f"ALTER TABLE donation ADD COLUMN {withheld}",
        "ALTER TABLE donation ADD COLUMN open_parts INTEGER",
    ]


INDEXES = (
    "CREATE INDEX donation_unvalued ON donation (id) WHERE value IS NULL AND confirmed_at IS NOT NULL",
    "CREATE INDEX donation_of_intent ON donation (intent) WHERE intent IS NOT NULL",
    "CREATE INDEX donation_unsettled ON donation (id) WHERE state = 'seen' OR open_parts IS NOT NULL",
    "CREATE INDEX intent_by_time ON intent (made_at)",
    "CREATE INDEX checkout_attempt_by_end ON checkout_attempt (expires_at) WHERE expires_at IS NOT NULL",
    "CREATE INDEX waiting_claim_by_name ON waiting_claim (name)",
    "CREATE INDEX plan_by_change ON plan (report_number)",
)


def _protect_sqlite(connection: Connection) -> None:
    for table in APPEND_ONLY:
        for action in ("UPDATE", "DELETE"):
            connection.exec_driver_sql(
                f"CREATE TRIGGER {table}_no_{action.lower()} BEFORE {action} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
            )


def _protect_postgresql(connection: Connection) -> None:
    for table in APPEND_ONLY:
        for action, each in (("UPDATE", "ROW"), ("DELETE", "ROW"), ("TRUNCATE", "STATEMENT")):
            connection.exec_driver_sql(
                f"CREATE TRIGGER {table}_no_{action.lower()} BEFORE {action} ON {table} "
                f"FOR EACH {each} EXECUTE FUNCTION refuse_change()"
            )

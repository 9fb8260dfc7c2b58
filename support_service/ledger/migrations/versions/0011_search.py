"""What gifts are found by, sums by quarter of an hour, and indexes for lists of what is rare.

This file is frozen: databases in the field were made by it. Both tables are derived; `derived.py` fills them.
"""

from alembic import op
from sqlalchemy import Connection

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Add tables and indexes; nothing that is there changes."""
    connection = op.get_bind()
    is_sqlite = connection.dialect.name == "sqlite"
    whole, end = ("INTEGER", ") STRICT, WITHOUT ROWID") if is_sqlite else ("BIGINT", ")")
    # By code points on both databases, so that beginnings of words are found along the index.
    word = "TEXT" if is_sqlite else 'TEXT COLLATE "C"'
    units = "TEXT" if is_sqlite else "NUMERIC(96,0)"
    for statement in (
        f"""CREATE TABLE search_term (
            term {word} NOT NULL CHECK (term <> ''),
            donation_id {whole} NOT NULL REFERENCES donation (id),
            PRIMARY KEY (term, donation_id)
        {end}""",
        f"""CREATE TABLE quarter_total (
            quarter {whole} NOT NULL,
            method TEXT NOT NULL,
            rail TEXT NOT NULL,
            network TEXT NOT NULL,
            asset TEXT NOT NULL,
            exponent INTEGER NOT NULL,
            currency TEXT NOT NULL,
            currency_exponent INTEGER NOT NULL,
            gifts {whole} NOT NULL CHECK (gifts >= 1),
            counted_gifts {whole} NOT NULL CHECK (counted_gifts >= 0),
            units {units} NOT NULL,
            refunded_units {units} NOT NULL,
            fee_units {units} NOT NULL,
            worth_units {units} NOT NULL,
            PRIMARY KEY (quarter, method, rail, network, asset, exponent, currency, currency_exponent)
        {end}""",
        "CREATE INDEX donation_by_method ON donation (method, id)",
        "CREATE INDEX donation_by_rail ON donation (rail, id)",
        "CREATE INDEX donation_not_confirmed ON donation (state, id) WHERE state <> 'confirmed'",
        "CREATE INDEX donation_no_gift ON donation (kind, id) WHERE kind <> 'donation'",
        "CREATE INDEX donation_of_article ON donation (occurred_at) WHERE article IS NOT NULL",
        "CREATE INDEX donation_changed ON donation (occurred_at, last_report)",
        "CREATE INDEX personal_data_by_age ON personal_data (stored_at) WHERE body IS NOT NULL",
        "CREATE INDEX search_term_of_person ON search_term (donation_id) WHERE term >= '~'",
        "CREATE INDEX donation_of_personal ON donation (personal_digest) WHERE personal_digest IS NOT NULL",
    ):
        connection.exec_driver_sql(statement)
    (_forget_on_sqlite if is_sqlite else _forget_on_postgresql)(connection)


# Whoever erases what is kept of a person, by whatever way: their words go with it.
FORGET = (
    "DELETE FROM search_term WHERE term >= '~' "
    "AND donation_id IN (SELECT id FROM donation WHERE personal_digest = NEW.digest)"
)


def _forget_on_sqlite(connection: Connection) -> None:
    connection.exec_driver_sql(
        "CREATE TRIGGER personal_data_forgotten AFTER UPDATE OF body ON personal_data "
        f"WHEN NEW.body IS NULL BEGIN {FORGET}; END"
    )


def _forget_on_postgresql(connection: Connection) -> None:
    connection.exec_driver_sql(
        f"CREATE FUNCTION forget_person() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {FORGET}; RETURN NULL; END $$"
    )
    connection.exec_driver_sql(
        "CREATE TRIGGER personal_data_forgotten AFTER UPDATE OF body ON personal_data "
        "FOR EACH ROW WHEN (NEW.body IS NULL) EXECUTE FUNCTION forget_person()"
    )

"""What banks and chains say that we hold, told beside their reports, and money by block and by booking day.

This file is frozen: databases in the field were made by it.
"""

from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    """Add a table and indexes; nothing that is there changes."""
    connection = op.get_bind()
    is_sqlite = connection.dialect.name == "sqlite"
    whole, end = ("INTEGER", ") STRICT") if is_sqlite else ("BIGINT", ")")
    units = "TEXT" if is_sqlite else "NUMERIC(96,0)"
    for statement in (
        f"""CREATE TABLE told_balance (
            report_number {whole} NOT NULL REFERENCES report (number),
            network TEXT NOT NULL,
            address TEXT NOT NULL,
            asset TEXT NOT NULL,
            mark {whole} NOT NULL CHECK (mark >= 0),
            exponent INTEGER NOT NULL CHECK (exponent >= 0),
            units {units} NOT NULL,
            at {whole} NOT NULL,
            PRIMARY KEY (report_number, network, address, asset, mark)
        {end}""",
        "CREATE INDEX told_balance_of ON told_balance (network, address, asset, at)",
        "CREATE INDEX donation_of_block ON donation (network, address, asset, block_height) WHERE block_height > 0",
        "CREATE INDEX donation_of_day ON donation (address, asset, booking_date) WHERE bank_class IS NOT NULL",
    ):
        connection.exec_driver_sql(statement)
    for action in ("UPDATE", "DELETE"):
        name = f"told_balance_no_{action.lower()}"
        connection.exec_driver_sql(
            f"CREATE TRIGGER {name} BEFORE {action} ON told_balance "
            "BEGIN SELECT RAISE(ABORT, 'told_balance is append-only'); END"
            if is_sqlite
            else f"CREATE TRIGGER {name} BEFORE {action} ON told_balance FOR EACH ROW EXECUTE FUNCTION refuse_change()"
        )
    if not is_sqlite:
        connection.exec_driver_sql(
            "CREATE TRIGGER told_balance_no_truncate BEFORE TRUNCATE ON told_balance "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )

"""Sums that tell gifts apart on an address that all readers share, and what readers look their own gifts up by.

This file is frozen: databases in the field were made by it.
"""

from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Add a table and indexes; nothing that is there changes."""
    connection = op.get_bind()
    is_sqlite = connection.dialect.name == "sqlite"
    whole, units, end = ("INTEGER", "TEXT", ") STRICT") if is_sqlite else ("BIGINT", "NUMERIC(78,0)", ")")
    for statement in (
        f"""CREATE TABLE awaited_sum (
            intent TEXT NOT NULL PRIMARY KEY,
            network TEXT NOT NULL CHECK (network <> ''),
            asset TEXT NOT NULL CHECK (asset <> ''),
            address TEXT NOT NULL CHECK (address <> ''),
            units {units} NOT NULL,
            since {whole} NOT NULL,
            until {whole} NOT NULL
        {end}""",
        "CREATE INDEX awaited_sum_by_end ON awaited_sum (until)",
        "CREATE INDEX awaited_sum_of ON awaited_sum (asset, units)",
        "CREATE INDEX donation_of_tx ON donation (tx) WHERE tx IS NOT NULL",
        "CREATE INDEX donation_of_sum ON donation (asset, units)",
    ):
        connection.exec_driver_sql(statement)

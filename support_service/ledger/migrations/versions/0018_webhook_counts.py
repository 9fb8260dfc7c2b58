"""How many messages processors pushed, summed over all web processes.

This file is frozen: databases in the field were made by it.
"""

from alembic import op

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    """Add a table; nothing that is there changes."""
    connection = op.get_bind()
    whole, end = ("INTEGER", ") STRICT") if connection.dialect.name == "sqlite" else ("BIGINT", ")")
    connection.exec_driver_sql(
        f"""CREATE TABLE webhook_count (
            processor TEXT NOT NULL CHECK (processor <> ''),
            result TEXT NOT NULL CHECK (result <> ''),
            number {whole} NOT NULL CHECK (number > 0),
            PRIMARY KEY (processor, result)
        {end}"""
    )

"""Accounts at a newsroom's own provider (OpenID Connect), each bound to one person.

This file is frozen: databases in the field were made by it.
"""

from alembic import op

revision = "0023"
down_revision = "0022"


def upgrade() -> None:
    """Add a table; nobody is bound."""
    connection = op.get_bind()
    is_sqlite = connection.dialect.name == "sqlite"
    whole, end = ("INTEGER", ") STRICT") if is_sqlite else ("BIGINT", ")")
    connection.exec_driver_sql(
        f"""CREATE TABLE staff_issuer_account (
            account_digest TEXT NOT NULL PRIMARY KEY CHECK (length(account_digest) = 64),
            issuer TEXT NOT NULL CHECK (issuer <> ''),
            email TEXT NOT NULL,
            bound_at {whole} NOT NULL,
            used_at {whole} NOT NULL,
            UNIQUE (issuer, email)
        {end}"""
    )

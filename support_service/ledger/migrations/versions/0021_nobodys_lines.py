"""Gifts by bank that name no reader's code are counted by an index alone, however many a month has.

This file is frozen: databases in the field were made by it.
"""

from alembic import op

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    """Add an index; nothing that is there changes."""
    # Also of what the condition says: SQLite looks into the table for each column that the index has not.
    held = "address, asset, occurred_at, state, kind, bank_class, match, support_code"
    op.get_bind().exec_driver_sql(
        f"CREATE INDEX donation_nobodys ON donation ({held}) WHERE bank_class IS NOT NULL "
        "AND match IS NULL AND support_code IS NULL AND kind = 'donation'"
    )

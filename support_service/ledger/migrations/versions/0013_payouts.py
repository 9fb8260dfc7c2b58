"""Payouts are found among all money: what processors sent, and the lines of the bank that may be their arrival.

This file is frozen: databases in the field were made by it.
"""

from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Add an index; nothing that is there changes."""
    op.get_bind().exec_driver_sql("CREATE INDEX donation_payouts ON donation (id) WHERE kind = 'payout'")

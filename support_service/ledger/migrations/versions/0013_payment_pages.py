"""What a processor's name of a payment page is looked up by: of some plans it tells nothing else.

This file is frozen: databases in the field were made by it.
"""

from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Add indexes; nothing that is there changes."""
    connection = op.get_bind()
    for statement in (
        "CREATE INDEX checkout_attempt_of_page ON checkout_attempt (session) WHERE session IS NOT NULL",
        "CREATE INDEX checkout_attempt_by_start ON checkout_attempt (started_at)",
    ):
        connection.exec_driver_sql(statement)

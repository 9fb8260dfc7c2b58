"""Payment pages by when their try began: a processor's sweep asks for those of the last hours.

This file is frozen: databases in the field were made by it.
"""

from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Add an index; nothing that is there changes. By its name a page is found already: that is unique."""
    op.get_bind().exec_driver_sql("CREATE INDEX checkout_attempt_by_start ON checkout_attempt (started_at)")

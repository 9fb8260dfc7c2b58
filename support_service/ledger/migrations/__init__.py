"""Brings a database to this version, with Alembic; each revision only adds."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

from support_service.ledger.derived import count_open_parts, fill_derived

_FOLDER = Path(__file__).parent
# The revision that added the column, empty.
_OPEN_PARTS = "0003"


def upgrade(connection: Connection) -> list[str]:
    """Run every missing revision on this connection, inside its transaction; return their names, oldest first."""
    config = Config()
    # Alembic reads % as interpolation; a folder may have one in its name.
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    applied: list[str] = []
    config.attributes["connection"], config.attributes["applied"] = connection, applied
    command.upgrade(config, "head")
    if _OPEN_PARTS in applied:
        count_open_parts(connection)
    if applied:
        fill_derived(connection)
    return applied

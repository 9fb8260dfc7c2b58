"""Brings a database to this version, with Alembic; each revision only adds."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

HEAD = "0001"
_FOLDER = Path(__file__).parent


def upgrade(connection: Connection) -> None:
    """Run every missing revision on this connection, inside its transaction."""
    config = Config()
    # Alembic reads % as interpolation; a folder may have one in its name.
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")

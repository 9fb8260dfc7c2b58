"""What a backup says of itself, read in the very moment that it holds."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, inspect, select, table

from support_service.ledger.engine import revision
from support_service.ledger.errors import BackupRefused
from support_service.ledger.queries import Head, read_head

# The only tables that hold something in a ledger that holds nothing.
NEVER_EMPTY = frozenset({"alembic_version", "head"})


@dataclass(frozen=True, slots=True)
class BackupMoment:
    """One moment of a database: the schema's revision, the newest report, and how many rows each table has."""

    schema: str
    head: Head
    rows: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Contents:
    """What a backup holds; size and digest (SHA-256) are of the snapshot before it was packed."""

    publisher: str
    made_at: datetime
    database: str
    moment: BackupMoment
    size: int
    digest: str


def count_rows(tx: Connection) -> dict[str, int]:
    """Count every table of a database, ours or not."""
    names = sorted(inspect(tx).get_table_names())
    return {name: tx.execute(select(func.count()).select_from(table(name))).scalar_one() for name in names}


def read_moment(tx: Connection) -> BackupMoment:
    """Look at a ledger of any revision; raises BackupRefused where there is none."""
    schema = revision(tx)
    if schema is None:
        raise BackupRefused("the database is empty: there is nothing to back up")
    return BackupMoment(schema, read_head(tx), tuple(count_rows(tx).items()))


def is_empty(tx: Connection) -> bool:
    """Tell whether a database holds nothing: no tables, or a ledger in which nothing was ever kept."""
    rows = count_rows(tx)
    if not rows:
        return True
    if revision(tx) is None:
        return False
    is_unused = all(count == 0 for name, count in rows.items() if name not in NEVER_EMPTY)
    return is_unused and read_head(tx).number == 0

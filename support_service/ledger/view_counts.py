"""How often the block was seen, by the publisher's month and by article or placement.

Browsers say so, without anything about who saw it: no money depends on it, and a crash loses some.
"""

from collections.abc import Mapping
from datetime import date
from typing import TypeAlias

from sqlalchemy import Connection, func, insert, select, update

from support_service.ledger.article_totals import MONTHS
from support_service.ledger.canonical import sha256
from support_service.ledger.engine import Database
from support_service.ledger.tables import view_count

# The first day of a month, and what was seen: an article's address, or a placement behind PLACEMENT.
Seen: TypeAlias = tuple[date, str]

# Anybody can say that an article was seen which there is none of: what comes after so many is summed as one.
SUBJECTS_MAX = 20_000
REST = ""


class ViewCounts:
    """The counts of the ledger's database; every method may raise LedgerDown or LedgerOutdated."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, seen: Mapping[Seen, int]) -> None:
        """Add what one process has counted since it added last."""
        with self._database.write() as tx:
            for (first, what), number in sorted(seen.items()):
                month = _number(first)
                if _is_added(tx, month, what, number):
                    continue
                held = select(func.count()).select_from(view_count).where(view_count.c.month == month)
                subject = what if tx.execute(held).scalar_one() < SUBJECTS_MAX else REST
                if subject != REST or not _is_added(tx, month, REST, number):
                    row = {"month": month, "subject_digest": sha256(subject), "subject": subject, "number": number}
                    tx.execute(insert(view_count).values(**row))

    def of_month(self, first: date) -> dict[str, int]:
        """Read what all have added in the month that begins on this day, by what was seen; REST: past the bound."""
        asked = select(view_count.c.subject, view_count.c.number).where(view_count.c.month == _number(first))
        with self._database.read() as tx:
            return {row.subject: row.number for row in tx.execute(asked)}


def _number(first: date) -> int:
    return first.year * MONTHS + first.month - 1


def _is_added(tx: Connection, month: int, subject: str, number: int) -> bool:
    here = (view_count.c.month == month) & (view_count.c.subject_digest == sha256(subject))
    return tx.execute(update(view_count).where(here).values(number=view_count.c.number + number)).rowcount == 1

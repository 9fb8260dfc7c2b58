"""Who reads which source now, where watchers on several machines share one database: a lease for each source.

No money depends on it: what two watchers read alike is booked once, by compare-and-set of the cursor. A lease spares
the nodes and channels: one reads, the others wait. It ends by the database's clock alone, whatever the machines'
clocks say. A SQLite file lies on one machine, and needs none.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, delete, insert, literal_column, select, update

from support_service.ledger.columns import from_micros
from support_service.ledger.engine import Database
from support_service.ledger.tables import source_lease

# How long a watcher that is not heard of keeps its sources.
LEASE = timedelta(seconds=20)

_NOW: ColumnElement[int] = literal_column("CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT)")


@dataclass(frozen=True, slots=True)
class Lease:
    """Who reads a source, since when, and until when at least."""

    source: str
    holder: str
    since: datetime
    until: datetime


class Leases:
    """The leases of a shared database; every method may raise LedgerDown or LedgerOutdated."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @property
    def are_needed(self) -> bool:
        """Tell whether watchers of other machines may share this database."""
        return not self._database.is_sqlite

    def claim(self, sources: Sequence[str], holder: str, *, length: timedelta = LEASE) -> frozenset[str]:
        """Renew what a holder has of these sources, take what nobody has, and return what it has from now on.

        Where all are somebody else's, nothing is written and nobody waits for a writer.
        """
        with self._database.read() as tx:
            if not _free_or_own(tx, sources, holder, length):
                return frozenset()
        with self._database.write() as tx:
            # Read once more: writers are serial, so nobody takes anything between this look and our words.
            open_now, now = _free_or_own(tx, sources, holder, length), _now(tx)
            until = now + _micros(length)
            for source, held_by in open_now.items():
                here = source_lease.c.source == source
                if held_by == holder:
                    tx.execute(update(source_lease).where(here).values(until=until))
                    continue
                tx.execute(delete(source_lease).where(here))
                tx.execute(insert(source_lease).values(source=source, holder=holder, since=now, until=until))
            return frozenset(open_now)

    def release(self, sources: Iterable[str], holder: str) -> None:
        """Give sources back, so that others need not wait."""
        mine = source_lease.c.source.in_(tuple(sources)) & (source_lease.c.holder == holder)
        with self._database.write() as tx:
            tx.execute(delete(source_lease).where(mine))

    def list(self) -> tuple[Lease, ...]:
        """List who reads what now; nobody where watchers share nothing."""
        if not self.are_needed:
            return ()
        with self._database.read() as tx:
            now = _now(tx)
            rows = tx.execute(select(source_lease).order_by(source_lease.c.source)).all()
            return tuple(
                Lease(row.source, row.holder, from_micros(row.since), from_micros(row.until))
                for row in rows
                if now < row.until
            )


def _free_or_own(tx: Connection, sources: Sequence[str], holder: str, length: timedelta) -> dict[str, str | None]:
    """Find which of these sources somebody may take: its own, with its name; others that nobody has, with None.

    A lease that ends later than one taken now would is of a clock that went back since: it is no longer one, or
    nobody could say when it ends.
    """
    now = _now(tx)
    rows = tx.execute(select(source_lease).where(source_lease.c.source.in_(tuple(sources)))).all()
    others = {row.source for row in rows if row.holder != holder and now < row.until <= now + _micros(length)}
    own = {row.source for row in rows if row.holder == holder}
    return {source: holder if source in own else None for source in sources if source not in others}


def _now(tx: Connection) -> int:
    """Ask the database what time it is: the moment of the question, not of the transaction's begin."""
    return int(tx.execute(select(_NOW)).scalar_one())


def _micros(length: timedelta) -> int:
    return length // timedelta(microseconds=1)

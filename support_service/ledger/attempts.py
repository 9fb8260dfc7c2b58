"""How often somebody tried: counters in the database, so that a limit holds over all workers.

A bucket is a keyed digest made by the caller, or the plain name of what is counted for everybody;
never an address or a person's name. Staff logins and card payments are counted alike.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import TypeAlias

from sqlalchemy import Connection, delete, func, insert, select

from support_service.giving import Clock
from support_service.ledger.engine import Database
from support_service.ledger.tables import login_attempt, to_micros

# What to count: a bucket, and how far back.
Asked: TypeAlias = tuple[str, timedelta]

# The longest window anybody may ask for; a row that no window reaches any more goes when others are written.
KEPT = timedelta(hours=12)
# At most this many go at once, more than any write brings: the writer's turn stays short after a flood.
CLEARED_MAX = 200

# Cards that were declined, of everybody together: who tries stolen cards shows by them.
DECLINED, DECLINES_WINDOW = "card declined", timedelta(minutes=10)
# More than this are not written down: card payments are closed long before.
DECLINES_NOTED_MAX = 500


class Attempts:
    """Counters over the ledger's database; every method may raise LedgerDown or LedgerOutdated."""

    def __init__(self, database: Database, *, clock: Clock) -> None:
        self._database, self._clock = database, clock

    def count(self, asked: Iterable[Asked]) -> dict[Asked, int]:
        """Count without counting along."""
        with self._database.read() as tx:
            return count_attempts(tx, asked, self._clock())

    def note_decline(self) -> None:
        """Count a card that was declined just now, whoever held it."""
        asked = (DECLINED, DECLINES_WINDOW)
        self.note_if((asked,), lambda counts: (DECLINED,) if counts[asked] < DECLINES_NOTED_MAX else ())

    def note_if(self, asked: Iterable[Asked], judge: Callable[[Mapping[Asked, int]], Iterable[str]]) -> None:
        """Count, let the judge say which buckets this attempt goes to, and note it there, in one transaction.

        Two workers that ask at the same time are judged one after the other, so a limit is exact.
        """
        now = self._clock()
        with self._database.write() as tx:
            note_attempt(tx, judge(count_attempts(tx, asked, now)), now)


def attempts_since(tx: Connection, bucket: str, since: datetime) -> int:
    """Count one bucket's attempts after a moment."""
    mine = (login_attempt.c.bucket == bucket) & (login_attempt.c.at > to_micros(since))
    return int(tx.execute(select(func.count()).where(mine)).scalar_one())


def note_attempt(tx: Connection, buckets: Iterable[str], now: datetime, *, kept: timedelta = KEPT) -> tuple[int, ...]:
    """Note an attempt in every bucket, to be counted for as long as it is kept, and return its rows."""
    named = tuple(buckets)
    if not named:
        return ()
    over = select(login_attempt.c.id).where(login_attempt.c.kept_until <= to_micros(now))
    over = over.order_by(login_attempt.c.kept_until).limit(CLEARED_MAX)
    tx.execute(delete(login_attempt).where(login_attempt.c.id.in_(over)))
    row = {"at": to_micros(now), "kept_until": to_micros(now + kept)}
    rows = insert(login_attempt).returning(login_attempt.c.id)
    return tuple(tx.execute(rows.values(bucket=bucket, **row)).scalar_one() for bucket in named)


def count_attempts(tx: Connection, asked: Iterable[Asked], now: datetime) -> dict[Asked, int]:
    """Count every bucket within its window."""
    return {(bucket, window): attempts_since(tx, bucket, now - window) for bucket, window in asked}

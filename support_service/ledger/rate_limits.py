"""How often somebody tried: counters in the database, so that a limit holds over all workers.

A bucket is a keyed digest made by the caller, or the plain name of what is counted for everybody;
never an address or a person's name. Staff logins and card payments are counted alike.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Connection, bindparam, delete, func, insert, select

from support_service.giving import Clock, Decline
from support_service.ledger.columns import to_micros
from support_service.ledger.engine import Database
from support_service.ledger.tables import login_attempt

# The longest window anybody may ask for; a row that no window reaches any more goes when others are written.
KEPT = timedelta(hours=12)
# At most this many go at once, more than any write brings: the writer's turn stays short after a flood.
CLEARED_MAX = 200

# So far back the declines count that close card payments.
DECLINES_WINDOW = timedelta(minutes=10)
# More than this are not written down: card payments are closed long before.
DECLINES_NOTED_MAX = 500
# One reader may try a card again and again on one payment page, or open several: that closes nothing for others.
DECLINES_OF_PAYMENT_MAX, DECLINES_OF_NET_MAX = 3, 6

# Asked several times for every press of a button, in a flood above all: built once, a third of such a press is saved.
_COUNT = select(func.count()).where(
    login_attempt.c.bucket == bindparam("bucket"), login_attempt.c.at > bindparam("since")
)
_NOTE = insert(login_attempt).returning(login_attempt.c.id)
_OVER = select(login_attempt.c.id).where(login_attempt.c.kept_until <= bindparam("now"))
_CLEAR = delete(login_attempt).where(
    login_attempt.c.id.in_(_OVER.order_by(login_attempt.c.kept_until).limit(CLEARED_MAX))
)


class RateLimit(NamedTuple):
    """What to count: a bucket, and how far back."""

    bucket: str
    window: timedelta


class Attempts:
    """Counters over the ledger's database; every method may raise LedgerDown or LedgerOutdated."""

    def __init__(self, database: Database, *, clock: Clock) -> None:
        self._database, self._clock = database, clock

    def count(self, asked: Iterable[RateLimit]) -> dict[RateLimit, int]:
        """Count without counting along."""
        with self._database.read() as tx:
            return count_attempts(tx, asked, self._clock())

    def note_decline(self, told: Decline) -> None:
        """Count a declined card once, whoever tells of it and how often; of one payment and one network only a few.

        A message older than what is kept counts nothing: nobody could tell whether it was counted before.
        """
        if self._clock() - told.at >= KEPT:
            return
        net = self._opened_from(told.intent)
        most = {
            RateLimit(f"card decline {told.rail} {told.key}", KEPT): 1,
            RateLimit(f"card declines of {told.rail} {told.payment}", KEPT): DECLINES_OF_PAYMENT_MAX,
            RateLimit(declined(told.rail), DECLINES_WINDOW): DECLINES_NOTED_MAX,
        }
        if net is not None:
            most[RateLimit(f"card declines from {net}", DECLINES_WINDOW)] = DECLINES_OF_NET_MAX
        names = tuple(one.bucket for one in most)
        self.note_if(most, lambda counts: () if any(counts[one] >= limit for one, limit in most.items()) else names)

    def note_opened(self, intent: str, net: str) -> None:
        """Remember for KEPT which network (a keyed digest) a payment page was opened from; once for each intent."""
        if self._opened_from(intent) is None:
            self.note_if((), lambda _: (f"{_opened(intent)}{net}",))

    def _opened_from(self, intent: str | None) -> str | None:
        if intent is None:
            return None
        start = _opened(intent)
        named = login_attempt.c.bucket.between(start, f"{start}g")
        with self._database.read() as tx:
            bucket = tx.execute(select(login_attempt.c.bucket).where(named).limit(1)).scalar_one_or_none()
        return None if bucket is None else str(bucket).removeprefix(start)

    def note_if(self, asked: Iterable[RateLimit], judge: Callable[[Mapping[RateLimit, int]], Iterable[str]]) -> None:
        """Count, let the judge say which buckets this attempt goes to, and note it there, in one transaction.

        Two workers that ask at the same time are judged one after the other, so a limit is exact.
        """
        now = self._clock()
        with self._database.write() as tx:
            note_attempt(tx, judge(count_attempts(tx, asked, now)), now)


def declined(rail: str) -> str:
    """Name the bucket of all cards that a processor declined: who tries stolen cards shows by them."""
    return f"card declined {rail}"


def _opened(intent: str) -> str:
    return f"card page {intent} "


def attempts_since(tx: Connection, bucket: str, since: datetime) -> int:
    """Count one bucket's attempts after a moment."""
    return int(tx.execute(_COUNT, {"bucket": bucket, "since": to_micros(since)}).scalar_one())


def note_attempt(tx: Connection, buckets: Iterable[str], now: datetime, *, kept: timedelta = KEPT) -> tuple[int, ...]:
    """Note an attempt in every bucket, to be counted for as long as it is kept, and return its rows."""
    named = tuple(buckets)
    if not named:
        return ()
    tx.execute(_CLEAR, {"now": to_micros(now)})
    row = {"at": to_micros(now), "kept_until": to_micros(now + kept)}
    return tuple(tx.execute(_NOTE, {"bucket": bucket, **row}).scalar_one() for bucket in named)


def count_attempts(tx: Connection, asked: Iterable[RateLimit], now: datetime) -> dict[RateLimit, int]:
    """Count every bucket within its window."""
    return {one: attempts_since(tx, one.bucket, now - one.window) for one in asked}

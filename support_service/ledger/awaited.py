"""Gifts that are told apart by their exact sum, on an address that all readers share."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import Connection, Row, Select, and_, exists, insert, or_, select

from support_service.giving import COUNTED_KINDS, Answered, Awaiting, Clock, Direction, Intent, State
from support_service.ledger.columns import to_micros
from support_service.ledger.engine import Database
from support_service.ledger.rows import identity_of
from support_service.ledger.tables import awaited_sum, donation

# A block may say a time before the moment we opened the page: a miner's clock may be off by two hours.
CLOCKS_DIFFER_MAX = timedelta(hours=2)
# A watcher that was down for so long still finds whose gift it reads.
LOOKED_FOR = timedelta(days=14)
FOUND_MAX = 500

_STANDS = (State.SEEN, State.CONFIRMED)
_GONE = (State.ORPHANED, State.REPLACED)
_ANSWERS = donation.alias("answers")


class AwaitedSums:
    """The ledger's side of telling gifts apart by their sum; every method may raise LedgerError."""

    def __init__(self, database: Database, find_intent: Callable[[str], Intent | None], *, clock: Clock) -> None:
        self._database, self._find_intent, self._clock = database, find_intent, clock

    def answered(self) -> tuple[Answered, ...]:
        """Find money that nobody is known to have given and that came in exactly the sum of one open choice.

        Where two transfers have the sum of one choice, or two choices the sum of one transfer, nobody is named.
        """
        with self._database.read() as tx:
            rows = list(tx.execute(_asked(self._clock())))
        if len(rows) == FOUND_MAX:
            # Others of the last sum may have been left out.
            rows = [row for row in rows if (row.asset, row.units) != (rows[-1].asset, rows[-1].units)]
        intents = Counter(row.awaited_by for row in rows)
        money = Counter(row.id for row in rows)
        sure = [row for row in rows if intents[row.awaited_by] == 1 and money[row.id] == 1]
        return tuple(self._named(sure))

    def _named(self, rows: Iterable[Row[tuple[object, ...]]]) -> Iterable[Answered]:
        for row in rows:
            intent = self._find_intent(row.awaited_by)
            if intent is not None:
                yield Answered(identity_of(row._mapping), intent)


def with_sum_of_its_own(tx: Connection, made: Intent, awaiting: Awaiting) -> Intent | None:
    """Give a choice the first sum that no other one is awaited with there; None where all are taken."""
    taken = awaited_sum.c
    for units in awaiting.sums:
        asked = select(taken.intent).where(
            taken.network == awaiting.network,
            taken.address == awaiting.address,
            taken.asset == made.currency,
            taken.units == units,
            taken.until > to_micros(made.made_at - CLOCKS_DIFFER_MAX),
        )
        if tx.execute(asked.limit(1)).first() is None:
            row = {"intent": made.ref, "network": awaiting.network, "asset": made.currency, "units": units}
            row |= {"since": to_micros(made.made_at), "until": to_micros(awaiting.until)}
            tx.execute(insert(awaited_sum).values(address=awaiting.address, **row))
            return replace(made, units=units)
    return None


def _asked(now: datetime) -> Select[tuple[object, ...]]:
    wanted, came = awaited_sum.c, donation.c
    is_answered = exists().where(
        _ANSWERS.c.intent == wanted.intent, or_(_ANSWERS.c.state.is_(None), _ANSWERS.c.state.not_in(_GONE))
    )
    is_it = and_(
        came.network == wanted.network,
        came.asset == wanted.asset,
        came.address == wanted.address,
        came.units == wanted.units,
        came.occurred_at >= wanted.since - CLOCKS_DIFFER_MAX // timedelta(microseconds=1),
        came.occurred_at <= wanted.until,
    )
    asked = select(wanted.intent.label("awaited_by"), donation).join_from(awaited_sum, donation, is_it)
    return (
        asked.where(
            wanted.until > to_micros(now - LOOKED_FOR),
            came.direction == Direction.IN,
            came.kind.in_(sorted(COUNTED_KINDS)),
            came.state.in_(_STANDS),
            came.intent.is_(None),
            came.match.is_(None),
            ~is_answered,
        )
        .order_by(came.asset, came.units, came.id)
        .limit(FOUND_MAX)
    )

"""What readers ask about money that they sent: by its transaction, or by coin, sum and time; never who sent it."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Select, select

from support_service.giving import COUNTED_KINDS, Direction, Donation, Kind
from support_service.ledger.canonical import read_personal
from support_service.ledger.columns import from_micros, to_micros
from support_service.ledger.engine import Database
from support_service.ledger.rows import read_donation
from support_service.ledger.tables import cursor, donation, personal_data

# More of one sum within an hour are not told apart by a list, either.
FOUND_MAX = 20
# What a person has not judged yet may be a gift, too.
_ASKED_ABOUT = sorted({*COUNTED_KINDS, Kind.REVIEW})


@dataclass(frozen=True, slots=True)
class ReadUpTo:
    """How far a chain was read, and when; height None where the source has no heights."""

    height: int | None
    checked_at: datetime


class Lookups:
    """The ledger's side of a reader's questions; personal data are left out. Every method may raise LedgerError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of_transaction(self, names: Collection[str]) -> tuple[Donation, ...]:
        """Find the gifts that a transaction brought, by any of its spellings."""
        return self._asked_about(donation.c.tx.in_(sorted(names)))

    def sent_by(self, names: Collection[str], payer: str) -> tuple[Donation, ...]:
        """Find the gifts that a transaction brought from one payer, who must be known beforehand: none is told."""
        people = select(personal_data.c.digest, personal_data.c.body)
        with self._database.read() as tx:
            found = tx.execute(_of_gifts(donation.c.tx.in_(sorted(names)))).mappings().all()
            digests = [row["personal_digest"] for row in found if row["personal_digest"] is not None]
            kept = tx.execute(people.where(personal_data.c.digest.in_(digests)))
            theirs = {row.digest for row in kept if read_personal(row.body).payer == payer}
        return tuple(read_donation(row, None) for row in found if row["personal_digest"] in theirs)

    def of_sum(self, method: str, asset: str, units: int, *, since: datetime, until: datetime) -> tuple[Donation, ...]:
        """Find the gifts of exactly this sum that came by a method between two moments, the second excluded."""
        return self._asked_about(
            donation.c.asset == asset,
            donation.c.units == units,
            donation.c.method == method,
            donation.c.occurred_at >= to_micros(since),
            donation.c.occurred_at < to_micros(until),
        )

    def read_up_to(self) -> dict[str, ReadUpTo]:
        """Tell how far every polled source was read, without what it remembers."""
        asked = select(cursor.c.source, cursor.c.height, cursor.c.checked_at)
        with self._database.read() as tx:
            return {row.source: ReadUpTo(row.height, from_micros(row.checked_at)) for row in tx.execute(asked)}

    def _asked_about(self, *conditions: ColumnElement[bool]) -> tuple[Donation, ...]:
        with self._database.read() as tx:
            return tuple(read_donation(row, None) for row in tx.execute(_of_gifts(*conditions)).mappings())


def _of_gifts(*conditions: ColumnElement[bool]) -> Select[tuple[object, ...]]:
    is_gift = (
        donation.c.direction == Direction.IN,
        donation.c.kind.in_(_ASKED_ABOUT),
        donation.c.state.is_not(None),
    )
    return select(donation).where(*conditions, *is_gift).order_by(donation.c.id).limit(FOUND_MAX)

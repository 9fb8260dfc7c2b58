"""What counted between two moments: gift by gift, with no word about who gave."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, select

from support_service.giving import COUNTED_KINDS, Direction, State, ValueClaim
from support_service.ledger.columns import from_micros, to_micros
from support_service.ledger.rows import read_value
from support_service.ledger.tables import donation

# A page asks for a month; a newsroom with more gifts than these is told "more than".
GIFTS_MAX = 20_000

_COUNTED = (State.CONFIRMED, State.PARTIALLY_REFUNDED)


@dataclass(frozen=True, slots=True)
class CountedGift:
    """A gift whose money counts: when it came, what of it counts, and what it was worth where that is known."""

    occurred_at: datetime
    asset: str
    network: str
    exponent: int
    units: int
    counted_units: int
    value: ValueClaim | None


def counted_between(since: datetime, until: datetime) -> tuple[ColumnElement[bool], ...]:
    """Ask for the gifts that count and came in this time."""
    return (
        donation.c.occurred_at >= to_micros(since),
        donation.c.occurred_at < to_micros(until),
        donation.c.state.in_(_COUNTED),
        donation.c.direction == Direction.IN,
        donation.c.kind.in_(sorted(COUNTED_KINDS)),
    )


def read_counted(tx: Connection, since: datetime, until: datetime) -> tuple[CountedGift, ...]:
    """List the gifts that count and came in this time, newest first, GIFTS_MAX at most."""
    names = ("occurred_at", "asset", "network", "exponent", "units", "counted_units", "value")
    asked = (
        select(*(donation.c[name] for name in names))
        .where(*counted_between(since, until))
        .order_by(donation.c.occurred_at.desc())
        .limit(GIFTS_MAX)
    )
    return tuple(
        CountedGift(
            from_micros(row["occurred_at"]),
            row["asset"],
            row["network"],
            row["exponent"],
            row["units"],
            row["counted_units"],
            read_value(row["value"]),
        )
        for row in tx.execute(asked).mappings()
        if row["counted_units"]
    )

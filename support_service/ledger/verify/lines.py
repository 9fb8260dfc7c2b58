"""Verify: every line of a bank account can be known again, and what people said of it adds up."""

from collections.abc import Iterator

from sqlalchemy import Connection, exists, func, select

from support_service.giving import Direction, split_identity
from support_service.ledger.engine import Database
from support_service.ledger.errors import BadRecord
from support_service.ledger.rows import donation_rows, read_donation
from support_service.ledger.tables import donation, known_line, line_key
from support_service.ledger.verify.parts import CHUNK_ROWS

_HAND, _LINE = donation.alias("hand"), donation.alias("line")
_LOST = (
    select(donation.c.id, donation.c.locator)
    .where(donation.c.bank_class.is_not(None), ~exists().where(known_line.c.ref == donation.c.ref))
    .order_by(donation.c.id)
    .limit(CHUNK_ROWS)
)
_STRAY = select(known_line.c.locator).where(~exists().where(donation.c.ref == known_line.c.ref)).limit(CHUNK_ROWS)
_KEYLESS = (
    select(known_line.c.locator).where(~exists().where(line_key.c.number == known_line.c.number)).limit(CHUNK_ROWS)
)
_JOINS = (
    select(_HAND.c.id, _LINE.c.units, _HAND.c.units.label("mine"), _LINE.c.asset, _HAND.c.asset.label("of"))
    .outerjoin(_LINE, _LINE.c.ref == _HAND.c.linked_to)
    .where(_HAND.c.linked_to.is_not(None), _HAND.c.direction == Direction.IN, _HAND.c.bank_class.is_(None))
    .order_by(_HAND.c.id)
)
_TWICE = (
    select(donation.c.linked_to)
    .where(donation.c.linked_to.is_not(None), donation.c.direction == Direction.IN, donation.c.bank_class.is_(None))
    .group_by(donation.c.linked_to)
    .having(func.count() > 1)
)
_SPLIT = (
    select(donation).where(donation.c.split.is_not(None), donation.c.bank_class.is_not(None)).order_by(donation.c.id)
)


def check_lines(database: Database) -> Iterator[str]:
    """Hold the lines that are kept against the money that they brought; some hundred problems are enough."""
    with database.read() as tx:
        lost = tx.execute(_LOST).all()
        stray, keyless = (tx.execute(asked).scalars().all() for asked in (_STRAY, _KEYLESS))
        said = [*_check_joins(tx), *_check_splits(tx)]
    yield from said
    for row in lost:
        yield f"donation {row.id} ({row.locator}): nothing is kept to know this bank line again"
    yield from (f"bank line {locator} is kept, but its money is not booked" for locator in stray)
    yield from (f"bank line {locator} has lost the keys that it is known by" for locator in keyless)


def _check_joins(tx: Connection) -> Iterator[str]:
    """See that a gift booked by hand is joined to one line of its sum, and no line to two."""
    for row in tx.execute(_JOINS):
        if (row.units, row.asset) != (row.mine, row.of):
            yield f"donation {row.id} is joined to a bank line of another sum"
    for ref in tx.execute(_TWICE).scalars():
        yield f"bank line {ref}: several gifts booked by hand are joined to it"


def _check_splits(tx: Connection) -> Iterator[str]:
    """See that the gifts that a line holds are there, and sum to it."""
    for row in tx.execute(_SPLIT).mappings().all():
        name = f"bank line {row['locator']}"
        try:
            line = read_donation(row, None)
        except (BadRecord, ValueError, AssertionError):
            continue  # told with its donation
        if line.split is None or line.split.nonce is None:
            continue
        numbers = range(1, len(line.split.units) + 1)
        gifts = donation_rows(tx, [split_identity(line.identity, line.split.nonce, one).ref for one in numbers])
        if len(gifts) != len(line.split.units) or sum(one["units"] for one in gifts) != line.payment.units:
            yield f"{name}: the gifts that it holds do not sum to it"

"""Verify: every line of a bank account can be known again, so that its file may be brought once more."""

from collections.abc import Iterator

from sqlalchemy import exists, select

from support_service.ledger.engine import Database
from support_service.ledger.tables import donation, known_line, line_key
from support_service.ledger.verify.parts import CHUNK_ROWS


def check_lines(database: Database) -> Iterator[str]:
    """Hold the lines that are kept against the money that they brought; some hundred problems are enough."""
    is_kept = exists().where(known_line.c.ref == donation.c.ref)
    is_booked = exists().where(donation.c.ref == known_line.c.ref)
    is_found = exists().where(line_key.c.number == known_line.c.number)
    with database.read() as tx:
        asked = select(donation.c.id, donation.c.locator).where(donation.c.bank_class.is_not(None), ~is_kept)
        lost = tx.execute(asked.order_by(donation.c.id).limit(CHUNK_ROWS)).all()
        stray = tx.execute(select(known_line.c.locator).where(~is_booked).limit(CHUNK_ROWS)).scalars().all()
        keyless = tx.execute(select(known_line.c.locator).where(~is_found).limit(CHUNK_ROWS)).scalars().all()
    for row in lost:
        yield f"donation {row.id} ({row.locator}): nothing is kept to know this bank line again"
    yield from (f"bank line {locator} is kept, but its money is not booked" for locator in stray)
    yield from (f"bank line {locator} has lost the keys that it is known by" for locator in keyless)

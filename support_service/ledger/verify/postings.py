"""Verify, third part: postings are numbered without gaps, in the order of their reports, and balance."""

from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter
from typing import Any, TypeAlias

from sqlalchemy import bindparam, select

from support_service.ledger.engine import Database
from support_service.ledger.tables import posting
from support_service.ledger.verify.parts import CHUNK_ROWS, VerifyMoment, raw_units, stored

# Number of the posting, leg, report, donation, units.
LegRow: TypeAlias = tuple[Any, ...]

_LEG = ("posting_number", "leg", "report_number", "donation_id", "units")
_LEGS = (
    select(*(raw_units(posting.c[name]) for name in _LEG))
    .where(posting.c.posting_number.between(bindparam("first"), bindparam("until")))
    .order_by(posting.c.posting_number, posting.c.leg)
)


def check_postings(database: Database, moment: VerifyMoment, *, after: int = 0) -> Iterator[str]:
    """Walk the postings from the first one, or after a number; what they should say is checked with donations."""
    last: tuple[int, ...] = (0, 0)
    for first in range(after + 1, moment.last_posting + 1, CHUNK_ROWS):
        until = min(first + CHUNK_ROWS - 1, moment.last_posting)
        with database.read() as tx:
            rows = stored(tx, _LEGS, first=first, until=until)
        moment.reach("posting in order", sum(row[2] <= moment.last_report for row in rows))
        legs = {number: list(group) for number, group in groupby(rows, key=itemgetter(0))}
        for number in range(first, until + 1):
            if number not in legs:
                yield f"posting {number} is missing"
                continue
            yield from _check_posting(number, legs[number], last)
            last = legs[number][0][2:4]
        moment.progress(until - first + 1)


def _check_posting(number: int, legs: list[LegRow], last: tuple[int, ...]) -> Iterator[str]:
    about = legs[0][2:4]
    if any(leg[2:4] != about for leg in legs):
        yield f"posting {number}: its legs belong to several reports or donations"
    elif about <= last:
        yield f"posting {number} stands out of order"
    if any(leg[1] != place for place, leg in enumerate(legs, 1)):
        yield f"posting {number}: a leg is missing"
    try:
        balance = sum(int(leg[4]) for leg in legs)
    except ValueError:
        balance = 1
    if balance:
        yield f"posting {number} does not balance"

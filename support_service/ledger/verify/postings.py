"""Verify, third part: postings are numbered without gaps, in the order of their reports, and balance."""

from collections.abc import Iterator
from itertools import groupby

from sqlalchemy import RowMapping, select

from support_service.ledger.engine import Database
from support_service.ledger.tables import posting
from support_service.ledger.verify.parts import CHUNK_ROWS, VerifyMoment, raw_units


def check_postings(database: Database, moment: VerifyMoment, *, after: int = 0) -> Iterator[str]:
    """Walk the postings from the first one, or after a number; what they should say is checked with donations."""
    last = (0, 0)
    for first in range(after + 1, moment.last_posting + 1, CHUNK_ROWS):
        until = min(first + CHUNK_ROWS - 1, moment.last_posting)
        asked = select(*(raw_units(column) for column in posting.c))
        asked = asked.where(posting.c.posting_number.between(first, until))
        with database.read() as tx:
            rows = tx.execute(asked.order_by(posting.c.posting_number, posting.c.leg)).mappings().all()
        moment.reach("posting in order", sum(row["report_number"] <= moment.last_report for row in rows))
        legs = {number: list(group) for number, group in groupby(rows, key=lambda row: int(row["posting_number"]))}
        for number in range(first, until + 1):
            if number not in legs:
                yield f"posting {number} is missing"
                continue
            yield from _check_posting(number, legs[number], last)
            last = (legs[number][0]["report_number"], legs[number][0]["donation_id"])
        moment.progress(until - first + 1)


def _check_posting(number: int, legs: list[RowMapping], last: tuple[int, int]) -> Iterator[str]:
    about = {(leg["report_number"], leg["donation_id"]) for leg in legs}
    if len(about) != 1:
        yield f"posting {number}: its legs belong to several reports or donations"
    elif min(about) <= last:
        yield f"posting {number} stands out of order"
    if [leg["leg"] for leg in legs] != list(range(1, len(legs) + 1)):
        yield f"posting {number}: a leg is missing"
    try:
        balance = sum(int(leg["units"]) for leg in legs)
    except ValueError:
        balance = 1
    if balance:
        yield f"posting {number} does not balance"

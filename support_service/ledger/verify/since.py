"""Verify from a report on that was verified before: what came after it is checked like everything, the rest is taken.

The hash of that report names all reports up to it; what is derived from them alone (gifts that nothing spoke of
since, their postings, names) is taken as it was. Bank lines, intents and the sums are of every gift.
"""

from collections import Counter
from collections.abc import Iterator

from sqlalchemy import func, select

from support_service.ledger.engine import Database
from support_service.ledger.queries import Head
from support_service.ledger.tables import donation, observation, posting, report
from support_service.ledger.verify.aliases import check_names
from support_service.ledger.verify.donations import COLUMNS, check_chunk, read_rows
from support_service.ledger.verify.intents import check_intents
from support_service.ledger.verify.lines import check_lines
from support_service.ledger.verify.parts import CHUNK_ROWS, VerifyMoment, raw
from support_service.ledger.verify.postings import check_postings
from support_service.ledger.verify.reports import ChainWalk, check_reports

_SUM_OF = (donation.c.method, donation.c.rail, donation.c.network, donation.c.asset, donation.c.exponent)


def check_since(database: Database, moment: VerifyMoment, since: Head) -> Iterator[str]:
    """Check the reports after one that is known, all that they speak of, and the sums."""
    with database.read() as tx:
        held = tx.execute(select(report.c.hash).where(report.c.number == since.number)).scalar_one_or_none()
        upto = select(func.coalesce(func.max(observation.c.id), 0)).where(observation.c.report_number <= since.number)
        told = tx.execute(upto).scalar_one()
        upto = select(func.coalesce(func.max(posting.c.posting_number), 0))
        posted = tx.execute(upto.where(posting.c.report_number <= since.number)).scalar_one()
    if held is None:
        yield f"there is no report {since.number}: the ledger that was verified is not this one, or its end is lost"
        return
    if held != since.hash:
        yield f"report {since.number} has the hash {held}: the ledger that was verified had {since.hash}"
        return
    yield from check_reports(database, moment, ChainWalk(since.number, since.hash, told))
    yield from _check_touched(database, moment, since)
    yield from check_postings(database, moment, after=posted)
    yield from check_names(database, moment, since=since.number)
    yield from check_intents(database)
    yield from check_lines(database)
    yield from _check_sums(database, moment)


def _check_touched(database: Database, moment: VerifyMoment, since: Head) -> Iterator[str]:
    after = 0
    while True:
        asked = select(*COLUMNS)
        asked = asked.where(donation.c.last_report > since.number, donation.c.id > after)
        with database.read() as tx:
            rows = read_rows(tx, asked.order_by(donation.c.id).limit(CHUNK_ROWS))
            problems = list(check_chunk(tx, rows, moment)) if rows else []
        yield from problems
        if not rows:
            return
        moment.progress(len(rows))
        after = rows[-1]["id"]


def _check_sums(database: Database, moment: VerifyMoment) -> Iterator[str]:
    """Hold the sums that are kept against the gifts as they stand, unless something was written meanwhile."""
    units: Counter[tuple[str, ...]] = Counter()
    count: Counter[tuple[str, ...]] = Counter()
    after = 0
    while True:
        asked = select(donation.c.id, *_SUM_OF, raw(donation.c.counted_units), donation.c.last_report)
        asked = asked.where(donation.c.id > after).order_by(donation.c.id).limit(20 * CHUNK_ROWS)
        with database.read() as tx:
            rows = tx.execute(asked).all()
        for row in rows:
            if row.last_report > moment.last_report:
                return
            try:
                counted = int(row.counted_units or 0)
            except ValueError:
                yield f"donation {row.id}: what it counts cannot be read"
                continue
            if counted:
                units[tuple(map(str, row[1:6]))] += counted
                count[tuple(map(str, row[1:6]))] += 1
        if not rows:
            break
        after = rows[-1].id
    for key in sorted(set(moment.totals) | set(units)):
        held, right = moment.totals.get(key, ("0", "0")), (str(units[key]), str(count[key]))
        if held != right:
            yield (
                f"the total of {key[3]} by {key[0]} is kept as {held[0]} units of {held[1]} gifts, "
                f"but the donations sum to {right[0]} of {right[1]}"
            )

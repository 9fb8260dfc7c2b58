"""Every invariant of the ledger, checked from the database alone; each problem is one line for people.

What is trusted is the chain of reports; everything else is derived from it anew and compared:
reports -> observations -> donations -> postings and totals. Writers may go on meanwhile: the check
is of one moment, the newest report at its start, and reads in chunks of short transactions.
"""

from collections.abc import Callable, Iterator
from itertools import islice
from typing import TypeAlias

from sqlalchemy import Connection, Table, func, select

from support_service.ledger.engine import Database
from support_service.ledger.quarters import NAMES, SUMS
from support_service.ledger.queries import Head
from support_service.ledger.tables import (
    alias,
    cursor,
    donation,
    head,
    import_line,
    known_line,
    line_key,
    observation,
    posting,
    quarter_total,
    report,
    staff_action,
    told_balance,
    total,
    waiting_claim,
)
from support_service.ledger.verify.aliases import check_names
from support_service.ledger.verify.donations import check_donations
from support_service.ledger.verify.lines import check_lines
from support_service.ledger.verify.parts import VerifyMoment, raw
from support_service.ledger.verify.postings import check_postings
from support_service.ledger.verify.reports import check_reports
from support_service.ledger.verify.search import check_term_count
from support_service.ledger.verify.since import check_since

TellProgress: TypeAlias = Callable[[int, int], None]

# A person mends the first few; a ledger that is all wrong would fill the memory with lines.
PROBLEMS_MAX = 1_000

APPEND_ONLY = (report, observation, posting, alias, waiting_claim, told_balance)
# What a line is known by, and who told it, is only ever added, too; they belong to no report.
GUARDED = (*APPEND_ONLY, line_key, known_line, import_line, staff_action)


def find_problems(database: Database, on_progress: TellProgress | None = None, since: Head | None = None) -> list[str]:
    """Check everything; [] means that all holds. on_progress is told how many rows of how many are done.

    since: a report that was the newest of a ledger that was sound; what came after it is checked.
    """
    found = list(islice(_problems(database, on_progress or _silent, since), PROBLEMS_MAX + 1))
    if len(found) > PROBLEMS_MAX:
        found[PROBLEMS_MAX:] = [f"and more: only the first {PROBLEMS_MAX} problems are listed"]
    return found


def _silent(_done: int, _of: int) -> None:
    pass


def _problems(database: Database, on_progress: TellProgress, since: Head | None) -> Iterator[str]:
    with database.read() as tx:
        moment = _moment(tx, on_progress)
        yield from [*_check_ends(tx), *_check_triggers(tx)]
    if since is not None:
        yield from check_since(database, moment, since)
        return
    yield from check_reports(database, moment)
    yield from check_donations(database, moment)
    yield from check_postings(database, moment)
    yield from check_names(database, moment)
    yield from check_lines(database)
    yield from _check_counts(moment)
    yield from _check_totals(moment)
    yield from _check_quarters(moment)
    yield from check_term_count(database, moment)
    yield from _check_cursors(moment)


def _moment(tx: Connection, on_progress: TellProgress) -> VerifyMoment:
    last = tx.execute(select(head.c.number, head.c.hash)).first()
    return VerifyMoment(
        on_progress=on_progress,
        last_report=last.number if last else 0,
        last_hash=last.hash if last else "",
        donations_count=_count(tx, donation),
        last_posting=tx.execute(select(func.coalesce(func.max(posting.c.posting_number), 0))).scalar_one(),
        rows={table.name: _count(tx, table) for table in APPEND_ONLY},
        totals={tuple(row[:5]): (row[5], row[6]) for row in tx.execute(select(*(raw(c) for c in total.c)))},
        quarter_totals={
            tuple(row[: len(NAMES)]): tuple(row[len(NAMES) :])
            for row in tx.execute(select(*(raw(column) for column in quarter_total.c)))
        },
        steps={row.source: row.step for row in tx.execute(select(cursor.c.source, cursor.c.step))},
    )


def _count(tx: Connection, table: Table) -> int:
    return tx.execute(select(func.count()).select_from(table)).scalar_one()


def _check_ends(tx: Connection) -> Iterator[str]:
    """See that the chain ends where it says; rows cut off at the end would leave no gap."""
    ends = [tuple(row) for row in tx.execute(select(head.c.id, head.c.number))]
    newest = tx.execute(select(func.coalesce(func.max(report.c.number), 0))).scalar_one()
    if ends != [(1, newest)]:
        told = ", ".join(str(number) for _, number in ends) or "nowhere"
        yield f"the newest report stored is {newest}, but the chain should end at {told}"
    lowest = tx.execute(select(func.coalesce(func.min(donation.c.id), 1))).scalar_one()
    if lowest != 1:
        yield f"the first donation has number {lowest}, not 1"


def _check_triggers(tx: Connection) -> Iterator[str]:
    """See that history still refuses to be changed."""
    actions = ["update", "delete"]
    asked = "SELECT name FROM sqlite_master WHERE type = 'trigger'"
    if tx.dialect.name == "postgresql":
        actions.append("truncate")
        asked = "SELECT tgname FROM pg_trigger WHERE tgenabled IN ('O', 'A')"
    held = set(tx.exec_driver_sql(asked).scalars())
    for table in GUARDED:
        missing = [action for action in actions if f"{table.name}_no_{action}" not in held]
        if missing:
            yield f"table {table.name} is not protected any more against {' and '.join(missing)}"


def _check_counts(moment: VerifyMoment) -> Iterator[str]:
    """See that every row was reached from both its sides: one that nobody owns is in neither's story."""
    for name, reached in sorted(moment.reached.items()):
        table = name.split(" ")[0]
        if reached != moment.rows[table]:
            yield f"{moment.rows[table]} rows in {table}, but {reached} belong to a {name.split(' ')[-1]}"


def _check_totals(moment: VerifyMoment) -> Iterator[str]:
    derived = {
        tuple(str(part) for part in key): (str(units), str(count)) for key, (units, count) in moment.counted.items()
    }
    for key in sorted(set(moment.totals) | set(derived)):
        if moment.totals.get(key) != derived.get(key):
            held, right = moment.totals.get(key, ("0", "0")), derived.get(key, ("0", "0"))
            yield (
                f"the total of {key[3]} by {key[0]} is kept as {held[0]} units of {held[1]} gifts, "
                f"but the donations sum to {right[0]} of {right[1]}"
            )


def _check_quarters(moment: VerifyMoment) -> Iterator[str]:
    derived = {
        tuple(map(str, key)): tuple(str(getattr(sums, name)) for name in SUMS) for key, sums in moment.quarters.items()
    }
    for key in sorted(set(moment.quarter_totals) | set(derived)):
        if moment.quarter_totals.get(key) != derived.get(key):
            yield (
                f"the sums of {key[4]} by {key[1]} in the quarter of an hour {key[0]} are kept as "
                f"{' '.join(moment.quarter_totals.get(key, ('nothing',)))}, but the donations make them "
                f"{' '.join(derived.get(key, ('nothing',)))} ({', '.join(SUMS)})"
            )


def _check_cursors(moment: VerifyMoment) -> Iterator[str]:
    for source, step in sorted(moment.polled.items()):
        held = moment.steps.get(source)
        if held is None:
            yield f"{source} has reports but no cursor"
        elif held < step:
            yield f"the cursor of {source} stands at step {held}, before its report of step {step}"

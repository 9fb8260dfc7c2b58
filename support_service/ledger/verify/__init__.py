"""Every invariant of the ledger, checked from the database alone; each problem is one line for people.

What is trusted is the chain of reports; everything else is derived from it anew and compared:
reports -> observations -> donations -> postings and totals. Writers may go on meanwhile: the check
is of one moment, the newest report at its start, and reads in chunks of short transactions.
"""

import gc
from collections.abc import Callable, Iterator
from functools import cache
from itertools import islice
from typing import TypeAlias

from sqlalchemy import Connection, Select, Table, func, select

from support_service.ledger.article_totals import ARTICLES
from support_service.ledger.engine import Database
from support_service.ledger.kept_sums import Added, KeptSums, SumKey
from support_service.ledger.quarters import DAYS, QUARTERS, SUMS, by_day
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
    report,
    staff_action,
    told_balance,
    total,
    waiting_claim,
)
from support_service.ledger.verify.cores import check_parts
from support_service.ledger.verify.parts import PROBLEMS_MAX, VerifyMoment, raw, stored
from support_service.ledger.verify.search import check_term_count
from support_service.ledger.verify.since import check_since

TellProgress: TypeAlias = Callable[[int, int], None]

APPEND_ONLY = (report, observation, posting, alias, waiting_claim, told_balance)
# What a line is known by, and who told it, is only ever added, too; they belong to no report.
GUARDED = (*APPEND_ONLY, line_key, known_line, import_line, staff_action)

_HEAD = select(head.c.number, head.c.hash)
_LAST_POSTING = select(func.coalesce(func.max(posting.c.posting_number), 0))
_TOTALS = select(*(raw(column) for column in total.c))
_STEPS = select(cursor.c.source, cursor.c.step)
_ENDS = select(head.c.id, head.c.number)
_NEWEST = select(func.coalesce(func.max(report.c.number), 0))
_LOWEST = select(func.coalesce(func.min(donation.c.id), 1))


def find_problems(database: Database, on_progress: TellProgress | None = None, since: Head | None = None) -> list[str]:
    """Check everything; [] means that all holds. on_progress is told how many rows of how many are done.

    since: a report that was the newest of a ledger that was sound; what came after it is checked.
    """
    # What is loaded stays: to look through it for litter again and again would take a tenth of the time.
    gc.freeze()
    try:
        found = list(islice(_problems(database, on_progress or _silent, since), PROBLEMS_MAX + 1))
    finally:
        gc.unfreeze()
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
    yield from check_parts(database, moment)
    yield from _check_counts(moment)
    yield from _check_totals(moment)
    yield from _check_sums(moment)
    yield from check_term_count(database, moment)
    yield from _check_cursors(moment)


def _moment(tx: Connection, on_progress: TellProgress) -> VerifyMoment:
    last = tx.execute(_HEAD).first()
    return VerifyMoment(
        on_progress=on_progress,
        last_report=last.number if last else 0,
        last_hash=last.hash if last else "",
        donations_count=_count(tx, donation),
        last_posting=tx.execute(_LAST_POSTING).scalar_one(),
        rows={table.name: _count(tx, table) for table in APPEND_ONLY},
        totals={row[:5]: row[5:] for row in stored(tx, _TOTALS)},
        kept={kept.table.name: _sums(tx, kept) for kept in (QUARTERS, DAYS, ARTICLES)},
        steps={row.source: row.step for row in tx.execute(_STEPS)},
    )


def _count(tx: Connection, table: Table) -> int:
    return tx.execute(_counted(table)).scalar_one()


@cache
def _counted(table: Table) -> Select[int]:
    return select(func.count()).select_from(table)


def _check_ends(tx: Connection) -> Iterator[str]:
    """See that the chain ends where it says; rows cut off at the end would leave no gap."""
    ends = [tuple(row) for row in tx.execute(_ENDS)]
    newest = tx.execute(_NEWEST).scalar_one()
    if ends != [(1, newest)]:
        told = ", ".join(str(number) for _, number in ends) or "nowhere"
        yield f"the newest report stored is {newest}, but the chain should end at {told}"
    lowest = tx.execute(_LOWEST).scalar_one()
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


def _check_sums(moment: VerifyMoment) -> Iterator[str]:
    """See that the sums that pages are made from are those of the donations."""
    by_time = f"{', '.join(SUMS)}"
    yield from (
        f"the sums of {key[4]} by {key[1]} in the quarter of an hour {key[0]} are kept as {told} ({by_time})"
        for key, told in _unlike(moment, QUARTERS, moment.quarters)
    )
    yield from (
        f"the sums of {key[4]} by {key[1]} on day {key[0]} are kept as {told} ({by_time})"
        for key, told in _unlike(moment, DAYS, by_day(moment.quarters))
    )
    yield from (
        f"the gifts of month {key[0]} by {key[3]} are kept as {told} ({', '.join(ARTICLES.sum_names)})"
        for key, told in _unlike(moment, ARTICLES, moment.articles)
    )


def _unlike(moment: VerifyMoment, kept: KeptSums, sums: dict[SumKey, Added]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Name the sums of a table that are not those of the donations, and say what both are."""
    held = moment.kept[kept.table.name]
    derived = {tuple(map(str, key)): tuple(map(str, added)) for key, added in sums.items()}
    for key in sorted(set(held) | set(derived)):
        told, right = held.get(key, ("nothing",)), derived.get(key, ("nothing",))
        if told != right:
            yield key, f"{' '.join(told)}, but the donations make them {' '.join(right)}"


def _sums(tx: Connection, kept: KeptSums) -> dict[tuple[str, ...], tuple[str, ...]]:
    width = len(kept.key_names)
    asked = select(*(raw(column) for column in kept.table.c))
    return {row[:width]: row[width:] for row in stored(tx, asked)}


def _check_cursors(moment: VerifyMoment) -> Iterator[str]:
    for source, step in sorted(moment.polled.items()):
        held = moment.steps.get(source)
        if held is None:
            yield f"{source} has reports but no cursor"
        elif held < step:
            yield f"the cursor of {source} stands at step {held}, before its report of step {step}"

"""Verify on all cores: the parts of the check, and processes that take one after the other.

Each part reads the ledger from the same moment on and by itself; what the parts counted is added up at the end. The
longest part that cannot be cut, the chain of reports, is begun first, so that no core waits long for another.
"""

import gc
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from itertools import islice, pairwise
from multiprocessing import get_context
from typing import assert_never

from support_service.ledger.engine import Database
from support_service.ledger.errors import LedgerDown
from support_service.ledger.verify.aliases import check_names
from support_service.ledger.verify.donations import check_donations
from support_service.ledger.verify.intents import check_intents
from support_service.ledger.verify.lines import check_lines
from support_service.ledger.verify.parts import PROBLEMS_MAX, VerifyMoment
from support_service.ledger.verify.postings import check_postings
from support_service.ledger.verify.reports import check_reports

# To start a process costs as much as to check some thousand gifts.
GIFTS_FOR_PROCESSES_MIN = 50_000
# So many at once: few enough that the cores end together, and that progress is seen.
GIFTS_PER_PART = 10_000
# More than that find no faster disk.
PROCESSES_MAX = 8


class PartOf(StrEnum):
    """What a part of the check is about."""

    REPORTS = "reports"
    NAMES = "names"
    DONATIONS = "donations"
    POSTINGS = "postings"
    LINES = "lines"
    INTENTS = "intents"


@dataclass(frozen=True, slots=True)
class VerifyPart:
    """A part of the check; of donations those after a number, until another one (None: to the end)."""

    of: PartOf
    after: int = 0
    until: int | None = None


def check_parts(database: Database, moment: VerifyMoment) -> Iterator[str]:
    """Check all parts, one after the other or, where there is much, on all cores."""
    count = min(cores(), PROCESSES_MAX)
    if count > 1 and moment.donations_count >= GIFTS_FOR_PROCESSES_MIN:
        yield from _by_processes(database, moment, count)
        return
    for part in parts(moment):
        yield from _check(part, database, moment)


def cores() -> int:
    """Count the cores that we may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def parts(moment: VerifyMoment) -> tuple[VerifyPart, ...]:
    """Cut the check into parts."""
    edges = range(0, max(moment.donations_count, 1), GIFTS_PER_PART)
    ranges = [VerifyPart(PartOf.DONATIONS, after, until) for after, until in pairwise(edges)]
    return (
        VerifyPart(PartOf.REPORTS),
        *ranges,
        # Without an end: where a row was taken out, the last number is higher than the count.
        VerifyPart(PartOf.DONATIONS, edges[-1]),
        *(VerifyPart(of) for of in (PartOf.POSTINGS, PartOf.NAMES, PartOf.INTENTS, PartOf.LINES)),
    )


def _check(part: VerifyPart, database: Database, moment: VerifyMoment) -> Iterator[str]:
    match part.of:
        case PartOf.REPORTS:
            return check_reports(database, moment)
        case PartOf.NAMES:
            return check_names(database, moment)
        case PartOf.DONATIONS:
            return check_donations(database, moment, after=part.after, until=part.until)
        case PartOf.POSTINGS:
            return check_postings(database, moment)
        case PartOf.LINES:
            return check_lines(database)
        case PartOf.INTENTS:
            return check_intents(database)
        case _ as other:
            assert_never(other)


def _by_processes(database: Database, moment: VerifyMoment, count: int) -> Iterator[str]:
    # Begun anew rather than forked: a connection belongs to one process.
    with ProcessPoolExecutor(count, mp_context=get_context("spawn")) as pool:
        running = [pool.submit(check_alone, database.address, moment.begun(), part) for part in parts(moment)]
        try:
            for one in as_completed(running):
                moment.join(one.result().moment)
            yield from _problems_of(running)
        except BrokenProcessPool as error:
            raise LedgerDown("a process that verified the ledger was ended, perhaps for want of memory") from error
        finally:
            pool.shutdown(cancel_futures=True)


@dataclass(frozen=True, slots=True)
class CheckedPart:
    """What a process found wrong, and what it found on the way."""

    problems: list[str]
    moment: VerifyMoment


def _problems_of(running: Sequence[Future[CheckedPart]]) -> Iterator[str]:
    for one in running:
        yield from one.result().problems


def check_alone(address: str, moment: VerifyMoment, part: VerifyPart) -> CheckedPart:
    """Check a part in a process of its own."""
    gc.freeze()
    return CheckedPart(list(islice(_check(part, _opened(address), moment), PROBLEMS_MAX + 1)), moment)


@cache
def _opened(address: str) -> Database:
    """Stay connected from part to part."""
    return Database(address)

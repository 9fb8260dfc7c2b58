"""`python -m tests.bench.export [--rows 20000]`: how fast each export format is, beside a bare SELECT of the same rows.

A ledger on SQLite is filled by accept in reports of 200. Processor time is told, and a ratio, so that whatever else
the machine does falls on both alike. Leaves nothing behind.
"""

import argparse
import resource
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path

from support_service.giving import Observation, Personal, State
from support_service.ledger import FORMATS, ForPeople, Ledger, migrate
from tests.fixtures.books import bank_line, valued
from tests.fixtures.reports import NOON, gift, pushed, transfer

ROWS, REPORT_ROWS = 20_000, 200
# Machines' formats may take so many times the bare SELECT; a file that grows in memory is a fault.
TIMES_AIM = {"jsonl": 10, "csv": 14}
GROWN_MIB_AIM = 40
BARE = "SELECT d.*, p.body FROM donation d LEFT JOIN personal_data p ON p.digest = d.personal_digest ORDER BY d.id"


def fill(ledger: Ledger, rows: int) -> None:
    """Book gifts by card, bank and chain, most of them valued."""
    for start in range(0, rows, REPORT_ROWS):
        told: list[Observation] = []
        for number in range(start, min(start + REPORT_ROWS, rows)):
            told += observations(number)
        ledger.accept(pushed(str(start), *told))


def observations(number: int) -> list[Observation]:
    """Observe one gift."""
    moment = NOON + timedelta(minutes=number)
    people = Personal(payer=f"Остап {number}", message="дякую за роботу; пишіть ще")
    if number % 4 == 1:
        return [bank_line(f"r{number}", 150_00 + number, occurred_at=moment, personal=people)]
    made = gift(f"pi_{number}", fee_units=30, occurred_at=moment, personal=people, article="https://example.com/a")
    if number % 4 > 1:
        made = transfer(
            f"0x{number:064x}", units=10**17 + number, state=State.CONFIRMED, occurred_at=moment, block=None
        )
    return [made, valued(made, 10_400 + number, "41.6")]


def rate(made: Iterable[object], rows: int) -> float:
    """Tell how many rows a second of processor time are made."""
    began = time.process_time()
    for _ in made:
        pass
    return rows / (time.process_time() - began)


def main() -> int:
    """Measure; exit 1 where an aim is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS)
    rows: int = parser.parse_args().rows
    missed = 0
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "ledger.db"
        migrate(f"sqlite:///{file}")
        ledger = Ledger(f"sqlite:///{file}")
        fill(ledger, rows)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for form in FORMATS:
            bare = rate(sqlite3.connect(file).execute(BARE), rows)
            ours = rate(form.write(ledger.exported(), ForPeople()), rows)
            aim = TIMES_AIM.get(form.name)
            is_missed = aim is not None and bare / ours > aim
            print(f"{form.name}: {ours:.0f} rows/s, a bare SELECT {bare:.0f}: {bare / ours:.1f} times as long")
            missed += is_missed
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
        print(f"memory grew by {grown:.0f} MiB (aim {GROWN_MIB_AIM})")
        ledger.dispose()
    return int(missed > 0 or grown > GROWN_MIB_AIM)


if __name__ == "__main__":
    sys.exit(main())

"""A disk that fails under the ledger: writes refused, syncs and reads that fail, a volume that runs full.

    python -m tests.load.disk [--gifts 300] [--errors 500]

A process writes gifts, each until it is told that it is kept, while libfiu (Debian's fiu-utils) lets its calls to the
disk fail at random; the last case has a real volume of little room, which grows later (where mounting is allowed).
Afterwards the disk is well: what was acknowledged must be there, nothing twice, and the ledger must prove itself.
Ends with 1 if it does not, or if fewer errors than that came up.
"""

import argparse
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from support_service.ledger import Ledger, LedgerDown, migrate
from tests.fixtures.reports import gift, pushed
from tests.fixtures.service import ROOT

FULL, BROKEN = 28, 5
# (what fails, with which error, how often): a commit writes some fifty pages and syncs four times.
CASES = {
    "writes: no space": ("posix/io/rw/pwrite", FULL, 0.012),
    "writes: I/O error": ("posix/io/rw/pwrite", BROKEN, 0.012),
    "syncs: I/O error": ("posix/io/sync/fdatasync", BROKEN, 0.2),
    "reads: I/O error": ("posix/io/rw/pread", BROKEN, 0.1),
}
VOLUME = "a full volume"
ROOM_BYTES, MORE_BYTES = 96_000, 64_000_000
TRIES_MAX, FULL_FOR = 400, 20
REST_SECONDS = 0.01


@dataclass
class Met:
    """What the writer was told."""

    kept: set[str] = field(default_factory=set)
    errors: int = 0
    problems: list[str] = field(default_factory=list)


def write(url: str, gifts: int) -> None:
    """Write gifts, each until it is kept, and say every answer."""
    ledger = Ledger(url)
    for number in range(gifts):
        for _ in range(TRIES_MAX):
            try:
                ledger.accept(pushed(f"g{number}", gift(f"pi_{number}", units=100), raw="x" * 2_000))
            except LedgerDown:
                print("down", flush=True)
                time.sleep(REST_SECONDS)
            else:
                print(f"pi_{number}", flush=True)
                break


def play(case: str, folder: Path, gifts: int) -> Met:
    """Write on a disk that fails, and hold the ledger against what the writer was told."""
    database = folder / "ledger.db"
    migrate(f"sqlite:///{database}")
    if case == VOLUME:
        with volume(folder / "volume", database.stat().st_size + ROOM_BYTES) as grow:
            database = Path(shutil.copy(database, folder / "volume"))
            return _judged(_written(database, gifts, [], grow), database, gifts)
    name, error, share = CASES[case]
    faulty = ["fiu-run", "-x", "-c", f"enable_random name={name},probability={share},failinfo={error}"]
    return _judged(_written(database, gifts, faulty, lambda: None), database, gifts)


def _written(database: Path, gifts: int, faulty: Sequence[str], grow: Callable[[], None]) -> Met:
    met = Met()
    words = [*faulty, sys.executable, "-m", "tests.load.disk", "--url", f"sqlite:///{database}", "--gifts", str(gifts)]
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8") as complaints,
        subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=complaints, text=True) as writer,
    ):
        assert writer.stdout is not None
        for line in map(str.strip, writer.stdout):
            if line == "down":
                met.errors += 1
            else:
                met.kept.add(line)
            if met.errors == FULL_FOR:
                grow()
        if writer.wait(60) != 0:
            complaints.seek(0)
            met.problems.append(f"the writer ended: {complaints.read()[-500:]}")
    return met


def _judged(met: Met, database: Path, gifts: int) -> Met:
    """Look at what the disk holds, now that it is well; whoever looks first puts an interrupted commit right."""
    ledger = Ledger(f"sqlite:///{database}")
    met.problems += [f"verify: {line}" for line in ledger.verify()]
    held = {str(row["locator"]) for row in ledger.export()}
    met.problems += [f"acknowledged and lost: {one}" for one in sorted(met.kept - held)]
    met.problems += [f"never kept, in {TRIES_MAX} tries: pi_{n}" for n in range(gifts) if f"pi_{n}" not in met.kept]
    totals = [(one.units, one.count) for one in ledger.totals()]
    if totals != [(100 * gifts, gifts)]:
        met.problems.append(f"the totals are {totals}")
    ledger.dispose()
    line = sqlite3.connect(database)
    met.problems += [f"SQLite: {row[0]}" for row in line.execute("PRAGMA integrity_check") if row[0] != "ok"]
    line.close()
    if not met.errors:
        met.problems.append("no error came up")
    return met


@contextmanager
def volume(folder: Path, size: int) -> Iterator[Callable[[], None]]:
    """Mount a volume of so many bytes; what is yielded gives it room."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", folder], check=True)
    try:
        yield lambda: _grow(folder)
    finally:
        subprocess.run(["umount", folder], check=True)


def _grow(folder: Path) -> None:
    subprocess.run(["mount", "-o", f"remount,size={MORE_BYTES}", folder], check=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Play every case once and tell; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.load.disk", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--gifts", type=int, default=300)
    parser.add_argument("--errors", type=int, default=500, help="so many must come up in all")
    parser.add_argument("--url", help="only write there")
    chosen = parser.parse_args(arguments)
    if chosen.url:
        write(chosen.url, chosen.gifts)
        return 0
    errors, problems = 0, list[str]()
    for case in [*CASES, *([VOLUME] if os.geteuid() == 0 else [])]:
        with tempfile.TemporaryDirectory(prefix="disk-") as name:
            met = play(case, Path(name), chosen.gifts)
        print(f"{case}: {len(met.kept)} gifts kept, {met.errors} errors", *met.problems[:10], sep="\n  ", flush=True)
        errors, problems = errors + met.errors, problems + met.problems
    if errors < chosen.errors:
        problems.append(f"only {errors} errors came up")
        print(problems[-1])
    return 1 if problems else 0


if __name__ == "__main__":
    raise SystemExit(main())

"""64 writers at once on the same 1,000 keys: each key counts once, with the sum of whoever was first.

    python -m tests.load.races [--rounds 200] [--writers 64] [--keys 1000] [--database postgresql]
        [--isolation repeatable-read]

Each round has keys of its own. Every writer brings a tenth of them, in an order that is the same for all and with a sum
of its own, and brings again what the database refused. Ours is READ COMMITTED behind one lock; another level is put
under it by force, where a writer that waited for the lock sees the time before: it must be refused, and never believed.
Ends with 1 if anything is lost, doubled or invented, or if too few writers met.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from psycopg import IsolationLevel
from sqlalchemy import Engine, event
from sqlalchemy.exc import IntegrityError

from support_service.ledger import Ledger, LedgerDown
from tests.fixtures.database import prepare
from tests.fixtures.reports import gift, pushed
from tests.fixtures.service import ROOT
from tests.load.webhooks import fresh_database

PROCESSES = 8
SHARE = 10
LEVELS = {level.name.lower().replace("_", "-"): level for level in IsolationLevel}
OURS = "read-committed"
# A writer whose moment has passed is refused by each of the others in turn, at worst.
TRIES_MAX = 10_000
PROBLEMS_MAX = 20


@dataclass(frozen=True)
class Plan:
    """How much is to happen, and at which of PostgreSQL's levels."""

    rounds: int = 200
    writers: int = 64
    keys: int = 1_000
    isolation: str = OURS
    processes: int = PROCESSES

    def brought(self, number: int, writer: int) -> list[int]:
        """Name the keys that a writer brings in a round: every key has one who surely brings it."""
        order = Random(number).sample(range(self.keys), self.keys)
        drawn = set(Random(f"{number} {writer}").sample(order, max(1, self.keys // SHARE)))
        return [key for key in order if key in drawn or key % self.writers == writer]


@dataclass
class Met:
    """What writers were told: which sums were kept under which keys, and how often somebody was first, or too late."""

    kept: list[tuple[str, int]] = field(default_factory=list)
    told: Counter[str] = field(default_factory=Counter)

    def add(self, other: "Met") -> None:
        """Take in what others met."""
        self.kept += other.kept
        self.told += other.told

    @property
    def conflicts(self) -> int:
        """How often somebody came too late, or was refused."""
        return self.told["known"] + self.told["refused"]


@contextmanager
def by_force(isolation: str) -> Iterator[None]:
    """Let whoever writes in this process do so at another level than the ledger asks for."""

    def set_level(connection: Any, _record: object, _proxy: object) -> None:
        if not connection.read_only:
            connection.isolation_level = LEVELS[isolation]

    if isolation == OURS:
        yield
        return
    event.listen(Engine, "checkout", set_level)
    try:
        yield
    finally:
        event.remove(Engine, "checkout", set_level)


def write(ledgers: Sequence[Ledger], plan: Plan, number: int, first: int) -> Met:
    """Let a thread for each ledger bring its keys of a round; the first of these writers has that number."""
    start = threading.Barrier(len(ledgers))

    def one(place: int) -> Met:
        met, writer = Met(), first + place
        start.wait()
        for key in plan.brought(number, writer):
            met.told[_bring(ledgers[place], met, f"{number}-{key}", units=1 + writer)] += 1
        return met

    together = Met()
    with ThreadPoolExecutor(len(ledgers)) as pool:
        for met in pool.map(one, range(len(ledgers))):
            together.add(met)
    return together


def _bring(ledger: Ledger, met: Met, key: str, units: int) -> str:
    """Bring a gift until the ledger has said yes, or that it knows it."""
    report = pushed(key, gift(f"pi_{key}", units=units))
    for _ in range(TRIES_MAX):
        try:
            number = ledger.accept(report).report_number
        except (LedgerDown, IntegrityError):
            met.told["refused"] += 1
            continue
        if number is not None:
            met.kept.append((key, units))
        return "known" if number is None else "first"
    raise AssertionError(f"{key} was refused {TRIES_MAX} times")


def be_writers(url: str, plan: Plan, first: int) -> None:
    """Write whenever a line names a round, and tell what was met."""
    with by_force(plan.isolation):
        ledgers = [Ledger(url) for _ in range(plan.writers // plan.processes)]
        for line in sys.stdin:
            met = write(ledgers, plan, int(line), first)
            print(json.dumps({"kept": met.kept, "told": met.told}), flush=True)


class Writers:
    """Some of the writers, as a process of their own."""

    def __init__(self, url: str, plan: Plan, first: int) -> None:
        words = ["--url", url, "--first", first, "--writers", plan.writers, "--keys", plan.keys]
        words += ["--isolation", plan.isolation, "--processes", plan.processes]
        command = [sys.executable, "-m", "tests.load.races", *map(str, words)]
        self._process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def begin(self, number: int) -> None:
        """Let them begin a round."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{number}\n")
        self._process.stdin.flush()

    def met(self) -> Met:
        """Wait for the end of a round."""
        assert self._process.stdout is not None
        told = json.loads(self._process.stdout.readline())
        return Met([(key, units) for key, units in told["kept"]], Counter(told["told"]))

    def end(self) -> None:
        """Let them go."""
        self._process.communicate(timeout=60)


def race(plan: Plan, url: str) -> tuple[Met, list[str]]:
    """Play all rounds in processes of their own; return what was met, and what is wrong."""
    prepare(url)
    size, met = plan.writers // plan.processes, Met()
    writers = [Writers(url, plan, first) for first in range(0, plan.writers, size)]
    try:
        for number in range(1, plan.rounds + 1):
            for one in writers:
                one.begin(number)
            for one in writers:
                met.add(one.met())
    finally:
        for one in writers:
            one.end()
    ledger = Ledger(url)
    problems = wrong(ledger, plan, met)
    ledger.dispose()
    return met, problems


def wrong(ledger: Ledger, plan: Plan, met: Met) -> list[str]:
    """Hold the ledger against what writers were told; too few conflicts prove nothing and are wrong, too."""
    firsts, held = dict(met.kept), {row["locator"]: row["units"] for row in ledger.export()}
    wanted = {f"{number}-{key}" for number in range(1, plan.rounds + 1) for key in range(plan.keys)}
    problems = [f"verify: {line}" for line in ledger.verify()]
    problems += [f"{key} was believed twice" for key, count in Counter(key for key, _ in met.kept).items() if count > 1]
    problems += [f"{key} was never believed" for key in sorted(wanted - set(firsts))]
    told = {f"pi_{key}": str(units) for key, units in firsts.items()}
    problems += [f"told and not held, or otherwise: {one}" for one in sorted(set(told.items()) ^ set(held.items()))]
    totals = [(one.units, one.count) for one in ledger.totals()]
    if totals != [(sum(firsts.values()), len(wanted))]:
        problems.append(f"the totals are {totals}")
    brought = sum(len(plan.brought(number, one)) for number in range(1, plan.rounds + 1) for one in range(plan.writers))
    if met.conflicts < brought - len(wanted):
        problems.append(f"only {met.conflicts} conflicts of {brought} attempts on {len(wanted)} keys")
    if plan.isolation != OURS and not met.told["refused"]:
        problems.append(f"nobody was refused at {plan.isolation}: it was not in force, or nobody met")
    return problems


def main(arguments: Sequence[str] | None = None) -> int:
    """Race once and tell; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.load.races", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--writers", type=int, default=64)
    parser.add_argument("--keys", type=int, default=1_000)
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--isolation", choices=sorted(LEVELS), default=OURS)
    parser.add_argument("--processes", type=int, default=PROCESSES)
    parser.add_argument("--url", help="only write there, in the rounds that standard input names")
    parser.add_argument("--first", type=int, default=0, help="the number of the first of these writers")
    chosen = parser.parse_args(arguments)
    plan = Plan(chosen.rounds, chosen.writers, chosen.keys, chosen.isolation, chosen.processes)
    if chosen.url:
        be_writers(chosen.url, plan, chosen.first)
        return 0
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="races-") as name, fresh_database(chosen.database, Path(name)) as url:
        met, problems = race(plan, url)
    level = f" at {plan.isolation}" if chosen.database == "postgresql" else ""
    print(f"{chosen.database}{level}: {plan.rounds} rounds, {plan.writers} writers, {dict(met.told)}, "
          f"{met.conflicts} conflicts, {time.monotonic() - began:.0f} s")  # fmt: skip
    print("\n".join(problems[:PROBLEMS_MAX] or ["each key counts once, with the sum of whoever was first"]))
    return 1 if problems else 0


if __name__ == "__main__":
    raise SystemExit(main())

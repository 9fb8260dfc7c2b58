"""`make campaign-stripe`, `make campaign-mono`: thousands of card gifts told to a server that is killed meanwhile.

    python -m tests.load.webhooks [--processor stripe] [--payments 5000] [--deliveries 20000] [--kills 4]
        [--database sqlite]

Zero lost, zero doubled, zero invented: what the ledger holds at the end is held against the gifts that
happened, row by row. Whatever was answered 200 before a kill must be in the database after it.
Ends with 1 if anything differs.
"""

import argparse
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from sqlalchemy import create_engine, text

from support_service.ledger import Ledger
from tests.fixtures.database import postgresql, prepare
from tests.load.gifts import Gift, Truth
from tests.load.sender import Sender, deliveries
from tests.load.serving import WebServer
from tests.load.trades import TRADES, World

# Told of at most, so that a bad end can be read.
PROBLEMS_MAX = 20
SECONDS_PER_DELIVERY_MAX, SECONDS_MIN = 0.2, 120


@dataclass
class Ending:
    """How it ended: what differed (nothing, one hopes), and what happened."""

    problems: list[str] = field(default_factory=list)
    stories: Counter[str] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)
    events: int = 0
    deliveries: int = 0
    kills: int = 0
    seconds: float = 0.0

    def __str__(self) -> str:
        rate = self.deliveries / self.seconds if self.seconds else 0
        told = [
            f"{self.stories.total()} payments, {self.events} events, {self.deliveries} deliveries",
            f"{self.kills} kills, {self.seconds:.0f} s ({rate:.0f} deliveries/s)",
            "answers: " + ", ".join(f"{name} {count}" for name, count in sorted(self.statuses.items())),
            "stories: " + ", ".join(f"{name} {count}" for name, count in sorted(self.stories.items())),
        ]
        return "\n".join([*told, *(self.problems[:PROBLEMS_MAX] or ["the ledger agrees with all of it"])])


@dataclass(frozen=True)
class Plan:
    """How much is to happen."""

    payments: int
    deliveries: int
    kills: int
    seed: int = 1
    processor: str = "stripe"


def play(plan: Plan, database_url: str, folder: Path) -> Ending:
    """Let gifts happen, deliver them to a server of their own while it is killed, and compare."""
    prepare(database_url)
    ledger = Ledger(database_url)
    with TRADES[plan.processor](folder, ledger, plan.seed, plan.payments) as world:
        ending = _delivered(plan, world, ledger, folder=folder, database_url=database_url)
    ledger.dispose()
    return ending


def _delivered(plan: Plan, world: World, ledger: Ledger, *, folder: Path, database_url: str) -> Ending:
    gifts, random = world.gifts, Random(plan.seed)
    bodies = [body for gift in gifts for body in world.bodies(gift)]
    sent = deliveries(bodies, plan.deliveries, random, world.voice)
    server = WebServer(folder, database_url, world.table)
    sender, lost = Sender(server.port, sent), list[str]()
    server.start()
    started = time.monotonic()
    try:
        sender.start()
        lost = _killed_meanwhile(plan, sender, server, database_url)
        if not sender.wait(len(sent), _seconds_max(plan)):
            lost.append(f"only {sender.heard.answered} of {len(sent)} deliveries were answered in time")
    finally:
        sender.stop()
        server.end()
    seconds = time.monotonic() - started
    found = [*lost, *sender.heard.wrong, *_unlike(gifts, ledger, plan.processor)]
    found += _not_stored((key for key, _ in bodies), stored(database_url, plan.processor))
    stories = Counter(gift.story for gift in gifts)
    return Ending(found, stories, sender.heard.statuses, len(bodies), len(sent), plan.kills, seconds)


def _seconds_max(plan: Plan) -> float:
    return SECONDS_MIN + plan.deliveries * SECONDS_PER_DELIVERY_MAX


def _killed_meanwhile(plan: Plan, sender: Sender, server: WebServer, database_url: str) -> list[str]:
    """Kill the worker and the whole server in turn, and look each time whether all that was answered 200 is kept."""
    problems = list[str]()
    for number in range(1, plan.kills + 1):
        share = number / (plan.kills + 1)
        if not sender.wait_share(share, SECONDS_MIN * 5):
            return [*problems, f"the load stood still before kill {number}"]
        is_whole = number % 2 == 1
        if is_whole:
            server.kill()
        else:
            server.kill_worker()
        kept = sender.acknowledged() - stored(database_url, plan.processor)
        problems += [f"{event} was answered 200 and is gone after kill {number}" for event in sorted(kept)]
        if is_whole:
            server.start()
    return problems


def _unlike(gifts: Iterable[Gift], ledger: Ledger, rail: str) -> Iterator[str]:
    """Say each difference between the ledger and what happened."""
    yield from (f"verify: {line}" for line in ledger.verify())
    truth = Counter(row for gift in gifts for row in gift.truth)
    held = Counter(_held(ledger))
    yield from (f"missing or wrong in the ledger: {row}" for row in truth - held)
    yield from (f"in the ledger, but not so in truth: {row}" for row in held - truth)
    sums, counts = Counter[str](), Counter[str]()
    for row in truth:
        if row.counted:
            sums[row.currency] += row.counted
            counts[row.currency] += 1
    totals = {(one.method, one.rail, one.asset): (one.units, one.count) for one in ledger.totals()}
    wanted = {(rail, rail, currency): (sums[currency], counts[currency]) for currency in sums}
    if totals != wanted:
        yield f"the totals are {totals}, but should be {wanted}"


def _held(ledger: Ledger) -> Iterator[Truth]:
    before = None
    while page := ledger.donations(before=before):
        for listed in page:
            found = listed.donation
            locator, asset = found.identity.locator, found.identity.asset
            yield Truth(locator, asset, str(found.state), found.payment.units, found.counted_units)
        before = page[-1].number


def _not_stored(keys: Iterable[str], kept: set[str]) -> Iterator[str]:
    """Say which events are not kept, and which are that were forged."""
    told = set(keys)
    yield from (f"event {name} is lost" for name in sorted(told - kept))
    yield from (f"event {name} was never told" for name in sorted(kept - told))


def stored(database_url: str, rail: str) -> set[str]:
    """Read which events are in the database, past all of our code."""
    engine = create_engine(database_url)
    try:
        with engine.connect() as connection:
            asked = text("SELECT key FROM report WHERE source = :rail")
            rows = connection.execute(asked, {"rail": rail}).scalars().all()
    finally:
        engine.dispose()
    assert len(rows) == len(set(rows)), "an event is stored twice"
    return set(rows)


@contextmanager
def fresh_database(kind: str, folder: Path) -> Iterator[str]:
    """Make an empty database as durable as in use, and return its URL."""
    if kind == "sqlite":
        yield f"sqlite:///{folder}/ledger.db"
        return
    with postgresql(is_durable=True) as cluster:
        yield cluster.url(cluster.create())


def main(arguments: Sequence[str] | None = None) -> int:
    """Play once and tell; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.load.webhooks", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--processor", choices=sorted(TRADES), default="stripe")
    parser.add_argument("--payments", type=int, default=5_000)
    parser.add_argument("--deliveries", type=int, default=20_000, help="forged ones included, later tries not")
    parser.add_argument("--kills", type=int, default=4, help="how often the server, or its worker, is killed with -9")
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args(arguments)
    plan = Plan(chosen.payments, chosen.deliveries, chosen.kills, chosen.seed, chosen.processor)
    with tempfile.TemporaryDirectory(prefix="load-") as name, fresh_database(chosen.database, Path(name)) as url:
        ending = play(plan, url, Path(name))
    print(f"{chosen.processor}, {chosen.database}, seed {chosen.seed}: {ending}")
    return 1 if ending.problems else 0


if __name__ == "__main__":
    raise SystemExit(main())

"""Three watchers on one PostgreSQL, leases of their real length: killed, stopped, cut off, clocks set, by a seed.

    python -m tests.load.machines --rounds 40 --seed 7

Says what became of it. It ends with 0 where nothing was lost, doubled or told twice, at any time one asked the node,
and each kind of fault fired.
"""

import argparse
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from support_service.ledger import migrate
from support_service.ledger.leases import LEASE
from tests.fixtures.database import postgresql
from tests.fixtures.machines import Machine, Machines, caught_asking, machines
from tests.fixtures.node import start_node
from tests.fixtures.service import until

TAKEOVER_SECONDS_MAX = 30.0
FAULTS = ("kill", "stop", "cut", "clock", "leave")
JUMPS = (3_600, 86_400, 60, 7_200, 0)


def main() -> int:
    """Do so many rounds, a fault and two gifts each."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--rounds", type=int, default=40)
    asked.add_argument("--seed", type=int, default=7)
    asked.add_argument("--lease", type=float, default=LEASE.total_seconds(), help="seconds")
    chosen = asked.parse_args()
    dice, fired, waits = random.Random(chosen.seed), Counter[str](), list[float]()
    with postgresql() as cluster, tempfile.TemporaryDirectory(prefix="machines-") as folder:
        url = cluster.url(cluster.create())
        migrate(url)
        node = start_node()
        try:
            with machines(Path(folder), url, node, lease=chosen.lease) as here:
                for one in here.all:
                    one.start()
                until(here.has_begun)
                for number in range(chosen.rounds):
                    fault = FAULTS[number % len(FAULTS)]
                    waits += _round(here, fault, dice)
                    fired[fault] += 1
                    print(f"{number + 1}/{chosen.rounds} {fault}: given {len(here.given)}", flush=True)
                return _told(here, fired, waits, chosen.rounds)
        finally:
            node.stop()


def _round(here: Machines, fault: str, dice: random.Random) -> list[float]:
    reader = _await_reader(here)
    here.give()
    waits: list[float] = []
    match fault:
        case "kill":
            caught_asking(reader, lambda: reader.send(signal.SIGKILL), seconds=20)
            waits.append(_handed(here, reader))
            reader.end()
            reader.start()
        case "stop":
            caught_asking(reader, lambda: reader.send(signal.SIGSTOP), seconds=20)
            waits.append(_handed(here, reader))
            woken = time.monotonic()
            reader.send(signal.SIGCONT)
            here.give()
            here.settle(seconds=60)
            assert reader.asked_since(woken) == 0, f"machine {reader.number} asks though it was stopped for too long"
        case "cut":
            reader.line.cut()
            waits.append(_handed(here, reader))
            taken = time.monotonic()
            here.give()
            here.settle(seconds=60)
            reader.line.mend()
            assert reader.asked_since(taken) == 0, f"machine {reader.number} asks though it is cut off"
        case "clock":
            reader.jump(dice.choice(JUMPS))
        case _:
            assert reader.end(signal.SIGTERM) == 0
            waits.append(_handed(here, reader))
            reader.start()
    here.give()
    here.settle(seconds=60)
    return waits


def _handed(here: Machines, reader: Machine) -> float:
    began = time.monotonic()
    here.other_reader(reader, seconds=TAKEOVER_SECONDS_MAX)
    return time.monotonic() - began


def _await_reader(here: Machines) -> Machine:
    deadline = time.monotonic() + 60
    while (found := here.reader()) is None:
        assert time.monotonic() < deadline, "nobody reads"
        time.sleep(0.1)
    return found


def _told(here: Machines, fired: Counter[str], waits: list[float], rounds: int) -> int:
    problems = here.ledger.verify()
    expected = sum(count for fault, count in fired.items() if fault != "clock")
    asked = sum(len(one.asked) for one in here.all)
    print(f"rounds {rounds}, faults {dict(fired)}, gifts {len(here.given)}, requests {asked}")
    print(f"handed over {here.handovers()} times, expected {expected}; longest {max(waits, default=0):.1f} s")
    is_good = here.booked() == sorted(here.given) == here.told() and not problems and here.handovers() == expected
    is_bitten = all(fired[fault] for fault in FAULTS)
    print("PASSED" if is_good and is_bitten else f"FAILED {problems}")
    return 0 if is_good and is_bitten else 1


if __name__ == "__main__":
    sys.exit(main())

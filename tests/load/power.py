"""Power cuts under the ledger: whatever a disk may have kept of what was not synced, no gift said to be kept is lost.

    python -m tests.load.power --cuts 2000 [--seed 7] [--reports 60]

A process takes in reports and says so after each, as the web part answers a webhook. Its calls to the kernel are
written down once, and the power is cut in a model of the disk as often as asked: after any call, with any part of what
was not synced. The ledger of each cut must verify and tell of exactly the reports it said it kept, or of one more.
The same with SQLite told to sync less (NORMAL) is the control: it must lose money, or the model cuts nothing.
"""

import argparse
import sqlite3
import sys
import tempfile
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from support_service.giving import Report, State
from support_service.ledger import Ledger
from tests.fixtures.database import SteppingClock, prepare
from tests.fixtures.power import Call, Disk, trace
from tests.fixtures.reports import gift, polled, pushed, refund, statement, transfer

NAME = "ledger.db"
# Of cuts right after something was said to be kept, the control must have lost it in more than this share.
CONTROL_LOST_MIN = 0.5


@dataclass
class Outcome:
    """What came of all cuts: how many of each kind, and each way in which the ledger was not as it had said."""

    cuts: int = 0
    fired: Counter[str] = field(default_factory=Counter)
    lost: int = 0
    wrong: list[str] = field(default_factory=list)

    @property
    def bites(self) -> bool:
        """Whether so much was lost that the cuts are seen to take something away."""
        return self.lost > CONTROL_LOST_MIN * self.cuts

    def __str__(self) -> str:
        told = ", ".join(f"{name} {count}" for name, count in sorted(self.fired.items()))
        return (
            f"{self.cuts} cuts ({told}): {self.lost} lost what was said to be kept, {len(self.wrong)} broke the ledger"
        )


def told(seed: int, count: int) -> list[Report]:
    """Draw reports: gifts and refunds of cards, one by one and many at once, and a chain whose blocks come and go."""
    dice, paid, reports = Random(seed), list[str](), list[Report]()
    steps = height = 0
    for number in range(count):
        match dice.choice(("card", "card", "refund", "many", "chain", "chain")):
            case "refund" if paid:
                locator = paid.pop(dice.randrange(len(paid)))
                said = refund(locator, part=f"re_{number}", units=dice.randint(1, 10_00), rank=(number, 0))
                reports.append(pushed(f"evt_{number}", said))
            case "many":
                reports.append(pushed(f"evt_{number}", *(gift(f"pi_{number}_{each}") for each in range(30))))
            case "chain":
                steps += 1
                height = (height + 1) % 20
                block, state = chr(ord("A") + height), dice.choice((State.SEEN, State.CONFIRMED))
                seen = [transfer(f"0x{number:02x}{each}", block=block, state=state) for each in range(3)]
                gone = statement(block, is_canonical=dice.random() < 0.8)
                reports.append(polled(steps, *seen) if gone.is_canonical else polled(steps, gone))
            case _:
                paid.append(f"pi_{number}")
                reports.append(pushed(f"evt_{number}", gift(paid[-1], units=dice.randint(5_00, 900_00))))
    return reports


def take_in(database: Path, reports: Sequence[Report]) -> None:
    """Be the process under whom the power goes: accept each report and say so."""
    ledger = Ledger(f"sqlite:///{database}", clock=SteppingClock())
    for number, report in enumerate(reports, start=1):
        ledger.accept(report)
        print(f"kept {number}", flush=True)
    ledger.dispose()


def truths(folder: Path, reports: Sequence[Report]) -> list[str]:
    """Tell what a ledger says after none, one, two, ... of the reports."""
    prepare(url := f"sqlite:///{folder}/truth.db")
    ledger = Ledger(url, clock=SteppingClock())
    said = [_said(ledger)]
    for report in reports:
        ledger.accept(report)
        said.append(_said(ledger))
    ledger.dispose()
    return said


def _said(ledger: Ledger) -> str:
    # Each hash names the one before: with rows alike, all that led there is alike.
    return repr((ledger.head(), list(ledger.export())))


class Questioner:
    """Asks the ledger that each cut left, always in one place: its statements are compiled once."""

    def __init__(self, room: Path, truth: Sequence[str]) -> None:
        self._room, self._truth, self.outcome = room, truth, Outcome()
        self._ledger = Ledger(f"sqlite:///{room / NAME}", clock=SteppingClock())

    def ask(self, disk: Disk, kept: int, dice: Random) -> None:
        """Cut the power now, where so many reports were said to be kept, and see what the ledger knows."""
        outcome, left = self.outcome, disk.cut(dice)
        outcome.cuts += 1
        outcome.fired["with something open"] += disk.is_open
        outcome.fired["with a journal to roll back"] += any(name.endswith("-journal") for name in left)
        for name, data in left.items():
            (self._room / name).write_bytes(data)
        try:
            said, wrong = _said(self._ledger), self._ledger.verify()
            held = self._truth.index(said) if said in self._truth else None
            if wrong or held is None:
                outcome.wrong.append(f"after {kept} kept: {wrong[:1] or 'it tells of something that never was'}")
            elif held < kept:
                outcome.lost += 1
            elif held > kept + 1:
                outcome.wrong.append(f"it knows of {held} where {kept} were kept")
        except Exception as error:  # noqa: BLE001 - whatever a broken ledger does, the cut is counted
            outcome.wrong.append(f"after {kept} kept: {type(error).__name__}: {str(error)[:200]}")
        finally:
            self._ledger.dispose()
            for one in self._room.iterdir():
                one.unlink()


def cut(asked: Questioner, calls: Sequence[Call], disk: Disk, cuts: Counter[int], dice: Random) -> Outcome:
    """Cut the power after calls of a process, each as often as cuts says for its place."""
    kept = 0
    for place, call in enumerate(calls):
        if call.verb == "say":
            kept += 1
        else:
            disk.does(call)
        for _ in range(cuts[place]):
            asked.outcome.fired[f"after {call.verb}"] += 1
            asked.ask(disk, kept, dice)
    return asked.outcome


def _places(calls: Sequence[Call], cuts: int, dice: Random, verbs: Collection[str]) -> Counter[int]:
    """Draw where to cut: each kind of call alike, though most are writes."""
    kinds = [[place for place, call in enumerate(calls) if call.verb == verb] for verb in sorted(verbs)]
    return Counter(dice.choice(dice.choice(kinds)) for _ in range(cuts))


def campaign(folder: Path, *, seed: int, reports: int, cuts: int, controls: int) -> tuple[Outcome, Outcome]:
    """Cut as often as asked under the ledger as it is, and under the control, there right after it said a word."""
    truth = truths(_room(folder, "truth"), told(seed, reports))
    outcomes, dice = [], Random(seed)
    for name, synchronous, count in (("ours", "EXTRA", cuts), ("control", "NORMAL", controls)):
        room = _room(folder, name)
        prepare(f"sqlite:///{room}/{NAME}")
        disk = Disk.of(room)
        asked = ["--take-in", str(room / NAME), "--reports", str(reports), "--seed", str(seed)]
        calls = trace(["tests.load.power", *asked, "--synchronous", synchronous], room)
        verbs = {call.verb for call in calls}
        assert sum(call.verb == "say" for call in calls) == reports, "not every report was said to be kept"
        places = _places(calls, count, dice, verbs if name == "ours" else {"say"})
        outcomes.append(cut(Questioner(_room(folder, f"{name} cut"), truth), calls, disk, places, dice))
    return outcomes[0], outcomes[1]


def _room(folder: Path, name: str) -> Path:
    (room := folder / name).mkdir()
    return room


def main() -> int:
    """Run the campaign, or be the process in it."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--cuts", type=int, default=2_000)
    asked.add_argument("--reports", type=int, default=60)
    asked.add_argument("--seed", type=int, default=7)
    asked.add_argument("--take-in", type=Path)
    asked.add_argument("--synchronous", default="EXTRA")
    chosen = asked.parse_args()
    if chosen.take_in:
        _sync(chosen.synchronous)
        take_in(chosen.take_in, told(chosen.seed, chosen.reports))
        return 0
    with tempfile.TemporaryDirectory(prefix="power-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
        size = {
            "seed": chosen.seed,
            "reports": chosen.reports,
            "cuts": chosen.cuts,
            "controls": max(20, chosen.cuts // 10),
        }
        ours, control = campaign(Path(folder), **size)
    print(f"the ledger: {ours}\nthe control: {control}")
    for line in ours.wrong[:10]:
        print(f"  {line}")
    if not control.bites:
        print("the control lost too little: the cuts do not bite")
    return 0 if control.bites and not ours.lost and not ours.wrong else 1


def _sync(level: str) -> None:
    """Let every connection of this process sync as the level says, where ours asks for EXTRA."""
    connect = sqlite3.connect

    class Told(sqlite3.Connection):
        def execute(self, sql: str, *rest: Any) -> sqlite3.Cursor:
            return super().execute(sql.replace("synchronous=EXTRA", f"synchronous={level}"), *rest)

    sqlite3.connect = partial(connect, factory=Told)  # type: ignore[assignment]


if __name__ == "__main__":
    sys.exit(main())

"""`make campaign`: every harness we have, one after another, at release size; may be stopped and goes on where it was.

    python -m tests.campaign [--only C6] [--state .cache/release.json] [--report .cache/campaign.md] [--small]

C1 to C15 are what a ledger for money must be put through before a release. Where a harness fails because its own
faults did not fire, it fails. One report says what was done, how large, how long it took, and what has no harness yet.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from support_service import __version__

STATE, REPORT = Path(".cache") / "release.json", Path(".cache") / "campaign.md"
KEPT_CHARS = 2_000
PYTEST = ("-m", "pytest", "-q", "-p", "no:cacheprovider")


@dataclass(frozen=True)
class Piece:
    """One harness: what it belongs to, how it is run large and small, and what proves that it bit."""

    ids: str
    name: str
    command: tuple[str, ...]
    small: tuple[str, ...]
    floor: str
    environment: Mapping[str, str] = field(default_factory=dict)


def _worlds(chain: str, worlds: int, small: int) -> Piece:
    def command(count: int) -> tuple[str, ...]:
        state = f".cache/{chain}-{count}.json"
        return ("-m", "tests.worlds", "--chain", chain, "--worlds", str(count), "--state", state)

    floor = "ends with 1 without a reorg, a fault or a killed watcher"
    return Piece("C1 C2 C3 C7", f"worlds on {chain}", command(worlds), command(small), floor)


def _load(ids: str, module: str, large: str, small: str, floor: str) -> Piece:
    command = ("-m", f"tests.load.{module}")
    return Piece(ids, f"{module} {large}".strip(), (*command, *large.split()), (*command, *small.split()), floor)


def _races(large: str, small: str) -> Piece:
    return _load("C9", "races", large, small, "conflicts are counted and demanded")


def _tests(ids: str, files: str, floor: str, **environment: str) -> Piece:
    command = (*PYTEST, *files.split())
    return Piece(ids, files.replace("tests/", ""), command, command, floor, environment)


PIECES = (
    _worlds("evm", 2_000, 3),
    _worlds("bitcoin", 2_000, 3),
    _worlds("tron", 1_000, 3),
    _tests("C1", "tests/rails/bank/test_histories.py", "whatever may come of a step came", BANK_HISTORIES="2000"),
    _tests("C1", "tests/ledger/test_histories.py", "asserted in the tests"),
    _tests("C1", "tests/rails/bitcoin/test_histories.py", "each kind of node and server", BITCOIN_HISTORIES="200"),
    _tests("C1", "tests/ledger/test_state_machine.py", "each rule of the machine is drawn", BOOKS_HISTORIES="2000"),
    _load("C3 C6", "webhooks", "--payments 50000 --deliveries 200000 --kills 40", "--payments 100 --deliveries 400 "
          "--kills 1", "copies, forgeries, inversions and kills are counted"),
    _load("C3 C6", "webhooks", "--payments 5000 --deliveries 20000 --kills 40 --database postgresql",
          "--payments 100 --deliveries 400 --kills 1 --database postgresql", "the same"),
    _load("C3 C6", "webhooks", "--processor mono --payments 5000 --deliveries 20000 --kills 20",
          "--processor mono --payments 100 --deliveries 400 --kills 1", "the same"),
    _load("C3", "machines", "--rounds 200", "--rounds 4 --lease 3", "each fault fired, each handover counted"),
    _load("C4", "power", "--cuts 2000", "--cuts 40 --reports 10", "the control, which syncs less, must lose money"),
    _tests("C5", "tests/load/test_siege.py", "the full disk is seen by the server"),
    _load("C5", "disk", "--gifts 300 --errors 500", "--gifts 20 --errors 20", "errors that came up are counted"),
    _tests("C6", "tests/faults/test_cards.py -k test_s3", "orders are counted, and must be all", EVERY_MESSAGE="1"),
    _tests("C7", "tests/faults", "each id of the catalogue has a test that ends with the ledger's word"),
    _tests("C8", "tests/rails/bank/test_hostile.py", "each parser is asked all the time, 5 times a second or more",
           FUZZ_SECONDS="300"),
    _tests("C8 C12", "tests/web/test_hostile_requests.py", "each route is asked"),
    _tests("C9", "tests/ledger/test_races.py", "losers are counted"),
    _races("--rounds 200", "--rounds 1 --writers 16 --keys 64"),
    _races("--rounds 200 --database postgresql", "--rounds 1 --writers 16 --keys 64 --database postgresql"),
    # At these levels each that is first makes all who wait come again: fewer keys make as many conflicts.
    *(
        _races(f"--rounds 200 --keys 100 {level}", f"--rounds 1 --writers 16 --keys 16 {level}")
        for level in (
            "--database postgresql --isolation repeatable-read",
            "--database postgresql --isolation serializable",
        )
    ),
    _tests("C10", "tests/ledger/test_backup.py", "each damaged file is refused", DRILLS="50", KILLS="50"),
    _tests("C11", "tests/ledger/test_tamperings.py", "changes that are found are counted, by table and kind",
           TAMPERINGS="12000"),
    _tests("C11", "tests/ledger/test_verify.py tests/manifest/test_manifest.py", "tamperings are counted"),
    _load("C12", "flood", "--attempts 10000", "--attempts 300", "attempts are counted"),
    _load("C13", "siege", "--seconds 60", "--seconds 2 --connections 200", "connections are counted"),
    _load("C14", "mutants", "", "--only money", "nine of ten changes of each group must be found"),
    _tests("C15", "tests/journeys", "each page is asked"),
)  # fmt: skip

# What belongs to each and nothing here does yet.
MISSING = {
    "C2": "a share of reorgs that hit our money, and a floor for flips: both are told, neither is asked for",
    "C3": "2,000 kills on SQLite and 500 on PostgreSQL, 100 of the database itself: some hundred, none of the database",
    "C5": "a volume that turns read-only; disk faults under PostgreSQL",
    "C8": "coverage-guided fuzzing (atheris) and schemathesis on our own description",
    "C12": "wapiti, sqlmap, slowhttptest",
    "C13": "a spike of 6,700 a second while sources catch up; a soak of 60 minutes",
}


@dataclass
class State:
    """What was done: a piece's command, how it ended, in how many seconds, and the end of what it said."""

    done: dict[str, dict[str, object]] = field(default_factory=dict)

    @classmethod
    def load(cls, file: Path) -> "State":
        return cls(json.loads(file.read_text(encoding="utf-8"))) if file.exists() else cls()

    def save(self, file: Path) -> None:
        """Write whole or not at all: a campaign may be stopped at any moment."""
        file.parent.mkdir(parents=True, exist_ok=True)
        new = file.with_suffix(".new")
        new.write_text(json.dumps(self.done, indent=1), encoding="utf-8")
        new.replace(file)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is not done yet; return 1 where any piece failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.campaign", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", default="", help="an id, such as C6")
    parser.add_argument("--state", type=Path, default=STATE)
    parser.add_argument("--report", type=Path, default=REPORT)
    parser.add_argument("--small", action="store_true", help="a few minutes: does each harness still run?")
    chosen = parser.parse_args(arguments)
    state = State.load(chosen.state)
    wanted = [one for one in PIECES if not chosen.only or chosen.only in one.ids.split()]
    for number, piece in enumerate(wanted, 1):
        key = " ".join(piece.small if chosen.small else piece.command)
        if state.done.get(key, {}).get("code") == 0:
            print(f"{number}/{len(wanted)} {piece.ids} {piece.name}: done before", flush=True)
            continue
        print(f"{number}/{len(wanted)} {piece.ids} {piece.name} ...", flush=True)
        state.done[key] = _run(piece, is_small=chosen.small)
        state.save(chosen.state)
        verdict = "passed" if state.done[key]["code"] == 0 else "FAILED"
        print(f"    {verdict} in {state.done[key]['seconds']} s", flush=True)
        chosen.report.write_text(report(state, is_small=chosen.small), encoding="utf-8")
    chosen.report.parent.mkdir(parents=True, exist_ok=True)
    chosen.report.write_text(report(state, is_small=chosen.small), encoding="utf-8")
    print(f"report: {chosen.report}")
    keys = {" ".join(one.small if chosen.small else one.command) for one in wanted}
    return 0 if all(state.done.get(key, {}).get("code") == 0 for key in keys) else 1


def _run(piece: Piece, *, is_small: bool) -> dict[str, object]:
    began = time.monotonic()
    # What makes a test large is set for it alone.
    environment = {**os.environ, **({} if is_small else piece.environment)}
    command = [sys.executable, *(piece.small if is_small else piece.command)]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    said = done.stdout.decode("utf-8", "replace")
    return {"code": done.returncode, "seconds": round(time.monotonic() - began), "said": said[-KEPT_CHARS:]}


def report(state: State, *, is_small: bool) -> str:
    """Write what was done and what was not."""
    lines = [
        f"# Campaign of {__version__}{', small' if is_small else ''}",
        "",
        f"Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} processors.",
        "",
        "| | harness | outcome | seconds | proves that it bit |",
        "|---|---|---|---|---|",
    ]
    for piece in PIECES:
        held = state.done.get(" ".join(piece.small if is_small else piece.command))
        outcome = "not run" if held is None else "passed" if held["code"] == 0 else "FAILED"
        larger = " ".join(f"{name}={value}" for name, value in piece.environment.items() if not is_small)
        seconds = "" if held is None else held["seconds"]
        lines.append(f"| {piece.ids} | {piece.name} {larger} | {outcome} | {seconds} | {piece.floor} |")
    lines += ["", "## No harness yet", "", *(f"- **{name}**: {what}" for name, what in MISSING.items())]
    failed = [(key, held) for key, held in state.done.items() if held["code"] != 0]
    for key, held in failed:
        lines += ["", f"## Failed: {key}", "", "```", str(held["said"]).replace("```", "'''"), "```"]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    raise SystemExit(main())

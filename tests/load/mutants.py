"""Mutation testing: our code is changed a little, thousands of times, and a test must fail each time.

    python -m tests.load.mutants [--only money] [--room .cache/mutants]

mutmut changes the code of each group below in a copy of the checkout and runs the group's tests on each change. It may
be stopped and goes on where it was, as long as the room is kept. Ends with 1 where fewer than 90 % of any group's
changes were found; what survived is listed, to be read by people: some changes mean the same as before.
"""

import argparse
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

FOUND_SHARE_MIN = 0.9
# SQLite is enough to notice, and what is drawn is the same for each change.
ARGUMENTS = ("-p", "no:cacheprovider", "-p", "no:xdist", "--hypothesis-seed", "0", "-m", "not postgres")
COPIED = ("support_service", "templates", "config", "tests", "README.md", "CHANGELOG.md", "Makefile", "pyproject.toml")
# What mutmut says of a change that some test failed on, one way or the other.
FOUND = frozenset({"killed", "timeout", "segfault", "suspicious", "caught by type check"})


@dataclass(frozen=True)
class Group:
    """Code, and the tests that must notice when it changes."""

    name: str
    sources: tuple[str, ...]
    tests: tuple[str, ...]


GROUPS = (
    Group("money", ("support_service/money.py",), ("tests/test_money.py",)),
    Group(
        "giving", ("support_service/giving",), ("tests/giving", "tests/ledger", "tests/rails/bank", "tests/settings")
    ),
    Group("accept", ("support_service/ledger/accept",), ("tests/ledger",)),
    Group(
        "search",
        ("support_service/rails/chain/search.py", "support_service/ledger/search.py"),
        ("tests/rails/chain", "tests/rails/evm", "tests/ledger/test_search.py"),
    ),
)


def main() -> int:
    """Change, test, tell; return 1 where too much survived."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--only", choices=[group.name for group in GROUPS])
    asked.add_argument("--room", type=Path, default=Path(".cache") / "mutants")
    asked.add_argument("--processes", type=int, default=2)
    chosen = asked.parse_args()
    bad = 0
    for group in GROUPS:
        if chosen.only in {None, group.name}:
            bad += not _tell(group, _results(group, chosen.room.resolve() / group.name, chosen.processes))
    return 1 if bad else 0


def _results(group: Group, room: Path, processes: int) -> list[tuple[str, str]]:
    """Run mutmut in a copy of the checkout; tell each change by its name, and what became of it."""
    room.mkdir(parents=True, exist_ok=True)
    for name in COPIED:
        if Path(name).is_dir():
            shutil.copytree(name, room / name, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(name, room / name)
    (room / "setup.cfg").write_text(_settings(group), encoding="utf-8")
    print(f"{group.name}: how far it is stands in {room / 'log'}", flush=True)
    command = [sys.executable, "-m", "mutmut"]
    with (room / "log").open("wb") as log:
        subprocess.run([*command, "run", "--max-children", str(processes)],
                       cwd=room, stdout=log, stderr=log, check=False)  # fmt: skip
    told = subprocess.run([*command, "results", "--all", "true"], cwd=room, capture_output=True,
                          text=True, check=True)  # fmt: skip
    pairs = (line.strip().rpartition(": ") for line in told.stdout.splitlines() if ": " in line)
    return [(name, ended) for name, _, ended in pairs]


def _settings(group: Group) -> str:
    def lines(names: Sequence[str]) -> str:
        return "".join(f"\n    {name}" for name in names)

    return (
        f"[mutmut]\nsource_paths={lines(group.sources)}\nalso_copy={lines(COPIED)}\n"
        f"pytest_add_cli_args_test_selection={lines(group.tests)}\n"
        f"pytest_add_cli_args={lines(ARGUMENTS)}\n"
    )


def _tell(group: Group, results: Sequence[tuple[str, str]]) -> bool:
    """Print what survived, and the share that was found; return whether it is enough."""
    ends = Counter(ended for _, ended in results)
    found = sum(count for ended, count in ends.items() if ended in FOUND)
    for name, ended in results:
        if ended not in FOUND:
            print(f"  {ended}: {name}")
    print(f"{group.name}: {found} of {len(results)} changes were found ({dict(ends)})", flush=True)
    return bool(results) and found >= FOUND_SHARE_MIN * len(results)


if __name__ == "__main__":
    sys.exit(main())

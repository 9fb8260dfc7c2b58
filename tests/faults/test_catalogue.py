"""No id of the list of faults is forgotten: each is one file's named test, and the README says which."""

import re
from collections import defaultdict
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
FAMILIES = {"E": 12, "T": 14, "R": 9, "N": 13, "X": 9}
IDS = {f"{family}{number}" for family, last in FAMILIES.items() for number in range(1, last + 1)}
NAMED = re.compile(r"^def test_([etrnx]\d+)_", re.MULTILINE)
ROW = re.compile(r"^\| ([^|]+) \| `([^`]+)` \|$", re.MULTILINE)
README = (Path(__file__).parent / "README.md").read_text(encoding="utf-8")


def places() -> dict[str, set[str]]:
    """Name the files that hold a test of each id; Bitcoin's tests tell of the same faults beside these."""
    found: dict[str, set[str]] = defaultdict(set)
    for path in (path for path in TESTS.rglob("test_*.py") if not path.name.startswith("test_bitcoin_")):
        for name in NAMED.findall(path.read_text(encoding="utf-8")):
            found[name.upper()].add(f"tests/{path.relative_to(TESTS).as_posix()}")
    return dict(found)


def test_every_id_is_tested_in_the_file_that_the_readme_names() -> None:
    told = {name: {path} for names, path in ROW.findall(README) for name in names.split(", ")}
    assert told.keys() == IDS
    assert places() == told


def test_what_differs_is_told_of_ids_of_the_list_only() -> None:
    differing = re.findall(r"^- \*\*(\w+)\*\*: ", README, re.MULTILINE)
    assert len(differing) == README.count("\n- ") > 0
    assert set(differing) <= IDS

"""No id of the list of faults is forgotten: each is one file's named test, and the README says which."""

import re
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
LAST = {"E": 12, "T": 14, "R": 9, "N": 13, "X": 9, "B": 13, "S": 14}
NAMED = re.compile(r"^def test_([etrnxbs]\d+)_", re.MULTILINE)
ROW = re.compile(r"^\| ([^|]+) \| (`[^|]+`) \|$", re.MULTILINE)
REASON = re.compile(r"^- \*\*(\w+)\*\*: .*?(?=^- |^$|\Z)", re.MULTILINE | re.DOTALL)
README = (Path(__file__).parent / "README.md").read_text(encoding="utf-8")
ACCOUNTS, _OTHERS = README.split("\n## Bitcoin\n")
BITCOIN, CARDS = _OTHERS.split("\n## Cards\n")


def ids(families: str) -> set[str]:
    """Every id of some families of the list."""
    return {f"{family}{number}" for family in families for number in range(1, LAST[family] + 1)}


IDS = ids("ETRNXBS")


def places(paths: Iterable[Path]) -> dict[str, set[str]]:
    """Name the files that hold a test of each id."""
    found: dict[str, set[str]] = defaultdict(set)
    for path in paths:
        for name in NAMED.findall(path.read_text(encoding="utf-8")):
            found[name.upper()].add(f"tests/{path.relative_to(TESTS).as_posix()}")
    return dict(found)


def named(text: str) -> dict[str, set[str]]:
    """What a table of the README says: the file of each id, or the files."""
    return {
        name: set(re.findall(r"`([^`]+)`", files)) for names, files in ROW.findall(text) for name in names.split(", ")
    }


def test_every_id_is_tested_in_the_file_that_the_readme_names() -> None:
    told = named(ACCOUNTS)
    assert told.keys() == ids("ETRNX")
    tests = [path for path in TESTS.rglob("test_*.py") if "bitcoin" not in path.as_posix()]
    assert {name: found for name, found in places(tests).items() if name not in ids("S")} == told


def test_every_id_is_tested_on_bitcoin_too_or_cannot_occur_there() -> None:
    told = named(BITCOIN)
    absent = {found[1] for found in REASON.finditer(BITCOIN) if "cannot occur" in found[0]}
    assert told.keys() | absent == ids("BRN")
    assert not told.keys() & absent
    assert places((TESTS / "faults").glob("test_bitcoin*.py")) == told


def test_every_id_of_cards_is_tested_or_said_to_be_missing() -> None:
    told = named(CARDS)
    missing = {found[1] for found in REASON.finditer(CARDS) if "not built yet" in found[0]}
    assert told.keys() | missing == ids("S")
    assert not told.keys() & missing
    held = places(TESTS.rglob("test_*.py"))
    assert {name: held.get(name) for name in sorted(ids("S") & held.keys())} == told


def test_what_differs_is_told_of_ids_of_the_list_only() -> None:
    differing = re.findall(r"^- \*\*(\w+)\*\*: ", README, re.MULTILINE)
    assert len(differing) == README.count("\n- ") > 0
    assert set(differing) <= IDS

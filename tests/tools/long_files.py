"""Writes tests/long_files.txt from a run of all tests: `python -m tests.tools.long_files JUNIT_XML`."""

import sys
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

TESTS = Path(__file__).resolve().parents[1]
# Summed over a file's tests, on two cores with nothing beside.
LONG_SECONDS = 5


def main() -> None:
    """Sum what the tests of each file took, and name the long ones, the longest first."""
    seconds: Counter[str] = Counter()
    for case in ElementTree.parse(sys.argv[1]).iter("testcase"):
        seconds[case.attrib["classname"]] += round(float(case.attrib["time"]) * 1000)
    long = [name for name, millis in seconds.most_common() if millis >= LONG_SECONDS * 1000]
    names = [name.removeprefix("tests.").replace(".", "/") for name in long]
    (TESTS / "long_files.txt").write_text("".join(f"{name}\n" for name in names), encoding="utf-8")


if __name__ == "__main__":
    main()

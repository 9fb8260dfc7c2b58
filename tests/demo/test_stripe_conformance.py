"""The comparison that people with a test key can run; here both sides are stand-ins."""

import subprocess
import sys
from pathlib import Path
from typing import Any

from support_service.demo.stripe import KEY, StripeFake, Terms
from tests.conformance.stripe_account import STEPS, compare, differences, shape
from tests.fixtures.stripe_schema import check

ROOT = Path(__file__).resolve().parents[2]


def test_a_stand_in_is_like_itself() -> None:
    told: list[str] = []
    with StripeFake(check=check, seed="other", terms=Terms(fee_permille=14)) as other:
        assert compare(KEY, other.url, told.append) == 0
    assert told[-1] == f"{len(STEPS)} of {len(STEPS)} steps alike"


def test_each_step_that_differs_is_told() -> None:
    told: list[str] = []
    with StripeFake() as careless:  # checks no parameter
        assert compare(KEY, careless.url, told.append) == 2
    assert [line.split("  ")[-1] for line in told if line.startswith("DIFFERS")] == [
        "refuses an unknown parameter",
        "refuses an unknown nested parameter",
    ]


def test_shapes_differ_by_key_and_by_truth_but_not_by_value() -> None:
    ours: Any = {"a": 1, "b": {"c": True, "metadata": {"x": "y"}}}
    assert differences(shape({"a": 2, "b": {"c": True, "metadata": {}}}), shape(ours)) == []
    assert len(differences(shape({"a": 2, "d": 1, "b": {"c": False, "metadata": None}}), shape(ours))) == 2


def test_a_live_key_is_refused_before_anything_is_asked() -> None:
    command = [sys.executable, "-m", "tests.conformance.stripe_account", "--key", "sk_live_x"]
    run = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, timeout=60)
    assert run.returncode == 2 and "nothing was asked" in run.stderr and not run.stdout

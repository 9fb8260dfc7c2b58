"""The power goes while reports are taken in: what was said to be kept is there afterwards."""

import subprocess
from functools import cache
from pathlib import Path

import pytest

from tests.load.power import campaign


@cache
def _can_trace() -> bool:
    return subprocess.run(["strace", "-o", "/dev/null", "true"], check=False, capture_output=True).returncode == 0


@pytest.mark.skipif("not _can_trace()", reason="processes may not be traced here")
def test_no_power_cut_takes_what_was_said_to_be_kept(tmp_path: Path) -> None:
    ours, control = campaign(tmp_path, seed=11, reports=10, cuts=40, controls=16)
    assert (ours.cuts, ours.lost, ours.wrong) == (40, 0, [])
    assert ours.fired["with something open"] > 15, "hardly any cut took anything away"
    assert ours.fired["with a journal to roll back"] > 8, "hardly any cut fell into a transaction"
    assert {name for name in ours.fired if name.startswith("after ")} >= {"after sync", "after unlink", "after write"}
    assert control.bites, f"SQLite that syncs less lost nothing either, so nothing was cut: {control}"

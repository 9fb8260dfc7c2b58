"""A disk that fails under the ledger, in a small form of `python -m tests.load.disk`."""

import shutil
from pathlib import Path

import pytest

from tests.load.disk import play


@pytest.mark.skipif(shutil.which("fiu-run") is None, reason="fiu-utils is not installed")
def test_what_a_failing_disk_acknowledged_is_kept_and_nothing_else(tmp_path: Path) -> None:
    assert play("writes: no space", tmp_path, gifts=12).problems == []

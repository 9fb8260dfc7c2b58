"""A processor is its folder and its line: without both, all else stands and works as before."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fixtures.service import ROOT, SEED, write_settings

# What stands in for others on this machine knows whom it stands in for.
LEFT_OUT = ("demo", "conformance", "__pycache__")
LOOK = """
import importlib, pkgutil, sys
from pathlib import Path
import support_service
assert Path(support_service.__file__).is_relative_to(sys.argv[1]), support_service.__file__
for module in pkgutil.walk_packages(support_service.__path__, "support_service."):
    if ".migrations." not in module.name and not module.name.endswith("__main__"):
        importlib.import_module(module.name)
from support_service.assembly import assemble
from support_service.app import create_app
from support_service.rails import RAILS
answer = create_app(assemble(Path(sys.argv[2]))).test_client().get("/support", base_url="http://127.0.0.1:8000")
print(*RAILS, answer.status_code)
"""


@pytest.mark.parametrize("rail", ["mono", "stripe"])
def test_without_its_folder_and_its_line_a_processor_is_missed_nowhere(rail: str, tmp_path: Path) -> None:
    copy = tmp_path / "support_service"
    shutil.copytree(ROOT / "support_service", copy, ignore=shutil.ignore_patterns(*LEFT_OUT))
    for beside in ("config", "templates"):
        (tmp_path / beside).symlink_to(ROOT / beside)
    shutil.rmtree(copy / "rails" / rail)
    table = copy / "rails" / "__init__.py"
    named = table.read_text(encoding="utf-8")
    less = re.sub(rf", {rail.upper()}\b", "", re.sub(rf"from .* import {rail.upper()}\n", "", named))
    assert named.count("\n") == less.count("\n") + 1
    table.write_text(less, encoding="utf-8")
    settings = write_settings(tmp_path, SEED)
    run = subprocess.run(
        [sys.executable, "-c", LOOK, str(tmp_path), str(settings)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    *others, status = run.stdout.split()
    assert rail not in others
    assert status == "200"

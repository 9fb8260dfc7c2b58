"""The wheel alone, in an empty environment, serves the page from any folder."""

import os
import re
import subprocess
import sys
import venv
import zipfile
from importlib.metadata import distribution
from pathlib import Path

import pytest

from tests.fixtures.service import ROOT, WAIT_SECONDS_MAX, answer, free_port, until

INSTALL_SECONDS_MAX = 300
# What the package needs beside its code, wherever it is installed.
CARRIED = {
    "support_service/templates/support.html",
    "support_service/templates/staff/login.html",
    "support_service/config/assets.toml",
    "support_service/config/militarnyi.toml",
    "support_service/config/demo.toml",
    "support_service/config/support.example.toml",
    "support_service/demo/contracts.json",
    "support_service/notifications/fonts/DejaVuSans.ttf",
    "support_service/notifications/fonts/LICENSE.txt",
    "support_service/web/reader/widget.js",
    "support_service/web/translations/uk/LC_MESSAGES/messages.mo",
}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout, built without asking a registry."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True, timeout=INSTALL_SECONDS_MAX)
    return next(folder.glob("*.whl"))


def run(*command: str | Path, cwd: Path) -> str:
    """Run a command outside the checkout, in a clean environment; return what it printed."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    words = [str(word) for word in command]
    done = subprocess.run(
        words, cwd=cwd, env=env, capture_output=True, text=True, check=False, timeout=INSTALL_SECONDS_MAX
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_the_wheel_carries_what_it_needs_and_nothing_else(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert names >= CARRIED
    assert all(name.startswith(("support_service/", "support_service-")) for name in names)
    assert not [name for name in names if "/test" in name or name.endswith((".db", ".sol"))]


def test_it_serves_the_page_from_an_empty_environment(wheel: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "env", with_pip=False)
    python, elsewhere = tmp_path / "env" / "bin" / "python", tmp_path / "elsewhere"
    elsewhere.mkdir()
    where = run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=elsewhere)
    lend_locked(Path(where.strip()))
    pip = f"{sys.executable} -m pip --disable-pip-version-check --quiet --python {python}".split()
    run(*pip, "install", "--no-deps", "--no-index", wheel, cwd=elsewhere)
    run(*pip, "check", cwd=elsewhere)
    where = run(python, "-c", "import support_service as s; print(s.__file__)", cwd=elsewhere)
    assert where.startswith(str(tmp_path))
    _serves(tmp_path / "env" / "bin" / "support-service", elsewhere)


def lend_locked(packages: Path) -> None:
    """Put what the lock file names, and nothing else, into an empty environment: as links to what is installed here.

    `make setup` has installed that from the lock file itself, hashes and all; a second time would prove nothing more.
    """
    for name, version in re.findall(r"^([\w.-]+)==(\S+)", (ROOT / "config/lock/run.txt").read_text(), re.MULTILINE):
        package = distribution(name)
        assert package.version == version, f"{name} is not the locked one; `make setup` installs it"
        for file in package.files or ():
            link, here = packages / file, Path(str(file.locate()))
            # Programs go elsewhere, and some packages bring a file that another brings, too.
            if ".." not in file.parts and here.exists() and not link.exists():
                link.parent.mkdir(parents=True, exist_ok=True)
                link.symlink_to(here)


def _serves(command: Path, folder: Path) -> None:
    """Start the installed command in a folder of its own and read the page."""
    settings, port = folder / "support.toml", free_port()
    settings.write_text((ROOT / "config" / "militarnyi.toml").read_text(encoding="utf-8"), encoding="utf-8")
    page = f"http://127.0.0.1:{port}"
    with (folder / "log").open("wb") as log:
        service = subprocess.Popen(
            [command, "--config", settings, "run", "--port", str(port)], cwd="/", stdout=log, stderr=log
        )
    try:
        until(lambda: answer(f"{page}/healthz")[0] == 200 or service.poll() is not None)
        status, text = answer(f"{page}/support?lang=uk")
        assert status == 200, (folder / "log").read_text()
        assert "5169335101647408" in text
        assert "Підтрим" in text, "the translations are there"
        assert answer(f"{page}/qr/eth.svg")[0] == answer(f"{page}/widget.js")[0] == answer(f"{page}/readyz")[0] == 200
        assert answer(f"{page}/staff/login")[0] == 200
    finally:
        service.terminate()
        assert service.wait(WAIT_SECONDS_MAX) == 0

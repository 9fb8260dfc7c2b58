"""`make bench`: how fast the page is beside a bare Flask view, how heavy, and what a web worker weighs.

    python -m tests.bench.page [--rounds 5] [--seconds 3] [--readme]

Load is wrk's. Beside ours run a bare Flask view and a bare WSGI app, each with the very bytes of the page. Runs
are interleaved, so that whatever else the machine does falls on all alike; medians are told.
An aim that is missed is printed with its cause. --readme writes the figures into README.md.
"""

import argparse
import gzip
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil

from tests.bench import load
from tests.bench.serving import HOST, page
from tests.fixtures.service import ROOT, SEED, answer, free_port, until, write_settings

WORKER_MIB_AIM = 90
BESIDE = {"flask": "a bare Flask view, same bytes", "bare": "a bare WSGI app, same bytes"}
UNSEEN_NAME = "articles never seen before"
ASKED = {
    "support page": "/support",
    "in the other language": "/support?lang=en",
    "QR code, SVG": "/qr/eth.svg",
    "QR code, PNG": "/qr/eth.png",
    "widget": "/widget",
    "widget.js": "/widget.js",
    UNSEEN_NAME: "/support",
}
# wrk's own language: a number that no request before had.
UNSEEN = """
local n = 0
request = function() n = n + 1; return wrk.format("GET", "/support?article=https%3A%2F%2Fa.example%2F" .. n) end
"""
FLASK_TIMES_AIM, BARE_SHARE_AIM, UNSEEN_AIM = 3, 0.4, 2_000
PAGE_KB_AIM, WIDGET_KB_AIM = 30, 6
# As the first page was, before the sum came first, and the block on articles before it held one number: gzipped bytes.
BEFORE = {"support page, five QR codes": 3_774, "widget.js": 3_115}
REQUESTS_BEFORE_WEIGHING = 500
MARKS = ("<!-- figures -->", "<!-- end of figures -->")

# In the order in which a web worker comes to need them; each is weighed in a fresh process after the ones before.
PARTS = (
    ("Python itself", ""),
    ("granian, the server", "granian.server"),
    ("Flask and Jinja", "flask"),
    ("Flask-Babel (translations)", "flask_babel"),
    ("pydantic (settings)", "pydantic_settings"),
    ("SQLAlchemy Core (ledger)", "sqlalchemy"),
    ("argon2 (staff logins)", "argon2"),
    ("schwifty (IBAN, banks)", "schwifty"),
    ("qrcode", "qrcode.main"),
    ("our own code", "support_service.server"),
)
NEVER = ("web3", "alembic", "stripe", "requests")


@contextmanager
def serving(app: str, settings: Path) -> Iterator[tuple[int, psutil.Process]]:
    """Run one server; yield its port and its worker process."""
    port = free_port()
    process = subprocess.Popen([sys.executable, "-m", "tests.bench.serving", app, str(port), str(settings)], cwd=ROOT)
    try:
        until(lambda: answer(f"http://{HOST}:{port}/support")[0] == 200, what=app)
        yield port, psutil.Process(process.pid).children()[0]
    finally:
        process.terminate()
        process.wait(30)


def speed(settings: Path, rounds: int, seconds: int) -> dict[str, float]:
    """Measure requests a second: the median of interleaved runs for each of our answers and for both others."""
    runs: dict[str, list[float]] = {}
    with ExitStack() as stack:
        ports = {app: stack.enter_context(serving(app, settings))[0] for app in ("service", *BESIDE)}
        for _ in range(rounds):
            for name, path in ASKED.items():
                script = UNSEEN if name == UNSEEN_NAME else ""
                found = load.requests_a_second(ports["service"], path, seconds, script=script)
                runs.setdefault(name, []).append(found)
            for name in BESIDE:
                runs.setdefault(name, []).append(load.requests_a_second(ports[name], "/support", seconds))
    return {name: statistics.median(found) for name, found in runs.items()}


def weights(settings: Path) -> dict[str, tuple[int, int]]:
    """Return the bytes of what readers load: plain, and compressed as a browser asks for it."""
    client = page(settings).test_client()
    found = {}
    for name, path in (("support page, five QR codes", "/support"), ("widget.js", "/widget.js")):
        body = client.get(path, base_url=f"http://{HOST}").data
        found[name] = (len(body), len(gzip.compress(body, 6)))
    return found


def worker_memory(settings: Path) -> tuple[float, float]:
    """Weigh a web worker that has answered: resident and proportional MiB."""
    with serving("service", settings) as (port, worker):
        for _ in range(REQUESTS_BEFORE_WEIGHING):
            answer(f"http://{HOST}:{port}/support")
        memory = worker.memory_full_info()
        return memory.rss / 2**20, memory.pss / 2**20


def part_costs() -> list[tuple[str, float]]:
    """Weigh what each part adds to a process that has imported the ones before it."""
    costs, before = [], 0.0
    for count, (name, _) in enumerate(PARTS, 1):
        modules = [module for _, module in PARTS[:count] if module]
        now = _resident_mib("".join(f"import {module}; " for module in modules))
        costs.append((name, now - before))
        before = now
    return costs


def _resident_mib(imports: str) -> float:
    code = f"{imports}import sys, psutil; print(psutil.Process().memory_info().rss, *sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    size, *modules = told.split()
    assert not set(NEVER) & set(modules), f"a web worker must not load {set(NEVER) & set(modules)}"
    return int(size) / 2**20


def report(rounds: int, seconds: int) -> str:
    """Measure everything and write it down as Markdown."""
    with tempfile.TemporaryDirectory() as folder:
        settings = write_settings(Path(folder), SEED)
        lines = _speed_lines(speed(settings, rounds, seconds)) + _size_lines(weights(settings))
        resident, proportional = worker_memory(settings)
    return "\n".join(lines + _memory_lines(resident, proportional, part_costs()))


def _speed_lines(speeds: dict[str, float]) -> list[str]:
    machine = f"{os.cpu_count()} cores shared by server and load, Python {platform.python_version()}"
    lines = [
        f"One worker process, {machine}; load by {load.generator()}.",
        "",
        "| what is asked for | a second | bare Flask view | bare WSGI app |",
        "|---|---|---|---|",
    ]
    for name in ASKED:
        ours = speeds[name]
        lines.append(f"| {name} | {ours:,.0f} | {ours / speeds['flask']:.1f} x | {ours / speeds['bare']:.2f} x |")
    lines += [f"| {told} | {speeds[name]:,.0f} | | |" for name, told in BESIDE.items()]
    late = [
        name
        for name in ASKED
        if name != UNSEEN_NAME
        and (speeds[name] < FLASK_TIMES_AIM * speeds["flask"] or speeds[name] < BARE_SHARE_AIM * speeds["bare"])
    ]
    if late:
        aims = f"{FLASK_TIMES_AIM} times a bare Flask view and {BARE_SHARE_AIM} of a bare app"
        lines.append(f"\nMissed: the aim is {aims}; below it: {', '.join(late)}.")
    if speeds[UNSEEN_NAME] < UNSEEN_AIM:
        lines.append(f"\nMissed: the aim for unseen articles is {UNSEEN_AIM:,} a second.")
    return [*lines, ""]


def _size_lines(sizes: dict[str, tuple[int, int]]) -> list[str]:
    lines = ["| a reader loads | bytes | gzipped | aim | gzipped before |", "|---|---|---|---|---|"]
    for (name, (plain, packed)), aim_kb in zip(sizes.items(), (PAGE_KB_AIM, WIDGET_KB_AIM), strict=True):
        lines.append(f"| {name} | {plain:,} | {packed:,} | {aim_kb},000 | {BEFORE[name]:,} |")
    (_, page_packed), (_, widget_packed) = sizes.values()
    if page_packed > PAGE_KB_AIM * 1000:
        lines.append(f"\nMissed: the page is to have at most {PAGE_KB_AIM} kB gzipped.")
    if widget_packed > WIDGET_KB_AIM * 1000:
        lines.append(f"\nMissed: the widget is to have at most {WIDGET_KB_AIM} kB gzipped.")
    return [*lines, ""]


def _memory_lines(resident: float, proportional: float, costs: list[tuple[str, float]]) -> list[str]:
    shares = ", ".join(f"{name} {size:.0f}" for name, size in costs)
    told = f"A web worker holds {resident:.0f} MiB resident; {proportional:.0f} MiB of that are its own, for it shares "
    told += f"code with its parent. The aim is {WORKER_MIB_AIM}. In MiB: {shares}. web3 is never imported there."
    lines = [told]
    if resident > WORKER_MIB_AIM:
        name, size = max(costs, key=lambda cost: cost[1])
        lines.append(f"\nMissed: the aim is {WORKER_MIB_AIM} MiB; the largest part is {name} with {size:.0f} MiB.")
    return lines


def write_readme(figures: str) -> None:
    """Put the figures between their marks in the README."""
    file = ROOT / "README.md"
    before, rest = file.read_text(encoding="utf-8").split(MARKS[0])
    after = rest.split(MARKS[1])[1]
    file.write_text(f"{before}{MARKS[0]}\n{figures}\n{MARKS[1]}{after}", encoding="utf-8")


def main() -> None:
    """Measure, print, and with --readme keep."""
    words = argparse.ArgumentParser(description="Measure the support page.")
    words.add_argument("--rounds", type=int, default=5)
    words.add_argument("--seconds", type=int, default=3)
    words.add_argument("--readme", action="store_true")
    chosen = words.parse_args()
    figures = report(chosen.rounds, chosen.seconds)
    print(figures)
    if chosen.readme:
        write_readme(figures)


if __name__ == "__main__":
    main()

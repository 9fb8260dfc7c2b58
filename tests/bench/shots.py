"""`make shots`: take the README's picture of the page anew, in real Chromium."""

import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.bench.serving import page
from tests.fixtures.browser import launch, serving
from tests.fixtures.service import ROOT, SEED, write_settings

PICTURE = ROOT / "tests" / "golden" / "support-page.png"
WIDTH, HEIGHT = 1200, 900


def main() -> None:
    """Serve the first user's block and photograph it in English, as on a desktop."""
    with (
        tempfile.TemporaryDirectory() as folder,
        serving(page(write_settings(Path(folder), SEED))) as origin,
        sync_playwright() as playwright,
    ):
        browser = launch(playwright, Path(folder))
        window = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light")
        window.goto(f"{origin}/support?lang=en")
        window.wait_for_load_state("networkidle")
        window.screenshot(path=PICTURE, full_page=True)
        browser.close()
    print(f"{PICTURE.relative_to(ROOT)}: {PICTURE.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()

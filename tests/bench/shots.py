"""`make shots`: take the README's pictures of the page anew, in real Chromium."""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from playwright.sync_api import ViewportSize, sync_playwright

from tests.bench.serving import page
from tests.fixtures.browser import launch, serving
from tests.fixtures.service import ROOT, SEED, write_settings
from tests.fixtures.site import NBU

GOLDEN = ROOT / "tests" / "golden"


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture: its file, the window, and what the reader prefers."""

    name: str
    width: int
    height: int
    theme: Literal["light", "dark"]
    lang: str


PICTURES = (
    Picture("support-page.png", 1280, 900, "light", "en"),
    Picture("support-phone.png", 390, 844, "dark", "uk"),
)


def main() -> None:
    """Serve the first user's block with the details of an NBU code, and photograph it on a desk and on a phone."""
    text = SEED
    for old, new in NBU.items():
        text = text.replace(old, new)
    with (
        tempfile.TemporaryDirectory() as folder,
        serving(page(write_settings(Path(folder), text))) as origin,
        sync_playwright() as playwright,
    ):
        browser = launch(playwright, Path(folder))
        for one in PICTURES:
            size: ViewportSize = {"width": one.width, "height": one.height}
            window = browser.new_page(viewport=size, color_scheme=one.theme)
            window.goto(f"{origin}/support?lang={one.lang}&amount=200&currency=UAH&frequency=once")
            window.wait_for_load_state("networkidle")
            window.screenshot(path=GOLDEN / one.name, full_page=True)
            print(f"{one.name}: {(GOLDEN / one.name).stat().st_size:,} bytes")
        browser.close()


if __name__ == "__main__":
    main()

"""A Ukrainian reader gives through plata by mono in a real browser: every page speaks Ukrainian."""

import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from flask import Flask
from playwright.sync_api import Page
from playwright.sync_api import TimeoutError as PlaywrightTimeout

from support_service.assembly import assemble
from support_service.demo.mono import MonoFake
from support_service.ledger import Ledger
from tests.fixtures.browser import PHONE, Serve, Visit
from tests.fixtures.database import prepare
from tests.fixtures.door import create_site
from tests.fixtures.service import SEED, free_port

pytestmark = pytest.mark.browser

PRESS_SECONDS_MAX = 20
PRESS_AGAIN_MS = 1_500


@dataclass
class Village:
    """The service and plata, each at its address."""

    app: Flask
    origin: str
    fake: MonoFake

    @property
    def ledger(self) -> Ledger:
        ledger: Ledger = self.app.extensions["support"].ledger
        return ledger


@pytest.fixture
def village(tmp_path: Path, sqlite_url: str, serve: Serve) -> Iterator[Village]:
    port = free_port()
    with MonoFake(is_sending=True) as fake:
        text = SEED.replace("sqlite:///support.db", sqlite_url).replace("127.0.0.1:8000", f"127.0.0.1:{port}")
        file = tmp_path / "support.toml"
        file.write_text(text + fake.settings(tmp_path), encoding="utf-8")
        prepare(sqlite_url)
        app = create_site(assemble(file))
        yield Village(app, serve(app, port), fake)


def speaks_ukrainian(page: Page) -> None:
    assert page.get_attribute("html", "lang") == "uk", page.url


def to_platas_page(page: Page, village: Village, frequency: str) -> None:
    page.goto(f"{village.origin}/support?lang=uk")
    speaks_ukrainian(page)
    if frequency == "monthly":
        page.check("#sum .is-monthly", force=True)
    page.click(f"#sum .presets.for-{frequency}.in-0 .preset >> nth=1")
    page.click("#method-mono a")
    assert page.url.startswith(f"{village.origin}/card?")
    speaks_ukrainian(page)
    assert "plata by mono" in page.inner_text("main")
    deadline = time.monotonic() + PRESS_SECONDS_MAX
    while "/pay/" not in page.url:
        assert time.monotonic() < deadline, page.content()
        with suppress(PlaywrightTimeout):
            page.click("form[action^='/card'] .button", timeout=PRESS_AGAIN_MS)
    speaks_ukrainian(page)


@pytest.mark.parametrize("has_script", [True, False])
def test_a_ukrainian_reader_gives_once_from_the_page_to_the_thanks(
    village: Village, visit: Visit, *, has_script: bool
) -> None:
    visitor = visit(size=PHONE, has_script=has_script)
    page = visitor.page
    to_platas_page(page, village, "once")
    page.click("button[value=pay]")
    page.wait_for_url(f"{village.origin}/thanks/*")
    speaks_ukrainian(page)
    assert village.fake.hooks.settle()
    page.reload()
    page.wait_for_selector("text=Пожертву отримано. Дякуємо!")
    (total,) = village.ledger.totals()
    assert (total.method, total.asset, total.count) == ("mono", "UAH", 1)
    strangers = [url for url in visitor.requests if not url.startswith((village.origin, village.fake.url, "data:"))]
    assert strangers == []
    assert village.ledger.verify() == []


def test_a_monthly_gift_is_begun_and_stopped_by_its_giver(village: Village, visit: Visit) -> None:
    page = visit(size=PHONE).page
    to_platas_page(page, village, "monthly")
    page.click("button[value=pay]")
    page.wait_for_url(f"{village.origin}/thanks/*")
    assert village.fake.hooks.settle()
    ref = page.url.partition("/thanks/")[2][:32]
    page.goto(f"{village.origin}/plan/{ref}?lang=uk")
    speaks_ukrainian(page)
    page.click("details summary")
    page.click(f"form[action*='/plan/{ref}/stop'] button")
    assert village.fake.hooks.settle()
    page.goto(f"{village.origin}/plan/{ref}?lang=uk")
    (plan,) = village.ledger.plans(10, None)
    assert plan.state == "cancelled"

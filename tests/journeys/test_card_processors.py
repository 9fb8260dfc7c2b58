"""A Ukrainian reader gives by card in a real browser, through each processor: every page of ours speaks Ukrainian."""

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from flask import Flask
from playwright.sync_api import Page
from playwright.sync_api import TimeoutError as PlaywrightTimeout

from support_service.assembly import assemble
from support_service.demo.mono import MonoFake
from support_service.demo.stripe import SECRET, Endpoint, StripeFake
from support_service.ledger import Ledger
from tests.fixtures.browser import PHONE, Serve, Visit
from tests.fixtures.database import prepare
from tests.fixtures.door import create_site
from tests.fixtures.service import SEED, free_port

pytestmark = pytest.mark.browser

PRESS_SECONDS_MAX = 20
PRESS_AGAIN_MS = 1_500


@dataclass
class Town:
    """The service and a processor, each at its address. hold keeps back what is pushed until release."""

    app: Flask
    origin: str
    rail: str
    processor_url: str
    hold: Callable[[], None]
    release: Callable[[], None]
    settle: Callable[[], bool]

    @property
    def ledger(self) -> Ledger:
        ledger: Ledger = self.app.extensions["support"].ledger
        return ledger


@pytest.fixture
def town(request: pytest.FixtureRequest, tmp_path: Path, database_url: str, serve: Serve) -> Iterator[Town]:
    yield from {"stripe": stripe_town, "mono": plata_town}[request.param](tmp_path, database_url, serve)


def stripe_town(folder: Path, database_url: str, serve: Serve) -> Iterator[Town]:
    with StripeFake() as fake:
        app, origin = opened(folder, database_url, serve, fake.settings(folder))
        hooks = fake.hooks
        hooks.endpoint = Endpoint(f"{origin}/webhooks/stripe", SECRET)
        yield Town(app, origin, "stripe", fake.url, hooks.hold, hooks.release, hooks.settle)


def plata_town(folder: Path, database_url: str, serve: Serve) -> Iterator[Town]:
    with MonoFake(is_sending=True) as fake:
        app, origin = opened(folder, database_url, serve, fake.settings(folder))
        hooks = fake.hooks

        def hold() -> None:
            hooks.is_sending = False

        def release() -> None:
            hooks.is_sending = True
            for message in fake.messages:
                hooks.add(message)

        yield Town(app, origin, "mono", fake.url, hold, release, hooks.settle)


def opened(folder: Path, database_url: str, serve: Serve, table: str) -> tuple[Flask, str]:
    port = free_port()
    text = SEED.replace("sqlite:///support.db", database_url).replace("127.0.0.1:8000", f"127.0.0.1:{port}")
    file = folder / "support.toml"
    file.write_text(text + table, encoding="utf-8")
    prepare(database_url)
    app = create_site(assemble(file))
    return app, serve(app, port)


def speaks_ukrainian(page: Page, town: Town) -> None:
    # Stripe's own page is in a language that Stripe has, and Ukrainian is none; plata's is in Ukrainian.
    if page.url.startswith(town.origin) or town.rail == "mono":
        assert page.get_attribute("html", "lang") == "uk", page.url


def to_the_payment_page(page: Page, town: Town, frequency: str) -> None:
    page.goto(f"{town.origin}/support?lang=uk")
    speaks_ukrainian(page, town)
    if frequency == "monthly":
        page.check("#sum .is-monthly", force=True)
    page.click(f"#sum .presets.for-{frequency}.in-0 .preset >> nth=1")
    page.click(f"#method-{town.rail} a")
    page.wait_for_url(lambda url: url.startswith(f"{town.origin}/card?"))
    speaks_ukrainian(page, town)
    assert {"stripe": "Stripe", "mono": "plata by mono"}[town.rail] in page.inner_text("main")
    deadline = time.monotonic() + PRESS_SECONDS_MAX
    while not page.url.startswith(town.processor_url):
        assert time.monotonic() < deadline, page.content()
        with suppress(PlaywrightTimeout):
            page.click("form[action^='/card'] .button", timeout=PRESS_AGAIN_MS)
    speaks_ukrainian(page, town)


# How pages lead on does not hang on the database: once on the other one is enough.
GIVEN = [
    ("stripe", "sqlite", True),
    ("stripe", "sqlite", False),
    pytest.param("stripe", "postgresql", True, marks=pytest.mark.postgres),
    ("mono", "sqlite", True),
    ("mono", "sqlite", False),
]


@pytest.mark.parametrize(("town", "database_url", "has_script"), GIVEN, indirect=["town", "database_url"])
def test_a_ukrainian_reader_gives_once_from_the_page_to_the_thanks(
    town: Town, visit: Visit, *, has_script: bool
) -> None:
    visitor = visit(size=PHONE, has_script=has_script)
    page = visitor.page
    to_the_payment_page(page, town, "once")
    town.hold()
    page.click("button[value=pay]")
    page.wait_for_url(f"{town.origin}/thanks/*")
    speaks_ukrainian(page, town)
    assert "Обробляємо вашу пожертву" in page.inner_text("h1")
    town.release()
    assert town.settle()
    if not has_script:
        page.click("text=Перевірити ще раз")
    page.wait_for_selector("text=Пожертву отримано. Дякуємо!")
    speaks_ukrainian(page, town)
    (total,) = town.ledger.totals()
    assert (total.rail, total.method, total.asset, total.count) == (town.rail, town.rail, "UAH", 1)
    strangers = [url for url in visitor.requests if not url.startswith((town.origin, town.processor_url, "data:"))]
    assert strangers == []
    assert town.ledger.verify() == []


@pytest.mark.parametrize(
    ("town", "database_url"), [("stripe", "sqlite"), ("mono", "sqlite")], indirect=["town", "database_url"]
)
def test_a_monthly_gift_is_begun_and_stopped_by_its_giver(town: Town, visit: Visit) -> None:
    page = visit(size=PHONE).page
    to_the_payment_page(page, town, "monthly")
    page.click("button[value=pay]")
    page.wait_for_url(f"{town.origin}/thanks/*")
    assert town.settle()
    ref = page.url.partition("/thanks/")[2][:32]
    page.goto(f"{town.origin}/plan/{ref}?lang=uk")
    speaks_ukrainian(page, town)
    stop = f"form[action*='/plan/{ref}/stop'] button"
    page.click(f"details:has({stop}) summary")
    page.click(stop)
    assert town.settle()
    page.goto(f"{town.origin}/plan/{ref}?lang=uk")
    speaks_ukrainian(page, town)
    (plan,) = town.ledger.plans.newest(10, None)
    assert plan.state in {"cancelled", "canceled"}

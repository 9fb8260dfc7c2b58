"""Pages of cards in a real browser: how they look, and what they lead to. The whole way is test_card_processors.py."""

import itertools
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
from support_service.demo.article import create_sample_app
from support_service.demo.stripe import SECRET, Endpoint, StripeFake
from support_service.ledger import Ledger
from support_service.web.reader.widget import frame_height
from tests.fixtures.browser import LOOKS, PHONE, Serve, Visit, Visitor, barriers, follow
from tests.fixtures.database import prepare
from tests.fixtures.door import create_site
from tests.fixtures.service import SEED, free_port
from tests.fixtures.stripe import stripe_settings

pytestmark = pytest.mark.browser

ARTICLE = "https://example.com/uk/a-story"
PRESS_SECONDS_MAX = 20
PRESS_AGAIN_MS = 1_500
PAGE_BYTES_MAX = 50_000


@dataclass
class Town:
    """The service and the processor, each at its address."""

    app: Flask
    origin: str
    fake: StripeFake

    @property
    def ledger(self) -> Ledger:
        ledger: Ledger = self.app.extensions["support"].ledger
        return ledger


# So that readers may add what the processor takes.
FEE = '[stripe.offers.UAH]\nfee = "2.9% + 3"\n'


@pytest.fixture
def calm_town(tmp_path: Path, sqlite_url: str, serve: Serve) -> Iterator[Town]:
    """How pages look and what they lead to does not hang on the database: once is enough."""
    yield from built(tmp_path, sqlite_url, serve)


def built(tmp_path: Path, database_url: str, serve: Serve) -> Iterator[Town]:
    port = free_port()
    with StripeFake() as fake:
        text = SEED.replace("sqlite:///support.db", database_url).replace("127.0.0.1:8000", f"127.0.0.1:{port}")
        file = tmp_path / "support.toml"
        file.write_text(text + stripe_settings(tmp_path, fake) + FEE, encoding="utf-8")
        prepare(database_url)
        app = create_site(assemble(file))
        origin = serve(app, port)
        fake.hooks.endpoint = Endpoint(f"{origin}/webhooks/stripe", SECRET)
        yield Town(app, origin, fake)


def press(page: Page) -> None:
    """Press the button as a person does: again, where a page asks for a moment and has not gone on by itself."""
    deadline = time.monotonic() + PRESS_SECONDS_MAX
    while "/c/pay/" not in page.url:
        assert time.monotonic() < deadline, page.content()
        with suppress(PlaywrightTimeout):
            page.click("form[action^='/card'] .button", timeout=PRESS_AGAIN_MS)


def to_the_payment_page(visitor: Visitor, town: Town, lang: str = "en") -> Page:
    page = visitor.page
    page.goto(f"{town.origin}/support?lang={lang}&article={ARTICLE}")
    page.check("#sum .is-monthly", force=True)
    page.click("#sum .presets.for-monthly.in-0 .preset >> nth=1")
    page.wait_for_url(lambda url: url.startswith(f"{town.origin}/support?"))
    page.click("#method-stripe a")
    page.wait_for_url(lambda url: url.startswith(f"{town.origin}/card?"))
    press(page)
    return page


def test_a_card_gift_from_the_article_takes_two_taps_to_the_processors_page(
    calm_town: Town, serve: Serve, visit: Visit
) -> None:
    article = serve(create_sample_app(calm_town.origin, "Militarnyi", "uk"))
    page = visit(size=PHONE).page
    page.goto(article)
    page.click("support-block .amount >> text=200 >> nth=0")
    page.wait_for_url(f"{calm_town.origin}/card?**")
    page.click("form.confirm .button")
    page.wait_for_url("**/c/pay/**")
    (session,) = calm_town.fake.account.all("checkout.session")
    assert (session["amount_total"], session["currency"]) == (200_00, "uah")


def test_going_back_and_on_finds_the_same_payment_page(calm_town: Town, visit: Visit) -> None:
    page = to_the_payment_page(visit(), calm_town)
    first = page.url
    page.click("a[href*='/card']")
    page.wait_for_url(lambda url: url.startswith(f"{calm_town.origin}/card?"))
    press(page)
    assert page.url == first


def test_a_declined_card_is_not_told_to_us_and_the_next_one_pays(calm_town: Town, visit: Visit) -> None:
    page = to_the_payment_page(visit(), calm_town)
    page.click("button[value=decline]")
    page.wait_for_url("**/c/pay/**")
    page.click("button[value=pay]")
    page.wait_for_selector("text=Received. Thank you!")


def test_only_the_sums_of_what_is_chosen_are_shown(calm_town: Town, visit: Visit) -> None:
    page = visit().page
    page.goto(f"{calm_town.origin}/support?lang=en")
    page.click(".own summary")
    assert page.locator(".presets:visible").count() == 1
    shown = set()
    for frequency, place in itertools.product(("once", "monthly", "yearly"), (0, 1, 2)):
        page.check(f"#sum .is-{frequency}", force=True)
        page.check(f"#sum .currency-{place}", force=True)
        assert page.locator(".presets:visible").count() == 1
        shown.add(page.locator(".presets:visible").get_attribute("aria-label"))
    assert len(shown) == 9


def test_enter_in_the_own_sum_goes_on_with_that_sum(calm_town: Town, visit: Visit) -> None:
    page = visit().page
    page.goto(f"{calm_town.origin}/support?lang=en")
    page.click(".own summary")
    page.fill("#own-sum", "123,45")
    with page.expect_navigation():
        page.press("#own-sum", "Enter")
    assert "123.45" in page.inner_text("#method-stripe .button")
    follow(page, "#method-stripe .button")
    assert "123.45" in page.inner_text("h1")


def test_the_sum_and_the_button_stand_on_the_first_screen(calm_town: Town, visit: Visit) -> None:
    for lang in ("uk", "en"):
        page = visit(size=PHONE).page
        page.goto(f"{calm_town.origin}/card?amount=200&currency=UAH&frequency=monthly&lang={lang}&article={ARTICLE}")
        box = page.locator("form.confirm .button").bounding_box()
        assert box is not None and box["y"] + box["height"] <= PHONE[1]
        assert not page.locator("#name").is_visible(), "what is optional is folded"


def test_a_quick_press_is_held_and_goes_on(calm_town: Town, visit: Visit) -> None:
    page = visit(has_script=False).page
    page.goto(f"{calm_town.origin}/card?lang=en&amount=200&currency=UAH&frequency=once")
    page.click("form.confirm .button")
    page.wait_for_url("**/c/pay/**")


def test_covering_the_fee_changes_the_button(calm_town: Town, visit: Visit) -> None:
    page = visit().page
    page.goto(f"{calm_town.origin}/card?lang=en&amount=200&currency=UAH&frequency=once")
    before = page.inner_text("form.confirm .button")
    assert before == "Donate 200\u00a0UAH"
    box = page.locator("#cover")
    assert not box.is_checked()
    box.check()
    # (200 + 3) / (1 - 0.029), rounded up: what is left is 200.
    assert page.inner_text("form.confirm .button") == "Donate 209.07\u00a0UAH"


@pytest.mark.parametrize(("size", "theme", "lang"), LOOKS)
def test_every_page_on_the_way_is_calm(
    calm_town: Town, visit: Visit, size: tuple[int, int], theme: str, lang: str
) -> None:
    visitor = visit(size=size, theme=theme)
    asked = f"amount=200&currency=UAH&frequency=monthly&lang={lang}&article={ARTICLE}"
    for path in (f"/support?lang={lang}", f"/card?{asked}", f"/card?lang={lang}", f"/widget?lang={lang}"):
        check_calm(visitor, calm_town.origin + path, size)
    assert visitor.complaints == []
    check_calm(visitor, f"{calm_town.origin}/card?amount=1,000&currency=UAH&frequency=once&lang={lang}", size)
    page = to_the_payment_page(visitor, calm_town, lang)
    page.click("button[value=pay]")
    page.wait_for_selector("[data-state=received]")
    check_calm(visitor, page.url, size)


def check_calm(visitor: Visitor, address: str, size: tuple[int, int]) -> None:
    page = visitor.page
    page.goto(address)
    assert page.evaluate("document.documentElement.scrollWidth") == size[0], f"{address} sticks out sideways"
    assert barriers(page) == []


@pytest.mark.parametrize("lang", ["uk", "en"])
@pytest.mark.parametrize("width", [320, 400, 600])
def test_nothing_of_the_frame_with_its_sums_is_cut_off_at_any_width(
    calm_town: Town, visit: Visit, width: int, lang: str
) -> None:
    page = visit(size=(width, 300)).page
    page.goto(f"{calm_town.origin}/widget?lang={lang}")
    assert page.locator(".amounts").count() == 2
    assert page.evaluate("document.documentElement.scrollHeight") <= frame_height(width, 2)


def test_in_forced_colours_what_is_chosen_differs_by_more_than_its_weight(calm_town: Town, visit: Visit) -> None:
    page = visit(has_forced_colors=True).page
    page.goto(f"{calm_town.origin}/support")
    ground = "spans => spans.map(span => getComputedStyle(span).backgroundColor)"
    chosen = page.eval_on_selector_all(".segments input:checked + span", ground)
    others = page.eval_on_selector_all(".segments input:not(:checked) + span", ground)
    assert chosen and others
    assert not set(chosen) & set(others)


def test_no_platform_makes_links_of_numbers_of_a_gift(calm_town: Town) -> None:
    client = calm_town.app.test_client()
    for path in ("/card?amount=200&currency=UAH&frequency=once", "/card", "/card?amount=x"):
        assert '<meta name="format-detection" content="telephone=no' in client.get(path).text, path


def test_the_page_with_the_card_form_is_light(calm_town: Town, visit: Visit) -> None:
    visitor = visit()
    session = visitor.context.new_cdp_session(visitor.page)
    sizes: list[int] = []
    session.on("Network.loadingFinished", lambda event: sizes.append(int(event["encodedDataLength"])))
    session.send("Network.enable")
    visitor.page.goto(f"{calm_town.origin}/support", wait_until="networkidle")
    assert sum(sizes) <= PAGE_BYTES_MAX

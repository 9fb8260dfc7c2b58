"""A reader opens the support page in a real browser: phone and desk, light and dark, with and without script."""

import gzip
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
import zxingcpp
from flask import Flask
from PIL import Image
from playwright.sync_api import Page

from support_service.giving import State
from support_service.ledger import Ledger
from support_service.rails.bank import nbu
from tests.fixtures.browser import DESKTOP, LOOKS, PHONE, Serve, Visit, Visitor, barriers, follow
from tests.fixtures.database import prepare
from tests.fixtures.fonts import FONTS
from tests.fixtures.reports import Chain, transfer
from tests.fixtures.site import NBU, WITH_A_NODE, reader, site

pytestmark = pytest.mark.browser

KEYS = ("card", "iban", "eth", "btc", "usdt")
# Of the page alone, compressed; and of all that a reader's browser loads with it.
PAGE_BYTES_MAX, LOADED_BYTES_MAX = 30_000, 50_000
WIDE_PHONE = (390, 844)


@pytest.fixture
def app(tmp_path: Path) -> Flask:
    """The seed with the details of an NBU code, which makes the largest page, and an empty ledger.

    On one database: a browser sees none.
    """
    url = f"sqlite:///{tmp_path}/support.db"
    prepare(url)
    return site(tmp_path, NBU | WITH_A_NODE | {"sqlite:///support.db": url})


@pytest.fixture
def origin(app: Flask, serve: Serve) -> str:
    return serve(app)


def open_page(visitor: Visitor, address: str) -> Page:
    visitor.page.goto(address)
    return visitor.page


@pytest.mark.parametrize(("size", "theme", "lang"), LOOKS)
def test_the_page_is_calm_everywhere(origin: str, visit: Visit, size: tuple[int, int], theme: str, lang: str) -> None:
    visitor = visit(size=size, theme=theme)
    page = visitor.page
    address = f"{origin}/support?lang={lang}&article=https://example.com/{'long-' * 60}"
    page.goto(address, wait_until="networkidle")
    assert page.evaluate("document.documentElement.scrollWidth") == size[0], "nothing sticks out sideways"
    assert visitor.complaints == []
    assert {re.match(r"https?://[^/]+", url).group() for url in visitor.requests} == {origin}  # type: ignore[union-attr]
    assert barriers(page) == []


@pytest.mark.parametrize("path", ["/privacy", "/nothing", "/widget"])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_other_pages_are_calm_too(origin: str, visit: Visit, path: str, theme: str) -> None:
    visitor = visit(size=PHONE, theme=theme)
    page = open_page(visitor, origin + path)
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE[0]
    assert [said for said in visitor.complaints if "404" not in said] == []
    assert barriers(page) == []


@pytest.mark.parametrize(("size", "theme"), [(PHONE, "light"), (PHONE, "dark"), (DESKTOP, "dark")])
def test_every_code_on_the_page_reads_as_its_payload(
    origin: str, visit: Visit, tmp_path: Path, size: tuple[int, int], theme: str
) -> None:
    visitor = visit(size=size, theme=theme)
    page = open_page(visitor, f"{origin}/support")
    methods = visitor.context.request.get(f"{origin}/.well-known/support-methods.json").json()["methods"]
    assert [method["key"] for method in methods] == list(KEYS)
    for method in methods:
        if size == PHONE:
            page.click(f"#method-{method['key']} summary")
        code = page.locator(f"#method-{method['key']} svg")
        assert code.get_attribute("aria-label")
        shot = tmp_path / f"{method['key']}.png"
        code.screenshot(path=shot)
        with Image.open(shot) as image:
            assert [found.text for found in zxingcpp.read_barcodes(image.convert("L"))] == [method["qr"]]


def test_a_copy_button_copies_exactly_the_value(origin: str, visit: Visit) -> None:
    page = open_page(visit(), f"{origin}/support?lang=en")
    for key in KEYS:
        button = page.locator(f"#method-{key} button").first
        button.click()
        copied = button.get_attribute("data-copy")
        page.wait_for_selector(f"[data-said]:has-text('{copied}')", state="attached")
        assert page.evaluate("navigator.clipboard.readText()") == button.get_attribute("data-copy")
        assert button.inner_text() == "Copied"
        assert page.inner_text("[data-said]") == f"Copied: {button.get_attribute('data-copy')}"


def test_a_refused_clipboard_selects_the_value(origin: str, visit: Visit) -> None:
    visitor = visit()
    visitor.page.add_init_script("delete Navigator.prototype.clipboard")
    page = open_page(visitor, f"{origin}/support")
    page.locator("#method-eth button").first.click()
    assert page.evaluate("getSelection().toString()") == "0x6db6D0E7acCa3a5b5b09c461Ae480DF9A928d0a2"
    said = page.inner_text("[data-said]")
    assert said.startswith("Адреса, Ethereum (ETH). Не скопійовано")
    assert page.inner_text("#method-eth .refused") in said


def test_every_copy_button_says_what_it_copies(origin: str, visit: Visit) -> None:
    page = open_page(visit(), f"{origin}/support?lang=en")
    names = page.eval_on_selector_all("[data-copy]", "all => all.map(button => button.ariaLabel)")
    assert len(set(names)) == len(names)
    assert {"Copy: Address, Ethereum (ETH)", "Copy: Address, Bitcoin (BTC)"} < set(names)


def test_copy_buttons_of_methods_with_one_title_keep_names_of_their_own(tmp_path: Path) -> None:
    one = 'key = "usdt"\nrail = "tron"\nnetwork = "tron"\naddress = "TMKUjnNbCN4Bv6Vvtyh7e3mnyz5QB9nu6V"\n'
    usual = "# receiver, receiver_code and purpose together turn the QR into an NBU code that opens a bank app:\n"
    details = "".join(f"{line}\n" for line in NBU.values())
    second = 'key = "iban2"\nrail = "bank"\niban = "UA503052990000026007015020001"\ncurrency = "UAH"\n' + details
    changes = NBU | {usual: "", one: f"{second}\n[[methods]]\n{one}"}
    page = reader(tmp_path, changes).get("/support?lang=en").text
    names = re.findall(r'aria-label="(Copy: [^"]*)"', page)
    assert sum("IBAN" in name for name in names) >= 2
    assert sorted(set(names)) == sorted(names)


def test_in_forced_colours_nothing_strikes_through_a_number_and_codes_still_read(
    origin: str, visit: Visit, tmp_path: Path
) -> None:
    page = open_page(visit(theme="dark", has_forced_colors=True), f"{origin}/support?amount=200")
    assert page.eval_on_selector(".copy", "copy => getComputedStyle(copy).borderTopWidth") == "0px"
    shot = tmp_path / "eth.png"
    page.locator("#method-eth svg").screenshot(path=shot)
    with Image.open(shot) as image:
        assert len(zxingcpp.read_barcodes(image.convert("L"), try_invert=False)) == 1


@pytest.mark.parametrize("path", ["/support", "/privacy", "/nothing", "/widget", "/staff/login"])
def test_no_platform_makes_links_of_numbers(app: Flask, path: str) -> None:
    text = app.test_client().get(path).text
    assert re.search('<meta name="format-detection" content="telephone=no[^"]*">', text)


@pytest.mark.parametrize("font", FONTS)
def test_a_very_long_total_widens_no_page(app: Flask, origin: str, visit: Visit, font: str) -> None:
    ledger: Ledger = app.extensions["support"].ledger
    Chain(ledger).says(transfer(units=1_234_567_890123456789012345, state=State.CONFIRMED))
    page = open_page(visit(size=PHONE, font=font), f"{origin}/support")
    page.wait_for_selector(".month:visible")
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE[0]


def test_without_script_everything_needed_is_there(origin: str, visit: Visit) -> None:
    visitor = visit(size=PHONE, has_script=False)
    page = open_page(visitor, f"{origin}/support")
    assert page.locator("button[data-copy]:visible").count() == 0, "a button that cannot work is not shown"
    for key in KEYS:
        assert page.locator(f"#method-{key} .value").first.is_visible()
        page.click(f"#method-{key} summary")
        assert page.locator(f"#method-{key} svg").is_visible()
    assert not page.locator(".month").is_visible()
    follow(page, "text=English")
    assert page.inner_text("h1") == "Support our work"


def test_without_script_a_sum_fills_the_code_the_link_and_the_words(origin: str, visit: Visit, tmp_path: Path) -> None:
    page = open_page(visit(has_script=False), f"{origin}/support?lang=uk")
    page.click(".preset >> text=200")
    page.wait_for_url(lambda url: "amount=200&currency=UAH&frequency=once" in url)
    link = page.get_attribute("#method-iban .act a", "href") or ""
    assert nbu.decode(link).amount_kopecks == 20_000
    assert "200\u00a0₴" in page.inner_text("#method-iban .act")
    shot = tmp_path / "iban.png"
    page.locator("#method-iban svg").screenshot(path=shot)
    with Image.open(shot) as image:
        assert [found.text for found in zxingcpp.read_barcodes(image.convert("L"))] == [link]
    page.click(".own summary")
    page.fill("#own-sum", "1 234,50")
    with page.expect_navigation():
        page.press("#own-sum", "Enter")
    assert nbu.decode(page.get_attribute("#method-iban .act a", "href") or "").amount_kopecks == 123_450
    follow(page, "text=English")
    assert "1\u202f234.50\u00a0UAH" in page.inner_text("#method-iban .act"), "a language keeps the sum"


def test_a_sum_of_two_meanings_is_asked_back_in_place(origin: str, visit: Visit) -> None:
    page = open_page(visit(), f"{origin}/support?lang=en&amount=1,000&currency=UAH")
    assert "more than one way" in page.inner_text("[role=alert]")
    follow(page, ".meanings a >> nth=1")
    assert "1\u00a0UAH" in page.inner_text("#method-iban .act")


@pytest.mark.parametrize("font", FONTS)
def test_four_long_sums_stand_two_and_two_on_a_phone(origin: str, visit: Visit, font: str) -> None:
    page = visit(size=PHONE, font=font).page
    page.goto(f"{origin}/support?lang=en&currency=UAH")
    for width, rows in ((PHONE[0], [2, 2]), (WIDE_PHONE[0], [2, 2]), (DESKTOP[0], [4])):
        page.set_viewport_size({"width": width, "height": 800})
        tops = page.eval_on_selector_all(".preset:visible", "all => all.map(one => one.getBoundingClientRect().top)")
        assert sorted(tops.count(top) for top in set(tops)) == rows


@pytest.mark.parametrize("lang", ["uk", "en"])
@pytest.mark.parametrize("query", ["", "&amount=200&currency=UAH&frequency=once"])
@pytest.mark.parametrize("font", FONTS)
def test_a_phone_shows_every_way_on_its_first_two_screens(
    origin: str, visit: Visit, *, lang: str, query: str, font: str
) -> None:
    page = open_page(visit(size=WIDE_PHONE, font=font), f"{origin}/support?lang={lang}{query}")
    assert page.evaluate("document.documentElement.scrollHeight") <= 1_600
    for key in KEYS:
        box = page.locator(f"#method-{key} .copy").first.bounding_box()
        assert box is not None and box["y"] + box["height"] <= 2 * WIDE_PHONE[1], "a number to copy, nothing opened"
        assert not page.locator(f"#method-{key} svg").is_visible(), "a phone cannot scan itself"


def test_a_desk_shows_every_way_with_its_code_on_the_first_screen_and_a_half(origin: str, visit: Visit) -> None:
    for lang in ("uk", "en"):
        page = open_page(visit(size=DESKTOP), f"{origin}/support?lang={lang}&amount=200&currency=UAH")
        for key in KEYS:
            box = page.locator(f"#method-{key} svg").bounding_box()
            assert box is not None and box["y"] + box["height"] <= 1.5 * DESKTOP[1], key
        code = page.locator("#method-iban svg").bounding_box()
        assert code is not None and code["width"] >= 264, "the densest code is the largest"
        for key in ("iban", "eth", "btc"):
            title = page.locator(f"#title-{key}").bounding_box()
            button = page.locator(f"#method-{key} .act").bounding_box()
            assert title is not None and button is not None and title["x"] + title["width"] <= button["x"], key


def test_the_coin_comes_first_and_then_its_networks(origin: str, visit: Visit) -> None:
    page = open_page(visit(size=PHONE, has_script=False), f"{origin}/support?lang=en")
    page.check(".coins input[value=USDT]", force=True)
    assert [page.locator(f"#method-{key}").is_visible() for key in ("eth", "btc", "usdt")] == [True, False, True]
    assert "anything else may be lost" in page.inner_text("#method-usdt .note")
    page.check(".coins input[value=BTC]", force=True)
    assert [page.locator(f"#method-{key}").is_visible() for key in ("eth", "btc", "usdt")] == [False, True, False]


@pytest.mark.parametrize("lang", ["uk", "en"])
def test_printed_it_is_one_sheet_with_every_number_every_code_and_the_address(
    origin: str, visit: Visit, tmp_path: Path, lang: str
) -> None:
    page = open_page(visit(), f"{origin}/support?lang={lang}")
    sheet = page.pdf(format="A4")
    assert len(re.findall(rb"/Type\s*/Page\b", sheet)) == 1
    page.emulate_media(media="print")
    for key in KEYS:
        assert page.locator(f"#method-{key} .value").first.is_visible()
        assert page.locator(f"#method-{key} svg").is_visible()
    assert page.inner_text(".printed-address") == "http://127.0.0.1:8000/support"


def test_large_text_and_close_zoom_push_nothing_out(origin: str, visit: Visit) -> None:
    page = visit(size=WIDE_PHONE).page
    page.goto(f"{origin}/support?amount=200")
    page.evaluate("document.documentElement.style.fontSize = '200%'")
    assert page.evaluate("document.documentElement.scrollWidth") == WIDE_PHONE[0]
    # 1280 px at 400 %.
    near = open_page(visit(size=(320, 256)), f"{origin}/support?amount=200")
    assert near.evaluate("document.documentElement.scrollWidth") == 320


@pytest.mark.parametrize("path", ["/gift", "/arrived", "/verify", "/privacy", "/widget"])
def test_the_other_pages_hold_large_text_close_zoom_forced_colours_and_stillness(
    origin: str, visit: Visit, path: str
) -> None:
    page = visit(size=WIDE_PHONE, has_forced_colors=True).page
    page.emulate_media(reduced_motion="reduce")
    page.goto(origin + path)
    assert page.evaluate("getComputedStyle(document.documentElement).scrollBehavior") == "auto"
    assert page.evaluate("document.getAnimations().length") == 0
    page.set_viewport_size({"width": 320, "height": 256})
    assert page.evaluate("document.documentElement.scrollWidth") == 320
    page.set_viewport_size({"width": WIDE_PHONE[0], "height": WIDE_PHONE[1]})
    page.evaluate("document.documentElement.style.fontSize = '200%'")
    assert page.evaluate("document.documentElement.scrollWidth") == WIDE_PHONE[0]


def test_the_keyboard_reaches_and_shows_everything(origin: str, visit: Visit) -> None:
    page = open_page(visit(), f"{origin}/support")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.url.endswith("#main")
    small = page.eval_on_selector_all(
        "a:not(.skip), button",
        "all => all.filter(a => a.offsetParent && a.getClientRects()[0].height < 43.9).map(a => a.outerHTML)",
    )
    assert small == [], "a target is at least 44 px high"


def test_how_the_month_goes_comes_afterwards(tmp_path: Path, serve: Serve, visit: Visit) -> None:
    url = f"sqlite:///{tmp_path}/support.db"
    prepare(url)
    moment = datetime(2026, 5, 1, 12, 1, tzinfo=UTC)
    app = site(tmp_path, NBU | WITH_A_NODE | {"sqlite:///support.db": url}, clock=lambda: moment)
    ledger: Ledger = app.extensions["support"].ledger
    Chain(ledger).says(transfer(units=1234 * 10**18 + 5 * 10**17, state=State.CONFIRMED))
    page = open_page(visit(), f"{serve(app)}/support?lang=en")
    page.wait_for_selector(".month:visible")
    told = page.inner_text(".month")
    assert "May" in told and "1 gift:" in told and "1\u202f234.5\u00a0ETH" in told
    assert "Updated just now" in told
    assert page.locator(".bars rect").count() == 1


def test_without_a_ledger_the_page_keeps_quiet_about_it(serve: Serve, visit: Visit, tmp_path: Path) -> None:
    origin = serve(site(tmp_path))
    page = open_page(visit(), f"{origin}/support")
    assert page.locator("#method-eth").is_visible()
    assert not page.locator(".month").is_visible()


def test_the_page_with_all_five_codes_is_light(origin: str, visit: Visit) -> None:
    visitor = visit()
    session = visitor.context.new_cdp_session(visitor.page)
    sizes: list[int] = []
    session.on("Network.loadingFinished", lambda event: sizes.append(int(event["encodedDataLength"])))
    session.send("Network.enable")
    visitor.page.goto(f"{origin}/support", wait_until="networkidle")
    assert len(sizes) >= 4, "page, style, script, totals"
    assert sum(sizes) <= LOADED_BYTES_MAX
    plain = visitor.context.request.get(f"{origin}/support", headers={"Accept-Encoding": "gzip"}).body()
    assert len(gzip.compress(plain)) <= PAGE_BYTES_MAX

"""A bookkeeper's day in a real browser: sign in, book, look, withdraw, download, sign out."""

from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Page

from support_service.demo.stripe import StripeFake
from support_service.giving import SetAside, State
from tests.fixtures.browser import DESKTOP, PHONE, Serve, Visit, barriers, follow
from tests.fixtures.cards import card_house
from tests.fixtures.fonts import FONTS
from tests.fixtures.staff import ANNA, NOON, PASSWORD, FrozenClock, House, chain_report

pytestmark = pytest.mark.browser

HOSTILE = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
SIGN_IN = "main form[action*='/login'] button"
LINE = "a => ({width: getComputedStyle(a).borderBottomWidth, color: getComputedStyle(a).borderBottomColor})"
BOOK = "form[action*='/entry'] button.button"


def sign_in(page: Page, origin: str, path: str = "/staff/") -> None:
    page.goto(f"{origin}{path}?lang=en")
    page.fill("#email", ANNA)
    page.fill("#password", PASSWORD)
    follow(page, SIGN_IN)


def book(page: Page, amount: str, **fields: str) -> None:
    page.click("text=Book a gift")
    page.fill("#amount", amount)
    for name, text in fields.items():
        page.fill(f"#{name}", text)
    follow(page, BOOK)


@pytest.mark.parametrize("has_script", [False, True])
def test_a_gift_is_booked_withdrawn_and_downloaded(
    house: House, serve: Serve, visit: Visit, *, has_script: bool
) -> None:
    visitor, origin = visit(has_script=has_script), serve(house.app)
    page = visitor.page
    sign_in(page, origin)
    book(page, "1 500,50", payer="Олена", note="за шоломи", date="2026-05-18")
    assert page.inner_text("[role=status]").startswith("Booked.")
    assert page.inner_text("h1 .state") == "confirmed"
    page.click("text=Withdraw this entry")
    page.fill("#note", "typed twice")
    page.check("#sure")
    follow(page, "details.withdraw button")
    assert page.inner_text("h1 .state") == "replaced"
    follow(page, "text=Exports")
    with page.expect_download() as started:
        page.click("text=Download CSV")
    assert started.value.suggested_filename == "donations-2026-05-20.csv"
    assert "Олена" in Path(started.value.path()).read_text(encoding="utf-8")
    follow(page, "text=Sign out")
    page.goto(f"{origin}/staff/")
    assert "/staff/login" in page.url
    assert all(url.startswith(origin) for url in visitor.requests), "nothing is asked of other hosts"
    assert visitor.complaints == []


def test_an_ambiguous_amount_is_chosen_with_one_click(house: House, serve: Serve, visit: Visit) -> None:
    page = visit(size=PHONE).page
    sign_in(page, serve(house.app))
    book(page, "1,000")
    follow(page, "button[name=meant] >> nth=0")
    assert page.get_attribute("h1 data", "value") == "1000"


def test_a_double_click_books_once(house: House, serve: Serve, visit: Visit) -> None:
    page = visit().page
    sign_in(page, serve(house.app))
    page.click("text=Book a gift")
    page.fill("#amount", "200")
    page.dblclick(BOOK)
    page.wait_for_url("**/donations/*")
    assert [row["amount"] for row in house.ledger.export()] == ["200"]


def test_hostile_text_does_nothing_in_a_browser(house: House, serve: Serve, visit: Visit) -> None:
    visitor = visit()
    page = visitor.page
    sign_in(page, serve(house.app))
    book(page, "5", payer=HOSTILE, note=HOSTILE)
    assert page.locator("bdi", has_text="<script>").count() >= 2
    follow(page, "text=All donations")
    assert "owned" not in page.title()
    assert page.locator("main img, main script").count() == 0
    assert visitor.complaints == []


@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_every_staff_page_is_open_to_everybody(house: House, serve: Serve, visit: Visit, size: tuple[int, int]) -> None:
    """No finding of axe in light and in dark, and nothing wider than the screen."""
    for step, state in enumerate([State.SEEN, State.ORPHANED, State.SEEN, State.CONFIRMED], 1):
        house.ledger.accept(chain_report(step, state, units=1_234_567_890_123_456_789))
    chain_ref = house.ledger.donations()[0].donation.identity.ref
    page = visit(size=size).page
    origin = serve(house.app)
    page.goto(f"{origin}/staff/login?lang=en")
    _check(page, size)
    sign_in(page, origin)
    book(page, "1,000")
    _check(page, size)
    page.fill("#amount", "1000")
    follow(page, BOOK)
    for details in page.query_selector_all("details"):
        details.evaluate("element => element.open = true")
    _check(page, size)
    paths = ("", "?state=seen", f"donations/{chain_ref}", "entry", "health", "exports", "donations/none")
    for path in paths:
        page.goto(f"{origin}/staff/{path}")
        _check(page, size)


def test_what_is_hard_to_read_in_dark_alone_is_found(visit: Visit) -> None:
    page = visit().page
    colours = "p { color: #111; background: #fff } @media (prefers-color-scheme: dark) { p { background: #333 } }"
    text = f"<html lang=en><title>x</title><style>{colours}</style><main><h1>x</h1><p>words</p></main></html>"
    page.set_content(text)
    assert barriers(page) == []
    (found,) = barriers(page, in_dark=True)
    assert "color-contrast" in found
    assert barriers(page) == [], "afterwards it is light again"


@pytest.mark.parametrize("font", FONTS)
def test_what_is_long_widens_no_staff_page_in_any_font(
    tmp_path: Path, sqlite_url: str, serve: Serve, visit: Visit, font: str
) -> None:
    with StripeFake() as fake:
        town = card_house(tmp_path, sqlite_url, fake, FrozenClock())
        town.ledger.people.add(ANNA, "admin", PASSWORD)
        long = "charge ch_" + "3" * 40
        aside = SetAside("stripe:sweep", long, "no such field: balance_transaction." + "x" * 60, NOON, NOON, tries=12)
        town.ledger.note_set_aside([aside, replace(aside, key="plan sub_" + "4" * 40)])
        town.ledger.accept(chain_report(1, State.CONFIRMED, units=1_234_567_890123456789012345))
        page, origin = visit(size=PHONE, font=font).page, serve(town.app)
        sign_in(page, origin)
        ref = town.ledger.donations()[0].donation.identity.ref
        for lang in ("en", "uk"):
            for path in ("", "health", "cards", f"donations/{ref}"):
                page.goto(f"{origin}/staff/{path}?lang={lang}")
                page.set_viewport_size({"width": DESKTOP[0], "height": DESKTOP[1]})
                assert page.evaluate("document.documentElement.scrollWidth") == DESKTOP[0], page.url
                page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
                assert page.evaluate("document.documentElement.scrollWidth") == PHONE[0], page.url
                clipped = page.eval_on_selector_all(
                    "main tbody :is(td, th)",
                    "all => all.filter(one => one.scrollWidth > one.clientWidth + 1).map(one => one.outerHTML)",
                )
                assert clipped == [], page.url
        town.ledger.dispose()


def test_in_forced_colours_the_page_one_is_on_is_underlined_alone(house: House, serve: Serve, visit: Visit) -> None:
    page = visit(has_forced_colors=True).page
    sign_in(page, serve(house.app))
    here = page.eval_on_selector(".staff-nav a[aria-current]", LINE)
    assert here["width"] == "3px"
    others = page.eval_on_selector_all(".staff-nav a:not([aria-current])", f"all => all.map({LINE})")
    assert others
    assert all(other["color"] != here["color"] for other in others)


def _check(page: Page, size: tuple[int, int]) -> None:
    assert barriers(page, in_dark=True) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0], f"{page.url} is too wide"

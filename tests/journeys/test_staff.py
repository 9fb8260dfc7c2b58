"""A bookkeeper's day in a real browser: sign in, book, look, withdraw, download, sign out."""

from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.fixtures.browser import PHONE, Serve, Visit, barriers, follow
from tests.fixtures.staff import ANNA, PASSWORD, House

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


def test_what_is_hard_to_read_in_dark_alone_is_found(visit: Visit) -> None:
    page = visit().page
    colours = "p { color: #111; background: #fff } @media (prefers-color-scheme: dark) { p { background: #333 } }"
    text = f"<html lang=en><title>x</title><style>{colours}</style><main><h1>x</h1><p>words</p></main></html>"
    page.set_content(text)
    assert barriers(page) == []
    (found,) = barriers(page, in_dark=True)
    assert "color-contrast" in found
    assert barriers(page) == [], "afterwards it is light again"


def test_in_forced_colours_the_page_one_is_on_is_underlined_alone(house: House, serve: Serve, visit: Visit) -> None:
    page = visit(has_forced_colors=True).page
    sign_in(page, serve(house.app))
    here = page.eval_on_selector(".staff-nav a[aria-current]", LINE)
    assert here["width"] == "3px"
    others = page.eval_on_selector_all(".staff-nav a:not([aria-current])", f"all => all.map({LINE})")
    assert others
    assert all(other["color"] != here["color"] for other in others)

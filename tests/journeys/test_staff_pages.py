"""Every staff page as people meet it: on a phone and at a desk, in both languages, with any font, and on paper."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import pytest
from playwright.sync_api import Page

from support_service.supervisor import reserve_port
from tests.fixtures.browser import DESKTOP, OF_COLOURS, PHONE, Visit, barriers, follow, serving
from tests.fixtures.filled import HOSTILE, LONG, Filled, filled
from tests.fixtures.fonts import FONTS, WIDEST
from tests.fixtures.staff import Visitor

pytestmark = pytest.mark.browser

# What is printed lies between margins of a centimetre, on A4.
PAPER = (718, 1000)
# The narrowest window in which a row is no slip yet, as tablets have it.
TABLET = (720, 1000)
# What axe asks of a page that hangs on its language; the rest was asked in the other one.
OF_TONGUES = ["html-has-lang", "html-lang-valid", "valid-lang", "document-title", "label", "button-name", "link-name"]
ANNA, BOB, NOBODY = "anna", "bob", "nobody"


@dataclass(frozen=True)
class Stop:
    """A page: who looks, and what they press on it first, if anything. {words} are the things of this newsroom."""

    path: str
    who: str = ANNA
    press: Callable[[Page], None] | None = None


def find_donor(page: Page) -> None:
    page.fill("#who", "olena@example.org")
    follow(page, "button[value=find]")


def invite(page: Page) -> None:
    page.fill("#email", "later@example.org")
    follow(page, "main form[action*='/invite'] button")


def begin_codes(page: Page) -> None:
    follow(page, "main form[action*='/begin'] button")


def mistype_amount(page: Page) -> None:
    page.fill("#amount", "1,000")
    follow(page, "form[action*='/entry'] button.button")


def paste_rows(page: Page) -> None:
    page.fill("#rows", f"1250,50;20.05.2026;{HOSTILE.replace(';', ',')}\nx;y\n100;20.05.2026;{LONG[:150]}")
    follow(page, "button[value=look]")


STOPS = (
    Stop("login", NOBODY),
    Stop("login/forgotten", NOBODY),
    Stop("login/new/{forgot}", NOBODY),
    Stop("invite/{invited}", NOBODY),
    Stop("me", BOB),
    Stop("me/codes", BOB),
    Stop("me/passkeys", BOB),
    Stop("prove", BOB),
    Stop("people", BOB),  # refused
    Stop(""),
    Stop("?month=2026-04"),
    Stop("donations"),
    Stop("donations?q=1234"),
    Stop("donations?q=nobody-gave-this"),
    Stop("donations/none"),
    Stop("donations/{ref}/refund"),
    Stop("cards"),
    Stop("cards/plans/stripe/{plan}/cancel"),
    Stop("inbox"),
    Stop("entry"),
    Stop("entry", press=mistype_amount),
    Stop("entry/rows"),
    Stop("entry/rows", press=paste_rows),
    Stop("imports"),
    Stop("imports/{number}"),
    Stop("imports/{booked}"),
    Stop("months"),
    Stop("months/2026-03"),
    Stop("months/{name}"),
    Stop("articles"),
    Stop("exports"),
    Stop("notifications"),
    Stop("notifications?state=failed"),
    Stop("people"),
    Stop("people", press=invite),
    Stop("donors"),
    Stop("donors", press=find_donor),
    Stop("health"),
    Stop("snippet"),
    Stop("me/codes", press=begin_codes),
)
# Views that answer no page of their own.
NO_PAGE = {
    "staff.download": "it answers a file",
    "staff.kept.back": "it leads to the page that a form stands on",
    "staff.oidc.begin": "it leads to the newsroom's own provider",
    "staff.oidc.come_back": "the provider leads here, and it leads on",
}

# Asked of elements, these give the beginnings of those that are meant.
CUT_OFF = """all => all.filter(one => {
  const style = getComputedStyle(one), isLongText = one.matches("textarea") && matchMedia("print").matches;
  if (one.clientWidth <= 1 || style.display === "inline" || style.overflowX === "auto") return false;
  return one.scrollWidth > one.clientWidth + 1 || isLongText && one.scrollHeight > one.clientHeight + 1;
}).map(one => one.outerHTML.slice(0, 200))"""
BROKEN = """all => all.filter(one => !/\\s/.test(one.textContent.trim()) && one.firstChild?.nodeType === Node.TEXT_NODE)
  .filter(one => {
    const text = document.createRange();
    text.selectNodeContents(one);
    return text.getClientRects().length > 1;
  }).map(one => one.outerHTML.slice(0, 200))"""
SEEN = "all => all.filter(one => one.checkVisibility()).map(one => one.outerHTML.slice(0, 200))"
PRESSED = "nav, button, .button, .back, [rel=next], [rel=prev]"
KEEPS_ITS_COLOURS = """all => all.filter(one => getComputedStyle(one).forcedColorAdjust === "none")
  .filter(one => !one.closest(".chart, .portion, .code-key")).map(one => one.outerHTML.slice(0, 200))"""
OWN_TEXTS = """() => {
  const walker = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT), found = [];
  const ofOthers = "bdi, pre, code, textarea, .said, script, time";
  while (walker.nextNode()) {
    if (!walker.currentNode.parentElement.closest(ofOthers)) found.push(walker.currentNode.data.trim());
  }
  for (const field of document.querySelectorAll("main input[inputmode=decimal]")) found.push(field.value);
  return found;
}"""


@dataclass(frozen=True)
class Site:
    """The newsroom as it is served."""

    newsroom: Filled
    origin: str

    @property
    def stops(self) -> list[Stop]:
        """Every page, and those of gifts of each kind."""
        return [*STOPS, *(Stop(f"donations/{ref}") for ref in self.newsroom.gifts)]

    def sign_in(self, page: Page, who: str) -> None:
        """Let the browser be theirs; nobody's has no cookie."""
        page.context.clear_cookies()
        visitor: Visitor | None = {ANNA: self.newsroom.anna, BOB: self.newsroom.bob, NOBODY: None}[who]
        if visitor is not None:
            held = visitor.client.get_cookie("support_staff")
            assert held is not None
            page.context.add_cookies([{"name": held.key, "value": held.value, "url": self.origin}])

    def walk(self, page: Page, lang: str) -> Iterator[Stop]:
        """Open one page after the other, with all that is folded."""
        who = ""
        for stop in self.stops:
            if stop.who != who:
                who = stop.who
                self.sign_in(page, who)
            path = stop.path.format(**self.newsroom.places)
            page.goto(f"{self.origin}/staff/{path}{'&' if '?' in path else '?'}lang={lang}")
            if stop.press is not None:
                stop.press(page)
            page.eval_on_selector_all("details", "all => all.forEach(one => { one.open = true })")
            yield stop


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    port = reserve_port("127.0.0.1", 0)
    origin = f"http://localhost:{port}"
    with filled(tmp_path_factory.mktemp("filled"), origin) as newsroom, serving(newsroom.house.app, port):
        yield Site(newsroom, origin)


@pytest.mark.parametrize(
    ("size", "theme", "lang"), [(PHONE, "light", "uk"), (DESKTOP, "dark", "en")], ids=["phone-uk", "desktop-en"]
)
def test_every_staff_page_serves_everybody(
    site: Site, visit: Visit, size: tuple[int, int], theme: Literal["light", "dark"], lang: str
) -> None:
    """No finding of axe, nothing too wide, whole on paper, there in few colours; and no text of a payer runs."""
    visitor = visit(size=size, theme=theme)
    page, found = visitor.page, list[str]()
    for stop in site.walk(page, lang):
        if lang == "uk":
            # Words are longer in Ukrainian, and figures have a comma there.
            heard = [*barriers(page), *too_wide(page), *misprinted(page), *colours_of_their_own(page)]
            heard += figures_of_others(page)
        else:
            heard = [*barriers(page, only=[*OF_COLOURS, *OF_TONGUES]), *cut_off(page, size)]
        page.emulate_media(media="screen", color_scheme=theme, forced_colors="none")
        resize(page, size)
        assert "owned" not in page.title()
        found += [f"{stop.path} {stop.who} {one}" for one in heard]
    assert not found, "\n".join(found)
    assert {one for one in visitor.complaints if "Failed to load resource" not in one} == set()


@pytest.mark.parametrize("font", [font for font in FONTS if font != WIDEST])
def test_no_staff_page_is_too_wide_with_another_font(site: Site, visit: Visit, font: str) -> None:
    """The widest font is that of every other test; words are longer in Ukrainian."""
    page = visit(size=PHONE, font=font).page
    found = [f"{stop.path} {one}" for stop in site.walk(page, "uk") for one in cut_off(page, PHONE)]
    assert not found, "\n".join(found)


def test_every_view_that_answers_a_page_is_looked_at(site: Site) -> None:
    """Whoever adds a page adds it here, too, or says why not."""
    app = site.newsroom.house.app
    asked = {rule.endpoint for rule in app.url_map.iter_rules() if "GET" in (rule.methods or ())}
    adapter = app.url_map.bind("localhost")
    paths = [stop.path.format(**site.newsroom.places).partition("?")[0] for stop in site.stops]
    looked_at = {adapter.match(f"/staff/{path}", method="GET")[0] for path in paths}
    missing = {one for one in asked if one.startswith("staff.")} - looked_at - set(NO_PAGE)
    assert missing == set(), "add a Stop for it, or a line to NO_PAGE"
    assert set(NO_PAGE) <= asked - looked_at, "what is no view, or has a Stop, needs no reason"


def test_bars_of_charts_are_told_apart_in_few_colours(site: Site, visit: Visit) -> None:
    """Each way keeps its colour, and a line of the text's own colour keeps it visible on any ground."""
    page = visit(has_forced_colors=True).page
    next(stop for stop in site.walk(page, "en") if stop.path == "")
    fills: dict[str, str] = {}
    ink = page.evaluate("getComputedStyle(document.body).color")
    told = "all => all.map(one => [one.className.baseVal, getComputedStyle(one).fill, getComputedStyle(one).stroke])"
    for name, fill, stroke in page.eval_on_selector_all(".bar", told):
        fills[name] = fill
        assert stroke == ink, name
    assert len(fills) > 4
    assert len(set(fills.values())) == len(fills)


def resize(page: Page, size: tuple[int, int]) -> None:
    page.set_viewport_size({"width": size[0], "height": size[1]})


def too_wide(page: Page) -> list[str]:
    """Say what is wider than a phone, a tablet or a desk, or than what it stands in."""
    found = []
    for size in (PHONE, TABLET, DESKTOP):
        resize(page, size)
        found += cut_off(page, size)
    return found


def cut_off(page: Page, size: tuple[int, int]) -> list[str]:
    """Say what is wider than a window of this size, or than what it stands in."""
    width = page.evaluate("document.documentElement.scrollWidth")
    found = [f"is {width} px wide"] if width > size[0] else []
    found += [f"breaks a word at {size[0]} px: {one}" for one in page.eval_on_selector_all("button", BROKEN)]
    return found + [f"cuts off at {size[0]} px: {one}" for one in page.eval_on_selector_all("main *", CUT_OFF)]


def misprinted(page: Page) -> list[str]:
    """Say what stands on paper that nobody can press there, and what does not come onto it whole."""
    page.emulate_media(media="print")
    resize(page, PAPER)
    width = page.evaluate("document.documentElement.scrollWidth")
    found = [f"is {width} px wide on paper"] if width > PAPER[0] else []
    found += [f"cuts off on paper: {one}" for one in page.eval_on_selector_all("main *", CUT_OFF)]
    return found + [f"on paper: {one}" for one in page.eval_on_selector_all(PRESSED, SEEN)]


def colours_of_their_own(page: Page) -> list[str]:
    """Say what does not take the few colours that a reader chose: charts and codes for phones alone may keep theirs.

    axe is of no use here: it reads what text is filled with, which browsers do not tell as the reader's.
    """
    page.emulate_media(media="screen", forced_colors="active")
    return [f"in few colours: {one}" for one in page.eval_on_selector_all("body *", KEEPS_ITS_COLOURS)]


def figures_of_others(page: Page) -> list[str]:
    """Say which figures have a point where people write a comma; what payers and banks wrote stays as it is."""
    texts = page.evaluate(OWN_TEXTS)
    return [f"a point in: {text}" for text in texts if re.search(r"(?<![\d.])\d+\.\d+(?![\d.])", text)]

"""A reader at the end of an article on another site: the block in a real browser, under a strict page policy."""

from functools import partial
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from flask import Flask, Response

from support_service.demo.article import create_sample_app
from support_service.ledger import Ledger
from support_service.rails.bank import nbu
from support_service.supervisor import reserve_port
from support_service.web.reader.widget import FRAME_WIDTH, frame_height
from tests.fixtures.browser import DESKTOP, PHONE, Serve, Visit, Visitor, barriers
from tests.fixtures.database import prepare
from tests.fixtures.fonts import FONTS
from tests.fixtures.service import until
from tests.fixtures.site import NBU, NOW, OWN_URL, site

pytestmark = pytest.mark.browser

BLOCK = "support-block section"

# A hundred and fifty, from each of two mouths.
_HOSTILE_MESSAGES = """
const deep = {}; let at = deep; for (let n = 0; n < 500; n++) at = at.supportHeight = {};
const heights = [1234, "1234", 1234.5, -1, 0, 1e9, NaN, Infinity, null, undefined, [1234], [[1234]], { valueOf: 1234 },
  true, 1234n, "1234px", "</script><script>document.title='owned'</script>", new Date(1234), new Map([[1, 2]]), /1234/,
  new Uint8Array(99), "9".repeat(9999), deep, "__proto__", new Error("x")];
const forms = [height => ({ supportHeight: height }), height => height, height => [height],
  height => JSON.stringify({ supportHeight: String(height) }), height => ({ supportHeight: 1234, type: height }),
  height => ({ __proto__: { supportHeight: height }, height, style: height, src: "https://evil.example/" })];
for (const form of forms) for (const height of heights) parent.postMessage(form(height), "*");
"""
_STANDS = """[document.title, document.querySelectorAll("*").length,
  ...[...document.querySelectorAll("iframe")].map(frame => [frame.height, frame.src, frame.style.cssText])]"""


@pytest.fixture
def article_port() -> int:
    return reserve_port("127.0.0.1", 0)


@pytest.fixture
def support(tmp_path: Path, serve: Serve, article_port: int) -> str:
    """Serve the support page under the address its settings name; it knows the article's site."""
    return serve_support(tmp_path, serve, article_port)


def serve_support(
    folder: Path,
    serve: Serve,
    article_port: int,
    *,
    changes: dict[str, str] | None = None,
    is_demo: bool = False,
) -> str:
    port = reserve_port("127.0.0.1", 0)
    own, listed = f"http://127.0.0.1:{port}", f'sites = ["http://127.0.0.1:{article_port}"]'
    return serve(site(folder, {OWN_URL: own, "sites = []": listed} | (changes or {}), is_demo=is_demo), port)


def serve_page(serve: Serve, body: str, *, policy: str, port: int = 0) -> str:
    """Serve one page of somebody's own."""
    app = Flask("somebody")
    page = f"<!doctype html><html lang=en><title>t</title><link rel=icon href='data:,'>{body}"

    @app.get("/")
    def show() -> Response:
        return Response(page, headers={"Content-Security-Policy": policy})

    return serve(app, port)


@pytest.mark.parametrize("lang", ["uk", "en"])
@pytest.mark.parametrize(("size", "theme"), [(PHONE, "dark"), (DESKTOP, "light")])
def test_the_block_stands_on_an_article_of_another_origin(
    support: str, article_port: int, serve: Serve, visit: Visit, *, lang: str, size: tuple[int, int], theme: str
) -> None:
    article = serve(create_sample_app(support, "Militarnyi", lang), article_port)
    visitor = visit(size=size, theme=theme)
    page = visitor.page
    page.goto(article, wait_until="networkidle")
    assert page.locator(BLOCK).is_visible()
    assert {"uk": "Підтримайте нашу роботу", "en": "Support our work"}[lang] in page.inner_text(BLOCK)
    assert visitor.complaints == []
    assert {urlsplit(url).netloc for url in visitor.requests if url.startswith("http")} == {
        urlsplit(support).netloc,
        urlsplit(article).netloc,
    }
    assert page.evaluate("document.documentElement.scrollWidth") == size[0]
    assert visitor.context.cookies() == []
    assert page.evaluate("localStorage.length + sessionStorage.length") == 0
    assert barriers(page) == []


def test_the_block_leads_to_our_page_with_the_article(
    support: str, article_port: int, serve: Serve, visit: Visit
) -> None:
    article = serve(create_sample_app(support, "Militarnyi", "uk"), article_port)
    page = visit().page
    page.goto(article)
    page.click(f"{BLOCK} .go")
    page.wait_for_url(f"{support}/**")
    title = "Майстерня, у якій дрони дістають друге життя"
    assert parse_qs(urlsplit(page.url).query) == {"lang": ["uk"], "article": [f"{article}/"], "title": [title]}
    assert page.inner_text(".came-from a") == title
    page.click(".came-from a")
    page.wait_for_url(f"{article}/")


@pytest.mark.parametrize("lang", ["uk", "en"])
def test_a_gift_from_the_article_takes_two_taps(
    tmp_path: Path, article_port: int, serve: Serve, visit: Visit, lang: str
) -> None:
    """On a phone: a number copied without leaving the article; the bank's app opened with the sum filled in."""
    support = serve_support(tmp_path, serve, article_port, changes=NBU)
    article = serve(create_sample_app(support, "Militarnyi", lang), article_port)
    visitor = visit(size=PHONE)
    page, taps = visitor.page, list[str]()

    def tap(target: str) -> None:
        taps.append(target)
        page.click(target)

    page.goto(article)
    tap(f"{BLOCK} summary")
    tap(f"{BLOCK} .way button")
    page.wait_for_function("navigator.clipboard.readText().then(text => text === '5169335101647408')")
    assert page.url == f"{article}/"
    assert len(taps) == 2
    taps.clear()
    tap(f"{BLOCK} .amount >> text=200")
    page.wait_for_url(f"{support}/support**")
    bank = "https://qr.bank.gov.ua/"
    visitor.context.route(f"{bank}**", lambda route: route.abort())
    with page.expect_request(f"{bank}**") as opened:
        tap("#method-iban .act a")
    assert nbu.decode(opened.value.url).amount_kopecks == 200_00
    assert len(taps) == 2


def test_numbers_copy_and_code_are_in_place_and_nothing_is_asked_for_before(
    support: str, article_port: int, serve: Serve, visit: Visit
) -> None:
    article = serve(create_sample_app(support, "Militarnyi", "en"), article_port)
    visitor = visit(size=PHONE)
    page = visitor.page
    page.goto(article)
    asked = [url for url in visitor.requests if url.startswith(support)]
    assert asked == [f"{support}/widget.js"]
    box = page.locator(BLOCK).bounding_box()
    assert box is not None and box["height"] <= 400, "folded on a phone"
    page.click(f"{BLOCK} summary")
    page.click(f"{BLOCK} button[aria-label='Copy: Address, Bitcoin (BTC)']")
    page.wait_for_selector(f"{BLOCK} >> text=Copied")
    assert page.evaluate("navigator.clipboard.readText()") == "bc1qv58uev602j2twgxdtyv4z0mvly44ezq788kwsd"
    with page.expect_response(f"{support}/qr/btc.svg"):
        page.click(f"{BLOCK} button[aria-label='QR code: Bitcoin (BTC)']")
    assert page.locator(f"{BLOCK} img").is_visible()
    assert visitor.complaints == []
    assert barriers(page) == []


@pytest.mark.parametrize("lang", ["uk", "en"])
@pytest.mark.parametrize("font", FONTS)
def test_folded_on_a_phone_the_block_is_low_and_its_sums_stand_on_one_line(
    tmp_path: Path, article_port: int, serve: Serve, visit: Visit, *, lang: str, font: str
) -> None:
    """With the details of an NBU code, which bring the block its sums."""
    support = serve_support(tmp_path, serve, article_port, changes=NBU)
    article = serve(create_sample_app(support, "Militarnyi", lang), article_port)
    page = visit(size=PHONE, font=font).page
    page.goto(article)
    for width, height_max in ((320, 400), (360, 360), (390, 310)):
        page.set_viewport_size({"width": width, "height": 800})
        tops = page.eval_on_selector_all(f"{BLOCK} .amount", "all => all.map(one => one.getBoundingClientRect().top)")
        assert len(tops) == 3
        assert len(set(tops)) == 1 or width == 320
        assert page.locator(BLOCK).evaluate("block => block.offsetHeight") <= height_max
    assert page.evaluate("document.documentElement.scrollWidth") == 390


def test_the_block_lies_open_on_a_desk(support: str, article_port: int, serve: Serve, visit: Visit) -> None:
    article = serve(create_sample_app(support, "Militarnyi", "uk"), article_port)
    page = visit(size=DESKTOP).page
    page.goto(article)
    assert page.locator(f"{BLOCK} >> text=UA04 3052 9900 0002 6007 0150 2878 3").is_visible()


@pytest.mark.parametrize(("tone", "is_shown", "has_invitation"), [("hide", False, False), ("soft", True, False)])
def test_an_article_that_asks_for_tact_gets_it(
    support: str, serve: Serve, visit: Visit, *, tone: str, is_shown: bool, has_invitation: bool
) -> None:
    body = (
        f'<meta name="support-block" content="{tone}"><support-block lang="en"></support-block>'
        f'<script src="{support}/widget.js"></script>'
    )
    page = visit().page
    page.goto(serve_page(serve, body, policy=f"script-src {support}"), wait_until="networkidle")
    assert page.locator(BLOCK).is_visible() == is_shown
    assert page.locator(f"{BLOCK} .invitation").is_visible() == has_invitation


def test_a_frame_grows_as_high_as_it_says_and_hears_nobody_else(
    support: str, article_port: int, serve: Serve, visit: Visit
) -> None:
    body = (
        f'<script src="{support}/widget.js"></script>'
        f'<iframe src="{support}/widget?lang=en&tells=height" title="t" width="600" height="100"></iframe>'
        f'<iframe id="other"></iframe>'
    )
    page = visit().page
    page.goto(serve_page(serve, body, policy="", port=article_port), wait_until="networkidle")
    page.wait_for_function("Number(document.querySelector('iframe').height) > 200")
    folded = page.evaluate("Number(document.querySelector('iframe').height)")
    page.frame_locator("iframe >> nth=0").locator("summary >> nth=0").click()
    page.wait_for_function(f"Number(document.querySelector('iframe').height) > {folded}")
    before = page.evaluate(_STANDS)
    # From the page itself and from a frame of somebody else: the right word from the wrong mouth, and wrong ones.
    for mouth in ("window", "document.querySelector('#other').contentWindow"):
        page.evaluate(f"{mouth}.eval({_HOSTILE_MESSAGES!r})")
    page.evaluate("new Promise(done => setTimeout(done, 50))")
    assert page.evaluate(_STANDS) == before


def test_without_script_the_plain_link_carries_the_article(
    support: str, article_port: int, serve: Serve, visit: Visit
) -> None:
    article = serve(create_sample_app(support, "Militarnyi", "en"), article_port)
    page = visit(has_script=False).page
    page.goto(article)
    page.click("support-block a")
    page.wait_for_url(f"{support}/**")
    assert page.locator(".came-from").is_visible()


def test_a_script_that_does_not_come_leaves_the_link_working(article_port: int, serve: Serve, visit: Visit) -> None:
    nobody = f"http://127.0.0.1:{reserve_port('127.0.0.1', 0)}"
    article = serve(create_sample_app(nobody, "Militarnyi", "en"), article_port)
    page = visit().page
    page.goto(article)
    assert page.inner_text("support-block a") == "Support our work"
    assert page.locator("support-block a").is_visible()


DOWN = "scrollTo(0, 1e6)"
COUNTS = {"[database]": "[privacy]\ncount_views = true\n\n[database]"}


@pytest.mark.parametrize("asks_not_to_be_followed", [False, True])
def test_a_block_that_comes_into_view_is_counted_once_and_says_where_it_stands(
    tmp_path: Path, article_port: int, serve: Serve, visit: Visit, *, asks_not_to_be_followed: bool
) -> None:
    prepare(url := f"sqlite:///{tmp_path}/counts.db")
    support = serve_support(tmp_path, serve, article_port, changes=COUNTS | {"sqlite:///support.db": url})
    policy = f"default-src 'none'; script-src {support}; connect-src {support}; img-src data:"
    body = (
        f"<main><h1>t</h1><div>{'<br>' * 200}</div>"
        f'<support-block lang="en" placement="end" layout="compact"><a href="{support}/support">s</a></support-block>'
        f'</main><script src="{support}/widget.js" async></script>'
    )
    visitor = visit(size=PHONE)
    page = visitor.page
    if asks_not_to_be_followed:
        page.add_init_script("Object.defineProperty(navigator, 'globalPrivacyControl', {get: () => true})")
    article = serve_page(serve, body, policy=policy, port=article_port)
    page.goto(article, wait_until="networkidle")
    assert seen_by(visitor) == [], "it stands below the window"
    if asks_not_to_be_followed:
        page.evaluate(DOWN)
    else:
        with page.expect_request(f"{support}/seen?**"):
            page.evaluate(DOWN)
        until(partial(is_counted, url, f"{article}/"))
    page.evaluate("scrollTo(0, 0)")
    page.evaluate(DOWN)
    page.wait_for_load_state("networkidle")
    assert seen_by(visitor) == ([] if asks_not_to_be_followed else [{"article": [f"{article}/"], "placement": ["end"]}])
    assert parse_qs(urlsplit(page.get_attribute(f"{BLOCK} .all", "href") or "").query)["placement"] == ["end"]
    assert visitor.complaints == []


def is_counted(url: str, article: str) -> bool:
    ledger = Ledger(url)
    seen = ledger.views.of_month(NOW.date().replace(day=1))
    ledger.dispose()
    return seen == {article: 1, "placement:end": 1}


def seen_by(visitor: Visitor) -> list[dict[str, list[str]]]:
    """Read what a browser told of views."""
    return [parse_qs(urlsplit(url).query) for url in visitor.requests if urlsplit(url).path == "/seen"]


def test_the_strictest_page_needs_only_our_script_allowed(support: str, serve: Serve, visit: Visit) -> None:
    policy = f"default-src 'none'; script-src {support}; img-src data:; require-trusted-types-for 'script'"
    body = (
        f'<main><h1>t</h1><support-block lang="en" theme="dark" layout="compact" heading="&lt;b&gt;Mine" '
        f'article="https://example.com/own"><a href="{support}/support">s</a></support-block></main>'
        f'<script src="{support}/widget.js" type="module" crossorigin></script>'
        f'<script src="{support}/widget.js" async></script>'
    )
    visitor = visit()
    visitor.page.goto(serve_page(serve, body, policy=policy), wait_until="networkidle")
    assert visitor.complaints == []
    assert visitor.page.inner_text(f"{BLOCK} h2") == "<b>Mine"
    assert not visitor.page.locator(f"{BLOCK} .invitation").is_visible()
    link = visitor.page.get_attribute(f"{BLOCK} .go", "href") or ""
    assert parse_qs(urlsplit(link).query)["article"] == ["https://example.com/own"]
    assert "title" not in parse_qs(urlsplit(link).query), "the page's own title is none of another article"


@pytest.mark.parametrize(
    "article", ["javascript:alert(1)", "data:text/html,x", "https://e.example/" + "a" * 2048, "https://["]
)
def test_an_article_that_cannot_be_is_left_out_of_the_link(
    support: str, serve: Serve, visit: Visit, article: str
) -> None:
    body = f'<support-block article="{article}"></support-block><script src="{support}/widget.js"></script>'
    page = visit().page
    page.goto(serve_page(serve, body, policy=f"script-src {support}"))
    link = page.get_attribute(f"{BLOCK} .go", "href") or ""
    assert "article" not in parse_qs(urlsplit(link).query)


def test_changed_attributes_are_heard(support: str, serve: Serve, visit: Visit) -> None:
    body = f'<support-block lang="uk"></support-block><script src="{support}/widget.js"></script>'
    page = visit().page
    page.goto(serve_page(serve, body, policy=f"script-src {support}"))
    page.evaluate("document.querySelector('support-block').lang = 'en'")
    assert page.inner_text(f"{BLOCK} h2") == "Support our work"
    page.evaluate("document.querySelector('support-block').lang = 'fr'")
    assert page.inner_text(f"{BLOCK} h2") == "Support our work", "an unknown language falls back to the page's"


def test_a_demo_block_says_that_it_is_one(tmp_path: Path, serve: Serve, visit: Visit, article_port: int) -> None:
    support = serve_support(tmp_path, serve, article_port, is_demo=True)
    article = serve(create_sample_app(support, "Militarnyi", "uk"), article_port)
    page = visit().page
    page.goto(article)
    assert "Демонстрація. Не надсилайте гроші." in page.inner_text(BLOCK)


def test_the_frame_is_shown_on_a_listed_site_and_opens_at_the_top(
    support: str, article_port: int, serve: Serve, visit: Visit
) -> None:
    body = (
        f'<iframe src="{support}/widget?lang=en" title="t" width="600" height="400" '
        f'sandbox="allow-top-navigation-by-user-activation"></iframe>'
    )
    visitor = visit()
    visitor.page.goto(serve_page(serve, body, policy="", port=article_port), wait_until="networkidle")
    visitor.page.frame_locator("iframe").locator("text=all ways to give").click()
    visitor.page.wait_for_url(f"{support}/support**")
    # The site's own sandbox lets no script run; whether the browser says so before the frame is gone is chance.
    assert [said for said in visitor.complaints if not said.startswith("Blocked script execution in ")] == []


def test_the_frame_is_refused_on_any_other_site(support: str, serve: Serve, visit: Visit) -> None:
    visitor = visit()
    body = f'<iframe src="{support}/widget" title="t"></iframe>'
    visitor.page.goto(serve_page(serve, body, policy=""), wait_until="networkidle")
    assert any("frame-ancestors" in said for said in visitor.complaints)


@pytest.mark.parametrize("lang", ["uk", "en"])
@pytest.mark.parametrize("width", [320, 400, FRAME_WIDTH])
def test_nothing_of_the_folded_frame_is_cut_off_at_any_width(support: str, visit: Visit, width: int, lang: str) -> None:
    page = visit(size=(width, 300)).page
    page.goto(f"{support}/widget?lang={lang}")
    assert page.evaluate("document.documentElement.scrollHeight") <= frame_height(width, 0)

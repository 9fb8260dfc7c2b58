"""A reader at the end of an article on another site: the block in a real browser, under a strict page policy."""

from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from flask import Flask, Response

from support_service.demo.article import create_sample_app
from support_service.supervisor import reserve_port
from support_service.web.reader.widget import FRAME_HEIGHT, FRAME_WIDTH
from tests.fixtures.browser import DESKTOP, PHONE, Serve, Visit
from tests.fixtures.site import OWN_URL, site

pytestmark = pytest.mark.browser

BLOCK = "support-block section"


@pytest.fixture
def article_port() -> int:
    return reserve_port("127.0.0.1", 0)


@pytest.fixture
def support(tmp_path: Path, serve: Serve, article_port: int) -> str:
    """Serve the support page under the address its settings name; it knows the article's site."""
    return serve_support(tmp_path, serve, article_port)


def serve_support(folder: Path, serve: Serve, article_port: int, *, is_demo: bool = False) -> str:
    port = reserve_port("127.0.0.1", 0)
    own, listed = f"http://127.0.0.1:{port}", f'sites = ["http://127.0.0.1:{article_port}"]'
    return serve(site(folder, {OWN_URL: own, "sites = []": listed}, is_demo=is_demo), port)


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
    assert Axe().run(page).violations_count == 0, Axe().run(page).generate_report()


def test_the_block_leads_to_our_page_with_the_article(
    support: str, article_port: int, serve: Serve, visit: Visit
) -> None:
    article = serve(create_sample_app(support, "Militarnyi", "uk"), article_port)
    page = visit().page
    page.goto(article, wait_until="networkidle")
    page.click(f"{BLOCK} .go")
    page.wait_for_url(f"{support}/**")
    assert parse_qs(urlsplit(page.url).query) == {"lang": ["uk"], "article": [f"{article}/"]}
    page.click(".came-from a")
    page.wait_for_url(f"{article}/")


def test_a_way_leads_straight_to_its_method(support: str, article_port: int, serve: Serve, visit: Visit) -> None:
    article = serve(create_sample_app(support, "Militarnyi", "en"), article_port)
    page = visit().page
    page.goto(article, wait_until="networkidle")
    page.click(f"{BLOCK} >> text=Bitcoin (BTC)")
    page.wait_for_url("**#method-btc")
    assert page.locator("#method-btc:target").is_visible()


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
    assert not visitor.page.locator(f"{BLOCK} ul").is_visible()
    link = visitor.page.get_attribute(f"{BLOCK} .go", "href") or ""
    assert parse_qs(urlsplit(link).query)["article"] == ["https://example.com/own"]


@pytest.mark.parametrize(
    "article", ["javascript:alert(1)", "data:text/html,x", "https://e.example/" + "a" * 2048, "https://["]
)
def test_an_article_that_cannot_be_is_left_out_of_the_link(
    support: str, serve: Serve, visit: Visit, article: str
) -> None:
    body = f'<support-block article="{article}"></support-block><script src="{support}/widget.js"></script>'
    page = visit().page
    page.goto(serve_page(serve, body, policy=f"script-src {support}"), wait_until="networkidle")
    link = page.get_attribute(f"{BLOCK} .go", "href") or ""
    assert "article" not in parse_qs(urlsplit(link).query)


def test_changed_attributes_are_heard(support: str, serve: Serve, visit: Visit) -> None:
    body = f'<support-block lang="uk"></support-block><script src="{support}/widget.js"></script>'
    page = visit().page
    page.goto(serve_page(serve, body, policy=f"script-src {support}"), wait_until="networkidle")
    page.evaluate("document.querySelector('support-block').lang = 'en'")
    assert page.inner_text(f"{BLOCK} h2") == "Support our work"
    page.evaluate("document.querySelector('support-block').lang = 'fr'")
    assert page.inner_text(f"{BLOCK} h2") == "Support our work", "an unknown language falls back to the page's"


def test_a_demo_block_says_that_it_is_one(tmp_path: Path, serve: Serve, visit: Visit, article_port: int) -> None:
    support = serve_support(tmp_path, serve, article_port, is_demo=True)
    article = serve(create_sample_app(support, "Militarnyi", "uk"), article_port)
    page = visit().page
    page.goto(article, wait_until="networkidle")
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
    visitor.page.frame_locator("iframe").locator("text=Choose how to give").click()
    visitor.page.wait_for_url(f"{support}/support**")
    assert visitor.complaints == []


def test_the_frame_is_refused_on_any_other_site(support: str, serve: Serve, visit: Visit) -> None:
    visitor = visit()
    body = f'<iframe src="{support}/widget" title="t"></iframe>'
    visitor.page.goto(serve_page(serve, body, policy=""), wait_until="networkidle")
    assert any("frame-ancestors" in said for said in visitor.complaints)


def test_nothing_of_the_frame_is_cut_off_at_its_usual_size(support: str, visit: Visit) -> None:
    page = visit(size=(FRAME_WIDTH, FRAME_HEIGHT)).page
    page.goto(f"{support}/widget?lang=uk")
    assert page.evaluate("document.documentElement.scrollHeight") <= FRAME_HEIGHT

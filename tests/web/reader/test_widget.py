"""What other sites embed: the script, the iframe form, oEmbed."""

import gzip
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from flask.testing import FlaskClient

from support_service.web.reader.widget import frame_height
from support_service.web.snippet import snippet
from tests.fixtures.site import NBU, reader, site, sites


@pytest.fixture
def client(tmp_path: Path) -> FlaskClient:
    return reader(tmp_path)


def written(client: FlaskClient) -> dict[str, Any]:
    """Read the settings out of the script."""
    found = re.search(r"const settings = (\{.*\});\n", client.get("/widget.js").text)
    assert found
    return dict(json.loads(found[1]))


def test_the_script_is_small_and_may_be_loaded_from_anywhere(client: FlaskClient) -> None:
    answer = client.get("/widget.js", headers={"Accept-Encoding": "gzip"})
    assert answer.mimetype == "text/javascript"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert answer.headers["Cache-Control"] == "public, max-age=300"
    assert len(answer.data) == len(gzip.compress(gzip.decompress(answer.data), 6)) <= 6_000


def test_the_script_keeps_nothing_about_anybody(client: FlaskClient) -> None:
    source = re.sub(r"/\*.*?\*/|//[^\n]*", "", client.get("/widget.js").text, flags=re.DOTALL)
    for word in ("cookie", "Storage", "fetch", "XMLHttp", "eval", "innerHTML", "sendBeacon", "import"):
        assert word not in source
    assert "Set-Cookie" not in client.get("/widget.js").headers


def test_the_script_is_the_same_for_all_and_revalidated(client: FlaskClient) -> None:
    first = client.get("/widget.js")
    assert client.get("/widget.js?lang=en", headers={"Accept-Language": "en"}).data == first.data
    assert client.get("/widget.js", headers={"If-None-Match": first.headers["ETag"]}).status_code == 304


def test_the_script_says_everything_in_every_language(client: FlaskClient) -> None:
    settings = written(client)
    assert settings["url"] == settings["origin"] == "http://127.0.0.1:8000"
    assert settings["texts"]["uk"]["heading"] == "Підтримайте нашу роботу"
    assert settings["texts"]["en"]["heading"] == "Support our work"
    assert [way["key"] for way in settings["texts"]["en"]["ways"]] == ["card", "iban", "eth", "btc", "usdt"]


def test_the_script_holds_every_number_to_copy(client: FlaskClient) -> None:
    for lang in ("uk", "en"):
        ways = written(client)["texts"][lang]["ways"]
        copied = [value["copied"] for way in ways for value in way["values"]]
        assert copied == [
            "5169335101647408",
            "UA043052990000026007015028783",
            "0x6db6D0E7acCa3a5b5b09c461Ae480DF9A928d0a2",
            "bc1qv58uev602j2twgxdtyv4z0mvly44ezq788kwsd",
            "TMKUjnNbCN4Bv6Vvtyh7e3mnyz5QB9nu6V",
        ]


def test_a_hostile_name_cannot_leave_its_string(tmp_path: Path) -> None:
    name = r"</script><!-- \u2028 ' \" ` ${x} */"
    client = reader(tmp_path, {'name = "Militarnyi"': f'name = "{name}"'})
    assert "</script" not in client.get("/widget.js").text
    assert "<!--" not in client.get("/widget.js").text
    assert written(client)["texts"]["en"]["name"] == "</script><!-- \u2028 ' \" ` ${x} */"


def test_the_frame_is_a_page_without_script_that_opens_at_the_top(client: FlaskClient) -> None:
    answer = client.get("/widget?lang=en&article=https://example.com/a")
    assert "<script" not in answer.text
    assert "script-src" not in answer.headers["Content-Security-Policy"]
    assert "form-action 'none'" in answer.headers["Content-Security-Policy"]
    assert "5169 3351 0164 7408" in answer.text
    assert len(re.findall(r'<img src="http://127.0.0.1:8000/qr/[a-z]+.svg"', answer.text)) == 5
    links = re.findall(r'<a [^>]*href="([^"]+)"([^>]*)>', answer.text)
    assert len(links) == 1
    for href, rest in links:
        assert href.startswith("http://127.0.0.1:8000/support?lang=en&amp;article=https%3A%2F%2Fexample.com%2Fa")
        assert 'target="_top"' in rest


def test_a_frame_that_is_asked_to_tells_how_high_it_is(client: FlaskClient) -> None:
    answer = client.get("/widget?tells=height")
    assert re.findall(r'<script src="([^"?]+)', answer.text) == ["/static/frame.js"]
    assert "script-src 'self' http://127.0.0.1:8000/;" in answer.headers["Content-Security-Policy"]


def test_the_sums_of_the_frame_lead_to_the_filled_page_at_the_top(tmp_path: Path) -> None:
    page = reader(tmp_path, NBU).get("/widget?lang=en&article=https://example.com/a").text
    (link,) = re.findall(r'<a class="preset" href="([^"]+)" target="_top">200\u00a0UAH</a>', page)
    asked = parse_qs(urlsplit(link.replace("&amp;", "&")).query)
    assert asked == {
        "lang": ["en"],
        "amount": ["200"],
        "currency": ["UAH"],
        "frequency": ["once"],
        "article": ["https://example.com/a"],
    }


@pytest.mark.parametrize("layout", ["block", "bar", "button", "compact"])
@pytest.mark.parametrize("lang", ["uk", "en"])
def test_the_snippet_is_made_of_what_editors_leave_standing(tmp_path: Path, layout: str, lang: str) -> None:
    text = snippet(site(tmp_path, NBU), lang, layout)
    kept = {"support-block", "p", "a", "strong", "br", "code", "span", "details", "summary", "img"}
    assert set(re.findall(r"<([a-z-]+)", text)) <= kept
    assert "<script" not in text
    assert ("5169 3351 0164 7408" in text) == (layout in {"block", "compact"})
    assert ("amount=200" in text) == (layout != "button")
    assert f"http://127.0.0.1:8000/support?lang={lang}" in text


# What AMP's validator allows of the elements we use: validator/validator-main.protoascii and the rules of images,
# validator/testdata/feature_tests/img.html, in the public repository ampproject/amphtml. HTML's own `img` is allowed
# since 2021, with these attributes; an element that is neither AMP's nor HTML's is not, and no attribute may hold code.
_AMP_ALLOWS: dict[str, set[str]] = {
    "section": set(),
    "p": set(),
    "strong": set(),
    "br": set(),
    "code": set(),
    "span": set(),
    "details": {"open"},
    "summary": set(),
    "a": {"href", "target", "rel"},
    "img": {"src", "alt", "width", "height", "loading", "decoding"},
}
_AMP_ALLOWS_EVERYWHERE = {"class", "dir", "id", "lang", "title", "translate"}
_AMP_VALUES = {"loading": {"lazy", "eager"}, "decoding": {"async"}, "target": {"_blank", "_self", "_top"}}
_AMP_LINKS = ("https://", "http://")
_UNCLOSED = {"br", "img"}


class AmpReader(HTMLParser):
    """Reads HTML as the AMP validator does, and keeps what it would refuse."""

    def __init__(self) -> None:
        super().__init__()
        self.refused: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Compare an element and its attributes with what is allowed."""
        told = dict(attrs)
        if tag not in _AMP_ALLOWS or set(told) - _AMP_ALLOWS.get(tag, set()) - _AMP_ALLOWS_EVERYWHERE:
            self.refused.append(self.get_starttag_text() or tag)
        for name in _AMP_VALUES.keys() & told.keys():
            self.refused += [str(told[name])] if told[name] not in _AMP_VALUES[name] else []
        for name in {"href", "src"} & told.keys():
            self.refused += [] if (told[name] or "").startswith(_AMP_LINKS) else [str(told[name])]
        if tag == "img" and not {"src", "alt", "width", "height"} <= set(told):
            self.refused.append("an image without its size")
        if any(name.startswith(("-amp-", "i-amp")) for name in (told.get("class") or "").split()):
            self.refused.append("a class that is AMP's own")
        if tag not in _UNCLOSED:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Every element closes the one that was opened last."""
        if not self.open or self.open.pop() != tag:
            self.refused.append(f"</{tag}> closes nothing")

    def handle_decl(self, decl: str) -> None:
        """A declaration stands in no fragment."""
        self.refused.append(decl)


@pytest.mark.parametrize("layout", ["block", "bar", "button", "compact"])
@pytest.mark.parametrize("lang", ["uk", "en"])
def test_an_amp_page_takes_the_snippet_as_it_is(tmp_path: Path, layout: str, lang: str) -> None:
    text = snippet(site(tmp_path, NBU), lang, layout, is_amp=True)
    amp = AmpReader()
    amp.feed(text)
    amp.close()
    assert (amp.refused, amp.open) == ([], [])
    assert snippet(site(tmp_path, NBU), lang, layout).splitlines()[1:-1] == text.splitlines()[1:-1]


@pytest.mark.parametrize(
    "text",
    [
        "<support-block></support-block>",
        "<p style='color:red'>x</p>",
        "<img src='https://x/y.png' alt=''>",
        "<a href='javascript:x'>x</a>",
        "<p onclick='x'>x</p>",
        "<img src='https://x/y.png' alt='' width='1' height='1' loading='soon'>",
        "<script>x</script>",
        "<p></section>",
    ],
    ids=str,
)
def test_what_amp_refuses_would_be_noticed(text: str) -> None:
    amp = AmpReader()
    amp.feed(text)
    assert amp.refused


@pytest.mark.parametrize(("theme", "shown"), [("dark", "dark"), ("light", "light"), ("<x>", "auto"), ("", "auto")])
def test_the_frame_knows_three_themes(client: FlaskClient, theme: str, shown: str) -> None:
    assert f'data-theme="{shown}"' in client.get("/widget", query_string={"theme": theme}).text


@pytest.mark.parametrize(
    ("origins", "is_demo", "ancestors"),
    [
        ((), False, "https:"),
        (("https://a.example", "https://b.example:8443/"), False, "https://a.example https://b.example:8443"),
        ((), True, "https: http://127.0.0.1:* http://localhost:*"),
    ],
)
def test_only_listed_sites_may_frame_the_widget(
    tmp_path: Path, origins: tuple[str, ...], *, is_demo: bool, ancestors: str
) -> None:
    headers = reader(tmp_path, sites(*origins), is_demo=is_demo).get("/widget").headers
    assert headers["Content-Security-Policy"].endswith(f"frame-ancestors {ancestors}")
    assert "X-Frame-Options" not in headers


def test_a_cyrillic_site_may_frame_the_widget_and_nobody_else(tmp_path: Path) -> None:
    """A name that is not ASCII makes a browser drop the whole directive: then anybody may."""
    policy = reader(tmp_path, sites("https://новини.укр")).get("/widget").headers["Content-Security-Policy"]
    assert policy.endswith("frame-ancestors https://xn--b1amarcd.xn--j1amh")


@pytest.mark.parametrize("article", ["https://xn--b1amarcd.xn--j1amh/стаття", "https://Новини.УКР:443/стаття"])
def test_an_article_is_known_by_every_spelling_of_its_site(tmp_path: Path, article: str) -> None:
    client = reader(tmp_path, sites("https://новини.укр"))
    page = client.get("/support", query_string={"article": article}).text
    assert 'href="https://xn--b1amarcd.xn--j1amh/стаття"' in page
    assert ">новини.укр/стаття</a>" in page


def test_a_foreign_article_is_left_out_of_the_frame(tmp_path: Path) -> None:
    client = reader(tmp_path, sites("https://example.com"))
    assert "evil" not in client.get("/widget?article=https://evil.example/").text


def test_oembed_answers_for_our_page(client: FlaskClient) -> None:
    page = "http://127.0.0.1:8000/support?lang=en&article=https://example.com/a"
    answer = client.get("/oembed", query_string={"url": page, "maxwidth": "400", "maxheight": "999999"})
    told = answer.get_json()
    assert (told["version"], told["type"], told["width"], told["height"]) == ("1.0", "rich", 400, frame_height(400, 0))
    assert told["provider_name"] == "Militarnyi"
    assert 'src="http://127.0.0.1:8000/widget?lang=en&amp;article=https%3A%2F%2Fexample.com%2Fa"' in told["html"]
    assert "title=" in told["html"]
    assert answer.headers["Access-Control-Allow-Origin"] == "*"


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({}, 404),
        ({"url": "https://evil.example/support"}, 404),
        ({"url": "http://127.0.0.1:8000/staff"}, 404),
        ({"url": "http://[::1"}, 404),
        ({"url": "http://127.0.0.1:8000/support", "format": "xml"}, 501),
        ({"url": "http://127.0.0.1:8000/support", "maxwidth": "x²"}, 200),
        ({"url": "http://127.0.0.1:8000/support?article=javascript:1"}, 200),
    ],
)
def test_oembed_answers_for_nothing_else(client: FlaskClient, query: dict[str, str], status: int) -> None:
    assert client.get("/oembed", query_string=query).status_code == status


def test_the_page_tells_where_its_oembed_is(client: FlaskClient) -> None:
    found = re.search(
        r'type="application/json\+oembed" href="http://127.0.0.1:8000([^"]+)"', client.get("/support").text
    )
    assert found
    assert client.get(found[1]).status_code == 200


def filtered_by_wordpress(html: str) -> str:
    """Do what WordPress does to the answer of a provider it does not know (wp_filter_oembed_result)."""
    found = re.search(r"(<blockquote>.*?</blockquote>)?.*(<iframe.*?></iframe>)(.*)", html, re.DOTALL)
    assert found
    frame = re.sub(r' (?!src|width|height|title)[a-z]+(?:="[^"]*")', "", found[2])
    return (found[1] or "") + frame.replace("<iframe", '<iframe sandbox="allow-scripts" style="visibility: hidden"')


def test_what_wordpress_leaves_of_the_embedding_still_leads_to_the_page(client: FlaskClient) -> None:
    page = "http://127.0.0.1:8000/support?lang=en&article=https://example.com/a"
    html = client.get("/oembed", query_string={"url": page}).get_json()["html"]
    (link,) = re.findall(
        r'<blockquote><a href="([^"]+)">Support Militarnyi</a></blockquote>', filtered_by_wordpress(html)
    )
    assert link == "http://127.0.0.1:8000/support?lang=en&amp;article=https%3A%2F%2Fexample.com%2Fa"


def test_a_frame_that_may_open_nothing_says_where_to_go(tmp_path: Path) -> None:
    client = reader(tmp_path, {'url = "http://127.0.0.1:8000"': 'url = "https://підтримка.укр/donate"'})
    page = client.get("/widget", headers={"Host": "xn--80ahmijpip2p.xn--j1amh"}).text
    assert 'Militarnyi · <span class="address">підтримка.укр/donate/support</span>' in page


@pytest.mark.parametrize(
    ("asked", "title"),
    [
        ("?lang=en&article=https://example.com/a", "Support our work"),
        ("?article=https://example.com/a&lang=uk", "Підтримайте нашу роботу"),
        ("", "Підтримайте нашу роботу"),
    ],
)
def test_the_embedded_address_rules_language_and_article(client: FlaskClient, asked: str, title: str) -> None:
    """Not the request of the server that asks: it has a language of its own."""
    query = {"url": f"http://127.0.0.1:8000/support{asked}", "lang": "en"}
    told = client.get("/oembed", query_string=query, headers={"Accept-Language": "en"}).get_json()
    assert told["title"] == title
    assert ("article=https%3A%2F%2Fexample.com%2Fa" in told["html"]) == ("article" in asked)


def test_the_page_leads_its_embedders_to_its_own_language_and_article(client: FlaskClient) -> None:
    page = client.get("/support?lang=en&article=https://example.com/a").text
    found = re.search(r'type="application/json\+oembed" href="http://127.0.0.1:8000([^"]+)"', page)
    assert found
    told = client.get(found[1]).get_json()
    assert told["title"] == "Support our work"
    assert "lang=en&amp;article=https%3A%2F%2Fexample.com%2Fa" in told["html"]


@pytest.mark.parametrize("url", ["HTTP://127.0.0.1:8000/support", "http://127.0.0.1:8000/%73upport#way"])
def test_oembed_knows_our_page_by_every_spelling(client: FlaskClient, url: str) -> None:
    assert client.get("/oembed", query_string={"url": url}).status_code == 200

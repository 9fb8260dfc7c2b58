"""The support page and its surroundings, asked over HTTP: what is on it, who may ask, what is refused."""

import gzip
import re
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import brotli
import pytest
import zxingcpp
from flask.testing import FlaskClient
from PIL import Image

from tests.fixtures.site import NBU, reader, site, sites

SEED = (
    "5169335101647408",
    "UA043052990000026007015028783",
    "0x6db6D0E7acCa3a5b5b09c461Ae480DF9A928d0a2",
    "bc1qv58uev602j2twgxdtyv4z0mvly44ezq788kwsd",
    "TMKUjnNbCN4Bv6Vvtyh7e3mnyz5QB9nu6V",
)
KEYS = ("card", "iban", "eth", "btc", "usdt")
STRICT = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)


@pytest.fixture
def client(tmp_path: Path) -> FlaskClient:
    return reader(tmp_path)


def test_the_front_leads_to_the_page_and_keeps_article_and_language(client: FlaskClient) -> None:
    assert (client.get("/").status_code, client.get("/").location) == (302, "/support")
    asked = urlencode({"article": "https://example.com/a?b=1", "lang": "en"})
    kept = urlsplit(client.get(f"/?{asked}&_external=1&_scheme=javascript").location)
    assert (kept.scheme, kept.netloc, kept.path) == ("", "", "/support")
    assert parse_qs(kept.query) == {"article": ["https://example.com/a?b=1"], "lang": ["en"]}


@pytest.mark.parametrize(("key", "value"), list(zip(KEYS, SEED, strict=True)))
def test_every_method_of_the_seed_is_on_the_page_to_copy(client: FlaskClient, key: str, value: str) -> None:
    page = client.get("/support").text
    assert f'id="method-{key}"' in page
    assert f'data-copy="{value}"' in page
    assert value in re.sub(r"</?span>|<wbr>", "", page), "a selection must copy the value without gaps"


def test_the_page_needs_neither_the_database_nor_its_folder(tmp_path: Path) -> None:
    missing = {"sqlite:///support.db": f"sqlite:///{tmp_path}/gone/support.db"}
    client = reader(tmp_path, missing)
    for path in ("/support", "/privacy", "/widget", "/widget.js", "/.well-known/support-methods.json", "/healthz"):
        assert client.get(path).status_code == 200, path
    assert not (tmp_path / "gone").exists()
    assert client.get("/totals.json").status_code == 503


def test_the_same_answer_goes_to_all_readers(client: FlaskClient) -> None:
    plain = client.get("/support")
    other = client.get("/support", headers={"Accept-Language": "en", "Cookie": "a=b", "User-Agent": "x"})
    assert plain.data == other.data
    assert "Set-Cookie" not in plain.headers
    assert plain.headers["Cache-Control"] == "public, max-age=60"


def test_a_page_that_is_held_already_is_not_sent_again(client: FlaskClient) -> None:
    tag = client.get("/support").headers["ETag"]
    again = client.get("/support", headers={"If-None-Match": tag})
    assert (again.status_code, again.data) == (304, b"")
    assert client.get("/support?lang=en").headers["ETag"] != tag


def test_a_packed_page_is_the_same_page(client: FlaskClient) -> None:
    plain = client.get("/support").data
    for accepted, coding, unpack in (("gzip", "gzip", gzip.decompress), ("br, gzip", "br", brotli.decompress)):
        packed = client.get("/support", headers={"Accept-Encoding": accepted})
        assert packed.headers["Content-Encoding"] == coding
        assert packed.headers["Vary"] == "Accept-Encoding"
        assert unpack(packed.data) == plain


@pytest.mark.parametrize(("query", "lang"), [("", "uk"), ("?lang=en", "en"), ("?lang=xx", "uk"), ("?lang=", "uk")])
def test_the_language_is_asked_for_or_the_publishers_first(client: FlaskClient, query: str, lang: str) -> None:
    page = client.get(f"/support{query}").text
    assert f'<html lang="{lang}">' in page
    assert {"uk": "Підтримайте нашу роботу", "en": "Support our work"}[lang] in page


def test_one_language_offers_no_choice(tmp_path: Path) -> None:
    client = reader(tmp_path, {'languages = ["uk", "en"]': 'languages = ["en"]'})
    assert "hreflang" not in client.get("/support?lang=uk").text


@pytest.mark.parametrize("path", ["/support", "/nothing", "/static/support.css", "/healthz", "/totals.json", "/"])
def test_every_answer_carries_the_headers(client: FlaskClient, path: str) -> None:
    headers = client.get(path).headers
    assert headers["Content-Security-Policy"] == STRICT
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "same-origin"
    assert "camera=()" in headers["Permissions-Policy"]


def test_an_allowed_article_is_shown_and_linked_and_survives_the_language(tmp_path: Path) -> None:
    client = reader(tmp_path, sites("https://example.com"))
    article = "https://example.com/uk/стаття?id=1&x=<b>".replace("<b>", "b")
    page = client.get("/support", query_string={"article": article}).text
    assert 'href="https://example.com/uk/стаття?id=1&amp;x=b"' in page
    assert urlencode({"lang": "en", "article": article}).replace("&", "&amp;") in page


@pytest.mark.parametrize(
    "article",
    [
        "javascript:alert(1)",
        "data:text/html,<script>",
        "http://example.com/plain-http",
        "https://other.example/",
        "https://example.com.evil.example/",
        "https://example.com@evil.example/",
        "https://example.com:444/",
        "//example.com/",
        "https:///example.com",
        "https://[::1",
        "https://example.com/a\nb",
        "https://example.com/\u202egpj.exe",
        'https://example.com/"onmouseover="x',
        "https://example.com/" + "a" * 2048,
    ],
)
def test_an_article_that_is_not_allowed_is_quietly_left_out(tmp_path: Path, article: str) -> None:
    client = reader(tmp_path, sites("https://example.com"))
    answer = client.get("/support", query_string={"article": article})
    assert answer.status_code == 200
    assert answer.data == client.get("/support").data


def test_without_listed_sites_any_https_article_is_shown(client: FlaskClient) -> None:
    assert "came-from" in client.get("/support?article=https://any.example/a").text
    assert "came-from" not in client.get("/support?article=http://any.example/a").text
    assert "came-from" not in client.get("/support?article=http://127.0.0.1/a").text


def test_a_listed_loopback_article_is_shown(tmp_path: Path) -> None:
    client = reader(tmp_path, sites("http://127.0.0.1:8001"))
    assert "came-from" in client.get("/support?article=http://127.0.0.1:8001/").text
    assert "came-from" not in client.get("/support?article=http://127.0.0.1:8002/").text


@pytest.mark.parametrize("key", KEYS)
def test_a_png_code_holds_what_the_manifest_says(tmp_path: Path, key: str) -> None:
    client = reader(tmp_path, NBU)
    payload = {one["key"]: one["qr"] for one in client.get("/.well-known/support-methods.json").get_json()["methods"]}[
        key
    ]
    file = tmp_path / "code.png"
    file.write_bytes(client.get(f"/qr/{key}.png").data)
    with Image.open(file) as image:
        assert [found.text for found in zxingcpp.read_barcodes(image.convert("L"))] == [payload]


def test_a_code_may_be_kept_for_ever_only_under_its_own_fingerprint(client: FlaskClient) -> None:
    plain = client.get("/qr/eth.svg")
    assert plain.mimetype == "image/svg+xml"
    assert plain.headers["Cache-Control"] == "public, max-age=60"
    fingerprint = re.sub(r'^W/"|"$', "", plain.headers["ETag"])
    assert "immutable" in client.get(f"/qr/eth.svg?v={fingerprint}").headers["Cache-Control"]
    assert "immutable" not in client.get("/qr/eth.svg?v=0").headers["Cache-Control"]


def test_a_static_file_may_be_kept_for_ever_under_the_name_the_page_gives_it(client: FlaskClient) -> None:
    for name in ("support.css", "support.js", "icon.svg"):
        (link,) = re.findall(rf'"(/static/{name}\?v=[0-9a-f]+)"', client.get("/support").text)
        answer = client.get(link, headers={"Accept-Encoding": "gzip"})
        assert "immutable" in answer.headers["Cache-Control"]
        assert answer.headers["Content-Encoding"] == "gzip"
    assert "immutable" not in client.get("/static/support.css?v=1").headers["Cache-Control"]


@pytest.mark.parametrize(
    "path",
    [
        "/qr/none.svg",
        "/qr/eth",
        "/qr/eth.gif",
        "/qr/../eth.svg",
        "/qr/%2e%2e%2fetc%2fpasswd.svg",
        "/static/../app.py",
        "/static/x",
        "/card",
    ],
)
def test_what_does_not_exist_is_a_calm_404(client: FlaskClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 404
    assert "Такої сторінки немає" in answer.text
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("path", ["/support", "/", "/widget", "/totals.json", "/oembed", "/staff/", "/healthz"])
def test_a_flood_in_the_query_is_refused(client: FlaskClient, path: str) -> None:
    answer = client.get(f"{path}?article=" + "a" * 100_000)
    assert answer.status_code == 414
    assert "Ця адреса задовга" in answer.text


def test_the_longest_article_fits_even_when_encoded_twice(client: FlaskClient) -> None:
    article = "https://example.com/" + "%D1%94" * 338
    assert "came-from" in client.get("/support", query_string={"article": article}).text


def test_a_body_that_is_too_large_is_refused(client: FlaskClient) -> None:
    assert client.post("/staff/login", data={"email": "a" * 100_000}).status_code == 413
    assert client.post("/support").status_code == 405


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "a b", "[::1", "", "evil.example:8000", "@"]
)
def test_another_host_is_refused_without_breaking(client: FlaskClient, host: str) -> None:
    assert client.get("/support", headers={"Host": host}).status_code == 400


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:9", "localhost:8000", "[::1]:8000", "LOCALHOST"])
def test_a_service_on_loopback_answers_to_every_loopback_name(client: FlaskClient, host: str) -> None:
    assert client.get("/support", headers={"Host": host}).status_code == 200


def test_a_public_service_answers_to_its_own_name_and_probes_by_any(tmp_path: Path) -> None:
    client = reader(tmp_path, {"http://127.0.0.1:8000": "https://give.example.org"})
    assert client.get("/support", headers={"Host": "give.example.org"}).status_code == 200
    assert client.get("/support", headers={"Host": "127.0.0.1:8000"}).status_code == 400
    assert client.get("/healthz", headers={"Host": "10.0.0.7:8000"}).status_code == 200


def test_listed_hosts_replace_the_publishers_own(tmp_path: Path) -> None:
    listed = {"[database]": '[web]\ntrusted_hosts = ["a.example"]\n\n[database]'}
    client = reader(tmp_path, listed)
    assert client.get("/support", headers={"Host": "a.example"}).status_code == 200
    assert client.get("/support", headers={"Host": "localhost"}).status_code == 400


def test_an_unforeseen_error_shows_nothing_and_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    app = site(tmp_path)

    @app.get("/broken")
    def broken() -> str:
        return str(1 // 0)

    answer = app.test_client().get("/broken?lang=en")
    assert answer.status_code == 500
    assert "Something broke on our side" in answer.text
    assert "ZeroDivisionError" not in answer.text
    assert "ZeroDivisionError" in caplog.text


def test_a_demo_says_so_on_page_and_widget(tmp_path: Path) -> None:
    client = reader(tmp_path, is_demo=True)
    for path in ("/support", "/widget", "/privacy"):
        assert "Демонстрація. Не надсилайте гроші." in client.get(path).text
        assert "Demo. Do not send money." in client.get(f"{path}?lang=en").text
    assert "Demo" not in reader(tmp_path).get("/support?lang=en").text


def test_the_manifest_tells_machines_everything(client: FlaskClient) -> None:
    answer = client.get("/.well-known/support-methods.json")
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    methods = {method["key"]: method for method in answer.get_json()["methods"]}
    assert tuple(methods) == KEYS
    assert [any(value in one["facts"].values() for one in methods.values()) for value in SEED] == [True] * 5
    assert methods["btc"]["qr"] == "bitcoin:" + SEED[3].upper()
    assert methods["usdt"]["rail"] == "tron"
    assert answer.get_json()["publisher"]["name"] == "Militarnyi"


def test_a_hostile_publisher_name_stays_text(tmp_path: Path) -> None:
    client = reader(tmp_path, {'name = "Militarnyi"': 'name = "<script>x</script>"'})
    for path in ("/support", "/widget", "/privacy", "/nothing"):
        assert "<script>x" not in client.get(path).text


def test_the_privacy_page_is_told_in_both_languages(client: FlaskClient) -> None:
    assert "Ми не зберігаємо вашої IP-адреси" in client.get("/privacy").text
    assert "We do not store your IP address" in client.get("/privacy?lang=en").text


FACE = {
    "sites = []": """sites = []
legal = "NGO Example, 12345678"
logo = "logo.svg"
accent = "#7a1f3d"
""",
    "# contact = ": "contact = ",
    "[database]": """[publisher.names]
uk = "Приклад"
[publisher.appeal]
uk = "Нас утримують читачі."
[database]""",
}


@pytest.fixture
def own_face(tmp_path: Path) -> FlaskClient:
    (tmp_path / "logo.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg"/>', encoding="utf-8")
    return reader(tmp_path, FACE)


def test_a_publisher_has_a_face_of_their_own(own_face: FlaskClient) -> None:
    page = own_face.get("/support").text
    for part in ("Приклад", "Нас утримують читачі.", "NGO Example, 12345678", "mailto:support@example.com"):
        assert part in page
    assert "Militarnyi" in own_face.get("/support?lang=en").text, "what is not said in a language is said by name"
    (logo,) = re.findall(r'"(/static/logo.svg\?v=[0-9a-f]+)"', page)
    assert own_face.get(logo).mimetype == "image/svg+xml"
    (style,) = re.findall(r'"(/static/support.css\?v=[0-9a-f]+)"', page)
    assert "--accent: #7a1f3d" in own_face.get(style).text


def test_without_a_face_there_is_an_honest_default(client: FlaskClient) -> None:
    page = client.get("/support").text
    assert "Нашу роботу оплачують читачі." in page
    assert "mailto:" not in page and "logo" not in page


def test_every_language_has_an_address_of_its_own_for_search_engines(client: FlaskClient) -> None:
    base = "http://127.0.0.1:8000/support"
    for query, own in (
        ("", base),
        ("?lang=en", f"{base}?lang=en"),
        ("?lang=en&amount=5&currency=EUR", f"{base}?lang=en"),
    ):
        page = client.get(f"/support{query}").text
        assert f'<link rel="canonical" href="{own}">' in page
        assert f'hreflang="en" href="{base}?lang=en"' in page
        assert f'hreflang="x-default" href="{base}"' in page


def test_a_shared_link_has_a_picture_with_a_code_that_leads_to_the_page(client: FlaskClient, tmp_path: Path) -> None:
    page = client.get("/support?lang=en").text
    (picture,) = re.findall(r'property="og:image" content="http://127.0.0.1:8000([^"]+)"', page)
    answer = client.get(picture)
    assert (answer.mimetype, answer.headers["Cross-Origin-Resource-Policy"]) == ("image/png", "cross-origin")
    file = tmp_path / "card.png"
    file.write_bytes(answer.data)
    with Image.open(file) as image:
        assert image.size == (1200, 630)
        found = zxingcpp.read_barcodes(image.convert("L"))
    assert [code.text for code in found] == ["http://127.0.0.1:8000/support"]
    assert client.get("/share/xx.png").status_code == 404


def test_programs_are_told_what_is_for_everybody_and_whom_to_write_to(
    client: FlaskClient, own_face: FlaskClient
) -> None:
    assert "Disallow: /staff/" in client.get("/robots.txt").text
    assert client.get("/.well-known/security.txt").status_code == 404
    told = own_face.get("/.well-known/security.txt")
    assert told.mimetype == "text/plain"
    assert "Contact: mailto:support@example.com\n" in told.text
    assert re.search(r"Expires: 2027-04-\d\dT", told.text)


@pytest.mark.parametrize("path", ["/support", "/privacy", "/support?lang=en", "/nothing"])
def test_every_public_page_describes_itself(client: FlaskClient, path: str) -> None:
    assert re.search('<meta name="description" content="[^"]{20,}">', client.get(path).text)


@pytest.mark.parametrize("path", ["/month/uk", "/month/en"])
def test_an_empty_month_and_a_silent_ledger_say_nothing(client: FlaskClient, path: str) -> None:
    assert (client.get(path).status_code, client.get(path).text) == (503, "")
    assert client.get("/month/xx").status_code == 404


def test_both_languages_say_how_to_send_crypto_safely_and_what_a_sum_is_for(tmp_path: Path) -> None:
    page = reader(tmp_path, NBU)
    for lang, care, heading in (
        ("uk", "Звірте перші й останні символи адреси. Переказ не можна скасувати", "Переказом 200"),
        (
            "en",
            "Compare the first and the last characters of the address. A transfer cannot be taken back",
            "Transfer 200",
        ),
    ):
        text = page.get(f"/support?lang={lang}&amount=200&currency=UAH").text
        assert care in text
        assert f">{heading}" in text, "nothing stands before it that it would be another way to"

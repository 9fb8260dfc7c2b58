"""The shelf: what an answer depends on is its key, and nothing that a reader sends is in it besides."""

from pathlib import Path
from urllib.parse import urlencode

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support_service.app import build_door, create_app, warm_door
from support_service.door import Door
from support_service.door.shelf import CHOSEN_MAX, KEPT_MAX
from tests.fixtures.door import Asked, Fields, Heard, ask
from tests.fixtures.site import NBU, assembled, reader, sites

PUBLIC = (
    *("/support", "/privacy", "/widget", "/widget.js", "/qr/eth.svg", "/qr/eth.png", "/static/support.css"),
    *("/robots.txt", "/share/uk.png", "/support?amount=200&currency=UAH"),
    *("/.well-known/support-methods.json", "/oembed?url=http%3A%2F%2F127.0.0.1%3A8000%2Fsupport"),
)
HOSTILE = {
    "X-Forwarded-Prefix": "//evil.example",
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Port": "81",
    "X-Forwarded-For": "203.0.113.9",
    "X-Forwarded-Server": "evil.example",
    "X-Script-Name": "/evil",
    "X-Original-URL": "/staff/",
    "X-Rewrite-URL": "/staff/",
    "Forwarded": "for=203.0.113.9;host=evil.example;proto=https",
    "X-Real-IP": "203.0.113.9",
    "Accept-Language": "en",
    "Cookie": "lang=en",
}


def asked(door: Door, path: str, **headers: str) -> Heard:
    place, _, query = path.partition("?")
    fields = [("host", "127.0.0.1:8000"), *((name.lower().replace("_", "-"), value) for name, value in headers.items())]
    return ask(door, Asked("GET", place, query, Fields(fields)))


@pytest.fixture
def door(tmp_path: Path) -> Door:
    return warm_door(assembled(tmp_path))


@pytest.mark.parametrize("hops", [0, 1])
@pytest.mark.parametrize("path", PUBLIC)
def test_no_header_that_is_forwarded_changes_a_byte(tmp_path: Path, path: str, hops: int) -> None:
    proxied = {"[database]": f"[web]\nproxy_hops = {hops}\n\n[database]"}
    clean = reader(tmp_path, proxied).get(path)
    client = reader(tmp_path, proxied)
    told = client.get(path, headers=HOSTILE)
    assert (told.status_code, told.data, list(told.headers)) == (200, clean.data, list(clean.headers))
    assert client.get(path).data == clean.data


def test_a_page_below_a_prefix_has_it_once_whether_or_not_a_proxy_takes_it_off(tmp_path: Path) -> None:
    client = reader(tmp_path, {"http://127.0.0.1:8000": "http://127.0.0.1:8000/donate"})
    stripped, whole = client.get("/support"), client.get("/donate/support")
    assert stripped.data == whole.data
    assert '"/donate/static/support.css?v=' in stripped.text
    assert "/donate/donate" not in stripped.text
    assert client.get("/", headers=HOSTILE).location == "/donate/support"


ARTICLES = st.text(st.characters(exclude_categories=["C", "Z"], exclude_characters=' "<>\\^`{|}'), max_size=40)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=st.sampled_from(["/support", "/widget"]), lang=st.sampled_from(["uk", "en"]), tail=ARTICLES)
def test_a_joined_page_is_what_the_app_itself_answers(
    door: Door, tmp_path: Path, path: str, lang: str, tail: str
) -> None:
    query = urlencode({"lang": lang, "article": f"https://example.com/{tail}"})
    plain = create_app(assembled(tmp_path)).test_client().get(f"{path}?{query}", base_url="http://127.0.0.1:8000")
    assert asked(door, f"{path}?{query}").body == plain.data


def test_pages_with_an_article_are_cut_and_not_asked_for(tmp_path: Path) -> None:
    for listed in ({}, sites("https://example.com"), sites("https://xn--b1amarcd.xn--j1amh")):
        assembly = assembled(tmp_path, listed)
        app = create_app(assembly)
        count = 0
        inner = app.wsgi_app

        def counting(environ: object, start: object, inner: object = inner) -> object:
            nonlocal count
            count += 1
            return inner(environ, start)  # type: ignore[operator]

        app.wsgi_app = counting  # type: ignore[method-assign,assignment]
        made = build_door(app, assembly)
        made.warm()
        site = assembly.settings.publisher.sites[0] if assembly.settings.publisher.sites else "https://any.example"
        count = 0
        for number in range(3 * KEPT_MAX):
            for path in ("/support", "/widget"):
                assert (
                    f"{site}/{number}".encode() in asked(made, f"{path}?article={site}/{number}").body
                    or path == "/widget"
                )
        assert asked(made, "/support").status == 200
        assert count == 0


def test_every_spelling_of_a_sum_is_one_page_and_a_flood_of_sums_keeps_few(tmp_path: Path) -> None:
    assembly = assembled(tmp_path, NBU)
    app = create_app(assembly)
    made = build_door(app, assembly)
    made.warm()
    first = asked(made, "/support?amount=200&currency=UAH&frequency=once")
    assert b"UAH" in first.body and first.status == 200
    for spelling in ("amount=200", "amount=200,00&currency=UAH", "frequency=once&amount=200.0&lang=uk", "amount=+200"):
        assert asked(made, f"/support?{spelling}").body == first.body
    for number in range(1, CHOSEN_MAX + 40):
        assert asked(made, f"/support?amount={number}").status == 200
    assert len(made._shelf._chosen) == CHOSEN_MAX


def test_with_a_sum_any_article_costs_a_joining_of_bytes(tmp_path: Path) -> None:
    assembly = assembled(tmp_path, NBU)
    app = create_app(assembly)
    count, inner = 0, app.wsgi_app

    def counting(environ: object, start: object) -> object:
        nonlocal count
        count += 1
        return inner(environ, start)  # type: ignore[arg-type]

    app.wsgi_app = counting  # type: ignore[method-assign,assignment]
    made = build_door(app, assembly)
    made.warm()
    asked(made, "/support?amount=200")
    count = 0
    for number in range(2 * KEPT_MAX):
        query = urlencode({"amount": "200", "article": f"https://any.example/{number}"})
        assert f"https://any.example/{number}".encode() in asked(made, f"/support?{query}").body
    assert count == 0
    plain = create_app(assembly).test_client().get(f"/support?{query}", base_url="http://127.0.0.1:8000")
    assert asked(made, f"/support?{query}").body == plain.data


@pytest.mark.parametrize("amount", ["1,000", "x", "0", "-5", "1e9", "99999999999", "\u0661", "1" * 5000])
def test_what_is_no_sum_is_asked_back_and_kept_nowhere(tmp_path: Path, amount: str) -> None:
    assembly = assembled(tmp_path, NBU)
    made = build_door(create_app(assembly), assembly)
    made.warm()
    answer = asked(made, f"/support?{urlencode({'amount': amount})}")
    assert answer.status == 200 and b'role="alert"' in answer.body
    assert not made._shelf._chosen


def test_nothing_but_what_counts_makes_another_answer(door: Door) -> None:
    bare = asked(door, "/support").body
    for more in ("lang=uk", "lang=xx", "utm_source=x", "article=javascript:x", "_external=1", "&&&", "lang=uk&lang=en"):
        assert asked(door, f"/support?{more}").body == bare
    assert asked(door, "/support?x=1&lang=en").body == asked(door, "/support?lang=en").body != bare
    assert asked(door, "/support?l%61ng=en").body == asked(door, "/support?lang=en").body


def test_a_head_of_an_answer_says_what_the_answer_would(door: Door, client: FlaskClient) -> None:
    for path in ("/support", "/qr/eth.svg", "/widget.js", "/nothing"):
        full, head = client.get(path), client.head(path)
        assert (head.status_code, head.data) == (full.status_code, b"")
        assert head.headers.get("ETag") == full.headers.get("ETag")


@pytest.fixture
def client(tmp_path: Path) -> FlaskClient:
    return reader(tmp_path)

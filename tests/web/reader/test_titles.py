"""The title of an article goes with its address on every way to give, and is one line of text there."""

import re
import time
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from support_service.app import warm_door
from support_service.demo.stripe import StripeFake
from support_service.door.shelf import KEPT_MAX
from support_service.web.reader.articles import TITLE_CHARS_MAX, allowed_title
from tests.fixtures.cards import CardHouse, card_house
from tests.fixtures.door import Asked, Fields, ask
from tests.fixtures.reports import gift, pushed
from tests.fixtures.site import assembled, reader
from tests.fixtures.staff import FrozenClock
from tests.web.test_hostile_requests import VALUES

ARTICLE = "https://example.com/uk/a-story"
TITLE = "Майстерня, у якій «дрони» дістають 2-ге життя & more"
HOSTILE = ("<script>alert(1)</script>", "'\"><img src=x onerror=alert(1)>", "{{7*7}}${7*7}", "&lt;b&gt;", *VALUES)


@pytest.fixture
def house(tmp_path: Path, sqlite_url: str) -> Iterator[CardHouse]:
    clock = FrozenClock()
    with StripeFake(clock=clock) as fake:
        yield card_house(tmp_path, sqlite_url, fake, clock)


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (f"  {TITLE}\n", TITLE),
        ("a\x00b\x1b[31mc\u202ed\u2066e\u200bf\ufeffg\u2028h\x7f", "a b [31mc d e f g h"),
        ("Cafe\u0301", "Café"),
        ("x" * 20 + " y" * 100, f"{('x' * 20 + ' y' * 100)[: TITLE_CHARS_MAX - 1].rstrip()}…"),
        ("Війна 2014, 2022 і 2024", "Війна 2014, 2022 і 2024"),
        *((said, None) for said in ("", " \t\u200b ", "\u202e", "\ud800")),
        *((said, None) for said in ("На картку 5169 3351 0164 7408!", "5169.3351-0164/7408", "5️⃣169335101647408")),
        *(
            (said, None)
            for said in ("٥١٦٩٣٣٥١٠١٦٤٧٤٠٨", "UA04 3052 9900 0002 6007 0150 2878 3", "тел. (067) 123-45-67")
        ),
        *(
            (said, None)
            for said in ("TMKUjnNbCN4Bv6Vvtyh7e3mnyz5QB9nu6V", "ｈｔｔｐｓ：／／evil.example", "me@evil.example")
        ),
    ],
)
def test_a_title_is_one_bounded_line_that_says_nowhere_to_send_money(said: str, shown: str | None) -> None:
    assert allowed_title(said) == shown
    assert shown is None or allowed_title(shown) == shown


def test_the_page_names_the_article_and_takes_its_title_along_everywhere(house: CardHouse) -> None:
    named = {"article": ARTICLE, "title": TITLE}
    page = house.reader().client.get("/support", query_string={"lang": "en", **named}).text
    assert unescape(page).count(f'rel="nofollow noopener">{TITLE}</a>') == 1
    links = [
        parse_qs(urlsplit(unescape(href)).query) for href in re.findall(r'href="([^"#]*article(?:=|%3D)[^"]*)"', page)
    ]
    assert len(links) > 5
    embedding = [link["url"][0] for link in links if "url" in link]
    for link in [*(one for one in links if "url" not in one), *(parse_qs(urlsplit(one).query) for one in embedding)]:
        assert (link["article"], link["title"]) == ([ARTICLE], [TITLE])
    (told,) = embedding
    html = house.reader().client.get("/oembed", query_string={"url": told}).get_json()["html"]
    (source,) = re.findall(r'src="([^"]+)"', html)
    frame = house.reader().client.get("/widget", query_string=urlsplit(unescape(source)).query).text
    (goal, *_) = re.findall(r'href="[^"]*/card[?]([^"]+)"', frame)
    assert parse_qs(unescape(goal))["title"] == [TITLE]


def test_without_an_article_a_title_is_nothing(house: CardHouse) -> None:
    client = house.reader().client
    for article in ("", "javascript:alert(1)", "http://elsewhere.example/"):
        asked = urlencode({"lang": "en", "article": article, "title": "A title of nothing"})
        assert client.get(f"/support?{asked}").data == client.get("/support?lang=en").data
        assert "A title of nothing" not in client.get(f"/card?{asked}").text


def test_a_gift_of_any_way_keeps_the_title_and_staff_read_it(house: CardHouse) -> None:
    session = house.reader().session(article=ARTICLE, title=TITLE)
    house.fake.pay(session)
    house.deliver_all()
    client = house.reader("10.0.0.2").client
    begun = client.post(
        "/gift?lang=en", data={"way": "eth:ETH", "amount": "1", "article": ARTICLE, "title": f"\x07{TITLE}"}
    )
    ref = re.findall(r"/gift/([0-9a-f]{32})", begun.location)[0]
    made = house.ledger.intents.find(ref)
    assert made is not None and (made.article, made.article_title) == (ARTICLE, TITLE)
    card = house.ledger.donations()[0].donation
    of_card = house.ledger.intents.find(card.intent or "")
    assert of_card is not None and of_card.article_title == TITLE
    assert house.ledger.verify() == []
    viewer = house.person("viewer")
    for path in ("/staff/articles", "/staff/", f"/staff/donations/{card.identity.ref}"):
        assert f"<bdi>{TITLE}</bdi>" in unescape(viewer.get(path, lang="en").text), path


def test_what_most_gifts_call_an_article_is_its_title(house: CardHouse) -> None:
    """A choice without money has no voice; an article that differs from its choice's has another title."""
    for number, title in enumerate(["Right", "Right", "Made up", "", "Wrong"]):
        answer = house.reader(f"10.0.1.{number}").client.post(
            "/gift", data={"way": "eth:ETH", "article": ARTICLE, "title": title}
        )
        ref = re.findall(r"/gift/([0-9a-f]{32})", answer.location)[0]
        if title != "Wrong":
            paid = gift(f"pi_{number}", intent=ref, article=ARTICLE, occurred_at=house.clock())
            house.ledger.accept(pushed(f"e{number}", paid))
    page = house.person("viewer").get("/staff/articles", lang="en").text
    assert "<bdi>Right</bdi>" in page and "Made up" not in page and "Wrong" not in page


def test_no_title_is_more_than_text(house: CardHouse) -> None:
    for number, value in enumerate(HOSTILE):
        client = house.reader(f"10.1.{number // 256}.{number % 256}").client
        said = {"article": ARTICLE, "title": value.encode("utf-8", "surrogatepass")[:4000]}
        for path in ("/support?lang=en&", "/widget?lang=en&", "/card?lang=en&amount=200&currency=UAH&frequency=once&"):
            answer = client.get(path + urlencode(said))
            assert answer.status_code == 200, (path, value[:40])
            assert not re.search(r"<script>|<img src=x|\b49\b|\u202e|\x1b", answer.text), (path, value[:40])


def test_a_flood_of_titles_costs_joinings_and_pushes_no_page_out(tmp_path: Path) -> None:
    door = warm_door(assembled(tmp_path))

    def heard(path: str, query: str) -> bytes:
        answer = ask(door, Asked("GET", path, query, Fields([("host", "127.0.0.1:8000")])))
        assert answer.status == 200
        return answer.body

    bare, app = heard("/support", ""), reader(tmp_path)
    pool, door._ask = door._ask, None  # type: ignore[method-assign,assignment]
    started = time.perf_counter()
    for number in range(4 * KEPT_MAX):
        heard("/support", urlencode({"article": ARTICLE, "title": f"{TITLE} {number}"}))
    assert (time.perf_counter() - started) / (4 * KEPT_MAX) < 0.005
    assert heard("/support", "") == bare
    door._ask = pool  # type: ignore[method-assign]
    for title in (TITLE, "'\"<&>%20+", "x" * 500):
        query = urlencode({"lang": "en", "article": ARTICLE, "title": title})
        assert heard("/support", query) == app.get(f"/support?{query}").data
        assert heard("/widget", query) == app.get(f"/widget?{query}").data

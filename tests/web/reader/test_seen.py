"""Views of the block: counted where the publisher wants it, by article and placement, and nothing else of anybody."""

import re
import secrets
import sqlite3
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from support_service.demo.stripe import StripeFake
from support_service.giving import Frequency, Intent
from tests.fixtures.cards import CardHouse, card_house
from tests.fixtures.database import prepare
from tests.fixtures.reports import gift, pushed
from tests.fixtures.site import site, sites
from tests.fixtures.staff import NOON, FrozenClock, House

ARTICLE, OTHER = "https://example.com/news/drones", "https://example.com/news/other"
MAY = NOON.date().replace(day=1)
COUNTS = {"[database]": "[privacy]\ncount_views = true\n\n[database]"}


@pytest.fixture
def house(tmp_path: Path, sqlite_url: str) -> Iterator[House]:
    made = house_of(tmp_path, sqlite_url, COUNTS)
    yield made
    made.ledger.dispose()


def house_of(folder: Path, url: str, changes: dict[str, str]) -> House:
    prepare(url)
    clock = FrozenClock()
    app = site(folder, changes | {"sqlite:///support.db": url}, clock=clock)
    return House(app, app.extensions["support"].ledger, clock, folder)


def see(house: House, article: str = ARTICLE, **more: str) -> int:
    """Tell of a view as a browser does, and return the status."""
    answer = house.app.test_client().post("/seen", query_string={"article": article, **more})
    assert "Set-Cookie" not in answer.headers
    return answer.status_code


def counted(house: House) -> dict[str, int]:
    return house.ledger.views.of_month(MAY)


def test_a_view_is_counted_by_article_and_placement_and_told_once_in_a_while(house: House) -> None:
    assert [see(house), see(house, placement="End")] == [204, 204]
    assert counted(house) == {ARTICLE: 1}, "the first is told at once, and then what came in half a minute"
    house.clock.advance(seconds=31)
    assert see(house, OTHER, placement="end") == 204
    assert counted(house) == {ARTICLE: 2, OTHER: 1, "placement:end": 2}


@pytest.mark.parametrize("article", ["", "http://example.com/a", "javascript:alert(1)", "https://e.org/" + "a" * 2048])
def test_what_is_no_article_is_not_counted(house: House, article: str) -> None:
    assert see(house, article, placement="end") == 204
    assert counted(house) == {}


def test_articles_of_other_sites_are_not_counted(tmp_path: Path, sqlite_url: str) -> None:
    house = house_of(tmp_path, sqlite_url, COUNTS | sites("https://example.com"))
    see(house, "https://evil.example/a")
    see(house)
    assert counted(house) == {ARTICLE: 1}


def test_without_the_setting_nothing_is_counted_and_the_script_asks_nothing(tmp_path: Path, sqlite_url: str) -> None:
    house = house_of(tmp_path, sqlite_url, {})
    assert see(house) == 404
    client = house.app.test_client()
    assert not {"fetch", "/seen", "Observer"} & set(re.findall(r"fetch|/seen|Observer", client.get("/widget.js").text))
    assert "How often the block" not in client.get("/privacy?lang=en").text


def test_the_privacy_page_says_what_is_counted(house: House) -> None:
    client = house.app.test_client()
    assert client.get("/widget.js").text.count("fetch(") == 1
    assert "nothing about you is sent or kept for it" in client.get("/privacy?lang=en").text
    assert "скільки разів блок під статтею бачили" in client.get("/privacy?lang=uk").text


def test_a_flood_of_articles_is_bounded_and_those_that_are_known_go_on(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("support_service.web.reader.seen.SUBJECTS_MAX", 10)
    see(house)
    for number in range(50):
        assert see(house, f"{ARTICLE}/{number}") == 204
    see(house, f"{ARTICLE}/1")
    house.clock.advance(seconds=31)
    see(house, f"{ARTICLE}/1")
    assert sum(counted(house).values()) == 1 + 10 + 2


def test_while_the_ledger_is_held_views_wait(house: House, tmp_path: Path) -> None:
    see(house)
    with sqlite3.connect(house_file(house), isolation_level=None) as held:
        held.execute("BEGIN IMMEDIATE")
        house.clock.advance(seconds=31)
        assert see(house) == 204
        held.execute("ROLLBACK")
    assert counted(house) == {ARTICLE: 1}
    house.clock.advance(minutes=5)
    see(house)
    assert counted(house) == {ARTICLE: 3}


def house_file(house: House) -> str:
    return str(house.folder / "ledger.db")


def test_staff_read_gifts_of_a_thousand_views_from_five_gifts_on(house: House) -> None:
    placement = {"sidebar": 6, "end": 2}
    for place, gifts in placement.items():
        for number in range(gifts):
            article = ARTICLE if place == "sidebar" else OTHER
            ref = secrets.token_hex(16)
            made = Intent(ref, "stripe", "EUR", 2, 10_00, Frequency.ONCE, "uk", NOON, article=article, placement=place)
            house.ledger.intents.open(made, nonce=f"{place}{number}")
            told = gift(f"pi_{place}{number}", occurred_at=NOON, article=article, intent=ref)
            house.ledger.accept(pushed(f"{place}{number}", told))
    for _ in range(800):
        see(house, placement="sidebar")
    for _ in range(100):
        see(house, OTHER, placement="end")
    see(house, "https://example.com/news/nobody-gave")
    page = house.person("viewer").get("/staff/articles", month="2026-05", lang="en").text
    tables = [rows(part) for part in page.split("<tbody>")[1:]]
    assert tables[0] == [("example.com/news/drones", "800", "7.5"), ("example.com/news/other", "100", "–")]
    assert tables[1] == [("news", "901", "8.9")], "seen were also those that brought nothing"
    assert tables[2] == [("sidebar", "800", "7.5"), ("end", "100", "–")]


def rows(table: str) -> list[tuple[str, str, str]]:
    """Read of each row what it is of, and its last two cells."""
    found = []
    for row in table.partition("</tbody>")[0].split("</tr>")[:-1]:
        cells = re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL)
        name, *_, seen, rate = (re.sub(r"<[^>]+>", "", cell).strip() for cell in cells)
        found.append((name, seen, rate))
    return found


@pytest.fixture
def shop(tmp_path: Path, sqlite_url: str) -> Iterator[CardHouse]:
    clock = FrozenClock()
    with StripeFake(clock=clock) as fake:
        yield card_house(tmp_path, sqlite_url, fake, clock)


def test_a_placement_goes_with_its_article_from_the_block_to_the_gift(shop: CardHouse) -> None:
    named = {"article": ARTICLE, "placement": "Side bar!", "lang": "en"}
    client = shop.reader().client
    page = client.get("/support", query_string=named).text
    links = [parse_qs(urlsplit(unescape(href)).query) for href in re.findall(r'href="([^"#]*article=[^"]*)"', page)]
    assert links
    assert {one["placement"][0] for one in links} == {"sidebar"}
    session = shop.reader().session(**named)
    intent = shop.ledger.intents.of_page("stripe", session)
    assert intent is not None
    assert (intent.article, intent.placement) == (ARTICLE, "sidebar")
    assert "placement" not in client.get("/support", query_string={"placement": "end", "lang": "en"}).text

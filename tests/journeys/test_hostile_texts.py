"""Five hundred texts that would like to be more: in names, messages, titles and addresses, before a real browser."""

import csv
import io
import json
import re
import zipfile
from dataclasses import replace
from html import unescape
from itertools import product
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest
from playwright.sync_api import Page

from support_service.assembly import assemble
from support_service.commands.notify import build_notifiers, newsroom
from support_service.demo.stripe import StripeFake
from support_service.giving import Personal
from support_service.ledger.outbox import MessageStanding
from support_service.notifications.letters import Letters
from support_service.watcher import run_once
from support_service.web.reader.articles import Article
from support_service.web.snippet import write_snippet
from tests.fixtures.browser import Serve, Visit
from tests.fixtures.cards import card_house
from tests.fixtures.reports import gift, pushed
from tests.fixtures.staff import ANNA, PASSWORD, FrozenClock, House
from tests.ledger.export.test_formats import named, written

pytestmark = pytest.mark.browser

TEXTS_A_PLACE = 5
_DEED = "document.documentElement.dataset.owned=1"
_WISHES = (
    f"<script>{_DEED}</script>",
    f"<img src=x onerror={_DEED}>",
    f"<svg onload={_DEED}>",
    f"<svg><script>{_DEED}</script></svg>",
    f"<body onload={_DEED}>",
    f"<details open ontoggle={_DEED}>x</details>",
    f"<input autofocus onfocus={_DEED}>",
    f"<iframe srcdoc='<script>parent.{_DEED}</script>'></iframe>",
    f"<a href=javascript:{_DEED}>x</a>",
    f"<form action=javascript:{_DEED}><button>x</button></form>",
    f"<math><mtext><style><img src=x onerror={_DEED}></style></mtext></math>",
    f"<object data=javascript:{_DEED}></object>",
    "<meta http-equiv=refresh content='0;url=data:text/html,x'>",
    "<base href=https://evil.example/>",
    "<link rel=stylesheet href=https://evil.example/x.css>",
    "<style>*{display:none}</style>",
    f"javascript:{_DEED}",
    f"data:text/html,<script>{_DEED}</script>",
    "{{7*7}}${7*7}{%import os%}",
    f'" onmouseover="{_DEED}" x="',
)
_DRESSES = (
    "%s", '">%s', "'>%s", "`>%s", "</p>%s", "</title>%s", "</textarea>%s", "</script>%s", "</style>%s", "-->%s",
    "]]>%s", "*/%s/*", "\\\"%s", "\u2028%s", "\u202e%s", "\ufeff%s", "%s\x00", "\n%s\t", "&quot;&gt;%s",
    "&#x3c;b&#62;%s", "%%22%%3E%s", "＜b＞%s", "\\u003e%s", "}});%s", "Дякую! %s",
)  # fmt: skip
TEXTS = [dress % wish for wish, dress in product(_WISHES, _DRESSES)]
_BATCHES = [TEXTS[first : first + 50] for first in range(0, len(TEXTS), 50)]
# What a text became that is more than text; scripts of ours are files of ours.
_MORE_THAN_TEXT = """
pages => pages.flatMap(page => [...new DOMParser().parseFromString(page, "text/html").querySelectorAll("*")])
  .filter(one => one.matches("script:not([src^='/static/'])")
    || one.matches("iframe, object, embed, base, style, math, meta[http-equiv]")
    || [...one.attributes].some(({ name, value }) => name.startsWith("on")
      || (/^(href|src|action|formaction|data)$/.test(name) && /^\\s*(javascript|data|vbscript):/i.test(value))))
  .map(one => one.outerHTML.slice(0, 200))
"""


def more_than_text(page: Page, answers: list[str]) -> list[str]:
    found: list[str] = page.evaluate(_MORE_THAN_TEXT, answers)
    return found


def test_what_strangers_write_is_text_to_readers(house: House, visit: Visit) -> None:
    """In the article's title and address: all on the page, one dress of each wish in the frame for other sites."""
    page, client = visit().page, house.app.test_client()
    assert len(TEXTS) == len(set(TEXTS)) == 500
    for texts in _BATCHES:
        answers = []
        for number, text in enumerate(texts):
            asked = {"lang": "en", "title": text, "article": f"https://example.com/{quote(text, safe='/:;=()')}"}
            answers.append(client.get("/support", query_string=asked))
            if number % len(_DRESSES) == 1:
                answers.append(client.get("/widget", query_string=asked))
        assert {answer.status_code for answer in answers} == {200}
        assert more_than_text(page, [answer.text for answer in answers]) == []


def address_of(text: str) -> str:
    return f"https://example.com/{quote(text, safe='/:;=()')}"


def test_what_strangers_write_is_text_where_the_page_is_embedded_and_in_newsletters(house: House, visit: Visit) -> None:
    """In oEmbed's answer, which holds one frame of ours, and in the plain block with the article in its links."""
    page, client = visit().page, house.app.test_client()
    for texts in _BATCHES:
        answers, blocks = [], []
        for text in texts:
            ours = "http://127.0.0.1:8000/support?" + urlencode({"title": text, "article": address_of(text)})
            told = json.loads(client.get("/oembed", query_string={"url": ours}).text)
            frame = re.findall(
                r"<iframe src=\"http://127\.0\.0\.1:8000/widget\?[^\"<>]*\"[^<>]*></iframe>", told["html"]
            )
            assert len(frame) == 1
            answers.append(told["html"].replace(frame[0], ""))
            with house.app.test_request_context("/?lang=en"):
                blocks.append(write_snippet("en", "block", Article(address_of(text), text)))
        assert more_than_text(page, answers) == []
        assert more_than_text(page, blocks) == []


def test_what_a_giver_writes_is_text_on_the_card_form(tmp_path: Path, sqlite_url: str, visit: Visit) -> None:
    """As it came with the article, and name and words given back when the sum is asked once more."""
    page, clock = visit().page, FrozenClock()
    with StripeFake(clock=clock) as fake:
        house = card_house(tmp_path, sqlite_url, fake, clock)
        client, seen = house.app.test_client(), 0
        for number, texts in enumerate(_BATCHES):
            answers = []
            for place, text in enumerate(texts):
                told = {"amount": "200", "currency": "UAH", "frequency": "once", "lang": "en"}
                told |= {"title": text, "article": address_of(text)}
                answers.append(client.get("/card", query_string=told))
                if place % 10 == number:
                    typed = told | {"name": text, "message": text, "token": text, "exact": "200"}
                    place_of = {"REMOTE_ADDR": f"203.0.{number}.{place}"}
                    answers.append(client.post("/card?lang=en", data=typed, environ_base=place_of))
                    seen += "</textarea>" in answers[-1].text
            assert more_than_text(page, [answer.text for answer in answers]) == []
        assert seen, "a form that comes back holds what was typed"
        house.ledger.dispose()


def test_letters_hold_texts_of_the_publisher_alone_and_those_as_text(
    tmp_path: Path, sqlite_url: str, visit: Visit
) -> None:
    """What readers wrote stands in no letter. Whatever a publisher is called is text in HTML, subject and on paper."""
    visitor, clock = visit(), FrozenClock()
    page = visitor.page
    with StripeFake(clock=clock) as fake:
        table = '[mail]\nhost = "127.0.0.1"\nport = 1\nfrom = "support@example.org"\n\n[publisher]'
        house = card_house(tmp_path, sqlite_url, fake, clock, changes={"[publisher]": table})
        assembly = assemble(house.file)
        teller, *_others = build_notifiers(assembly, house.ledger, clock=clock)
        run_once([teller], house.ledger)
        reader = house.reader()
        answer = reader.press({**reader.fields(article=address_of(TEXTS[0])), "name": TEXTS[1], "message": TEXTS[2]})
        fake.pay(re.findall(r"cs_\w+", answer.headers["Location"])[0])
        house.deliver_all()
        run_once([teller], house.ledger)
        room = newsroom(assembly)
        waiting = house.ledger.outbox.list(MessageStanding.WAITING)
        (held,) = [one for one in waiting if one.news.kind == "receipt"]
        mine = Letters(room, house.ledger).write(held)
        for text in TEXTS[:3]:
            assert text not in "".join(mine.lines) + mine.html + unescape(mine.html)
        letters = []
        # A letter takes long to draw: some texts stand in each of its two places.
        for number in range(0, len(TEXTS), 2 * TEXTS_A_PLACE):
            legal, contact = (" ".join(TEXTS[at : at + TEXTS_A_PLACE]) for at in (number, number + TEXTS_A_PLACE))
            called = replace(room, publisher=room.publisher.model_copy(update={"legal": legal, "contact": contact}))
            letters.append(Letters(called, house.ledger).write(held))
        assert more_than_text(page, [one.html for one in letters]) == []
        page.set_content(letters[0].html)
        assert page.get_attribute("html", "data-owned") is None
        for letter in letters:
            assert not re.search(rb"/(JavaScript|JS|Launch|URI|AA)\b|/OpenAction (?!\[)", letter.files[0].body)
        house.ledger.dispose()
    assert visitor.complaints == []


def test_what_strangers_write_is_text_to_staff(house: House, serve: Serve, visit: Visit) -> None:
    """In name, message and article of a gift: on every page of the list, really opened, and on single gifts.

    NUL is no text for the ledger, which refuses it.
    """
    for number, batch in enumerate(_BATCHES):
        texts = [text.replace("\0", "\1") for text in batch]
        gifts = (
            gift(f"pi_{number}_{place}", personal=Personal(payer=text, message=text), article=text)
            for place, text in enumerate(texts)
        )
        house.ledger.accept(pushed(f"odd {number}", *gifts))
    for name in ("csv", "csv-excel"):
        table = written(house.ledger, named(name)).decode().removeprefix("\ufeff")
        for separator in ";,":
            cells = (cell for row in csv.reader(io.StringIO(table, newline=""), delimiter=separator) for cell in row)
            assert not any(cell.lstrip('" \u00a0\ufeff\u200b\x01').startswith(("=", "+", "@")) for cell in cells)
    sheets = zipfile.ZipFile(io.BytesIO(written(house.ledger, named("xlsx"))))
    assert not any(re.search(r"<f[ >]", sheets.read(name).decode()) for name in sheets.namelist())
    visitor = visit()
    page, origin = visitor.page, serve(house.app)
    page.goto(f"{origin}/staff/login?lang=en")
    page.fill("#email", ANNA)
    page.fill("#password", PASSWORD)
    page.click("main form[action*='/login'] button")
    page.goto(f"{origin}/staff/articles?lang=en")
    seen, singles = 0, []
    page.goto(f"{origin}/staff/donations?lang=en")
    while True:
        seen += page.locator("main tbody tr").count()
        singles.append(page.get_attribute("main tbody a[href*='/donations/'] >> nth=0", "href") or "")
        further = page.locator("a[rel=next]")
        assert more_than_text(page, [page.content()]) == []
        if not further.count():
            break
        further.first.click()
        page.wait_for_load_state()
    assert seen == len(TEXTS)
    for single in singles:
        page.goto(f"{origin}{single}")
        assert more_than_text(page, [page.content()]) == []
        assert page.get_attribute("html", "data-owned") is None
    assert visitor.complaints == [], "nothing ran, and the policy had nothing to refuse"

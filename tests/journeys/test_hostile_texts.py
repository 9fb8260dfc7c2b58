"""Five hundred texts that would like to be more: in names, messages, titles and addresses, before a real browser."""

from itertools import product
from urllib.parse import quote

import pytest
from playwright.sync_api import Page

from support_service.giving import Personal
from tests.fixtures.browser import Serve, Visit
from tests.fixtures.reports import gift, pushed
from tests.fixtures.staff import ANNA, PASSWORD, House

pytestmark = pytest.mark.browser

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

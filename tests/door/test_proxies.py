"""Behind nginx and Caddy that take a prefix off: every address has it once, and only the proxy says who asks."""

import http.client
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlencode

import pytest

from support_service.demo.stripe import StripeFake
from tests.door.test_shelf import HOSTILE
from tests.fixtures.browser import Visit
from tests.fixtures.database import prepare
from tests.fixtures.proxies import proxy
from tests.fixtures.service import SEED, Start, answer, free_port, until, write_settings
from tests.fixtures.staff import forms

PREFIX = "/donate"
NONE: Mapping[str, str] = {}


@pytest.fixture(params=["nginx", "caddy"])
def front(request: pytest.FixtureRequest, tmp_path: Path, start: Start) -> Iterator[int]:
    """The port of a proxy in front of the real service, which takes cards at the stand-in."""
    port, behind = free_port(), free_port()
    url = f"sqlite:///{tmp_path}/support.db"
    prepare(url)
    with StripeFake() as fake:
        text = SEED.replace("sqlite:///support.db", url).replace("127.0.0.1:8000", f"127.0.0.1:{port}{PREFIX}")
        settings = write_settings(tmp_path, f"{text}{fake.settings(tmp_path)}\n[web]\nproxy_hops = 1\n")
        start("--config", settings, "web", "--port", behind)
        until(lambda: answer(f"http://127.0.0.1:{behind}/healthz")[0] == 200, what="the service answers")
        with proxy(request.param, tmp_path, port=port, behind=behind, prefix=PREFIX):
            yield port


def asked(
    port: int, method: str, path: str, fields: Mapping[str, str] | None = None, *, headers: Mapping[str, str] = NONE
) -> tuple[int, str]:
    """Ask through the proxy: the status, and the page or where it sends."""
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        kind = {"Content-Type": "application/x-www-form-urlencoded"} if fields else {}
        line.request(method, f"{PREFIX}{path}", urlencode(fields) if fields else None, {**headers, **kind})
        told = line.getresponse()
        page = told.read().decode()
        return told.status, told.headers.get("Location") or page
    finally:
        line.close()


def test_every_address_has_the_prefix_once_whatever_a_stranger_says(front: int) -> None:
    status, page = asked(front, "GET", "/support")
    assert status == 200
    assert asked(front, "GET", "/support", headers=HOSTILE) == (200, page)
    assert asked(front, "GET", "/", headers=HOSTILE) == (302, f"{PREFIX}/support")
    links = set(re.findall(r'(?:href|src|action)="(/[^"]*)"', page))
    assert links
    for link in sorted(links):
        assert link.startswith(f"{PREFIX}/"), link
        assert not link.startswith(f"{PREFIX}{PREFIX}"), link
        assert asked(front, "GET", link.removeprefix(PREFIX).split("#")[0].replace("&amp;", "&"))[0] in {200, 302}, link


def test_no_other_spelling_of_a_header_passes_a_limit(front: int) -> None:
    statuses = []
    for number in range(8):
        lied = {"X_Forwarded_For": f"198.51.100.{number}", "X-Forwarded_For": f"198.51.100.{number}"}
        _, page = asked(front, "GET", "/staff/login")
        (form,) = [one for one in forms(page) if one.method == "post"]
        wrong = form.fields | {"email": "anna@example.com", "password": "wrong password"}
        statuses.append(asked(front, "POST", "/staff/login", wrong, headers=lied)[0])
    assert statuses[-1] in {403, 429}
    assert 303 not in statuses


@pytest.mark.browser
def test_a_browser_gives_by_card_below_a_prefix(front: int, visit: Visit) -> None:
    page = visit().page
    page.goto(f"http://127.0.0.1:{front}{PREFIX}/support?lang=en")
    page.click("#sum .presets.for-once .preset >> nth=0")
    page.click("#method-stripe .button")
    assert page.url.startswith(f"http://127.0.0.1:{front}{PREFIX}/card?")
    page.click("form.confirm .button")
    page.wait_for_url("**/c/pay/**", timeout=30_000)

"""Signing in by the newsroom's own provider in real Chromium: there, and back from what is another site to the browser.

As in life: what is for our own pages alone is not sent on the way back.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page

from support_service.supervisor import reserve_port
from tests.fixtures.browser import DESKTOP, PHONE, Serve, Visit, barriers, follow
from tests.fixtures.http_servers import Reply
from tests.fixtures.oidc import OidcProvider, provider_of
from tests.fixtures.staff import ANNA, PASSWORD, FrozenClock, House, build_house

pytestmark = pytest.mark.browser


@pytest.fixture
def port() -> int:
    return reserve_port("127.0.0.1", 0)


@pytest.fixture
def provider(tmp_path: Path, port: int) -> Iterator[OidcProvider]:
    with provider_of(tmp_path, FrozenClock(), f"http://localhost:{port}") as made:
        yield made


@pytest.fixture
def house(tmp_path: Path, port: int, provider: OidcProvider) -> Iterator[House]:
    url = f"http://localhost:{port}"
    house = build_house(tmp_path, f"sqlite:///{tmp_path}/support.db", url=url, tables=provider.table)
    provider.clock = house.clock
    house.ledger.people.add(ANNA, "admin", PASSWORD)
    yield house
    house.ledger.dispose()


def is_calm(page: Page, size: tuple[int, int]) -> None:
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    assert barriers(page, in_dark=True) == []


@pytest.mark.parametrize(("size", "has_script"), [(PHONE, True), (DESKTOP, False)], ids=["phone", "without script"])
def test_a_person_comes_in_by_the_provider_and_is_asked_once_more(
    house: House,
    provider: OidcProvider,
    serve: Serve,
    visit: Visit,
    port: int,
    size: tuple[int, int],
    *,
    has_script: bool,
) -> None:
    visitor = visit(size=size, has_script=has_script)
    page, origin = visitor.page, f"http://localhost:{port}"
    serve(house.app, port)
    page.goto(f"{origin}/staff/people?lang=en")
    if has_script:
        is_calm(page, size)
    follow(page, "text=Sign in with Example ID")
    assert page.url.startswith(f"{provider.issuer}/authorize?")
    page.click("text=Allow")
    page.wait_for_url(f"{origin}/staff/people?lang=en")
    assert "code=" not in page.url and provider.refusals == []
    page.fill("#email", "eve@example.org")
    page.click("text=Make a link")
    page.wait_for_url("**/staff/prove**")
    page.fill("#proof", PASSWORD)
    follow(page, "main form[action*='/prove'] button.button")
    assert page.input_value("#email") == "eve@example.org", "what was typed waited"
    page.goto(f"{origin}/staff/me?lang=en")
    assert "Your account there is bound to you" in page.inner_text("main")
    if has_script:
        is_calm(page, size)
    follow(page, "text=Unbind it")
    assert page.inner_text("[role=status]").startswith("That account is not bound")
    follow(page, "text=Sign out")
    assert "/staff/login" in page.url
    assert visitor.complaints == []


def test_a_provider_that_is_down_is_told_calmly_and_the_password_opens(
    house: House, provider: OidcProvider, serve: Serve, visit: Visit, port: int
) -> None:
    provider.answers["/.well-known/openid-configuration"] = lambda: Reply(None)
    visitor = visit(size=PHONE)
    page = visitor.page
    serve(house.app, port)
    page.goto(f"http://localhost:{port}/staff/login")
    follow(page, "text=Увійти через Example ID")
    assert "зараз не відповідає" in page.inner_text("[role=alert]")
    is_calm(page, PHONE)
    page.fill("#email", ANNA)
    page.fill("#password", PASSWORD)
    follow(page, "main form[action*='/login'] button.button")
    assert page.url.startswith(f"http://localhost:{port}/staff/")
    assert visitor.complaints == []

"""A passkey in real Chromium, with a virtual authenticator: made, used to sign in and to prove, taken away."""

from collections.abc import Iterator
from pathlib import Path

import pyotp
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from support_service.supervisor import reserve_port
from tests.fixtures.browser import PHONE, Serve, Visit, follow
from tests.fixtures.staff import ANNA, PASSWORD, House, build_house

pytestmark = pytest.mark.browser

AUTHENTICATOR = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


@pytest.fixture
def port() -> int:
    return reserve_port("127.0.0.1", 0)


@pytest.fixture
def house(tmp_path: Path, port: int) -> Iterator[House]:
    house = build_house(tmp_path, f"sqlite:///{tmp_path}/support.db", url=f"http://localhost:{port}")
    house.ledger.people.add(ANNA, "admin", PASSWORD)
    yield house
    house.ledger.dispose()


def fits(page: Page) -> None:
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()


def test_a_passkey_is_made_signs_in_and_proves(house: House, serve: Serve, visit: Visit, port: int) -> None:
    visitor = visit(size=PHONE)
    page = visitor.page
    serve(house.app, port)
    origin = f"http://localhost:{port}"
    tools = visitor.context.new_cdp_session(page)
    tools.send("WebAuthn.enable")
    made = tools.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})
    page.goto(f"{origin}/staff/login?lang=en")
    page.fill("#email", ANNA)
    page.fill("#password", PASSWORD)
    follow(page, "main form[action*='/login'] button.button")
    page.goto(f"{origin}/staff/me/passkeys?lang=en")
    page.fill("#name", "phone")
    fits(page)
    page.click("text=Add a passkey")
    page.wait_for_url("**told=added**")
    assert "phone" in page.inner_text("ul.short")
    fits(page)
    page.click("text=Sign out")
    page.wait_for_url("**/staff/login**")
    fits(page)
    page.click("text=Sign in with a passkey")
    page.wait_for_url("**/staff/?**")
    house.clock.advance(minutes=15)
    page.goto(f"{origin}/staff/people?lang=en")
    page.fill("#email", "eve@example.org")
    page.click("text=Make a link")
    page.wait_for_url("**/staff/prove**")
    fits(page)
    page.click("text=Take a passkey")
    page.wait_for_url("**/staff/people?**")
    assert page.input_value("#email") == "eve@example.org"
    (key,) = house.ledger.factors.held(ANNA).passkeys
    assert key.signs > 0
    # Whoever the device does not know gives no passkey, and the page says so.
    tools.send("WebAuthn.setUserVerified", {"authenticatorId": made["authenticatorId"], "isUserVerified": False})
    page.goto(f"{origin}/staff/me/codes?lang=en")
    page.click("main button.button")
    page.wait_for_selector(".code-key svg")
    fits(page)
    totp = pyotp.TOTP(page.inner_text("code.long"))
    page.fill("#otp", totp.at(house.clock.now))
    page.click("text=Use these codes")
    page.wait_for_selector(".recovery")
    fits(page)
    page.click("text=Sign out")
    page.click("text=Sign in with a passkey")
    page.wait_for_selector("[data-refused]:not([hidden])")
    fits(page)
    page.fill("#email", ANNA)
    page.fill("#password", PASSWORD)
    follow(page, "main form[action*='/login'] button.button")
    page.wait_for_selector("#otp")
    fits(page)
    house.clock.advance(seconds=30)
    page.fill("#otp", totp.at(house.clock.now))
    page.click("main button.button")
    page.wait_for_url("**/staff/**")
    page.goto(f"{origin}/staff/entry?lang=en")
    page.fill("#note", "typed for a long time")
    page.fill("#amount", "200")
    house.clock.advance(minutes=31)
    page.click("form[action*='/entry'] button.button")
    page.fill("#email", ANNA)
    page.fill("#password", PASSWORD)
    follow(page, "main form[action*='/login'] button.button")
    page.fill("#otp", totp.at(house.clock.now))
    page.click("main button.button")
    page.wait_for_url("**/staff/entry?kept=**")
    assert page.input_value("#note") == "typed for a long time"
    fits(page)
    refused = [one for one in visitor.complaints if "403" not in one]
    assert refused == [], "the browser tells of the answer that the session had ended, and of nothing else"

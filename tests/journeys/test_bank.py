"""Bank lines in a real browser: a statement is brought, its lines judged by keyboard, on a phone, in both tongues."""

import time
from datetime import date, timedelta

import pytest
from playwright.sync_api import Page

from support_service.giving import Frequency, Intent, utc_now
from support_service.money import Asset, Money
from support_service.rails.bank.booking import import_lines
from support_service.rails.bank.line import Line, Party
from support_service.rails.bank.settings import BankChoices
from tests.fixtures.browser import PHONE, Serve, Visit, follow
from tests.fixtures.staff import ANNA, PASSWORD, House
from tests.rails.bank.vectors import WORLD
from tests.web.staff.test_links import ACCOUNT, CODE, PLACES, bring, issue

pytestmark = pytest.mark.browser

HOSTILE = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
LONG = "б" * 300
BILL = "Оплата за рахунком №77 за рекламу"
TEN_SECONDS = 10
KINDS = [
    "Takes something back: which?",
    "What is it?",
    "What is it?",
    "Is it this reader’s?",
    "Which code was meant?",
]


def sign_in(page: Page, origin: str, path: str) -> None:
    page.goto(f"{origin}{path}?lang=en")
    page.fill("#email", ANNA)
    page.fill("#password", PASSWORD)
    page.click("main form[action*='/login'] button")


def registry(number: int) -> str:
    return f"2026-05-20;{number}00.00;Оплата згiдно реєстру № @{number} вiд 20.05;RB{number}"


def test_ten_lines_are_judged_by_the_keyboard_in_ten_seconds(house: House, serve: Serve, visit: Visit) -> None:
    bring(house, *(registry(number) for number in range(1, 11)))
    page = visit(has_script=False).page
    sign_in(page, serve(house.app), "/staff/inbox")
    began = time.monotonic()
    for left in range(10, 0, -1):
        assert page.locator(".judged").count() == left
        with page.expect_navigation():
            page.keyboard.press("Enter")
    assert page.locator(".judged").count() == 0
    assert time.monotonic() - began < TEN_SECONDS
    assert sum(one.count for one in house.ledger.totals()) == 10


def announce(house: House) -> None:
    """Let a reader say that 340 hryvnias will come, under the code of the next line but one."""
    made = utc_now() - timedelta(days=1)
    chosen = Intent("c" * 32, "iban", "UAH", 2, 34_000, Frequency.ONCE, "uk", made, article="https://example.com/b")
    house.ledger.intents.open(chosen, nonce="d" * 32, draw_code=iter(["7K2M-9QXR"]).__next__)


def bring_of_a_bank(house: House) -> None:
    """Bring what no table says: one of two gifts is taken back, and not said which; a company paid a bill."""
    day, hryvnia, company = date(2026, 5, 21), Asset("UAH", 2), Party("ТОВ «Приклад»", code="12345678")
    lines = [
        Line(ACCOUNT, day, Money(-120_00, hryvnia), "camt", reference="RB9", is_reversal=True),
        Line(ACCOUNT, day, Money(900_00, hryvnia), "camt", counterparty=company, purpose=BILL, reference="RB4"),
    ]
    list(import_lines(lines, house.ledger.lines, BankChoices(world=WORLD, places=PLACES), now=utc_now()))


def test_five_lines_of_five_kinds_are_judged_by_the_keyboard(house: House, serve: Serve, visit: Visit) -> None:
    issue(house)
    announce(house)
    bring(
        house,
        "2026-05-20;120.00;help;RB1",
        "2026-05-20;120.00;help;RB2",
        registry(3),
        f"{utc_now():%Y-%m-%d};340.00;help;RB5",
        f"2026-05-20;77.00;дякую {CODE[:-1]};RB6",
    )
    bring_of_a_bank(house)
    page = visit(has_script=False).page
    sign_in(page, serve(house.app), "/staff/inbox")
    began = time.monotonic()
    told = [
        page.inner_text(f".judged:nth-child({number}) h2") for number in range(1, page.locator(".judged").count() + 1)
    ]
    assert told == KINDS
    for left in range(len(KINDS), 0, -1):
        assert page.locator(".judged").count() == left
        if left == len(KINDS):
            # The second of the two that it may take back.
            page.keyboard.press("Tab")
        with page.expect_navigation():
            page.keyboard.press("Enter")
    assert page.locator(".judged").count() == 0
    assert time.monotonic() - began < TEN_SECONDS


def test_a_statement_is_brought_looked_at_and_booked_without_script(house: House, serve: Serve, visit: Visit) -> None:
    visitor = visit(size=PHONE, has_script=False)
    page = visitor.page
    sign_in(page, serve(house.app), "/staff/imports")
    table = f"Date;Amount;Purpose;Name;Reference\n2026-05-20;250.00;{HOSTILE.replace(';', ',')};{LONG};RB1\n"
    page.set_input_files("#file", {"name": "<b>.csv", "mimeType": "text/csv", "buffer": table.encode()})
    page.fill("#account", ACCOUNT)
    follow(page, "text=Look at it")
    assert "1" in page.inner_text("dl.facts")
    follow(page, "text=Book these lines")
    assert page.inner_text("[role=status]") == "Booked."
    follow(page, "text=Take this file back")
    assert house.ledger.totals() == ()
    follow(page, "text=Put it back")
    assert sum(one.units for one in house.ledger.totals()) == 25_000
    assert "owned" not in page.title()
    assert visitor.complaints == []

"""The eight tasks of a newsroom's day in a real browser, each in no more taps than it is worth: typing is none.

Taps are presses of links, buttons, boxes and the Enter key; whoever adds one to a task sees it here.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from io import BytesIO
from pathlib import Path

import openpyxl
import pytest
from playwright.sync_api import Download, Page

from support_service.demo.stripe import StripeFake
from support_service.ledger import Closing, Health
from support_service.web.staff.months import asset_of
from tests.fixtures.browser import DESKTOP, Serve, Visit
from tests.fixtures.cards import CardHouse, card_house, given
from tests.fixtures.reports import gift, pushed
from tests.fixtures.staff import ANNA, PASSWORD, FrozenClock

pytestmark = pytest.mark.browser

APRIL = datetime(2026, 4, 10, 12, tzinfo=UTC)
ARTICLE = "https://example.com/news/drones"
ROWS = "\n".join(f"Олена {number}\t{number}00,50\t18.05.2026" for number in range(1, 6))


@dataclass
class Hand:
    """Somebody at a browser, whose taps are counted."""

    page: Page
    taps: int = 0

    def tap(self, what: str) -> None:
        """Press something that stays on its page."""
        self.taps += 1
        self.page.click(what)

    def go(self, what: str) -> None:
        """Press something that leads to another page."""
        with self.page.expect_navigation():
            self.tap(what)

    def tick(self, what: str) -> None:
        self.taps += 1
        self.page.check(what)

    def enter(self, field: str, text: str) -> None:
        """Type, and press Enter."""
        self.taps += 1
        self.page.fill(field, text)
        with self.page.expect_navigation():
            self.page.press(field, "Enter")

    def type(self, field: str, text: str) -> None:
        self.page.fill(field, text)

    def save(self, what: str) -> Download:
        with self.page.expect_download() as started:
            self.tap(what)
        return started.value

    def counted(self) -> int:
        """Tell how many taps it took, and begin anew."""
        taps, self.taps = self.taps, 0
        return taps

    @property
    def text(self) -> str:
        """What the page says, on one line."""
        return " ".join(self.page.inner_text("main").split())


def counted_in(file: Download) -> dict[str, Decimal]:
    """Add up what counts in a workbook, row by row as an accountant does, by asset."""
    gifts, _sums = openpyxl.load_workbook(BytesIO(file.path().read_bytes())).worksheets
    head, *rows = [[cell.value for cell in row] for row in gifts.iter_rows()]
    asset, counts = head.index("Asset"), head.index("Counts")
    found: dict[str, Decimal] = defaultdict(Decimal)
    for row in rows:
        found[row[asset]] += Decimal(str(row[counts]))
    return dict(found)


def booked(closing: Closing) -> dict[str, Decimal]:
    """Add up what a closing says that its month brought, by asset."""
    found: dict[str, Decimal] = defaultdict(Decimal)
    for row in closing.rows:
        asset = asset_of(row)
        found[asset.code] += Decimal(row.sums.units).scaleb(-asset.exponent)
    return dict(found)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[CardHouse]:
    clock = FrozenClock()
    with StripeFake(clock=clock) as fake:
        made = card_house(tmp_path, f"sqlite:///{tmp_path}/support.db", fake, clock)
        made.ledger.people.add(ANNA, "admin", PASSWORD)
        yield made
        made.ledger.dispose()


def test_the_eight_tasks_of_a_day_take_few_taps(house: CardHouse, serve: Serve, visit: Visit) -> None:
    payment = given(house)
    house.deliver_all()
    house.ledger.accept(pushed("april", gift("pi_april", units=77_00, occurred_at=APRIL, article=ARTICLE)))
    hand, origin = Hand(visit(size=DESKTOP).page), serve(house.app)
    hand.page.goto(f"{origin}/staff/?lang=en")
    hand.type("#email", ANNA)
    hand.type("#password", PASSWORD)
    hand.page.click("main form[action*='/login'] button")

    # How are we doing: there, without a tap.
    assert "1 gift" in hand.text and "need you" in hand.text
    assert hand.counted() == 0

    # Find a gift by its sum.
    hand.enter("#search", "200")
    assert hand.page.locator("table.donations tbody tr").count() == 1
    assert hand.counted() == 1

    # Give it back.
    hand.go("table.donations a.whole-row")
    hand.go("text=Refund…")
    hand.tick("#sure")
    hand.go("main form[action*='/refund'] button")
    assert [one["payment_intent"] for one in house.fake.account.all("refund")] == [payment]
    assert hand.counted() == 4

    # Book five gifts by bank.
    hand.go(".staff-nav >> text=Book a gift")
    hand.go("text=Many at once: paste rows")
    hand.page.select_option("#method", "iban")
    hand.type("#rows", ROWS)
    hand.go("button[value=look]")
    hand.go("button[value=book]")
    assert sum(row["method"] == "iban" for row in house.ledger.export()) == 5
    assert hand.counted() == 4

    # What did the articles bring?
    hand.go(".staff-nav >> text=Articles")
    hand.go("a[rel=prev]")
    assert "drones" in hand.text
    assert hand.counted() == 2

    # Close the month that is over, and hand it over.
    hand.go(".staff-nav >> text=Months")
    hand.go("a[rel=prev]")
    file = hand.save("text=Download for the accountant (xlsx)")
    assert file.suggested_filename.startswith("donations-2026-04-as-of-")
    counts = counted_in(file)
    assert hand.counted() == 3
    hand.tap("summary:has-text('Close this month')")
    hand.type("#note", "all there")
    hand.tick("#sure")
    hand.go("details.withdraw button")
    assert "These are the sums of that moment." in hand.text
    (closing,) = house.ledger.months.closings(["2026-04"])["2026-04"]
    assert counts and counts == booked(closing)
    assert hand.counted() == 3

    # Invite a person, and shut them out.
    hand.go(".staff-nav >> text=People")
    hand.enter("#email", "bob@example.org")
    assert "/staff/invite/" in hand.page.inner_text("[role=status] code")
    assert hand.counted() == 2
    house.ledger.people.add("bob@example.org", "viewer", PASSWORD)
    hand.page.goto(f"{origin}/staff/people?lang=en")
    hand.tap("details.change summary")
    hand.go("button[value=disable]")
    assert "shut out" in hand.text
    assert hand.counted() == 2

    # A node is dead: every page says so, what it means, and leads to more.
    house.clock.advance(minutes=2)
    house.ledger.note_health("stripe:sweep", Health.DOWN, "no answer in 10 s")
    hand.page.goto(f"{origin}/staff/articles?lang=en")
    assert "stripe:sweep" in hand.page.inner_text(".alarm")
    hand.go(".alarm a")
    assert "stripe:sweep" in hand.text
    assert hand.counted() == 1

"""Every state of the pages that answer a giver, for everybody: large text, close zoom, forced colours, keyboard."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from support_service import watcher
from support_service.commands.exact_sums import ExactSums
from support_service.demo.stripe import StripeFake
from support_service.giving import State
from tests.fixtures.browser import Serve, Visit, barriers
from tests.fixtures.cards import CardHouse, card_house
from tests.fixtures.reports import Chain, transfer
from tests.fixtures.staff import NOON, FrozenClock, Visitor

pytestmark = pytest.mark.browser

Look = Callable[..., None]

PHONE_WIDTH, ZOOMED_WIDTH = 390, 320
_CARD = "/card?lang=uk&currency=UAH&frequency=monthly&amount="
# How many are reached by the keyboard, and which of them show no ring or are too small for a finger.
_REACHED = """() => {
  const faults = [];
  const all = [...document.querySelectorAll("a, button, input, select, textarea, summary")].filter(one =>
    !one.disabled && one.tabIndex >= 0 && one.type !== "hidden" && one.checkVisibility({ visibilityProperty: true }));
  for (const one of all) {
    one.focus({ focusVisible: true });
    const ring = getComputedStyle(one);
    const shown = one.type === "radio" ? getComputedStyle(one.nextElementSibling) : ring;
    if (document.activeElement !== one) faults.push(`not reached: ${one.outerHTML}`);
    else if (shown.outlineStyle === "none" || parseFloat(shown.outlineWidth) < 2)
      faults.push(`no ring: ${one.outerHTML}`);
    const inline = one.closest("p, li")?.textContent.trim() !== one.textContent.trim() && one.matches("p a, li a");
    if (!inline && one.type !== "checkbox" && !one.matches(".skip") && one.getClientRects()[0].height < 43.9)
      faults.push(`too low: ${one.outerHTML}`);
  }
  return faults;
}"""
# What makes a page wider than the window.
_STICKS_OUT = """width => document.documentElement.scrollWidth <= width ? [] :
  [...document.querySelectorAll("main *, footer *, header *")].filter(one => one.getBoundingClientRect().right > width)
    .map(one => one.outerHTML.slice(0, 150))"""


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def house(tmp_path: Path, sqlite_url: str, clock: FrozenClock) -> Iterator[CardHouse]:
    with StripeFake(clock=clock) as fake:
        made = card_house(tmp_path, sqlite_url, fake, clock)
        yield made
        made.ledger.dispose()


def is_for_everybody(page: Page) -> None:
    """Hold a page to what everybody needs, with all that is folded on it open."""
    page.eval_on_selector_all("details", "all => all.forEach(one => { one.open = true; })")
    assert barriers(page) == []
    assert page.evaluate(_REACHED) == []
    page.emulate_media(forced_colors="active", reduced_motion="reduce")
    borders = "all => all.filter(one => getComputedStyle(one).borderStyle !== 'none').map(one => one.outerHTML)"
    assert page.eval_on_selector_all(".copy", borders) == [], "a border that becomes visible crosses the number"
    assert page.evaluate("document.getAnimations().length") == 0
    assert page.evaluate("getComputedStyle(document.documentElement).scrollBehavior") == "auto"
    page.set_viewport_size({"width": ZOOMED_WIDTH, "height": 256})
    assert page.evaluate(_STICKS_OUT, ZOOMED_WIDTH) == []
    page.set_viewport_size({"width": PHONE_WIDTH, "height": 844})
    page.evaluate("document.documentElement.style.fontSize = '200%'")
    assert page.evaluate(_STICKS_OUT, PHONE_WIDTH) == []
    page.emulate_media(forced_colors="none", reduced_motion="no-preference")


@pytest.fixture
def look(house: CardHouse, serve: Serve, visit: Visit) -> Iterator[Look]:
    """Open a page in the one window and hold it to all of that: look("/card", "words that stand there").

    What is typed is sent first: look("/arrived", "the answer", tx="0x…").
    """
    visitor, origin = visit(size=(PHONE_WIDTH, 844)), serve(house.app)

    def look_at(path: str, words: str, **typed: str) -> None:
        visitor.page.goto(origin + path)
        for name, value in typed.items():
            visitor.page.fill(f"[name={name}]", value)
            visitor.page.press(f"[name={name}]", "Enter")
            visitor.page.wait_for_load_state("networkidle")
        assert words in visitor.page.inner_text("main"), path
        is_for_everybody(visitor.page)

    yield look_at
    assert [said for said in visitor.complaints if "status of 4" not in said] == []


def begun(house: CardHouse, **said: str) -> str:
    """Open a gift's own page; return its reference."""
    answer = house.app.test_client().post("/gift?lang=uk", data=said)
    found = re.search(r"/gift/([0-9a-f]{32})", answer.headers["Location"])
    assert found
    return found[1]


def test_the_card_page_is_for_everybody_in_every_state(look: Look) -> None:
    look(_CARD + "200", "200\u00a0₴ щомісяця")
    look(_CARD + "1,000", "Яку суму")
    look(_CARD + "x", "Напишіть суму")
    look("/card?lang=uk", "Скільки")


def test_a_gifts_page_is_for_everybody_in_every_state(house: CardHouse, look: Look) -> None:
    look(f"/gift/{begun(house, way='iban:UAH', amount='200')}?lang=uk", "Чекаємо на ваш переказ")
    look(f"/gift/{begun(house)}?lang=uk", "Чекаємо на ваш переказ")
    ref = begun(house, way="eth:USDT", amount="10")
    intent = house.ledger.intents.find(ref)
    assert intent is not None
    chain = Chain(house.ledger)
    seen: dict[str, Any] = {"asset": "USDT", "exponent": 6, "occurred_at": NOON, "locator": "0x01:log:0"}
    look(f"/gift/{ref}?lang=uk", "Саме така сума")
    states = {
        State.SEEN: "Бачимо ваш переказ",
        State.CONFIRMED: "Пожертву отримано",
        State.ORPHANED: "скасовано мережею",
    }
    for state, words in states.items():
        chain.says(transfer(units=intent.units, state=state, **seen))
        watcher.run_once([ExactSums(house.ledger.awaited_sums.answered)], house.ledger)
        look(f"/gift/{ref}?lang=uk", words)


def test_has_it_arrived_is_for_everybody_whatever_the_answer(house: CardHouse, look: Look) -> None:
    look("/arrived?lang=uk", "Чи надійшов мій переказ?")
    look("/arrived?lang=uk&way=eth:USDT", "Чи надійшов мій переказ?")
    look("/arrived?lang=uk", "Поки його не бачимо", tx="0x" + "ab" * 32)
    look("/arrived?lang=uk", "скопіюйте його повністю", tx="x")
    Chain(house.ledger).says(transfer("0x" + "cd" * 32, block="A", occurred_at=NOON))
    look("/arrived?lang=uk", "Ми його бачимо", tx="0x" + "cd" * 32)


def test_thanks_and_a_regular_gift_are_for_everybody_in_every_state(house: CardHouse, look: Look) -> None:
    reader = house.reader()
    found = re.search(r"/c/pay/(cs_\w+)", reader.press(reader.fields(frequency="monthly")).headers["Location"])
    assert found
    session = house.fake.get("checkout.session", found[1])
    ref = session["success_url"].split("/thanks/")[1][:32]
    look(f"/thanks/{ref}?lang=uk", "Обробляємо")
    look(f"/plan/{ref}?lang=uk", "Про перший платіж")
    house.fake.pay(found[1])
    house.deliver_all()
    look(f"/thanks/{ref}?lang=uk", "Пожертву отримано")
    look(f"/plan/{ref}?lang=uk", "Наступ")
    plan = house.fake.get("checkout.session", found[1])["subscription"]
    house.clock.advance(days=31)
    house.fake.renew(plan, is_ok=False)
    house.deliver_all()
    look(f"/plan/{ref}?lang=uk", "Останній платіж не пройшов")
    change(house, ref, "pause")
    look(f"/plan/{ref}?lang=uk&told=pause", "Відновити")
    change(house, ref, "stop")
    look(f"/plan/{ref}?lang=uk", "нічого не спи")
    look("/thanks/" + "0" * 32 + "?lang=uk", "404")


def test_thanks_for_what_came_to_nothing_or_went_back_are_for_everybody(house: CardHouse, look: Look) -> None:
    reader = house.reader()

    def on(session: str) -> str:
        return str(house.fake.get("checkout.session", session)["success_url"]).split("/thanks/")[1][:32]

    def begin() -> str:
        found = re.search(r"/c/pay/(cs_\w+)", reader.press(reader.fields(frequency="once")).headers["Location"])
        assert found
        return found[1]

    def paid(session: str) -> str:
        house.fake.pay(session)
        return str(house.fake.get("checkout.session", session)["payment_intent"])

    slow, back, lost = begin(), begin(), begin()
    house.fake.pay(slow, is_async=True)
    house.fake.settle(slow, is_ok=False)
    payment = paid(back)
    house.fake.refund(payment, 50_00)
    house.fake.dispute(paid(lost))
    house.deliver_all()
    look(f"/thanks/{on(slow)}?lang=uk", "Платіж не пройшов")
    look(f"/thanks/{on(lost)}?lang=uk", "Цей платіж оскаржено")
    look(f"/thanks/{on(back)}?lang=uk", "Частину")
    house.fake.refund(payment, 150_00)
    house.deliver_all()
    look(f"/thanks/{on(back)}?lang=uk", "Вашу пожертву повернуто")
    closed = on(begin())
    house.clock.advance(hours=2)
    look(f"/thanks/{closed}?lang=uk", "Вашого платежу ми поки не бачимо")


def change(house: CardHouse, ref: str, action: str) -> None:
    """Press a button of a regular gift's page, and let the processor tell of it."""
    house.clock.advance(seconds=2)
    answer = Visitor(house.app.test_client()).fill(f"/plan/{ref}?lang=uk", form=f"/{action}")
    assert answer.status_code == 303
    house.deliver_all()

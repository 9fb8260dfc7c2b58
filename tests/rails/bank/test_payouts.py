"""What a processor paid out, and the line of the bank that it arrived by: tied to each other, counted as no gift."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from support_service.assembly import assemble, build_sources
from support_service.commands.verify_online import compare
from support_service.demo.stripe import StripeFake, payments
from support_service.giving import utc_now
from support_service.rails.bank.booking import import_lines
from support_service.rails.bank.line import Line, Party
from support_service.rails.bank.settling import settle
from support_service.watcher import run_once
from tests.fixtures.cards import CardHouse, books, card_house, given
from tests.fixtures.staff import FrozenClock
from tests.fixtures.stripe_schema import check
from tests.rails.bank.test_settling import ACCOUNT, CHOICES, line

GIFT = 20_000
STRIPE = Party("STRIPE PAYMENTS EUROPE", "IE29AIBK93115212345678")


@pytest.fixture
def house(tmp_path: Path, database_url: str) -> Iterator[CardHouse]:
    clock = FrozenClock()
    with StripeFake(clock=clock, check=check) as fake:
        made = card_house(tmp_path, database_url, fake, clock)
        yield made
        made.ledger.dispose()


def swept(house: CardHouse) -> None:
    (outcome,) = run_once(build_sources(assemble(house.file), house.ledger, clock=house.clock), house.ledger)
    assert outcome.is_good, outcome.reason


def paid_out(house: CardHouse, gifts: int = 2, **changes: Any) -> dict[str, Any]:
    """Let readers give, Stripe pay out, and the sweep see it; changes are of the payout, before that."""
    for _ in range(gifts):
        given(house)
    house.deliver_all()
    payout: dict[str, Any] = house.fake.payout("uah")
    payout.update(changes)
    swept(house)
    return payout


def bring(house: CardHouse, units: int, day: date, reference: str = "P", **fields: Any) -> None:
    """Let the bank tell a credit of Stripe's, as any of its files or answers would."""
    take(house, credit(reference, units, day, **fields))


def credit(reference: str, units: int, day: date, **fields: Any) -> Line:
    told = line(reference, units, 20, **{"purpose": "STRIPE PAYOUT", "counterparty": STRIPE, **fields})
    return replace(told, day=day)


def take(house: CardHouse, *lines: Line) -> None:
    list(import_lines(lines, house.ledger.lines, CHOICES, now=utc_now()))
    settle({ACCOUNT}, house.ledger.lines)


def arrival(payout: dict[str, Any]) -> date:
    return datetime.fromtimestamp(payout["arrival_date"], UTC).date()


def row(house: CardHouse, start: str) -> dict[str, Any]:
    assert house.ledger.verify() == []
    return next(one for one in house.ledger.export() if str(one["locator"]).startswith(start))


def counted(house: CardHouse) -> int:
    return sum(int(str(one["counted_units"])) for one in house.ledger.export())


def test_a_payout_leaves_the_processors_account_counts_nothing_and_names_its_gifts(house: CardHouse) -> None:
    payout = paid_out(house)
    sent = row(house, payout["id"])
    assert (sent["kind"], sent["direction"], sent["rail"], sent["state"]) == ("payout", "out", "stripe", "confirmed")
    assert (int(sent["units"]), sent["counted_units"]) == (payout["amount"], "0")
    assert counted(house) == 2 * GIFT
    assert books(house.ledger).get("assets:stripe:stripe", 0) == house.fake.balance("uah") == 0
    page = house.person().get(f"/staff/donations/{sent['id']}", lang="en").text
    assert "Payments inside: 2" in page
    for gift in (one for one in house.ledger.export() if one["kind"] == "donation"):
        assert f"/staff/donations/{gift['id']}" in page


def test_the_line_of_the_bank_is_tied_to_the_payout_and_shows_its_id_and_gifts(house: CardHouse) -> None:
    payout = paid_out(house)
    bring(house, payout["amount"], arrival(payout) + timedelta(1))
    arrived, sent = row(house, ACCOUNT), row(house, payout["id"])
    assert (arrived["bank_class"], arrived["kind"], arrived["counted_units"]) == ("payout_stripe", "payout", "0")
    assert arrived["belongs_to"] == sent["id"]
    assert counted(house) == 2 * GIFT
    sums = books(house.ledger)
    assert sums["transfers:payouts:iban"] + sums["transfers:payouts:stripe"] == 0
    assert row(house, payout["id"])["state"] == "confirmed", "nothing takes it back"
    visitor = house.person()
    page = visitor.get(f"/staff/donations/{arrived['id']}", lang="en").text
    assert payout["id"] in page
    for gift in (one for one in house.ledger.export() if one["kind"] == "donation"):
        assert f"/staff/donations/{gift['id']}" in page
    assert f"/staff/donations/{arrived['id']}" in visitor.get(f"/staff/donations/{sent['id']}", lang="en").text


def test_one_click_unties_them_and_nothing_ties_them_again(house: CardHouse) -> None:
    payout = paid_out(house)
    bring(house, payout["amount"], arrival(payout))
    visitor, arrived = house.person(), f"/staff/donations/{row(house, ACCOUNT)['id']}"
    before = books(house.ledger)
    visitor.fill(arrived, form="/gives-back", gift="")
    assert "arrival of the payout" not in visitor.get(arrived, lang="en").text
    settle({ACCOUNT}, house.ledger.lines)
    bring(house, payout["amount"], arrival(payout))
    assert "arrival of the payout" not in visitor.get(arrived, lang="en").text
    assert (books(house.ledger), counted(house)) == (before, 2 * GIFT)


def test_what_comes_again_in_any_order_changes_nothing(house: CardHouse) -> None:
    payout = paid_out(house, 1)
    bring(house, payout["amount"], arrival(payout))
    before = list(house.ledger.export())
    for _ in range(2):
        swept(house)
        bring(house, payout["amount"], arrival(payout))
    assert list(house.ledger.export()) == before


def test_a_line_that_came_before_the_payout_was_told_is_tied_at_the_next_look(house: CardHouse) -> None:
    given(house)
    house.deliver_all()
    payout = house.fake.payout("uah")
    bring(house, payout["amount"], arrival(payout))
    swept(house)
    settle({ACCOUNT}, house.ledger.lines)
    page = house.person().get(f"/staff/donations/{row(house, ACCOUNT)['id']}", lang="en").text
    assert payout["id"] in page


def _two_lines(house: CardHouse, payout: dict[str, Any]) -> None:
    take(house, *(credit(one, payout["amount"], arrival(payout)) for one in "PQ"))


def _of_another_sum(house: CardHouse, payout: dict[str, Any]) -> None:
    bring(house, payout["amount"] + 1, arrival(payout))


def _far_off(house: CardHouse, payout: dict[str, Any]) -> None:
    bring(house, payout["amount"], arrival(payout) + timedelta(9))


def _before(house: CardHouse, payout: dict[str, Any]) -> None:
    bring(house, payout["amount"], arrival(payout) - timedelta(4))


def _a_gift_of_that_sum(house: CardHouse, payout: dict[str, Any]) -> None:
    bring(house, payout["amount"], arrival(payout), purpose="внесок", counterparty=Party("Olena"))


@pytest.mark.parametrize("lines", [_two_lines, _of_another_sum, _far_off, _before, _a_gift_of_that_sum])
def test_what_is_not_surely_its_arrival_is_tied_to_nothing(house: CardHouse, lines: Any) -> None:
    payout = paid_out(house, 1)
    lines(house, payout)
    visitor = house.person()
    for one in house.ledger.export():
        assert "arrival of the payout" not in visitor.get(f"/staff/donations/{one['id']}", lang="en").text


def test_a_payout_that_the_bank_did_not_take_is_taken_back(house: CardHouse) -> None:
    payout = paid_out(house, 1)
    account = house.fake.account
    with account.lock:
        payments.book(account, "payout_failure", "payout_reversal", of=payout, units=payout["amount"])
    house.clock.advance(minutes=5)
    swept(house)
    assert row(house, payout["id"])["state"] == "replaced"
    assert books(house.ledger)["assets:stripe:stripe"] == house.fake.balance("uah") == payout["amount"]


def test_what_is_inside_is_asked_again_until_it_is_told(house: CardHouse) -> None:
    payout = paid_out(house, 1, reconciliation_status="in_progress")
    visitor = house.person()
    page = f"/staff/donations/{row(house, payout['id'])['id']}"
    assert "not told yet" in visitor.get(page, lang="en").text
    house.clock.advance(days=1, minutes=1)
    swept(house)
    visitor.sign_in()
    assert "Payments inside" not in visitor.get(page, lang="en").text
    payout["reconciliation_status"] = "completed"
    house.clock.advance(days=1, minutes=1)
    swept(house)
    visitor.sign_in()
    assert "Payments inside: 1" in visitor.get(page, lang="en").text


def test_of_a_payout_that_somebody_sent_by_hand_nobody_asks_what_is_inside(house: CardHouse) -> None:
    payout = paid_out(house, 1, automatic=False)
    page = house.person().get(f"/staff/donations/{row(house, payout['id'])['id']}", lang="en").text
    assert "Payments inside" not in page
    assert not [one for one in house.fake.api.asked if "payout=" in str(one)]


def test_verify_online_compares_payments_and_takes_no_payout_for_one(house: CardHouse) -> None:
    paid_out(house)
    house.clock.advance(hours=1)
    said: list[str] = []
    assert compare(assemble(house.file), house.ledger, say=said.append, clock=house.clock) == []
    assert said == ["stripe: 400 UAH, payment by payment as in the processor's books"]

"""verify --online: every card payment against the processor's own books, and the other way round."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support_service.assembly import assemble, build_sources
from support_service.commands.verify_online import compare
from support_service.demo.stripe import CardTrouble, StripeFake
from support_service.watcher import run_once
from tests.fixtures.cards import CardHouse, card_house, given
from tests.fixtures.staff import FrozenClock
from tests.fixtures.stripe_schema import check


@pytest.fixture
def house(tmp_path: Path) -> Iterator[CardHouse]:
    clock = FrozenClock()
    with StripeFake(clock=clock, check=check) as fake:
        yield card_house(tmp_path, f"sqlite:///{tmp_path}/cards.db", fake, clock)


def compared(house: CardHouse) -> tuple[list[str], list[str]]:
    said: list[str] = []
    problems = compare(assemble(house.file), house.ledger, say=said.append, clock=house.clock)
    return said, problems


def lived(house: CardHouse) -> list[str]:
    """Let all that can happen to a gift happen; return the payment intents."""
    payments = [given(house) for _ in range(5)]
    given(house, frequency="monthly")
    house.fake.refund(payments[1], 5_000)
    house.fake.dispute(payments[2])
    house.fake.close_dispute(house.fake.dispute(payments[3])["id"], is_won=False)
    house.fake.fail_refund(house.fake.refund(payments[4], 20_000)["id"])
    return payments


def test_a_sound_ledger_holds_what_stripe_holds(house: CardHouse) -> None:
    lived(house)
    house.deliver_all()
    house.clock.advance(seconds=901)
    said, problems = compared(house)
    assert problems == []
    # 6 gifts of 200, less 50 given back, 200 held back while disputed and 200 lost.
    assert said == ["stripe: 750 UAH, payment by payment as in the processor's books"]


def test_what_only_one_side_has_is_named(house: CardHouse) -> None:
    kept, refunded = given(house), given(house)
    house.deliver_all()
    missed = given(house)
    house.fake.refund(refunded, 5_000)
    assert compared(house)[1] == []  # messages may still be on their way
    house.clock.advance(seconds=901)
    assert sorted(compared(house)[1]) == sorted(
        [
            f"stripe: {missed}: the processor holds 200 UAH, the ledger does not know it",
            f"stripe: {refunded}: the ledger says 200 UAH, the processor 150 UAH",
        ]
    )
    # The sweep mends both; then Stripe loses something that we have.
    run_once(build_sources(assemble(house.file), house.ledger, clock=house.clock), house.ledger)
    assert compared(house)[1] == []
    entries = house.fake.account.objects["balance_transaction"]
    charge = house.fake.get("payment_intent", kept)["latest_charge"]
    house.fake.account.objects["balance_transaction"] = {
        known_as: entry for known_as, entry in entries.items() if entry["source"] != charge
    }
    (problem,) = compared(house)[1]
    assert problem == f"stripe: {kept}: the ledger says 200 UAH, the processor's books do not have it"


def test_money_that_was_set_aside_is_no_difference(house: CardHouse) -> None:
    given(house)
    for event in house.fake.account.events:
        event["data"]["object"].pop("metadata", None)
    house.deliver_all()
    run_once(build_sources(assemble(house.file), house.ledger, clock=house.clock), house.ledger)
    house.clock.advance(seconds=901)
    assert compared(house) == ([], [])


def test_a_payment_that_failed_and_left_nothing_behind_is_no_difference(house: CardHouse) -> None:
    given(house)
    (entry,) = house.fake.account.all("balance_transaction")
    failed = given(house, is_async=True)
    house.fake.settle(house.fake.account.all("checkout.session")[-1]["id"], is_ok=False)
    house.deliver_all()
    # Stripe may book what is on its way at once, and take it out of its books when it fails.
    objects = house.fake.account.objects
    objects["charge"]["ch_1"] = {**objects["charge"][entry["source"]], "id": "ch_1", "payment_intent": failed}
    for number, sign in enumerate((1, -1)):
        moved = {"id": f"txn_{number}", "source": "ch_1", "amount": sign * entry["amount"]}
        objects["balance_transaction"][f"txn_{number}"] = {**entry, **moved}
    house.clock.advance(seconds=901)
    assert compared(house)[1] == []


def test_a_processor_that_does_not_answer_is_a_problem_and_no_crash(house: CardHouse) -> None:
    given(house)
    house.fake.faults.order(CardTrouble.BROKEN, times=9, path="/v1/balance_transactions", method="GET")
    (problem,) = compared(house)[1]
    assert problem.startswith("stripe:sweep: could not be compared")

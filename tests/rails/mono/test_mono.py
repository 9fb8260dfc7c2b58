"""Cards through plata by mono: page, signed messages, sweep, refunds and subscriptions, at its stand-in."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from support_service.demo.mono import TOKEN, CardTrouble, MonoFake
from support_service.demo.mono.hooks import MonoHooks
from support_service.giving import State
from support_service.ledger import Wanted
from tests.fixtures.cards import told
from tests.fixtures.mono_schema import held_to_the_description
from tests.fixtures.plata import PlataHouse, plata_house
from tests.fixtures.staff import FrozenClock

GIFT = 200_00
HOOK = "http://127.0.0.1:8000/webhooks/mono"


@pytest.fixture
def house(tmp_path: Path, database_url: str) -> Iterator[PlataHouse]:
    clock = FrozenClock()
    with held_to_the_description(MonoFake(clock=clock)) as fake:
        yield plata_house(tmp_path, database_url, fake, clock)


def gift(invoice: str, state: State = State.CONFIRMED, counted: int = GIFT) -> list[tuple[str, State, int, int]]:
    return [(f"mono:{invoice}", state, GIFT, counted)]


def test_a_reader_gives_once_by_platas_page_and_the_gift_counts_as_soon_as_it_is_told(house: PlataHouse) -> None:
    page = house.page(lang="uk")
    order = house.fake.merchant.invoices[page]
    (intent,) = [house.ledger.intents.of_page("mono", page)]
    assert intent is not None and intent.support_code is not None
    assert order.told["reference"] == intent.ref
    assert intent.support_code in order.told["destination"] and "Благодійний внесок" in order.told["destination"]
    assert order.redirect_url == f"http://127.0.0.1:8000/thanks/{intent.ref}?lang=uk"
    assert order.hook_url == HOOK
    assert 30 * 60 <= (order.closes_at - house.clock()).total_seconds() <= 60 * 60
    house.fake.pay(page)
    house.deliver()
    assert told(house.ledger) == gift(page)
    donation = house.donation()
    assert (donation.payment.intent, donation.support_code) == (intent.ref, intent.support_code)
    assert donation.fee_units == 2_60
    thanks = house.app.test_client().get(f"/thanks/{intent.ref}", query_string={"lang": "uk"}, follow_redirects=True)
    assert thanks.status_code == 200 and "200" in thanks.text
    (row,) = house.ledger.export(Wanted(rail="mono"))
    assert (row["rail"], row["method"], row["address"]) == ("mono", "mono", None)


def test_the_page_says_who_charges_in_the_readers_language(house: PlataHouse) -> None:
    page = house.reader().look(frequency="once", lang="uk").text
    assert "plata by mono" in page and "Stripe" not in page


def test_a_plans_failed_renewals_do_not_close_cards_but_a_tester_at_its_page_does(house: PlataHouse) -> None:
    plan = house.page("monthly")
    house.fake.pay(plan)
    house.fake.renew(plan, is_ok=False)
    house.clock.advance(days=30)
    house.fake.renew(plan, is_ok=False)
    rail = house.app.extensions["support"].processors["mono"]
    heard = [rail.hear(one.body, {"X-Sign": one.sign}) for one in house.fake.messages]
    assert [one.declined.intent is None for one in heard if one.declined] == [True]


def test_what_is_not_signed_by_mono_is_refused_and_its_key_is_asked_for_again_once(house: PlataHouse) -> None:
    house.paid()
    message = house.fake.messages[-1]
    house.deliver([message])
    foreign = MonoHooks(is_sending=False)
    forged = [foreign.sign(message.body), "", "AAAA", "ї", message.sign[:-4], house.fake.messages[0].sign]
    before = house.ledger.head()
    assert {house.push(message, sign=sign).status_code for sign in forged} == {400}
    assert house.ledger.head() == before
    asked = [path for path in house.fake.asked if path.endswith("/pubkey")]
    assert len(asked) == 1, "within a minute nobody makes us ask again"


def test_a_key_that_mono_has_changed_is_fetched_once_more_and_the_message_is_taken(house: PlataHouse) -> None:
    house.deliver() if house.paid() else None
    house.fake.hooks.change_key()
    house.clock.advance(minutes=5)
    house.paid()
    house.deliver(house.fake.messages[-1:])
    assert len(told(house.ledger)) == 2
    assert sum(path.endswith("/pubkey") for path in house.fake.asked) == 2


def test_a_message_is_asked_for_again_while_the_key_cannot_be_had(house: PlataHouse) -> None:
    house.paid()
    house.fake.faults.order(CardTrouble.BROKEN, path="/api/merchant/pubkey")
    message = house.fake.messages[-1]
    assert house.push(message).status_code == 503
    assert house.push(message).status_code == 503, "told at once, without asking"
    house.clock.advance(minutes=1)
    assert house.push(message).status_code == 200
    assert len(told(house.ledger)) == 1


@pytest.mark.parametrize("changed", [{"amount": "200"}, {"status": "odd"}, {"modifiedDate": "later"}, {"ccy": None}])
def test_what_is_monos_and_not_understood_is_kept_told_and_asked_for_by_the_sweep(
    house: PlataHouse, changed: dict[str, object]
) -> None:
    invoice = house.paid()
    message = house.fake.messages[-1]
    house.deliver([house.fake.hooks.signed(message.url, message.told | changed)])
    assert told(house.ledger) == []
    (aside,) = house.ledger.set_aside("mono:sweep")
    assert aside.key == invoice
    house.clock.advance(minutes=2)
    house.sweep()
    assert told(house.ledger) == gift(invoice)
    assert house.ledger.set_aside("mono:sweep") == ()


def test_a_plans_page_offers_its_end_alone_for_plata_can_change_nothing_of_it(house: PlataHouse) -> None:
    plan = house.page("monthly")
    intent = house.ledger.intents.of_page("mono", plan)
    assert intent is not None
    house.fake.pay(plan)
    house.deliver()
    page = house.app.test_client().get(f"/plan/{intent.ref}", query_string={"lang": "uk"})
    assert f"/plan/{intent.ref}/stop" in page.text
    assert not any(f"/plan/{intent.ref}/{action}" in page.text for action in ("pause", "amount", "payment"))


def test_a_charge_that_names_no_plan_is_tied_to_the_one_plan_that_charged_then(house: PlataHouse) -> None:
    plans = [house.page("monthly", address=f"203.0.113.{number}") for number in range(2)]
    firsts = []
    for plan in plans:
        firsts.append(house.fake.pay(plan))
        house.deliver([one for one in house.fake.messages if "invoiceId" not in one.told])
        house.clock.advance(minutes=30)
    for invoice in firsts:
        del house.fake.merchant.invoices[invoice].told["subscriptionId"]
    house.sweep()
    chosen = {one.donation.identity.locator: one.donation.payment.intent for one in house.ledger.donations()}
    wanted = [house.ledger.intents.of_page("mono", plan) for plan in plans]
    assert chosen == {f"mono:{invoice}": one.ref for invoice, one in zip(firsts, wanted, strict=True) if one}
    assert {state for _, state, _, _ in told(house.ledger)} == {State.CONFIRMED}


def test_a_charge_told_without_its_plan_is_left_to_the_sweep_which_finds_the_plan(house: PlataHouse) -> None:
    plan = house.page("monthly")
    invoice = house.fake.pay(plan)
    del house.fake.merchant.invoices[invoice].told["subscriptionId"]
    bare = [{name: told for name, told in one.told.items() if name != "subscriptionId"} for one in house.fake.messages]
    house.deliver(house.fake.hooks.signed(HOOK, told) for told in bare if "invoiceId" in told)
    assert told(house.ledger) == []
    house.clock.advance(minutes=15)
    house.sweep()
    assert told(house.ledger) == gift(invoice)


def test_charges_that_may_be_of_either_plan_wait_for_people(house: PlataHouse) -> None:
    plans = [house.page("monthly", address=f"203.0.113.{number}") for number in range(2)]
    for plan in plans:
        invoice = house.fake.pay(plan)
        del house.fake.merchant.invoices[invoice].told["subscriptionId"]
    house.deliver([one for one in house.fake.messages if "invoiceId" not in one.told])
    house.clock.advance(minutes=30)
    house.sweep()
    assert [state for _, state, _, _ in told(house.ledger)] == [State.QUARANTINED] * 2


def test_no_card_token_and_no_token_of_ours_is_kept(house: PlataHouse) -> None:
    house.fake.pay(house.page("monthly"))
    house.deliver()
    assert any("walletData" in one.told for one in house.fake.messages)
    house.sweep()
    engine = create_engine(house.database_url)
    with engine.connect() as connection:
        kept = [str(body) for body in connection.execute(text("SELECT body FROM personal_data")).scalars()]
    engine.dispose()
    assert any("maskedPan" in body for body in kept)
    assert not any("cardToken" in body or TOKEN in body for body in kept)


def test_the_books_and_the_statement_agree(house: PlataHouse) -> None:
    invoice = house.paid()
    house.fake.refund(invoice, 50_00)
    house.deliver()
    house.paid()
    house.deliver()
    source = house.source()
    held = {one.name: one.units for one in source.held_payments()}
    assert sorted(held.values()) == [150_00, 200_00]

"""Cards through plata by mono: page, signed messages, sweep, refunds and subscriptions, at its stand-in."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from support_service.demo.mono import TOKEN, MonoFake, Trouble
from support_service.demo.mono.hooks import MonoHooks
from support_service.giving import State
from support_service.ledger import Wanted
from support_service.rails.processor import CheckoutSilent
from tests.fixtures.cards import books, told
from tests.fixtures.mono_schema import held_to_the_description
from tests.fixtures.plata import PlataHouse, name_of, plata_house
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
    (intent,) = [house.ledger.page_intent("mono", page)]
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
    house.fake.faults.order(Trouble.BROKEN, path="/api/merchant/pubkey")
    message = house.fake.messages[-1]
    assert house.push(message).status_code == 503
    assert house.push(message).status_code == 503, "told at once, without asking"
    house.clock.advance(minutes=1)
    assert house.push(message).status_code == 200
    assert len(told(house.ledger)) == 1


def test_the_later_state_counts_in_whatever_order_messages_come(house: PlataHouse) -> None:
    invoice = house.paid()
    house.clock.advance(minutes=1)
    house.fake.refund(invoice, 50_00)
    house.clock.advance(minutes=1)
    house.fake.refund(invoice, 150_00)
    assert [name_of(one) for one in house.fake.messages][-1] == "reversed"
    house.deliver(reversed(house.fake.messages))
    assert told(house.ledger) == gift(invoice, State.REFUNDED, 0)
    house.deliver()
    assert told(house.ledger) == gift(invoice, State.REFUNDED, 0)


def test_a_declined_card_is_counted_against_card_testers_and_is_no_gift(house: PlataHouse) -> None:
    house.fake.decline(house.page())
    house.deliver()
    assert told(house.ledger) == []
    metrics = house.app.test_client().get("/metrics").text
    assert 'support_webhook_messages_total{processor="mono",result="accepted"} 2' in metrics


@pytest.mark.parametrize("changed", [{"amount": 100_00}, {"ccy": 978}, {"reference": "f" * 32}])
def test_what_was_not_chosen_on_our_page_is_quarantined(house: PlataHouse, changed: dict[str, object]) -> None:
    house.paid()
    message = house.fake.messages[-1]
    told_anew = message.told | {"finalAmount": changed.get("amount", GIFT)} | changed
    strange = house.fake.hooks.signed(message.url, told_anew)
    house.deliver([strange])
    ((_, state, _, counted),) = told(house.ledger)
    assert (state, counted) == (State.QUARANTINED, 0)


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


def test_a_gift_that_no_message_told_of_is_swept_up_with_its_fee_and_booked_once(house: PlataHouse) -> None:
    invoice = house.paid()
    house.clock.advance(minutes=20)
    house.sweep()
    assert told(house.ledger) == gift(invoice)
    assert house.donation().fee_units == 2_60
    head = house.ledger.head().number
    house.deliver()
    house.sweep()
    assert told(house.ledger) == gift(invoice)
    assert house.donation().fee_units == 2_60
    assert house.ledger.head().number > head
    assert books(house.ledger)["expenses:fees:mono"] == 2_60


def test_four_days_without_a_message_heal_whole(house: PlataHouse) -> None:
    one = house.paid()
    plan = house.page("monthly")
    first = house.fake.pay(plan)
    house.clock.advance(days=1)
    part = house.paid()
    house.fake.refund(part, 50_00)
    house.fake.decline(house.page())
    house.fake.expire(house.page())
    house.clock.advance(days=3)
    house.sweep()
    house.clock.advance(minutes=2)
    house.sweep()
    counted = {locator: (state, units) for locator, state, _, units in told(house.ledger)}
    assert counted == {
        f"mono:{one}": (State.CONFIRMED, GIFT),
        f"mono:{first}": (State.CONFIRMED, GIFT),
        f"mono:{part}": (State.PARTIALLY_REFUNDED, 150_00),
    }
    assert [(held.name, held.state) for held in house.ledger.plans(10, None)] == [(plan, "active")]
    house.deliver()
    assert {locator: (state, units) for locator, state, _, units in told(house.ledger)} == counted


def test_staff_give_back_in_part_and_then_all_and_a_repeated_form_gives_back_once(house: PlataHouse) -> None:
    invoice = house.paid()
    house.deliver()
    person, ref = house.person(), house.donation().identity.ref
    where = f"/staff/donations/{ref}/refund"
    house.clock.advance(minutes=1)
    assert person.fill(where, form="refund", amount="50", sure="yes").status_code == 303
    house.deliver(house.fake.messages[-2:])
    assert told(house.ledger) == gift(invoice, State.PARTIALLY_REFUNDED, 150_00)
    house.clock.advance(minutes=1)
    assert person.fill(where, form="refund", amount="150", sure="yes").status_code == 303
    house.deliver(house.fake.messages[-2:])
    assert told(house.ledger) == gift(invoice, State.REFUNDED, 0)
    house.sweep()
    assert told(house.ledger) == gift(invoice, State.REFUNDED, 0)
    keys = [one["extRef"] for one in house.fake.merchant.invoices[invoice].told["cancelList"]]
    assert len(set(keys)) == 2


def test_one_key_gives_back_once_however_often_it_is_asked(house: PlataHouse) -> None:
    invoice = house.paid()
    house.deliver()
    processor = house.app.extensions["support"].processors["mono"]
    house.fake.faults.order(Trouble.LOST, path="/api/merchant/invoice/cancel")
    with pytest.raises(CheckoutSilent):
        processor.refund(f"mono:{invoice}", 50_00, "one-key")
    for _ in range(2):
        processor.refund(f"mono:{invoice}", 50_00, "one-key")
    assert [one["amount"] for one in house.fake.merchant.invoices[invoice].told["cancelList"]] == [50_00]


def test_a_refund_on_its_way_that_fails_leaves_the_gift_whole(house: PlataHouse) -> None:
    invoice = house.paid()
    house.fake.refund(invoice, 50_00, is_slow=True)
    house.deliver()
    assert house.donation().open_parts == 1
    house.clock.advance(minutes=1)
    house.fake.settle_refunds(invoice, is_ok=False)
    house.clock.advance(days=1)
    house.sweep()
    assert told(house.ledger) == gift(invoice)
    assert house.donation().open_parts == 0


def test_a_monthly_gift_begins_renews_and_is_stopped_on_its_own_page(house: PlataHouse) -> None:
    plan = house.page("monthly")
    intent = house.ledger.page_intent("mono", plan)
    assert intent is not None
    first = house.fake.pay(plan)
    house.deliver()
    house.clock.advance(days=30)
    second = house.fake.renew(plan)
    house.deliver(house.fake.messages[-2:])
    assert told(house.ledger) == sorted([*gift(first), *gift(second)])
    assert {one.donation.payment.intent for one in house.ledger.donations()} == {intent.ref}
    client = house.app.test_client()
    page = client.get(f"/plan/{intent.ref}", query_string={"lang": "uk"})
    assert page.status_code == 200
    assert f"/plan/{intent.ref}/stop" in page.text
    assert not any(f"/plan/{intent.ref}/{action}" in page.text for action in ("pause", "amount", "payment"))
    assert house.stop(client, intent.ref).status_code == 303
    house.deliver(house.fake.messages[-1:])
    (held,) = house.ledger.plans(10, None)
    assert held.state == "cancelled"
    assert house.stop(client, intent.ref).status_code == 409
    house.deliver()
    assert house.ledger.plans(10, None)[0].state == "cancelled"


def test_staff_stop_a_plan_and_one_stopped_in_the_banks_app_is_swept_up(house: PlataHouse) -> None:
    plans = [house.page("monthly", address=f"203.0.113.{number}") for number in range(2)]
    for plan in plans:
        house.fake.pay(plan)
    house.deliver()
    person = house.person()
    page = person.get("/staff/cards", lang="en").text
    assert all(plan in page for plan in plans)
    assert person.fill(f"/staff/cards/plans/mono/{plans[0]}/cancel", form="cancel", sure="yes").status_code == 303
    house.fake.stop_plan(plans[1])
    house.clock.advance(days=1)
    house.sweep()
    assert {held.state for held in house.ledger.plans(10, None)} == {"cancelled"}


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
    wanted = [house.ledger.page_intent("mono", plan) for plan in plans]
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


def test_money_of_a_shop_with_the_same_token_is_quarantined_and_nothing_of_it_is_lost(house: PlataHouse) -> None:
    house.page()
    shop = house.fake.merchant.open_invoice({"amount": GIFT, "merchantPaymInfo": {"reference": "order-17"}})
    house.fake.pay(shop.told["invoiceId"])
    house.clock.advance(minutes=20)
    house.sweep()
    assert told(house.ledger) == gift(shop.told["invoiceId"], State.QUARANTINED, 0)


def test_two_clicks_one_after_the_other_open_one_page(house: PlataHouse) -> None:
    reader = house.reader()
    fields = reader.fields(frequency="once")
    first, second = reader.press(fields), reader.press(fields, seconds=0)
    assert first.headers["Location"] == second.headers["Location"]
    assert len(house.fake.merchant.invoices) == 1


def test_clicks_at_once_lead_to_one_page_though_plata_opens_one_for_each(house: PlataHouse) -> None:
    fields = house.reader().fields(frequency="once")
    house.clock.advance(seconds=3)
    house.fake.faults.order(Trouble.SLOW, times=3, path="/api/merchant/invoice/create", seconds=1)
    with ThreadPoolExecutor(3) as many:
        answers = list(many.map(lambda _: house.reader().press(fields, seconds=0), range(3)))
    assert {answer.status_code for answer in answers} == {303}
    assert len({answer.headers["Location"] for answer in answers}) == 1


@pytest.mark.parametrize("trouble", [Trouble.BUSY, Trouble.BROKEN, Trouble.CUT, Trouble.LOST])
def test_a_processor_in_trouble_costs_the_reader_one_more_press(house: PlataHouse, trouble: Trouble) -> None:
    reader = house.reader()
    fields = reader.fields(frequency="once")
    house.fake.faults.order(trouble, path="/api/merchant/invoice/create")
    assert reader.press(fields).status_code == 503
    answer = reader.press(fields)
    assert answer.status_code == 303
    house.fake.pay(answer.headers["Location"].rpartition("/")[2])
    house.deliver()
    assert [state for _, state, _, _ in told(house.ledger)] == [State.CONFIRMED]


def test_a_page_elsewhere_is_closed_again_and_no_reader_is_sent_there(house: PlataHouse) -> None:
    house.fake.merchant.base = "https://evil.example"
    assert house.reader().give(frequency="once").status_code == 503
    ((invoice,),) = [house.fake.merchant.invoices.values()]
    assert invoice.told["status"] == "expired"


@pytest.mark.parametrize("trouble", [Trouble.BUSY, Trouble.BROKEN, Trouble.CUT, Trouble.REFUSED])
def test_a_sweep_in_trouble_goes_on_where_it_was(house: PlataHouse, trouble: Trouble) -> None:
    invoice = house.paid()
    house.clock.advance(minutes=20)
    for path in ("/api/merchant/invoice/status", "/api/merchant/statement"):
        house.fake.faults.order(trouble, path=path)
        with pytest.raises(AssertionError):
            house.sweep()
    house.sweep()
    assert told(house.ledger) == gift(invoice)


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

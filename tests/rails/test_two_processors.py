"""A second processor of cards stands beside the first: one file of its own and one line, nothing else.

Also one that, unlike the first, says nothing of ours in its messages: what was chosen is found by the page.

Toypay (tests/fixtures/toypay.py) charges hryvnias, Stripe's stand-in all other currencies.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support_service.assembly import assemble, build_sources
from support_service.commands.check import method_lines
from support_service.commands.freezes import switch_cards
from support_service.demo.stripe import StripeFake
from support_service.giving import Decline, Named, Outcome, RefundClaim, Report, State
from support_service.ledger import Wanted
from support_service.rails import RAILS
from support_service.rails.processor import checkout_switch
from support_service.watcher import run_once
from support_service.web.card.guard import LIMITS, Mode, look
from tests.fixtures import toypay
from tests.fixtures.cards import CardHouse, card_house, told
from tests.fixtures.staff import FrozenClock, forms
from tests.fixtures.stripe import stripe_settings

TABLE = '\n[toypay]\nsecret_file = "toy_secret"\nbook = "toy_book"\n'
EUROS = {"currency": "EUR", "amount": "25"}


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def house(
    tmp_path: Path, database_url: str, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> Iterator[CardHouse]:
    # The one line.
    monkeypatch.setitem(RAILS, toypay.NAME, toypay.TOYPAY)
    (tmp_path / "toy_secret").write_text("hush\n", encoding="utf-8")
    (tmp_path / "toy_book").write_text("", encoding="utf-8")
    with StripeFake(clock=clock) as fake:
        # Its table stands before Stripe's, so that hryvnias, which both offer, are its own.
        table = stripe_settings(tmp_path, fake).lstrip("\n").partition("\n")[0]
        yield card_house(tmp_path, database_url, fake, clock, changes={f"\n{table}\n": f"\n{TABLE}\n{table}\n"})


def book(house: CardHouse) -> Path:
    return house.file.parent / "toy_book"


def push(house: CardHouse, body: bytes, secret: str = "hush") -> int:
    headers = {"Toypay-Signature": toypay.signed(body, secret)}
    return house.app.test_client().post("/webhooks/toypay", data=body, headers=headers).status_code


def page_of(house: CardHouse, **asked: str) -> str:
    """Go all the way to Toypay's page; return its name."""
    answer = house.reader().give(**asked)
    assert answer.headers["Location"].startswith(f"{toypay.PAGES}/"), answer.text
    return answer.headers["Location"].removeprefix(f"{toypay.PAGES}/")


def paid(house: CardHouse, payment: str = "pay 1", **asked: str) -> str:
    """Let a gift through Toypay come, pushed; return the donation's id."""
    page = page_of(house, frequency="once", **asked)
    body = toypay.write(
        book(house), id=f"ev {payment}", kind="payment", payment=payment, units=200_00, page=page, at=house.clock()
    )
    assert push(house, body) == 200
    return house.ledger.donations(Wanted(rail="toypay"))[0].donation.identity.ref


def begun(house: CardHouse, plan: str) -> None:
    """Let a monthly plan through Toypay begin."""
    page = page_of(house, frequency="monthly")
    body = toypay.write(book(house), id=f"on {plan}", kind="plan", plan=plan, state="on", page=page, at=house.clock())
    assert push(house, body) == 200


def sweep(house: CardHouse) -> None:
    outcomes = run_once(build_sources(assemble(house.file), house.ledger, clock=house.clock), house.ledger)
    assert {outcome.source for outcome in outcomes if outcome.is_good} == {"toypay:sweep", "stripe:sweep"}, outcomes


def stripe_gift(house: CardHouse, frequency: str = "once") -> str:
    session = house.reader().session(**EUROS, frequency=frequency)
    house.fake.pay(session)
    house.deliver_all()
    made = house.fake.get("checkout.session", session)
    return str(made["payment_intent"] or made["subscription"])


def test_readers_find_one_way_to_give_by_card_and_the_currency_says_who_charges(house: CardHouse) -> None:
    client = house.app.test_client()
    page = client.get("/support", query_string={"lang": "en"}).text
    assert page.count('<form class="give"') == 1
    assert all(f'value="{code}"' in page for code in ("UAH", "EUR", "USD"))
    privacy = client.get("/privacy", query_string={"lang": "en"}).text
    assert "pages of Stripe," in privacy and "pages of Toypay Ltd," in privacy
    hryvnias, euros = house.reader().look(frequency="once"), house.reader().look(frequency="once", **EUROS)
    assert "our card processor, Toypay Ltd" in hryvnias.text and "our card processor, Stripe" in euros.text
    assert "That page is in English" not in house.reader().look(lang="uk").text
    policy = euros.headers["Content-Security-Policy"]
    assert toypay.PAGES in policy and house.fake.url in policy, "Chromium follows the form to either"


def test_a_gift_a_plan_and_a_refund_go_through_the_second_beside_the_first(house: CardHouse) -> None:
    stripe_gift(house)
    ref = paid(house)
    begun(house, "plan 1")
    person = house.person()
    assert person.fill(f"/staff/donations/{ref}/refund", form="refund", amount="50", sure="yes").status_code == 303
    sweep(house)
    held = house.ledger.donation(ref)
    assert held is not None
    assert (held.donation.state, held.donation.refunded_units) == (State.PARTIALLY_REFUNDED, 50_00)
    assert {(one.rail, one.asset) for one in house.ledger.totals()} == {("toypay", "UAH"), ("stripe", "EUR")}
    page = person.get("/staff/cards", lang="en").text
    assert "plan 1" in page and "running" in page
    assert person.fill("/staff/cards/plans/toypay/plan 1/cancel", form="cancel", sure="yes").status_code == 303
    sweep(house)
    (plan,) = house.ledger.plans.newest(10, None)
    assert (plan.rail, plan.state) == ("toypay", "over")
    assert person.get("/staff/cards/plans/toypay/plan 1/cancel").status_code == 409, "an ended plan is not ended again"
    assert house.ledger.verify() == []
    assert [row["rail"] for row in house.ledger.export(Wanted(rail="toypay"))] == ["toypay"]
    lines = method_lines(assemble(house.file))
    assert any("/webhooks/toypay" in line for line in lines) and any("/webhooks/stripe" in line for line in lines)


def test_what_the_second_did_not_push_is_fetched_by_its_sweep_and_booked_once(house: CardHouse) -> None:
    page = page_of(house, frequency="once")
    body = toypay.write(book(house), id="lost", kind="payment", payment="p", units=200_00, page=page, at=house.clock())
    sweep(house)
    sweep(house)
    assert push(house, body) == 200
    assert told(house.ledger) == [("p", State.CONFIRMED, 200_00, 200_00)]
    (view,) = [
        one for one in house.app.test_client().get("/readyz").get_json()["sources"] if one["name"] == "toypay:sweep"
    ]
    assert view["state"] == "ok"


def test_a_message_that_another_signed_is_refused(house: CardHouse) -> None:
    assert push(house, b'{"id": "x"}', secret="theirs") == 400
    assert house.app.test_client().post("/webhooks/third", data=b"{}").status_code == 404


def test_both_may_use_the_same_names_for_different_things(house: CardHouse) -> None:
    payment, plan = stripe_gift(house), stripe_gift(house, frequency="monthly")
    ref = paid(house, payment)
    begun(house, plan)
    event = house.fake.events[0]["id"]
    refund = {"kind": "refund", "payment": payment, "units": 30_00}
    assert push(house, toypay.write(book(house), id=event, at=house.clock(), **refund)) == 200
    held = house.ledger.donation(ref)
    assert held is not None
    assert held.donation.refunded_units == 30_00
    assert [one.donation.refunded_units for one in house.ledger.donations(Wanted(rail="stripe"))] == [0, 0]
    assert {(one.rail, one.name) for one in house.ledger.plans.newest(10, None)} == {("toypay", plan), ("stripe", plan)}
    person = house.person()
    assert person.fill(f"/staff/cards/plans/toypay/{plan}/cancel", form="cancel", sure="yes").status_code == 303
    sweep(house)
    running = {one.rail: one.state for one in house.ledger.plans.newest(10, None)}
    assert running == {"toypay": "over", "stripe": "active"}
    assert house.fake.get("subscription", plan)["status"] == "active", "the first one's plan of that name goes on"
    assert house.ledger.verify() == []


def test_what_waits_for_its_payment_waits_for_one_of_its_own_rail(house: CardHouse) -> None:
    ref = paid(house, "pay 7")
    lost = Named("pay 7", "re_1", (1, 1), RefundClaim(10_00, Outcome.SUCCEEDED))
    house.ledger.accept(Report("stripe", "evt_lost", waiting=(lost,)))
    assert [(one.rail, one.name) for one in house.ledger.inbox.waiting()] == [("stripe", "pay 7")]
    assert house.ledger.inbox.waiting(rail="toypay") == ()
    held = house.ledger.donation(ref)
    assert held is not None
    assert held.donation.refunded_units == 0
    assert house.ledger.verify() == []


def test_a_silent_processor_closes_itself_alone(house: CardHouse) -> None:
    book(house).unlink()
    for _ in range(5):
        assert house.reader().give(frequency="once").status_code == 503
    assert house.reader().give(frequency="once", **EUROS).status_code == 303


def test_cards_are_switched_off_and_closed_by_declines_for_each_processor_alone(house: CardHouse) -> None:
    at = house.app.extensions["support"]
    for number in range(LIMITS.declines_min):
        at.ledger.attempts.note_decline(Decline("stripe", f"evt_{number}", f"pi_{number}", house.clock()))
    assert (look(at, "stripe").mode, look(at, "toypay").mode) == (Mode.PAUSED, Mode.OPEN)
    assert house.reader().look(frequency="once", **EUROS).status_code == 503
    assert house.reader().give(frequency="once").status_code == 303
    admin = house.person("admin")
    form = next(one for one in forms(admin.get("/staff/cards").text) if one.fields.get("processor") == "toypay")
    assert admin.send(form, note="looking", sure="yes").status_code == 303
    assert [one.source for one in house.ledger.freezes()] == [checkout_switch("toypay")]
    assert house.reader().look(frequency="once").status_code == 503
    metrics = house.app.test_client().get("/metrics").text
    assert 'support_card_mode{processor="toypay",mode="off"} 1' in metrics
    assert 'support_card_mode{processor="stripe",mode="paused"} 1' in metrics


def test_the_command_switches_every_processor(house: CardHouse) -> None:
    said = list(switch_cards(assemble(house.file), house.ledger, is_on=False, note="closing"))
    assert [line.partition(":")[0] for line in said] == ["stripe", "toypay"]


def test_a_plan_is_looked_up_by_rail_and_name(house: CardHouse) -> None:
    begun(house, "one name")
    (plan,) = house.ledger.plans.newest(10, None, rail="toypay")
    assert house.ledger.plans.newest(10, None, rail="stripe") == ()
    assert house.ledger.plans.find("stripe", "one name") is None
    assert house.ledger.plans.find("toypay", "one name") == plan

"""Faults of card payments, by id: whatever Stripe says, how often and in what order, the ledger says the same."""

import json
import math
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from click.testing import CliRunner

from support_service import cli
from support_service.assembly import assemble, build_sources
from support_service.demo.stripe import KEY, SECRET, StripeFake
from support_service.giving import Frequency, Intent, State
from support_service.money import Asset
from support_service.rails.processor import NotGenuine, ProcessorAccount
from support_service.rails.rail import RailSettings
from support_service.rails.stripe.processor import StripeProcessor, build_processor
from support_service.watcher import run_once
from tests.fixtures.cards import CardHouse, books, card_house, given, told
from tests.fixtures.orders import every_order
from tests.fixtures.staff import FrozenClock
from tests.fixtures.stripe_schema import check

Event: TypeAlias = dict[str, Any]
GIFT = 20_000
UAH = Asset("UAH", 2)


@pytest.fixture
def house(tmp_path: Path, database_url: str) -> Iterator[CardHouse]:
    clock = FrozenClock()
    with StripeFake(clock=clock, check=check) as fake:
        yield card_house(tmp_path, database_url, fake, clock)


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[CardHouse]:
    """The house on SQLite alone, where a test makes hundreds of ledgers of its own."""
    clock = FrozenClock()
    with StripeFake(clock=clock, check=check) as fake:
        yield card_house(tmp_path, f"sqlite:///{tmp_path}/embedded.db", fake, clock)


def processor(house: CardHouse, **account: Any) -> StripeProcessor:
    """The rail alone, over the intents of the house."""
    told_of = {"key": KEY, "webhook_secrets": (SECRET,), "assets": (UAH,), **account}
    own = RailSettings(own=ProcessorAccount("A paper", house.fake.url, **told_of))
    return build_processor(own, house.ledger, clock=house.clock)


def signed(house: CardHouse, event: Event, secret: str = SECRET) -> tuple[bytes, dict[str, str]]:
    body = json.dumps(event)
    return body.encode(), {"Stripe-Signature": house.fake.hooks.signed(body, secret)}


def test_s1_one_event_delivered_by_twenty_at_once_is_one_gift(house: CardHouse) -> None:
    payment = given(house)
    (event,) = [one for one in house.fake.events if one["type"] == "checkout.session.completed"]
    with ThreadPoolExecutor(20) as many:
        answers = list(many.map(house.push, [event] * 20))
    assert {answer.status_code for answer in answers} <= {200, 503}  # 503: busy, Stripe sends it again
    assert [answer.text for answer in answers].count("accepted\n") == 1
    assert told(house.ledger) == [(payment, State.CONFIRMED, GIFT, GIFT)]


def test_s2_all_events_of_one_payment_are_one_gift(house: CardHouse) -> None:
    payment = given(house)
    house.deliver_all()
    assert len({event["type"] for event in house.fake.events}) >= 3
    assert told(house.ledger) == [(payment, State.CONFIRMED, GIFT, GIFT)]


def test_s2_all_events_of_a_plans_first_payment_are_one_gift_by_its_invoice(house: CardHouse) -> None:
    plan = given(house, frequency="monthly")
    house.deliver_all()
    invoice = house.fake.get("subscription", plan)["latest_invoice"]
    assert told(house.ledger) == [(invoice, State.CONFIRMED, GIFT, GIFT)]
    assert house.ledger.inbox() == ()
    house.fake.renew(plan)
    house.deliver_all()
    assert [row[1:] for row in told(house.ledger)] == [(State.CONFIRMED, GIFT, GIFT)] * 2


def refunded(house: CardHouse, payment: str) -> None:
    house.fake.settle_refund(house.fake.refund(payment, 5_000, "pending")["id"])


def lost(house: CardHouse, payment: str) -> None:
    house.fake.close_dispute(house.fake.dispute(payment)["id"], is_won=False)


def won(house: CardHouse, payment: str) -> None:
    house.fake.close_dispute(house.fake.dispute(payment)["id"], is_won=True)


STORIES: dict[str, tuple[Callable[[CardHouse, str], None], State, int]] = {
    "refunded": (refunded, State.PARTIALLY_REFUNDED, 15_000),
    "lost": (lost, State.DISPUTED, 0),
    "won": (won, State.CONFIRMED, GIFT),
}
TOLD = ("checkout.session.completed", "payment_intent.succeeded", "charge.succeeded")


def chosen(house: CardHouse) -> Intent:
    """What the reader chose."""
    (session,) = house.fake.account.all("checkout.session")
    intent = house.ledger.intent(session["metadata"]["intent"])
    assert intent is not None
    return intent


@pytest.mark.parametrize("story", STORIES)
def test_s3_every_order_of_a_payments_events_ends_alike(embedded: CardHouse, tmp_path: Path, story: str) -> None:
    happen, state, counted = STORIES[story]
    payment = given(embedded)
    happen(embedded, payment)
    telling = (*TOLD, "refund.created", "refund.updated", "charge.dispute.created", "charge.dispute.closed")
    events = [one for one in embedded.fake.events if one["type"] in telling]
    assert 4 <= len(events) <= 6
    rail, orders, ends = processor(embedded), set(), set()
    reports = [rail.hear(*signed(embedded, event)).report for event in events]
    for order, ledger in every_order(tmp_path / "orders.db", chosen(embedded), reports, embedded.clock):
        orders.add(tuple(report.key for report in order))
        ends.add((tuple(told(ledger)), tuple(sorted(books(ledger).items())), len(ledger.inbox())))
    assert len(orders) == math.factorial(len(events))
    assert [(held, waiting) for held, _, waiting in ends] == [(((payment, state, GIFT, counted),), 0)]


def test_s4_complete_is_not_paid(house: CardHouse) -> None:
    payments = [given(house, is_async=True) for _ in range(2)]
    house.deliver_all()
    assert told(house.ledger) == sorted((payment, State.SEEN, GIFT, 0) for payment in payments)
    for session in house.fake.account.all("checkout.session"):
        house.fake.settle(session["id"], is_ok=session["payment_intent"] == payments[0])
    house.deliver_all()
    came, failed = (payments[0], State.CONFIRMED, GIFT, GIFT), (payments[1], State.ORPHANED, GIFT, 0)
    assert told(house.ledger) == sorted([came, failed])


def test_s5_only_what_is_signed_with_a_secret_of_ours_and_fresh_is_heard(house: CardHouse) -> None:
    given(house)
    event = house.fake.events[0]
    rotating = processor(house, webhook_secrets=("whsec_new", SECRET))
    assert rotating.hear(*signed(house, event)).report.key == event["id"]
    assert rotating.hear(*signed(house, event, "whsec_new")).report.key == event["id"]
    body, headers = signed(house, event)
    for wrong in (
        signed(house, event, "whsec_other"),
        (body + b" ", headers),
        (body, {}),
        (body, {"Stripe-Signature": ""}),
    ):
        with pytest.raises(NotGenuine):
            rotating.hear(*wrong)
    house.clock.advance(seconds=301)
    with pytest.raises(NotGenuine):
        rotating.hear(body, headers)


@pytest.mark.parametrize(
    "text", ["[]", "null", "7", "{", '{"object": "v2.core.event", "id": "evt_1"}', '{"object": "event"}']
)
def test_s6_a_signed_body_that_is_no_event_is_refused_in_words(house: CardHouse, text: str) -> None:
    header = {"Stripe-Signature": house.fake.hooks.signed(text, SECRET)}
    assert house.app.test_client().post("/webhooks/stripe", data=text, headers=header).status_code == 400
    assert told(house.ledger) == []


def test_s6_bytes_that_are_no_text_are_refused_in_words(house: CardHouse) -> None:
    for header in ({"Stripe-Signature": "t=1,v1=ab"}, {"Stripe-Signature": "t=ї,v1=ї"}):
        assert house.app.test_client().post("/webhooks/stripe", data=b"\xff\xfe", headers=header).status_code == 400


@pytest.mark.parametrize("field", ["mode", "status", "metadata", "created", "currency", "amount", "id"])
def test_s6_a_field_of_another_kind_than_stripes_never_breaks_the_reader(embedded: CardHouse, field: str) -> None:
    given(embedded)
    for event in embedded.fake.events:
        odds: tuple[object, ...] = ([], {}, [[]], True, -1, "x")
        for odd in odds:
            assert embedded.push(changed(event, **{field: odd})).status_code in {200, 400}


def test_s6_a_refund_of_no_payment_is_kept_and_is_no_gifts(embedded: CardHouse) -> None:
    # Such as one out of a customer's cash balance, of another shop of the account.
    embedded.fake.refund(given(embedded), 5_000)
    (event,) = [one for one in embedded.fake.events if one["type"] == "refund.created"]
    assert embedded.push(changed(event, payment_intent=None, charge=None)).status_code == 200
    assert (told(embedded.ledger), embedded.ledger.inbox()) == ([], ())


def test_s7_a_time_to_come_is_refused(house: CardHouse) -> None:
    given(house)
    body, headers = signed(house, house.fake.events[0])
    house.clock.advance(seconds=-301)
    with pytest.raises(NotGenuine):
        processor(house).hear(body, headers)


def changed(event: Event, **fields: Any) -> Event:
    return {**event, "data": {"object": {**event["data"]["object"], **fields}}}


@pytest.mark.parametrize(
    "strange",
    [
        lambda event: changed(event, amount_total=GIFT + 1),
        lambda event: changed(event, currency="eur"),
        lambda event: changed(event, metadata={}),
        lambda event: changed(event, metadata={"intent": "0" * 32}),
        lambda event: {**event, "livemode": True},
        lambda event: {**event, "account": "acct_another"},
    ],
    ids=["sum", "currency", "nameless", "unknown", "mode", "account"],
)
def test_s8_what_is_not_what_was_chosen_is_quarantined(house: CardHouse, strange: Callable[[Event], Event]) -> None:
    payment = given(house)
    (event,) = [one for one in house.fake.events if one["type"] == "checkout.session.completed"]
    assert house.push(strange(event)).status_code == 200
    assert [(row[0], row[1], row[3]) for row in told(house.ledger)] == [(payment, State.QUARANTINED, 0)]
    assert books(house.ledger) == {}


@pytest.mark.parametrize(("code", "exponent", "amount", "units"), [("JPY", 0, 500, 500), ("KWD", 3, 2500, 2500)])
def test_s8_currencies_without_or_with_three_decimals_are_exact(
    house: CardHouse, code: str, exponent: int, amount: int, units: int
) -> None:
    ref = "ab" * 16
    wanted = Intent(
        ref=ref, method="stripe", currency=code, exponent=exponent, units=units,
        frequency=Frequency.ONCE, lang="en", made_at=house.clock(),
    )  # fmt: skip
    house.ledger.open_intent(wanted, nonce="2" * 32)
    rail = processor(house, assets=(Asset(code, exponent),))
    given(house)
    (event,) = [one for one in house.fake.events if one["type"] == "checkout.session.completed"]
    told_of = changed(event, currency=code.lower(), amount_total=amount, metadata={"intent": ref})
    house.ledger.accept(rail.hear(*signed(house, told_of)).report)
    assert [row[1:] for row in told(house.ledger)] == [(State.CONFIRMED, units, units)]


def test_s9_refunds_and_disputes_leave_what_stripe_holds_less_its_fees(house: CardHouse) -> None:
    partly, failed, lost_one, won_one = (given(house) for _ in range(4))
    refunded(house, partly)
    house.fake.fail_refund(house.fake.refund(failed, GIFT)["id"])
    lost(house, lost_one)
    won(house, won_one)
    house.deliver_all()
    assert [
        row[1:] for row in sorted(told(house.ledger), key=lambda row: (partly, failed, lost_one, won_one).index(row[0]))
    ] == [
        (State.PARTIALLY_REFUNDED, GIFT, 15_000),
        (State.CONFIRMED, GIFT, GIFT),
        (State.DISPUTED, GIFT, 0),
        (State.CONFIRMED, GIFT, GIFT),
    ]
    fees = sum(entry["fee"] for entry in house.fake.account.all("balance_transaction"))
    held = sum(units for account, units in books(house.ledger).items() if account.startswith("assets:"))
    assert held == house.fake.balance("uah") + fees == 15_000 + 2 * GIFT


def test_s10_four_days_without_webhooks_heal_themselves(house: CardHouse) -> None:
    sweep = build_sources(assemble(house.file), house.ledger, clock=house.clock)
    plan = given(house, frequency="monthly")
    for happen in (refunded, lost, won, None):
        house.clock.advance(seconds=86_400)
        payment = given(house)
        if happen is not None:
            happen(house, payment)
    house.fake.renew(plan)
    assert told(house.ledger) == []
    assert [outcome.reason for outcome in run_once(sweep, house.ledger)] == [""]
    healed, sums = told(house.ledger), books(house.ledger)
    states = Counter(state for _, state, _, _ in healed)
    assert states == {State.CONFIRMED: 4, State.PARTIALLY_REFUNDED: 1, State.DISPUTED: 1}
    assert sum(units for account, units in sums.items() if account.startswith("assets:")) == house.fake.balance("uah")
    assert house.ledger.inbox() == ()
    # And when the webhooks come after all, or the sweep comes again, nothing changes.
    house.deliver_all()
    assert [outcome.reason for outcome in run_once(sweep, house.ledger)] == [""]
    assert (told(house.ledger), books(house.ledger)) == (healed, sums)


def test_s11_a_delivery_whose_answer_was_lost_changes_nothing_when_it_comes_again(house: CardHouse) -> None:
    given(house)
    house.deliver_all()
    before, head = told(house.ledger), house.ledger.head()
    house.deliver_all()
    assert (told(house.ledger), house.ledger.head()) == (before, head)


STATEMENT = """Date;Amount;Currency;Purpose;Name;Payer account
2026-11-20;194.20;UAH;STRIPE PAYOUT po_1;STRIPE PAYMENTS EUROPE;UA633999910000029249999000001
2026-11-20;100.00;UAH;Thank you;Reader;UA593999910000026209999001001
2026-11-20;100.00;UAH;Thank you;Reader;UA593999910000026209999001001
"""


def brought(house: CardHouse, file: Path) -> str:
    line = ["--config", str(house.file), "import", str(file), "--format", "csv"]
    result = CliRunner().invoke(cli.commands, [*line, "--account", "UA043052990000026007015028783"])
    assert result.exit_code == 0, result.output
    return result.stdout.splitlines()[-1]


def test_s13_a_bank_file_comes_twice_and_stripes_payout_is_no_second_gift(house: CardHouse, tmp_path: Path) -> None:
    given(house)
    house.deliver_all()
    file = tmp_path / "statement.csv"
    header, *rows = STATEMENT.splitlines()
    file.write_text("\n".join([header, *rows[:2]]) + "\n", encoding="utf-8")
    assert brought(house, file) == "new 2, known 0, changed 0, refused 0"
    file.write_text("\n".join([header, *reversed(rows)]) + "\n", encoding="utf-8")
    assert brought(house, file) == "new 1, known 2, changed 0, refused 0"
    assert brought(house, file) == "new 0, known 3, changed 0, refused 0"
    kinds = Counter((row["kind"], row["counted_units"]) for row in house.ledger.export())
    assert kinds == {("donation", str(GIFT)): 1, ("donation", "10000"): 2, ("payout", "0"): 1}
    assert sum(one.units for one in house.ledger.totals()) == GIFT + 20_000
    assert house.ledger.verify() == []

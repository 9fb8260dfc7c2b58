"""What Stripe did not deliver is fetched by the sweep: events, the entries of its books, what waits, what is open."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from support_service.assembly import assemble, build_sources
from support_service.commands.check import ask_nodes
from support_service.demo.stripe import KEY, CardTrouble, StripeFake, Terms
from support_service.giving import State
from support_service.ledger import CursorMoved
from support_service.ledger.rate_limits import DECLINES_WINDOW, RateLimit, declined
from support_service.rails.options import Mistake
from support_service.rails.processor import CheckoutDown
from support_service.rails.source import Source, SourceDown
from support_service.rails.stripe.api import StripeApi
from support_service.rails.stripe.client import asked, build_client
from support_service.watcher import run_once
from tests.fixtures.cards import CardHouse, books, card_house, given, told
from tests.fixtures.staff import FrozenClock
from tests.fixtures.stripe_schema import check

GIFT = 20_000
DAY = 86_400


@pytest.fixture
def house(tmp_path: Path) -> Iterator[CardHouse]:
    clock = FrozenClock()
    with StripeFake(clock=clock, check=check) as fake:
        yield card_house(tmp_path, f"sqlite:///{tmp_path}/cards.db", fake, clock)


def sweep_of(house: CardHouse) -> Source:
    (sweep,) = build_sources(assemble(house.file), house.ledger, clock=house.clock)
    return sweep


def swept(house: CardHouse, sweep: Source | None = None) -> str:
    """Take one turn; return what staff are told of it."""
    run_once([sweep or sweep_of(house)], house.ledger)
    return house.ledger.health()["stripe:sweep"].reason


def forget(house: CardHouse, *kinds: str) -> None:
    """Let Stripe lose its events of these kinds; of all kinds where none is named."""
    house.fake.account.events = [
        one for one in house.fake.account.events if kinds and not one["type"].startswith(kinds)
    ]


def reads(house: CardHouse) -> int:
    return sum(one.method == "GET" for one in house.fake.api.asked)


@contextmanager
def middlebox(status: int, leads_to: str = "") -> Iterator[str]:
    """Something between us and Stripe that answers everything itself, with a page for people."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            if leads_to:
                self.send_header("Location", leads_to + self.path)
            self.end_headers()
            self.wfile.write(b"<html>Sorry</html>")

        def do_POST(self) -> None:
            self.do_GET()

        def log_request(self, *said: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Page) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def test_before_the_first_gift_nobody_is_asked(house: CardHouse) -> None:
    assert swept(house) == ""
    assert house.ledger.cursor("stripe:sweep") is not None
    assert (reads(house), house.ledger.head().number) == (0, 0)


def test_fees_are_booked_and_the_books_equal_stripes_balance(house: CardHouse) -> None:
    partly, failed, lost, won = (given(house) for _ in range(4))
    house.fake.settle_refund(house.fake.refund(partly, 5_000, "pending")["id"])
    house.fake.fail_refund(house.fake.refund(failed, GIFT)["id"])
    house.fake.close_dispute(house.fake.dispute(lost)["id"], is_won=False)
    house.fake.close_dispute(house.fake.dispute(won)["id"], is_won=True)
    house.deliver_all()
    assert {one.donation.fee_units for one in house.ledger.donations()} == {None}
    assert swept(house) == ""
    assert {one.donation.fee_units for one in house.ledger.donations()} == {610, 610 + 1_500}
    sums = books(house.ledger)
    held = sum(units for account, units in sums.items() if account.startswith("assets:"))
    assert held == house.fake.balance("uah")
    assert sums["expenses:fees:stripe"] == sum(one["fee"] for one in house.fake.account.all("balance_transaction"))
    assert house.ledger.verify() == []


def test_a_second_turn_says_nothing_new_and_asks_for_two_pages(house: CardHouse) -> None:
    given(house)
    given(house, frequency="monthly")
    sweep = sweep_of(house)
    assert swept(house, sweep) == ""
    head, before = house.ledger.head(), reads(house)
    house.clock.advance(seconds=120)
    assert swept(house, sweep) == ""
    assert house.ledger.head() == head
    assert reads(house) - before == 2
    # Another process knows nothing of what this one remembers, and says nothing new either.
    assert swept(house) == ""
    assert house.ledger.head() == head


@pytest.mark.parametrize("settlement", [None, "eur"])
def test_a_fee_in_another_currency_than_the_gifts_is_not_booked(tmp_path: Path, settlement: str | None) -> None:
    clock = FrozenClock()
    with StripeFake(clock=clock, check=check, terms=Terms(settlement_currency=settlement)) as fake:
        house = card_house(tmp_path, f"sqlite:///{tmp_path}/cards.db", fake, clock)
        given(house)
        assert swept(house) == ""
        (one,) = house.ledger.donations()
        assert one.donation.fee_units == (610 if settlement is None else None)


def test_events_that_stripe_no_longer_has_are_made_good_from_its_books(house: CardHouse) -> None:
    kept, partly, plan = given(house), given(house), given(house, frequency="monthly")
    house.fake.refund(partly, 5_000)
    house.clock.advance(seconds=40 * DAY)
    house.fake.renew(plan)
    house.clock.advance(seconds=3_600)
    invoices = [one["id"] for one in house.fake.account.all("invoice")]
    forget(house)
    assert "no events from" in swept(house)
    assert told(house.ledger) == sorted(
        [
            (kept, State.CONFIRMED, GIFT, GIFT),
            (partly, State.PARTIALLY_REFUNDED, GIFT, 15_000),
            *((invoice, State.CONFIRMED, GIFT, GIFT) for invoice in invoices),
        ]
    )
    assert [one.name for one in house.ledger.plans.newest(10, None)] == [plan]
    assert house.ledger.inbox.waiting() == ()
    sums = books(house.ledger)
    assert sum(units for account, units in sums.items() if account.startswith("assets:")) == house.fake.balance("uah")
    # It is said for a day.
    assert "no events from" in swept(house)
    house.clock.advance(seconds=DAY)
    assert swept(house) == ""


def test_a_payment_whose_other_name_alone_was_told_is_looked_up(house: CardHouse) -> None:
    plan = given(house, frequency="monthly")
    invoice = house.fake.get("subscription", plan)["latest_invoice"]
    house.deliver(*(one for one in house.fake.events if one["type"] == "invoice_payment.paid"))
    forget(house)
    house.clock.advance(seconds=16 * 60)
    assert swept(house) == ""
    assert told(house.ledger) == [(invoice, State.CONFIRMED, GIFT, GIFT)]


def test_money_in_the_books_that_stripe_does_not_explain_waits_where_staff_see_it(tmp_path: Path) -> None:
    clock = FrozenClock()
    # The fee is none of the gift's currency, so no fee waits in its place.
    with StripeFake(clock=clock, check=check, terms=Terms(settlement_currency="eur")) as fake:
        house = card_house(tmp_path, f"sqlite:///{tmp_path}/cards.db", fake, clock)
        payment = given(house)
        kept = fake.account.objects["payment_intent"].pop(payment)
        forget(house)
        clock.advance(seconds=16 * 60)
        sweep = sweep_of(house)
        assert swept(house, sweep) == ""
        assert [one.name for one in house.ledger.inbox.waiting()] == [payment]
        fake.account.objects["payment_intent"][payment] = kept
        clock.advance(seconds=DAY)
        assert swept(house, sweep) == ""
        assert told(house.ledger) == [(payment, State.CONFIRMED, GIFT, GIFT)]


def test_a_clock_that_is_two_hours_behind_stripes_makes_the_sweep_skip_nothing(house: CardHouse) -> None:
    given(house)
    strange = house.sell(12_300)
    sweep = sweep_of(house)
    for _ in range(4):
        forget(house)
        newest = house.fake.account.all("balance_transaction")[-1]
        newest["created"] += 7_200
        assert swept(house, sweep) == ""
        house.clock.advance(seconds=4_000)
        given(house)
    assert (strange, State.QUARANTINED, 12_300, 0) in told(house.ledger)


def test_an_object_of_a_time_to_come_hides_nothing_that_comes_before_it(house: CardHouse) -> None:
    given(house)
    house.fake.account.events[0]["created"] = house.fake.account.all("balance_transaction")[0]["created"] = (
        4_102_444_800
    )
    sweep = sweep_of(house)
    assert swept(house, sweep) == ""
    house.clock.advance(seconds=DAY)
    later = given(house)
    assert swept(house, sweep) == ""
    assert later in {one.donation.identity.locator for one in house.ledger.donations() if one.donation.fee_units}


def test_a_refund_that_names_the_charge_alone_finds_its_gift(house: CardHouse) -> None:
    payment = given(house)
    house.deliver_all()
    house.fake.refund(payment, 5_000)
    (event,) = [one for one in house.fake.events if one["type"] == "refund.created"]
    house.deliver({**event, "data": {"object": {**event["data"]["object"], "payment_intent": None}}})
    forget(house)
    house.fake.account.objects["balance_transaction"] = {}
    assert len(house.ledger.inbox.waiting()) == 1
    house.clock.advance(seconds=16 * 60)
    assert swept(house) == ""
    assert told(house.ledger) == [(payment, State.PARTIALLY_REFUNDED, GIFT, 15_000)]
    assert house.ledger.inbox.waiting() == ()


def test_a_plans_payment_that_another_program_marked_is_still_the_plans(house: CardHouse) -> None:
    plan = given(house, frequency="monthly")
    invoice = house.fake.get("subscription", plan)["latest_invoice"]
    (payment,) = (one["id"] for one in house.fake.account.all("payment_intent"))
    marked = house.fake.account.objects["payment_intent"][payment]
    marked["metadata"] = {"tax_report": "17"}
    for event in house.fake.account.events:
        if event["data"]["object"]["id"] == payment:
            event["data"] = {"object": {**event["data"]["object"], "metadata": marked["metadata"]}}
    succeeded = [one for one in house.fake.events if one["type"] == "payment_intent.succeeded"]
    house.deliver(*succeeded, *house.fake.events[::-1])
    house.fake.refund(payment, 5_000)
    house.clock.advance(seconds=16 * 60)
    assert swept(house) == ""
    assert told(house.ledger) == [(invoice, State.PARTIALLY_REFUNDED, GIFT, 15_000)]


def test_a_payment_that_is_nobodys_is_quarantined_once_it_had_time_to_be_told(house: CardHouse) -> None:
    given(house)
    foreign = house.sell(12_300)
    house.deliver(*(one for one in house.fake.events if one["data"]["object"].get("id") == foreign))
    assert [one.name for one in house.ledger.inbox.waiting()] == [foreign]
    sweep = sweep_of(house)
    assert swept(house, sweep) == ""
    assert len(house.ledger.donations()) == 1
    house.clock.advance(seconds=16 * 60)
    assert swept(house, sweep) == ""
    assert (foreign, State.QUARANTINED, 12_300, 0) in told(house.ledger)
    assert house.ledger.inbox.waiting() == ()


def test_what_is_not_over_is_looked_up_once_a_day(house: CardHouse) -> None:
    slow, gone, partly, disputed = given(house, is_async=True), given(house, is_async=True), given(house), given(house)
    plan = given(house, frequency="monthly")
    refund, dispute = house.fake.refund(partly, 5_000, "pending"), house.fake.dispute(disputed)
    house.deliver_all()
    sweep = sweep_of(house)
    assert swept(house, sweep) == ""
    states = {row[0]: row[1] for row in told(house.ledger)}
    assert (states[slow], states[gone], states[disputed]) == (State.SEEN, State.SEEN, State.DISPUTED)
    house.clock.advance(seconds=2 * 3_600)
    sessions = {one["payment_intent"]: one["id"] for one in house.fake.account.all("checkout.session")}
    house.fake.settle(sessions[slow])
    house.fake.settle(sessions[gone], is_ok=False)
    house.fake.fail_refund(refund["id"])
    house.fake.close_dispute(dispute["id"], is_won=True)
    house.fake.cancel(plan)
    forget(house)
    entries = house.fake.account.objects["balance_transaction"]
    house.fake.account.objects["balance_transaction"] = {}
    assert swept(house, sweep) == ""
    assert {row[0]: row[1] for row in told(house.ledger)} == states
    house.clock.advance(seconds=DAY)
    assert swept(house, sweep) == ""
    house.fake.account.objects["balance_transaction"] = entries
    after = {row[0]: row[1:] for row in told(house.ledger)}
    assert after[slow] == after[partly] == after[disputed] == (State.CONFIRMED, GIFT, GIFT)
    assert after[gone] == (State.ORPHANED, GIFT, 0)
    assert [one.state for one in house.ledger.plans.newest(10, None)] == ["canceled"]
    # Said once: another day brings nothing new.
    head = house.ledger.head()
    house.clock.advance(seconds=DAY)
    assert swept(house) == ""
    assert house.ledger.head().number - head.number <= 1  # the fee of what came


def test_two_sweeps_at_once_book_everything_once(house: CardHouse) -> None:
    payments = [given(house) for _ in range(3)]
    cursor = house.ledger.cursor("stripe:sweep")
    pairs = zip(sweep_of(house).reports(cursor), sweep_of(house).reports(cursor), strict=True)
    for mine, theirs in pairs:
        house.ledger.accept(mine)
        if theirs.cursor is not None:
            break
        house.ledger.accept(theirs)
    with pytest.raises(CursorMoved):
        house.ledger.accept(theirs)
    assert swept(house) == ""
    assert [row[0] for row in told(house.ledger)] == sorted(payments)
    assert {row.donation.fee_units for row in house.ledger.donations()} == {610}


def test_an_event_of_another_api_version_is_read_as_its_object_is_now(house: CardHouse) -> None:
    plan = given(house, frequency="monthly")
    for event in house.fake.account.events:
        event["api_version"] = "2019-08-14"
        of = event["data"]["object"]
        if of["object"] == "invoice":
            of["subscription"] = of.pop("parent")["subscription_details"]["subscription"]
    assert swept(house) == ""
    invoice = house.fake.get("subscription", plan)["latest_invoice"]
    assert told(house.ledger) == [(invoice, State.CONFIRMED, GIFT, GIFT)]


def test_an_event_that_cannot_be_read_hides_no_other_and_is_told(house: CardHouse) -> None:
    payment = given(house)
    for event in house.fake.account.events:
        if event["type"] == "checkout.session.completed":
            event["data"] = {"object": {**event["data"]["object"], "amount_total": "lots"}}
    assert "cannot be read" in swept(house)
    assert told(house.ledger) == [(payment, State.CONFIRMED, GIFT, GIFT)]


def test_hundreds_of_events_are_read_page_by_page(house: CardHouse) -> None:
    payments = [given(house, address=f"203.0.{at}.7") for at in range(24)]
    assert len(house.fake.events) > 100
    assert swept(house) == ""
    assert [row[0] for row in told(house.ledger)] == sorted(payments)


def test_a_key_that_may_not_read_is_told_without_the_key(house: CardHouse) -> None:
    given(house)
    house.file.with_name("stripe.key").write_text("sk_test_another000000000", encoding="utf-8")
    source = sweep_of(house)
    with pytest.raises(SourceDown) as caught:
        list(source.reports(None))
    assert "sk_test" not in str(caught.value)
    assert "401" in str(caught.value)


def test_declines_that_no_webhook_told_of_are_counted_once_while_they_are_fresh(house: CardHouse) -> None:
    asked = RateLimit(declined("stripe"), DECLINES_WINDOW)
    house.fake.decline(house.reader().session())
    house.clock.advance(seconds=601)
    house.fake.decline(house.reader().session())
    sweep = sweep_of(house)
    assert [swept(house, sweep), swept(house, sweep), swept(house)] == ["", "", ""]
    assert house.ledger.attempts.count([asked])[asked] == 1
    house.deliver_all()
    # The old one is counted when its message comes at last, the fresh one is not counted again.
    assert house.ledger.attempts.count([asked])[asked] == 2
    assert told(house.ledger) == []


@pytest.mark.parametrize("status", [200, 302, 408])
def test_an_answer_that_is_not_stripes_is_no_refusal(status: int) -> None:
    # Told as a refusal, staff would read "nothing was changed" and give back a second time.
    with middlebox(status) as url, pytest.raises(CheckoutDown):
        asked(lambda: build_client(KEY, url).v1.refunds.create({"payment_intent": "pi_1", "amount": 100}))


def test_nobody_between_us_and_stripe_sends_our_questions_elsewhere(house: CardHouse) -> None:
    before = len(house.fake.api.asked)
    with middlebox(307, leads_to=house.fake.url) as url, pytest.raises(CheckoutDown):
        asked(lambda: build_client(KEY, url).v1.refunds.create({"payment_intent": "pi_1", "amount": 100}))
    assert len(house.fake.api.asked) == before


def test_a_page_for_people_is_no_word_of_stripes_that_it_knows_no_such_payment() -> None:
    with middlebox(404) as url, pytest.raises(SourceDown):
        StripeApi(KEY, url, "stripe:sweep").one("payment_intent", "pi_1")


def test_an_invoice_of_an_older_api_version_is_left_to_the_sweep(house: CardHouse) -> None:
    plan = given(house, frequency="monthly")
    invoice = house.fake.get("subscription", plan)["latest_invoice"]
    (event,) = [one for one in house.fake.events if one["type"] == "invoice.paid"]
    # As an endpoint of the account's own, older version is told it: what we would read says no plan of ours.
    older = {key: value for key, value in event["data"]["object"].items() if key != "parent"}
    (answer,) = house.deliver({**event, "api_version": "2020-08-27", "data": {"object": older}})
    assert (answer.status_code, answer.text) == (200, "set aside\n")
    assert swept(house) == ""
    assert told(house.ledger) == [(invoice, State.CONFIRMED, GIFT, GIFT)]


def test_an_inbox_longer_than_a_page_is_looked_up_to_its_end(house: CardHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("support_service.ledger.intents.LISTED_MAX", 2)
    given(house)
    foreign = [house.sell(12_300) for _ in range(5)]
    house.deliver(*(one for one in house.fake.events if one["data"]["object"].get("id") in foreign))
    house.fake.account.objects["balance_transaction"] = {}
    house.clock.advance(seconds=16 * 60)
    assert swept(house) == ""
    assert {row[0] for row in told(house.ledger) if row[1] is State.QUARANTINED} == set(foreign)
    assert house.ledger.inbox.waiting() == ()


@pytest.mark.parametrize("trouble", [CardTrouble.CUT, CardTrouble.BROKEN, CardTrouble.BUSY])
def test_check_online_takes_trouble_on_the_way_for_no_missing_right(house: CardHouse, trouble: CardTrouble) -> None:
    house.fake.faults.order(trouble, times=9, path="/v1/events", method="GET")
    (mistake,) = [told for told in ask_nodes(assemble(house.file)) if isinstance(told, Mistake)]
    assert mistake.key == "stripe.api_base"
    assert "nothing is known of the key" in mistake.reason and "restricted" not in mistake.reason


def test_check_online_takes_a_refusal_for_a_missing_right(house: CardHouse) -> None:
    house.fake.faults.order(CardTrouble.REFUSED, times=9, path="/v1/disputes", method="GET")
    (mistake,) = [told for told in ask_nodes(assemble(house.file)) if isinstance(told, Mistake)]
    assert (mistake.key, "restricted key" in mistake.reason) == ("stripe.secret_key_file", True)

"""Faults of card payments, by id, at every processor: whatever it says, how often and in what order."""

import itertools
import json
import math
import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
from click.testing import CliRunner

from support_service import cli
from support_service.assembly import assemble
from support_service.demo.stripe import KEY, SECRET, CardTrouble
from support_service.giving import Frequency, Intent, State
from support_service.ledger import Wanted
from support_service.ledger.rate_limits import DECLINES_WINDOW, RateLimit, declined
from support_service.money import Asset
from support_service.rails.processor import CheckoutSilent, NotGenuine, ProcessorAccount
from support_service.rails.rail import RailSettings
from support_service.rails.stripe.processor import StripeProcessor, build_processor
from tests.fixtures.cards import books, confirm_fields, told
from tests.fixtures.orders import every_order
from tests.fixtures.shops import GIFT, STORIES, Said, Shop, StripeShop, changed

# After this long nobody waits for a message any more.
BY_NOW = timedelta(minutes=20)


def alone(name: str, why: str, fixture: str = "shop") -> pytest.MarkDecorator:
    """Ask this of one processor alone, and say why not of the others."""
    assert why
    return pytest.mark.parametrize(fixture, [name], indirect=True)


def row(payment: str, state: State = State.CONFIRMED, counted: int = GIFT) -> tuple[str, State, int, int]:
    return payment, state, GIFT, counted


def held(shop: Shop) -> int:
    """Sum what the books say that the processor holds for us."""
    return sum(units for account, units in books(shop.ledger).items() if account.startswith("assets:"))


def test_s1_one_message_delivered_by_twenty_at_once_is_one_gift(shop: Shop) -> None:
    payment = shop.paid()
    message = shop.paid_as()
    with ThreadPoolExecutor(20) as many:
        answers = list(many.map(shop.push, [message] * 20))
    assert {answer.status_code for answer in answers} <= {200, 503}  # 503: busy, it is sent again
    assert [answer.text for answer in answers].count("accepted\n") == 1
    assert told(shop.ledger) == [row(payment)]


def test_s2_all_messages_of_one_payment_are_one_gift(calm_shop: Shop) -> None:
    payment = calm_shop.paid()
    calm_shop.deliver()
    assert len(calm_shop.said) >= 2
    assert told(calm_shop.ledger) == [row(payment)]


def test_s2_all_messages_of_a_plans_payments_are_one_gift_each(shop: Shop) -> None:
    page = shop.page("monthly")
    first = shop.pay(page)
    shop.deliver()
    assert told(shop.ledger) == [row(first)]
    assert shop.ledger.inbox.waiting() == ()
    shop.clock.advance(days=30)
    second = shop.renew(shop.plan(page))
    shop.deliver()
    assert told(shop.ledger) == sorted([row(first), row(second)])
    assert {one.donation.payment.intent for one in shop.ledger.donations()} == {shop.chosen(page).ref}


# In the campaign messages that claim nothing, or the same as another, take every place among the others, too: all of
# them together where that is some hundreds of orders, else one of them at a time.
OF_ALL = "EVERY_MESSAGE" in os.environ
TOGETHER_MAX = 6
ORDERS = [
    # plata's moments are whole seconds, and later ones count: all at one second, and a second between two things.
    *(("mono", story, seconds) for story in STORIES for seconds in (0, 1)),
    # Of Stripe's, which are ranked by what they say, one second is the hardest.
    *(("stripe", story, 0) for story in STORIES),
    # plata tells of no dispute: what a bank takes back comes as a refund.
    *(("stripe", story, 0) for story in ("lost", "won")),
]


@pytest.mark.parametrize(("calm_shop", "story", "seconds"), ORDERS, indirect=["calm_shop"])
def test_s3_every_order_of_a_payments_messages_ends_alike(
    calm_shop: Shop, tmp_path: Path, story: str, seconds: int
) -> None:
    shop, wanted = calm_shop, calm_shop.stories[story]
    shop.pause = timedelta(seconds=seconds)
    page = shop.page()
    payment = shop.pay(page)
    shop.happens(story, payment)
    first, everything = shop.reports(), shop.reports(of_all=True)
    assert 1 <= len(first) <= 5
    others = [one for one in everything if one not in first]
    if not OF_ALL:
        played = [first]
    elif len(everything) <= TOGETHER_MAX:
        played = [everything]
    else:
        played = [[*first, other] for other in others]
    ends = set()
    for number, reports in enumerate(played):
        orders = set()
        for order, ledger in every_order(tmp_path / f"{number}.db", shop.chosen(page), reports, shop.clock):
            orders.add(tuple(report.key for report in order))
            ends.add((tuple(told(ledger)), tuple(sorted(books(ledger).items())), len(ledger.inbox.waiting())))
        assert len(orders) == math.factorial(len(reports))
    assert [(end, waiting) for end, _, waiting in ends] == [((row(payment, wanted.state, wanted.counted),), 0)]


@alone("stripe", "plata completes nothing unpaid: it is processing, which claims nothing, and then paid or not")
def test_s4_complete_is_not_paid(shop: StripeShop) -> None:
    pages = [shop.page() for _ in range(2)]
    payments = [str(shop.fake.pay(page, is_async=True)["payment_intent"]) for page in pages]
    shop.deliver()
    assert told(shop.ledger) == sorted(row(payment, State.SEEN, 0) for payment in payments)
    for page, is_ok in zip(pages, (True, False), strict=True):
        shop.fake.settle(page, is_ok=is_ok)
    shop.deliver()
    assert told(shop.ledger) == sorted([row(payments[0]), row(payments[1], State.ORPHANED, 0)])


def test_s5_only_what_the_processor_signed_is_heard(calm_shop: Shop) -> None:
    calm_shop.paid()
    message, head = calm_shop.paid_as(), calm_shop.ledger.head()
    forged = list(calm_shop.forgeries(message))
    assert len(forged) >= 8
    for one in forged:
        assert calm_shop.push(one).status_code == 400
        with pytest.raises(NotGenuine):
            calm_shop.processor.hear(one.body, one.headers)
    assert (told(calm_shop.ledger), calm_shop.ledger.head()) == ([], head)
    assert not calm_shop.processor.hear(message.body, message.headers).report.claims_nothing


def stripe_processor(shop: StripeShop, **account: Any) -> StripeProcessor:
    """The rail alone, over the intents of the shop."""
    told_of = {"key": KEY, "webhook_secrets": (SECRET,), "assets": (Asset("UAH", 2),), **account}
    own = RailSettings(own=ProcessorAccount("A paper", shop.fake.url, **told_of))
    return build_processor(own, shop.ledger.intents, clock=shop.clock)


@alone("stripe", "plata has one key, which it tells: tests/rails/mono/test_mono.py changes it", "calm_shop")
def test_s5_of_two_secrets_either_is_heard(calm_shop: StripeShop) -> None:
    calm_shop.paid()
    body = calm_shop.said[0].body
    rotating = stripe_processor(calm_shop, webhook_secrets=("whsec_new", SECRET))
    for secret in (SECRET, "whsec_new"):
        said = calm_shop.sign(body, secret)
        assert rotating.hear(said.body, said.headers).report.key == json.loads(body)["id"]
    other = calm_shop.sign(body, "whsec_other")
    with pytest.raises(NotGenuine):
        rotating.hear(other.body, other.headers)


@pytest.mark.parametrize("seconds", [301, -301])
@alone("stripe", "plata signs no time: what it says again is the same message, and known", "calm_shop")
def test_s7_what_is_old_or_of_a_time_to_come_is_refused(calm_shop: StripeShop, seconds: int) -> None:
    calm_shop.paid()
    said = calm_shop.said[0]
    calm_shop.clock.advance(seconds=seconds)
    with pytest.raises(NotGenuine):
        calm_shop.processor.hear(said.body, said.headers)


# What no processor says.
NO_TEXT = b"\xff\xfe"
NONSENSE = [b"", b"{", b"[]", b"null", b"7", b"NaN", NO_TEXT, b'{"invoiceId": 1}', b'{"object": "event"}']
NONSENSE += [b'{"object": "v2.core.event", "id": "evt_1"}', b"[" * 50_000, b'{"a":' * 30_000]


def test_s6_what_is_no_message_is_no_gift_and_breaks_nothing(calm_shop: Shop) -> None:
    payment = calm_shop.paid()
    message = calm_shop.paid_as()
    for body in NONSENSE:
        assert calm_shop.push(Said(body, message.headers)).status_code == 400
        status = calm_shop.no_text_status if body == NO_TEXT else 200
        assert {calm_shop.push(calm_shop.sign(body)).status_code for _ in range(2)} == {status}
    assert calm_shop.ledger.verify() == []
    assert told(calm_shop.ledger) == []
    calm_shop.deliver()
    assert told(calm_shop.ledger) == [row(payment)]


@alone(
    "mono",
    "Stripe's sweep has a list of all events; what plata signed is set aside, for nobody may tell it again",
    "calm_shop",
)
def test_s6_what_is_signed_and_no_message_is_kept_and_told_once(calm_shop: Shop) -> None:
    calm_shop.page()
    for body in NONSENSE:
        calm_shop.deliver([calm_shop.sign(body)] * 2)
    kept = calm_shop.ledger.set_aside("mono:sweep")
    assert len(kept) == len(NONSENSE)
    calm_shop.clock.advance(minutes=2)
    assert calm_shop.swept()
    after = {(one.key, one.reason) for one in calm_shop.ledger.set_aside("mono:sweep")}
    assert after == {(one.key, one.reason) for one in kept}


def test_s6_a_field_of_another_kind_than_the_processors_never_breaks_the_reader(calm_shop: Shop) -> None:
    calm_shop.paid()
    for said in calm_shop.said:
        for odd in calm_shop.odd(said):
            assert calm_shop.push(odd).status_code in {200, 400}
    assert calm_shop.ledger.verify() == []


@alone("stripe", "plata tells refunds inside of their payment", "calm_shop")
def test_s6_a_refund_of_no_payment_is_kept_and_is_no_gifts(calm_shop: StripeShop) -> None:
    # Such as one out of a customer's cash balance, of another shop of the account.
    calm_shop.give_back(calm_shop.paid(), 50_00)
    (event,) = [one for one in calm_shop.fake.events if one["type"] == "refund.created"]
    calm_shop.deliver([calm_shop.event(changed(event, payment_intent=None, charge=None))])
    assert (told(calm_shop.ledger), calm_shop.ledger.inbox.waiting()) == ([], ())


@pytest.mark.parametrize("other", [{"units": GIFT + 1}, {"currency": "EUR"}, {"ref": "f" * 32}], ids=str)
def test_s8_what_is_not_what_was_chosen_is_quarantined(calm_shop: Shop, other: dict[str, Any]) -> None:
    payment = calm_shop.paid()
    calm_shop.deliver([calm_shop.paid_as(**other)])
    assert [(one[0], one[1], one[3]) for one in told(calm_shop.ledger)] == [(payment, State.QUARANTINED, 0)]
    assert books(calm_shop.ledger) == {}


@pytest.mark.parametrize("strange", [{"livemode": True}, {"account": "acct_another"}], ids=["mode", "account"])
@alone("stripe", "plata tells neither mode nor account: a token is of one shop", "calm_shop")
def test_s8_what_is_of_another_mode_or_account_is_quarantined(calm_shop: StripeShop, strange: dict[str, Any]) -> None:
    payment = calm_shop.paid()
    calm_shop.deliver([calm_shop.event({**json.loads(calm_shop.paid_as().body), **strange})])
    assert [(one[0], one[1], one[3]) for one in told(calm_shop.ledger)] == [(payment, State.QUARANTINED, 0)]


@alone(
    "stripe",
    "what names nobody at plata may be a plan's, and is left to the sweep: tests/rails/mono/test_mono.py",
    "calm_shop",
)
def test_s8_what_names_nobody_is_quarantined(calm_shop: StripeShop) -> None:
    payment = calm_shop.paid()
    calm_shop.deliver([calm_shop.event(changed(json.loads(calm_shop.paid_as().body), metadata={}))])
    assert [(one[0], one[1], one[3]) for one in told(calm_shop.ledger)] == [(payment, State.QUARANTINED, 0)]


@pytest.mark.parametrize(("code", "exponent", "amount"), [("JPY", 0, 500), ("KWD", 3, 2500)])
@alone("stripe", "plata charges hryvnias, euros and dollars, all of two decimals", "calm_shop")
def test_s8_currencies_without_or_with_three_decimals_are_exact(
    calm_shop: StripeShop, code: str, exponent: int, amount: int
) -> None:
    ref = "ab" * 16
    wanted = Intent(
        ref=ref, method="stripe", currency=code, exponent=exponent, units=amount,
        frequency=Frequency.ONCE, lang="en", made_at=calm_shop.clock(),
    )  # fmt: skip
    calm_shop.ledger.intents.open(wanted, nonce="2" * 32)
    rail = stripe_processor(calm_shop, assets=(Asset(code, exponent),))
    calm_shop.paid()
    said = calm_shop.paid_as(units=amount, currency=code, ref=ref)
    calm_shop.ledger.accept(rail.hear(said.body, said.headers).report)
    assert [one[1:] for one in told(calm_shop.ledger)] == [(State.CONFIRMED, amount, amount)]


@pytest.mark.parametrize("currency", ["EUR", "USD"])
def test_a_gift_is_booked_in_the_currency_that_was_chosen(calm_shop: Shop, currency: str) -> None:
    calm_shop.paid(currency=currency, amount="25")
    calm_shop.deliver()
    (total,) = calm_shop.ledger.totals()
    assert (total.rail, total.asset, total.units, total.count) == (calm_shop.rail, currency, 25_00, 1)


def test_s9_the_books_leave_what_the_processor_holds(shop: Shop) -> None:
    payments = {story: shop.paid() for story in shop.stories}
    for story, payment in payments.items():
        shop.happens(story, payment)
    shop.deliver()
    ends = [row(payments[name], one.state, one.counted) for name, one in shop.stories.items()]
    assert told(shop.ledger) == sorted(ends)
    shop.clock.now += BY_NOW
    assert shop.swept() == ""
    assert held(shop) == shop.net
    assert told(shop.ledger) == sorted(ends)


def test_s10_four_days_without_a_message_heal_whole(shop: Shop) -> None:
    page = shop.page("monthly")
    shop.pay(page)
    wanted = Counter[State]()
    for story in shop.stories:
        shop.clock.advance(hours=16)
        shop.happens(story, shop.paid())
        wanted[shop.stories[story].state] += 1
    shop.decline(shop.page())
    shop.expire(shop.page())
    shop.renew(shop.plan(page))
    wanted[State.CONFIRMED] += 2
    shop.clock.advance(days=1)
    assert told(shop.ledger) == []
    for _ in range(2):
        assert shop.swept() == ""
        shop.clock.advance(minutes=2)
    healed, sums, plans = told(shop.ledger), books(shop.ledger), shop.ledger.plans.newest(10, None)
    assert Counter(state for _, state, _, _ in healed) == wanted
    assert held(shop) == shop.net
    assert shop.ledger.inbox.waiting() == ()
    assert [(one.name, one.state) for one in plans] == [(shop.plan(page), "active")]
    # And when the messages come after all, or the sweep comes again, nothing changes.
    shop.deliver()
    assert shop.swept() == ""
    assert (told(shop.ledger), books(shop.ledger)) == (healed, sums)


def test_s11_a_delivery_whose_answer_was_lost_changes_nothing_when_it_comes_again(shop: Shop) -> None:
    payment = shop.paid()
    shop.clock.advance(minutes=1)
    shop.happens("refunded whole", payment)
    shop.deliver(reversed(shop.said))
    before, head = told(shop.ledger), shop.ledger.head()
    assert before == [row(payment, State.REFUNDED, 0)]
    shop.deliver()
    assert (told(shop.ledger), shop.ledger.head()) == (before, head)


def test_s12_coming_to_the_page_credits_nothing(calm_shop: Shop) -> None:
    ref = calm_shop.chosen(calm_shop.page()).ref
    client = calm_shop.reader().client
    for query in ("", "?session_id=cs_test_forged", "?payment_status=paid", "?state=received", "?status=success"):
        page = client.get(f"/thanks/{ref}{query}", headers={"Referer": "https://pay.example.com/"})
        assert "Обробляємо вашу пожертву" in page.text
    assert client.get(f"/donations/{ref}").get_json()["state"] == "processing"
    assert calm_shop.ledger.totals() == ()


STATEMENT = """Date;Amount;Currency;Purpose;Name;Payer account
2026-11-20;194.20;{payout}
2026-11-20;100.00;UAH;Thank you;Reader;UA593999910000026209999001001
2026-11-20;100.00;UAH;Thank you;Reader;UA593999910000026209999001001
"""


def brought(shop: Shop, file: Path) -> str:
    line = ["--config", str(shop.file), "import", str(file), "--format", "csv"]
    result = CliRunner().invoke(cli.commands, [*line, "--account", "UA043052990000026007015028783"])
    assert result.exit_code == 0, result.output
    return result.stdout.splitlines()[-1]


def test_s13_a_bank_file_comes_twice_and_the_processors_payout_is_no_second_gift(shop: Shop, tmp_path: Path) -> None:
    shop.paid()
    shop.deliver()
    file = tmp_path / "statement.csv"
    header, *rows = STATEMENT.format(payout=shop.payout_line).splitlines()
    file.write_text("\n".join([header, *rows[:2]]) + "\n", encoding="utf-8")
    assert brought(shop, file) == "new 2, known 0, changed 0, refused 0"
    file.write_text("\n".join([header, *reversed(rows)]) + "\n", encoding="utf-8")
    assert brought(shop, file) == "new 1, known 2, changed 0, refused 0"
    assert brought(shop, file) == "new 0, known 3, changed 0, refused 0"
    kinds = Counter((one["kind"], one["counted_units"]) for one in shop.ledger.export())
    assert kinds == {("donation", str(GIFT)): 1, ("donation", "10000"): 2, ("payout", "0"): 1}
    assert sum(one.units for one in shop.ledger.totals()) == GIFT + 200_00
    assert shop.ledger.verify() == []


def test_s14_a_token_opens_one_payment_page_however_often_it_is_sent(shop: Shop) -> None:
    """S14: double click, back button, two tabs."""
    someone = shop.reader()
    fields = someone.fields(frequency="once")
    shop.clock.advance(seconds=3)

    def press(_: int) -> str:
        answer = shop.reader().client.post("/card?lang=en", data=fields)
        assert answer.status_code == 303, answer.text
        return answer.headers["Location"]

    first = press(0)
    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(press, range(8))) == {first}
    assert someone.press(fields).headers["Location"] == first
    assert len(shop.pages) == 1


@alone("mono", "Stripe opens one page for one key, and tells a second click 409 while the first is at work")
def test_clicks_at_once_lead_to_one_page_though_plata_opens_one_for_each(shop: Shop) -> None:
    fields = shop.reader().fields(frequency="once")
    shop.clock.advance(seconds=3)
    shop.faults.order(CardTrouble.SLOW, times=3, path=shop.opens, seconds=0.3)
    with ThreadPoolExecutor(3) as many:
        answers = list(many.map(lambda _: shop.reader().press(fields, seconds=0), range(3)))
    assert {answer.status_code for answer in answers} == {303}
    assert len({answer.headers["Location"] for answer in answers}) == 1


def test_messages_and_sweep_in_any_order_are_one_gift(calm_shop: Shop) -> None:
    shop, random = calm_shop, Random(7)
    payment = shop.paid()
    shop.give_back(payment, 50_00)
    shop.clock.now += BY_NOW
    for _ in range(12):
        if random.random() < 0.4:
            assert shop.swept() == ""
        else:
            shop.deliver([random.choice(shop.said)])
        shop.clock.advance(minutes=2)
    assert shop.swept() == ""
    assert told(shop.ledger) == [row(payment, State.PARTIALLY_REFUNDED, 150_00)]
    assert shop.ledger.inbox.waiting() == ()


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))), ids=str)
def test_two_refunds_and_the_sweep_race_and_each_counts_once(calm_shop: Shop, order: tuple[int, ...]) -> None:
    shop = calm_shop
    payment = shop.paid()
    shop.deliver()
    shop.clock.now += BY_NOW
    steps = [
        lambda: shop.processor.refund(payment, 30_00, "key-one"),
        lambda: shop.give_back(payment, 20_00),
        shop.swept,
    ]
    for number in order:
        steps[number]()
    shop.deliver()
    shop.clock.advance(days=1)
    assert shop.swept() == ""
    assert told(shop.ledger) == [row(payment, State.PARTIALLY_REFUNDED, 150_00)]


def test_one_key_gives_back_once_however_often_it_is_asked(calm_shop: Shop) -> None:
    payment = calm_shop.paid()
    calm_shop.deliver()
    calm_shop.faults.order(CardTrouble.LOST, path=calm_shop.gives_back)
    with pytest.raises(CheckoutSilent):
        calm_shop.processor.refund(payment, 50_00, "one-key")
    for _ in range(2):
        calm_shop.processor.refund(payment, 50_00, "one-key")
    assert calm_shop.backs(payment) == [50_00]


def test_staff_give_back_in_part_and_then_all_and_a_repeated_form_gives_back_once(shop: Shop) -> None:
    payment = shop.paid()
    shop.deliver()
    (listed,) = shop.ledger.donations()
    person, where = shop.person(), f"/staff/donations/{listed.donation.identity.ref}/refund"
    in_part, whole = row(payment, State.PARTIALLY_REFUNDED, 150_00), row(payment, State.REFUNDED, 0)
    for amount, end in (("50", in_part), ("150", whole)):
        shop.clock.advance(minutes=1)
        form = person.form(where, "refund")
        assert {person.send(form, amount=amount, sure="yes").status_code for _ in range(2)} == {303}
        shop.deliver()
        assert told(shop.ledger) == [end]
    assert shop.swept() == ""
    assert told(shop.ledger) == [whole]
    assert shop.backs(payment) == [50_00, 150_00]


def test_a_refund_on_its_way_that_fails_leaves_the_gift_whole(calm_shop: Shop) -> None:
    payment = calm_shop.paid()
    calm_shop.give_back(payment, 50_00, is_slow=True)
    calm_shop.deliver()
    assert [one.donation.open_parts for one in calm_shop.ledger.donations()] == [1]
    calm_shop.clock.advance(minutes=1)
    calm_shop.end_backs(payment, is_ok=False)
    calm_shop.clock.advance(days=1)
    assert calm_shop.swept() == ""
    assert told(calm_shop.ledger) == [row(payment)]
    assert [one.donation.open_parts for one in calm_shop.ledger.donations()] == [0]


def test_a_gift_that_no_message_told_of_is_swept_up_with_its_fee_and_booked_once(calm_shop: Shop) -> None:
    payment = calm_shop.paid()
    calm_shop.clock.now += BY_NOW
    assert calm_shop.swept() == ""
    assert told(calm_shop.ledger) == [row(payment)]
    sums = books(calm_shop.ledger)
    assert sums[f"expenses:fees:{calm_shop.rail}"] == GIFT - calm_shop.net > 0
    calm_shop.deliver()
    assert calm_shop.swept() == ""
    assert (told(calm_shop.ledger), books(calm_shop.ledger)) == ([row(payment)], sums)


def test_staff_stop_a_plan_and_one_stopped_elsewhere_is_swept_up(calm_shop: Shop) -> None:
    pages = [calm_shop.page("monthly", address=f"203.0.113.{number}") for number in range(2)]
    for page in pages:
        calm_shop.pay(page)
    calm_shop.deliver()
    person, plans = calm_shop.person(), [calm_shop.plan(page) for page in pages]
    listed = person.get("/staff/cards", lang="en").text
    assert all(plan in listed for plan in plans)
    where = f"/staff/cards/plans/{calm_shop.rail}/{plans[0]}/cancel"
    assert person.fill(where, form="cancel", sure="yes").status_code == 303
    calm_shop.end_plan(plans[1])
    calm_shop.clock.advance(days=1)
    assert calm_shop.swept() == ""
    assert {one.state for one in calm_shop.ledger.plans.newest(10, None)} <= {"cancelled", "canceled"}


def test_a_giver_stops_a_plan_on_its_own_page_once(shop: Shop) -> None:
    page = shop.page("monthly")
    shop.pay(page)
    shop.deliver()
    ref, client = shop.chosen(page).ref, shop.app.test_client()
    assert f"/plan/{ref}/stop" in client.get(f"/plan/{ref}").text
    stop = {"data": {"nonce": "a" * 32}, "headers": {"Origin": "http://127.0.0.1:8000"}}
    assert client.post(f"/plan/{ref}/stop", **stop).status_code == 303
    shop.deliver()
    (plan,) = shop.ledger.plans.newest(10, None)
    assert plan.state in {"cancelled", "canceled"}
    assert client.post(f"/plan/{ref}/stop", **stop).status_code == 409
    shop.deliver(reversed(shop.said))
    assert [one.state for one in shop.ledger.plans.newest(10, None)] == [plan.state]


def test_a_declined_card_is_no_gift_and_counts_once_against_card_testers(calm_shop: Shop) -> None:
    calm_shop.decline(calm_shop.page())
    for _ in range(2):
        calm_shop.deliver()
    assert told(calm_shop.ledger) == []
    asked = RateLimit(declined(calm_shop.rail), DECLINES_WINDOW)
    assert calm_shop.ledger.attempts.count([asked])[asked] == 1
    metrics, name = calm_shop.app.test_client().get("/metrics").text, "support_webhook_messages_total"
    for result in ("accepted", "known"):
        assert f'{name}{{processor="{calm_shop.rail}",result="{result}"}} {len(calm_shop.said)}' in metrics


def test_money_of_a_shop_of_the_same_account_is_quarantined_and_nothing_of_it_is_lost(calm_shop: Shop) -> None:
    ours = calm_shop.paid()
    foreign = calm_shop.sell()
    calm_shop.clock.now += BY_NOW
    assert calm_shop.swept() == ""
    assert told(calm_shop.ledger) == sorted([row(ours), row(foreign, State.QUARANTINED, 0)])


@pytest.mark.parametrize("trouble", [CardTrouble.BUSY, CardTrouble.BROKEN, CardTrouble.CUT, CardTrouble.LOST])
def test_a_processor_in_trouble_costs_the_reader_a_press_and_opens_no_second_gift(
    calm_shop: Shop, trouble: CardTrouble
) -> None:
    someone = calm_shop.reader()
    fields = someone.fields(frequency="once")
    calm_shop.faults.order(trouble, path=calm_shop.opens)
    answer = someone.press(fields)
    if answer.status_code == 503:
        assert "Nothing was charged" in answer.text
        answer = someone.press(confirm_fields(answer))
    assert answer.status_code == 303
    calm_shop.pay(calm_shop.page_at(answer.headers["Location"]))
    calm_shop.deliver()
    assert [state for _, state, _, _ in told(calm_shop.ledger)] == [State.CONFIRMED]


def test_a_page_elsewhere_is_closed_again_and_no_reader_is_sent_there(calm_shop: Shop) -> None:
    calm_shop.move_pages("https://evil.example")
    assert calm_shop.reader().give(frequency="once").status_code == 503
    assert calm_shop.pages == ["expired"]


@pytest.mark.parametrize("trouble", [CardTrouble.BUSY, CardTrouble.BROKEN, CardTrouble.CUT, CardTrouble.REFUSED])
def test_a_sweep_in_trouble_goes_on_where_it_was(calm_shop: Shop, trouble: CardTrouble) -> None:
    payment = calm_shop.paid()
    calm_shop.clock.now += BY_NOW
    for path in calm_shop.sweeps:
        calm_shop.faults.order(trouble, times=calm_shop.patience, path=path, method="GET")
        assert calm_shop.swept() != ""
        calm_shop.faults.clear()
    assert calm_shop.swept() == ""
    assert told(calm_shop.ledger) == [row(payment)]
    assert [one.donation.fee_units for one in calm_shop.ledger.donations()] == [GIFT - calm_shop.net]


def test_the_settings_name_the_sweep_without_asking_anybody(calm_shop: Shop) -> None:
    assembly = assemble(calm_shop.file)
    (rail,) = [rail for rail in assembly.rails.values() if rail.name == calm_shop.rail]
    assert [one.name for one in rail.expected(assembly.given(calm_shop.rail))] == [f"{calm_shop.rail}:sweep"]
    assert calm_shop.asked == 0


def test_the_export_says_which_processor_took_a_gift(calm_shop: Shop) -> None:
    calm_shop.paid()
    calm_shop.deliver()
    (line,) = calm_shop.ledger.export(Wanted(rail=calm_shop.rail))
    assert (line["rail"], line["method"]) == (calm_shop.rail, calm_shop.rail)
    page = calm_shop.person().get("/staff/donations", lang="en").text
    assert f'<option value="{calm_shop.rail}"' in page

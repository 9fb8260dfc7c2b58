"""What staff do about card gifts: see them, give back, stop a plan, switch cards off."""

import json
import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import pytest

from support_service.assembly import assemble, build_sources
from support_service.demo.stripe import CardTrouble, StripeFake
from support_service.giving import Frequency, PlanClaim, Report
from support_service.ledger import Wanted
from support_service.watcher import run_once
from tests.fixtures.cards import CardHouse, card_house, given
from tests.fixtures.staff import BOB, FrozenClock, Visitor


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def house(tmp_path: Path, database_url: str, clock: FrozenClock) -> Iterator[CardHouse]:
    with StripeFake(clock=clock) as fake:
        yield card_house(tmp_path, database_url, fake, clock)


def gift(house: CardHouse, frequency: str = "once") -> tuple[str, str]:
    """Let a gift come: the donation's id, and the session."""
    session = house.reader().session(frequency=frequency, amount="200")
    house.fake.pay(session)
    house.deliver_all()
    return house.ledger.donations(Wanted(rail="stripe"))[0].donation.identity.ref, session


def give_back(person: Visitor, ref: str, **fields: str) -> int:
    return person.fill(f"/staff/donations/{ref}/refund?lang=en", form="refund", **fields).status_code


def test_the_page_of_card_gifts_stands_in_the_menu_where_cards_are_taken(house: CardHouse) -> None:
    person = house.person("viewer")
    page = person.get("/staff/cards", lang="en").text
    assert "Cards are accepted" in page
    assert "Nobody gives monthly or yearly yet." in page
    assert "/staff/cards" in person.get("/staff/").text
    assert "Switch card payments off" not in page, "only an admin has the switch"


def test_gifts_of_a_processor_are_filtered_and_exported_by_its_name(house: CardHouse) -> None:
    gift(house)
    person = house.person()
    assert '<option value="stripe"' in person.get("/staff/donations").text
    for rail, count in (("stripe", 1), ("evm", 0)):
        table = person.get("/staff/donations", rail=rail).text.partition("<table")[2]
        assert table.count('<data value="200">') == count
        lines = person.get("/staff/exports/donations.jsonl", rail=rail).text.splitlines()
        assert [json.loads(line)["rail"] for line in lines] == ["stripe"] * count


@pytest.mark.parametrize(
    "path", ["/staff/cards", "/staff/donations/{ref}/refund", "/staff/cards/plans/stripe/sub_x/cancel"]
)
def test_nobody_comes_in_without_a_name(house: CardHouse, path: str) -> None:
    ref, _ = gift(house)
    client = house.app.test_client()
    assert client.get(path.format(ref=ref)).status_code == 303
    assert client.post(path.format(ref=ref), data={"sure": "yes"}).status_code in {403, 405}


def test_a_viewer_gives_nothing_back(house: CardHouse) -> None:
    ref, _ = gift(house)
    person = house.person("viewer")
    assert person.get(f"/staff/donations/{ref}/refund").status_code == 403
    assert person.get("/staff/cards/plans/stripe/sub_x/cancel").status_code == 403
    assert "Refund…" not in person.get(f"/staff/donations/{ref}", lang="en").text


def test_a_gift_is_given_back_in_part_and_then_in_full(house: CardHouse) -> None:
    ref, _ = gift(house)
    person = house.person()
    assert give_back(person, ref, amount="50", sure="yes") == 303
    held = house.ledger.donation(ref)
    assert held is not None
    assert held.donation.refunded_units == 0, "the books wait for the processor's own message"
    house.deliver_all()
    page = person.get(f"/staff/donations/{ref}", lang="en").text
    assert "partially refunded" in page
    assert 'value="150"' in person.get(f"/staff/donations/{ref}/refund").text
    assert give_back(person, ref, sure="yes") == 303
    house.deliver_all()
    held = house.ledger.donation(ref)
    assert held is not None
    assert (held.donation.refunded_units, held.donation.counted_units) == (20000, 0)
    assert person.get(f"/staff/donations/{ref}/refund").status_code == 409


@pytest.mark.parametrize(
    "fields",
    [
        {"amount": "50"},
        {"amount": "0", "sure": "yes"},
        {"amount": "200.01", "sure": "yes"},
        {"amount": "-1", "sure": "yes"},
        {"amount": "1,000", "sure": "yes"},
        {"amount": "", "sure": "yes"},
        {"amount": "50", "sure": "yes", "nonce": "x"},
        {"amount": "50", "sure": "yes", "csrf_token": "x"},
    ],
)
def test_what_is_not_meant_is_not_given_back(house: CardHouse, fields: dict[str, str]) -> None:
    ref, _ = gift(house)
    assert give_back(house.person(), ref, **fields) in {400, 403}
    assert house.fake.account.all("refund") == []


@pytest.mark.parametrize(("trouble", "status"), [(CardTrouble.CUT, 503), (CardTrouble.REFUSED, 409)])
def test_a_processor_in_trouble_is_told_plainly(house: CardHouse, trouble: CardTrouble, status: int) -> None:
    ref, _ = gift(house)
    house.fake.faults.order(trouble, times=20, path="/v1/refunds")
    person = house.person()
    assert give_back(person, ref, amount="50", sure="yes") == status


def test_a_booked_gift_is_not_the_processors_to_give_back(house: CardHouse) -> None:
    person = house.person()
    ref = person.book()
    assert person.get(f"/staff/donations/{ref}/refund").status_code == 409
    assert "Refund…" not in person.get(f"/staff/donations/{ref}", lang="en").text


def test_a_plan_is_shown_and_stopped(house: CardHouse) -> None:
    _, session = gift(house, "monthly")
    name = house.fake.get("checkout.session", session)["subscription"]
    person = house.person()
    page = person.get("/staff/cards", lang="en").text
    assert name in page
    assert "running" in page
    path = f"/staff/cards/plans/stripe/{name}/cancel"
    assert person.fill(path, form="cancel").status_code == 400, "the box is not ticked"
    assert person.fill(path, form="cancel", sure="yes").status_code == 303
    house.deliver_all()
    assert "stopped" in person.get("/staff/cards", lang="en").text
    assert person.get(path).status_code == 409


def test_every_plan_is_shown_page_by_page_though_one_report_told_of_them_all(house: CardHouse) -> None:
    names = [f"sub_{number:03}" for number in range(60)]
    plans = [
        PlanClaim(name, None, 20_000, "UAH", 2, Frequency.MONTHLY, "active", house.clock(), (2, 0)) for name in names
    ]
    house.ledger.accept(Report("stripe", "evt_1", plans=tuple(plans)))
    person = house.person("viewer")
    first = person.get("/staff/cards", lang="en").text
    (older,) = re.findall(r'<a rel="next" href="([^"]+)"', first)
    second = person.get(unescape(older)).text
    assert [re.findall(r"sub_\d+(?=<)", page) for page in (first, second)] == [names[:50], names[50:]]
    assert 'rel="next"' not in second


def test_a_dispute_and_its_end_are_seen(house: CardHouse) -> None:
    ref, session = gift(house)
    dispute = house.fake.dispute(house.fake.get("checkout.session", session)["payment_intent"])
    house.deliver_all()
    person = house.person("viewer")
    page = person.get("/staff/cards", lang="en").text
    assert "Disputed by the payer" in page
    assert ref in page
    house.fake.close_dispute(dispute["id"], is_won=True)
    house.deliver_all()
    assert "Disputed by the payer" not in person.get("/staff/cards", lang="en").text


def test_an_admin_switches_cards_off_and_on(house: CardHouse) -> None:
    admin = house.person("admin", BOB)
    assert admin.fill("/staff/cards", form="switch", sure="yes").status_code == 400, "the reason is missing"
    assert admin.fill("/staff/cards", form="switch", sure="yes", note="A wave of stolen cards").status_code == 303
    page = admin.get("/staff/cards", lang="en").text
    assert "Switched off by staff" in page
    assert "A wave of stolen cards" in page
    answer = house.reader().look()
    assert answer.status_code == 503
    assert "stolen" not in answer.text
    assert house.reader().client.get("/support").status_code == 200
    assert admin.fill("/staff/cards", form="switch", sure="yes", note="Over").status_code == 303
    assert house.reader().give().status_code == 303


def test_a_bookkeeper_does_not_switch(house: CardHouse) -> None:
    person = house.person()
    form = person.form("/staff/entry", "entry")
    sent = {"csrf_token": form.fields["csrf_token"], "turn": "off", "sure": "yes", "note": "x"}
    assert person.client.post("/staff/cards/switch", data=sent).status_code == 403
    assert house.reader().give().status_code == 303


def test_a_gift_that_is_under_way_is_booked_while_cards_are_off(house: CardHouse) -> None:
    session = house.reader().session(frequency="once")
    house.ledger.freeze("checkout:stripe", "test", {})
    house.fake.pay(session)
    house.deliver_all()
    (total,) = house.ledger.totals()
    assert total.units == 20000


def test_staff_see_what_the_processor_kept_of_a_gift(house: CardHouse) -> None:
    given(house)
    house.deliver_all()
    run_once(build_sources(assemble(house.file), house.ledger, clock=house.clock), house.ledger)
    (one,) = house.ledger.donations()
    page = house.person().client.get(f"/staff/donations/{one.donation.identity.ref}?lang=en").text
    assert "After the fee" in page and "193.90" in page
    assert "The processor kept a fee of 6.10" in page


def test_an_old_form_gives_nothing_back_a_second_time(house: CardHouse) -> None:
    """The processor keeps a form's nonce for a day; the page may stay open for longer."""
    payment = given(house)
    house.deliver_all()
    (one,) = house.ledger.donations()
    person = house.person()
    address = f"/staff/donations/{one.donation.identity.ref}/refund"
    form = person.form(address, "refund")
    for status in ("pending", "succeeded"):
        house.fake.refund(payment, 2_000, status)
        house.deliver_all()
        assert person.send(form, amount="50", sure="yes").status_code == 409
        form = person.form(address, "refund")
    assert sum(refund["amount"] for refund in house.fake.account.all("refund")) == 4_000
    assert person.send(form, amount="50", sure="yes").status_code == 303

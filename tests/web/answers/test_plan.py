"""A regular gift's own page: next date and sum, stop, pause, resume, another sum, another card."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from werkzeug.test import TestResponse

from support_service.demo.stripe import CardTrouble, StripeFake
from support_service.giving import State
from support_service.web.answers.plan import LIMIT
from tests.fixtures.cards import CardHouse, card_house, told
from tests.fixtures.held import locked
from tests.fixtures.staff import FrozenClock, forms
from tests.fixtures.stripe_schema import check


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def house(tmp_path: Path, sqlite_url: str, clock: FrozenClock) -> Iterator[CardHouse]:
    with StripeFake(check=check, clock=clock) as fake:
        made = card_house(tmp_path, sqlite_url, fake, clock)
        yield made
        made.ledger.dispose()


@dataclass
class Giver:
    """Somebody who gives 200 UAH every month, with the address of their page."""

    house: CardHouse
    ref: str
    plan: str

    def look(self, *, lang: str = "en", **query: str) -> str:
        answer = self.house.reader().client.get(f"/plan/{self.ref}", query_string={"lang": lang, **query})
        assert answer.status_code == 200
        return answer.text

    def nonce(self) -> str:
        return next(form.fields["nonce"] for form in forms(self.look()) if "nonce" in form.fields)

    def do(
        self, action: str, *, nonce: str | None = None, headers: dict[str, str] | None = None, **fields: str
    ) -> TestResponse:
        data = {"nonce": nonce or self.nonce(), **fields}
        client = self.house.reader().client
        return client.post(f"/plan/{self.ref}/{action}?lang=en", data=data, headers=headers)

    def done(self, action: str, **fields: Any) -> str:
        # Stripe's times are whole seconds: what is done in one of them has no order.
        self.house.clock.advance(seconds=2)
        answer = self.do(action, **fields)
        assert (answer.status_code, answer.headers["Location"]) == (303, f"/plan/{self.ref}?told={action}&lang=en")
        page = self.house.reader().client.get(answer.headers["Location"]).text
        assert 'role="status"' in page
        self.house.deliver_all()
        return self.look()

    @property
    def held(self) -> dict[str, Any]:
        held: dict[str, Any] = self.house.fake.get("subscription", self.plan)
        return held


@pytest.fixture
def giver(house: CardHouse) -> Giver:
    reader = house.reader()
    fields = {**reader.fields(frequency="monthly"), "name": "Олена"}
    found = re.search(r"/c/pay/(cs_\w+)", reader.press(fields).headers["Location"])
    assert found
    house.fake.pay(found[1])
    house.deliver_all()
    session = house.fake.get("checkout.session", found[1])
    ref = re.search(r"/thanks/([0-9a-f]{32})", session["success_url"])
    assert ref
    return Giver(house, ref[1], session["subscription"])


def test_the_thank_you_page_leads_there(house: CardHouse, giver: Giver) -> None:
    for path in (f"/thanks/{giver.ref}?lang=en", f"/gift/{giver.ref}?lang=en"):
        page = house.reader().client.get(path).text
        assert f'href="/plan/{giver.ref}?lang=en"' in page
        intent = house.ledger.intents.find(giver.ref)
        assert intent is not None and intent.support_code is not None
        assert intent.support_code in page


def test_the_processor_is_told_the_code_and_writes_it_on_its_receipts(house: CardHouse, giver: Giver) -> None:
    intent = house.ledger.intents.find(giver.ref)
    assert intent is not None and intent.support_code is not None
    assert giver.held["metadata"]["support_code"] == intent.support_code
    assert intent.support_code in giver.held["description"]


def test_it_says_when_and_how_much_comes_next(giver: Giver) -> None:
    page = giver.look()
    assert "200\u00a0UAH" in page
    assert '<time datetime="2026-06-20">20 June 2026</time>' in page
    assert '<time datetime="2026-06-20">20 червня 2026</time>' in giver.look(lang="uk")
    assert "Олена" not in page
    assert "reader@example.org" not in page


def test_two_clicks_stop_it(house: CardHouse, giver: Giver) -> None:
    page = giver.look()
    assert page.index("Stop it…") < page.index("Yes, stop it")
    assert "It is stopped: nothing more is charged." in giver.done("stop")
    assert giver.held["status"] == "canceled"
    assert giver.do("pause", nonce="0" * 32).status_code == 409
    assert "<form" not in giver.look()
    assert house.ledger.verify() == []


def test_a_payment_that_failed_is_told_to_whoever_gives(house: CardHouse, giver: Giver) -> None:
    assert "The last payment failed" not in giver.look()
    house.clock.advance(days=31)
    house.fake.renew(giver.plan, is_ok=False)
    house.deliver_all()
    page = giver.look()
    assert "The last payment failed" in page
    assert "Change the card" in page


def test_a_pause_charges_nothing_and_it_goes_on_afterwards(house: CardHouse, giver: Giver) -> None:
    page = giver.done("pause")
    assert "none: it is paused until you resume it" in page
    assert giver.held["pause_collection"] == {"behavior": "void", "resumes_at": None}
    house.fake.renew(giver.plan)
    house.deliver_all()
    assert [units for _, _, units, _ in told(house.ledger)] == [200_00]
    page = giver.done("resume")
    assert "Resume it" not in page
    assert giver.held["pause_collection"] is None
    house.fake.renew(giver.plan)
    house.deliver_all()
    assert [(state, counted) for _, state, _, counted in told(house.ledger)] == [(State.CONFIRMED, 200_00)] * 2


def test_another_sum_is_charged_from_the_next_date_on_and_counts(house: CardHouse, giver: Giver) -> None:
    page = giver.done("amount", amount="350,50")
    assert "350.50\u00a0UAH" in page
    assert [units for _, _, units, _ in told(house.ledger)] == [200_00], "nothing was charged by the change"
    house.fake.renew(giver.plan)
    house.deliver_all()
    giver.done("amount", exact="100")
    house.fake.renew(giver.plan)
    house.deliver_all()
    rows = [(state, counted) for _, state, _, counted in told(house.ledger)]
    assert sorted(rows, key=lambda row: row[1]) == [(State.CONFIRMED, units) for units in (100_00, 200_00, 350_50)]


def test_a_sum_that_nobody_agreed_to_is_still_set_aside(house: CardHouse, giver: Giver) -> None:
    giver.done("amount", exact="100")
    item = house.fake.get("subscription", giver.plan)["items"]["data"][0]
    item["price"]["unit_amount"] = 999_00
    house.fake.renew(giver.plan)
    house.deliver_all()
    assert (State.QUARANTINED, 999_00, 0) in [row[1:] for row in told(house.ledger)]


def test_the_card_is_changed_on_the_processors_own_page(house: CardHouse, giver: Giver) -> None:
    answer = giver.do("payment")
    assert answer.status_code == 303
    assert answer.headers["Location"].startswith(f"{house.fake.url}/p/session/bps_")
    assert f"form-action 'self' {house.fake.url}" in answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize("amount", ["", "x", "0", "1", "9999999999", "1,000", "-5", "200.001", "\0"])
def test_a_sum_that_cannot_be_charged_is_asked_back(giver: Giver, amount: str) -> None:
    answer = giver.do("amount", amount=amount)
    assert answer.status_code == 400
    assert 'role="alert"' in answer.text
    assert "sums" not in giver.held["metadata"]


def test_one_form_does_its_thing_once(house: CardHouse, giver: Giver) -> None:
    nonce = giver.nonce()
    assert {giver.do("amount", nonce=nonce, amount="300").status_code for _ in range(3)} == {303}
    assert giver.held["metadata"]["sums"] == "30000"
    assert len(house.fake.account.all("price")) == 2


@pytest.mark.parametrize("headers", [{"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}])
def test_no_other_site_can_press_a_button(giver: Giver, headers: dict[str, str]) -> None:
    assert giver.do("stop", headers=headers).status_code == 403
    assert giver.do("stop", nonce="x").status_code == 403
    assert giver.held["status"] == "active"


@pytest.mark.parametrize("ref", ["0" * 32, "x", "A" * 32, "0" * 31 + "ї"])
def test_a_reference_nobody_has_is_a_calm_404(house: CardHouse, ref: str) -> None:
    client = house.reader().client
    for answer in (client.get(f"/plan/{ref}"), client.post(f"/plan/{ref}/stop", data={"nonce": "0" * 32})):
        assert answer.status_code == 404


def test_a_gift_given_once_has_no_such_page(house: CardHouse) -> None:
    session = house.fake.get("checkout.session", house.reader().session(frequency="once"))
    found = re.search(r"/thanks/([0-9a-f]{32})", session["success_url"])
    assert found
    assert house.reader().client.get(f"/plan/{found[1]}").status_code == 404


def test_before_the_first_payment_is_heard_of_there_is_nothing_to_change(house: CardHouse) -> None:
    session = house.fake.get("checkout.session", house.reader().session(frequency="monthly"))
    found = re.search(r"/thanks/([0-9a-f]{32})", session["success_url"])
    assert found
    client = house.reader().client
    assert "We have not heard of its first payment yet" in client.get(f"/plan/{found[1]}?lang=en").text
    assert client.post(f"/plan/{found[1]}/stop", data={"nonce": "0" * 32}).status_code == 409


def test_a_refusal_and_silence_are_told_in_words(house: CardHouse, giver: Giver) -> None:
    house.fake.faults.order(CardTrouble.BROKEN, method="DELETE")
    answer = giver.do("stop")
    assert (answer.status_code, "see whether it was done" in answer.text) == (503, True)
    house.fake.cancel(giver.plan)
    answer = giver.do("stop")
    assert (answer.status_code, "write to us and we will do it for you" in answer.text) == (409, True)
    house.deliver_all()
    assert "It is stopped" in giver.look()


def test_a_held_database_changes_nothing_and_says_so(house: CardHouse, giver: Giver, sqlite_url: str) -> None:
    nonce = giver.nonce()
    with locked(sqlite_url):
        client = house.reader().client
        answer = client.post(f"/plan/{giver.ref}/stop?lang=en", data={"nonce": nonce})
        assert (answer.status_code, "Nothing was changed" in answer.text) == (503, True)
    assert giver.held["status"] == "active"


def test_somebody_who_presses_all_the_time_is_asked_to_wait(giver: Giver) -> None:
    nonce = giver.nonce()
    for _ in range(LIMIT.place_max):
        assert giver.do("amount", nonce=nonce, amount="x").status_code == 400
    assert giver.do("stop", nonce=nonce).status_code == 429
    assert giver.held["status"] == "active"


def test_staff_see_who_gives_and_find_a_plan_by_code_name_and_address(house: CardHouse, giver: Giver) -> None:
    intent = house.ledger.intents.find(giver.ref)
    assert intent is not None and intent.support_code is not None
    person = house.person("viewer")
    page = person.get("/staff/cards", lang="en").text
    for known in ("Олена", "reader@example.org", intent.support_code, giver.plan):
        assert known in page
    for asked in (intent.support_code, intent.support_code.lower().replace("-", " "), "олен", "Reader@", giver.plan):
        assert giver.plan in person.get("/staff/cards", lang="en", q=asked).text
    for asked in ("somebody else", "2A3C-4E62", "sub_none", "\0"):
        assert "No plan is found by that." in person.get("/staff/cards", lang="en", q=asked).text

"""Nobody's data reach the log: canaries are put into every field that a person or a processor fills, and all is logged.

Each flow runs with the log at its most talkative, also through what goes wrong: refused forms, broken messages, rows
that cannot be read, a ledger that is gone, a mail server that says no.
"""

import io
import itertools
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from support_service.demo.bank import BankTrouble
from support_service.demo.bank.account import ON_ITS_WAY
from support_service.demo.stripe import StripeFake
from support_service.demo.stripe.payments import Payer
from support_service.log import configure_logging
from tests.fixtures.banks import IBAN, bank_house
from tests.fixtures.cards import CardHouse, card_house
from tests.fixtures.staff import PASSWORD, FrozenClock, Visitor

WORD = "canary"


class Canaries:
    """Gives each field a word of its own, so that the log tells which one it was."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)

    def word(self, text: str = "") -> str:
        return f"{text}{WORD}{next(self._numbers)}"

    def email(self) -> str:
        return f"{self.word()}@{self.word()}.example"


@pytest.fixture
def canaries() -> Canaries:
    return Canaries()


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    """All that is logged, of everybody, at the most talkative; no canary may be in it."""
    root, ours = logging.getLogger(), logging.getLogger("support_service")
    before = root.handlers[:], root.level, ours.level
    text = io.StringIO()
    configure_logging(text, level=logging.DEBUG)
    yield text
    root.handlers[:], root.level, ours.level = before[0], before[1], before[2]
    found = [line for line in text.getvalue().splitlines() if WORD in line.lower()]
    assert found == []


@pytest.fixture
def house(tmp_path: Path, sqlite_url: str) -> Iterator[CardHouse]:
    clock = FrozenClock()
    with StripeFake(clock=clock) as fake:
        made = card_house(tmp_path, sqlite_url, fake, clock)
        yield made
        made.ledger.dispose()


def events_in(logged: io.StringIO) -> set[str]:
    return {line.split(" ")[3] for line in logged.getvalue().splitlines() if line[:2] == "20" and line.count(" ") > 2}


def test_of_readers(house: CardHouse, canaries: Canaries, logged: io.StringIO) -> None:
    reader, client = house.reader(), house.app.test_client()
    fields = reader.fields()
    typed = {"name": canaries.word("Олена "), "message": canaries.word("дякую "), "email": canaries.email()}
    assert reader.press(fields | typed).status_code == 303
    assert reader.press(reader.fields() | {"name": canaries.word("x" * 400)}).status_code == 400
    assert reader.press(fields | typed).status_code != 500
    for path in ("/gift", "/arrived", "/arrived/claim", "/plan", "/plan/lost", "/card"):
        said = {"email": canaries.email(), "name": canaries.word(), "message": canaries.word(), "tx": canaries.word()}
        said |= {
            "amount": canaries.word(),
            "signature": canaries.word(),
            "time": canaries.word(),
            "way": canaries.word(),
        }
        client.post(path, data=said)
        client.get(path, query_string=said)
    client.get(f"/gift/{canaries.word()}")
    client.post("/seen", query_string={"article": f"https://example.com/{canaries.word()}"})
    assert "checkout_opened" in events_in(logged)


def test_of_what_a_processor_tells(house: CardHouse, canaries: Canaries, logged: io.StringIO) -> None:
    session = house.reader().session(frequency="monthly")
    house.fake.pay(session, payer=Payer(canaries.word("Іван "), canaries.email()))
    house.deliver_all()
    (event,) = [one for one in house.fake.events if one["type"] == "customer.subscription.created"]
    (item,) = event["data"]["object"]["items"]["data"]
    odd = item | {"price": item["price"] | {"unit_amount": None, "unit_amount_decimal": "333.5"}}
    plan = event["data"]["object"] | {"description": canaries.word()}
    plan["metadata"] = plan["metadata"] | {"name": canaries.word()}
    plan["items"] = plan["items"] | {"data": [odd | {"nickname": canaries.word()}]}
    unread = event | {"id": "evt_unread", "data": {"object": plan}}
    for told in (unread, {"id": canaries.word(), "object": "v2.core.event"}, {"object": canaries.word()}):
        assert house.push(told).status_code == 200
        assert house.push(told, secret=canaries.word("whsec_")).status_code == 400
    client = house.app.test_client()
    client.post("/webhooks/stripe", data=canaries.word(), headers={"Stripe-Signature": canaries.word("t=1,v1=")})
    assert {"webhook_refused", "webhook_set_aside"} <= events_in(logged)


def test_of_staff_and_whom_they_write_down(house: CardHouse, canaries: Canaries, logged: io.StringIO) -> None:
    admin = house.person("admin", canaries.email())
    for _ in range(7):
        Visitor(house.app.test_client()).fill("/staff/login", email=canaries.email(), password=canaries.word())
    admin.book(payer=canaries.word("Тарас "), note=canaries.word("готівка "))
    admin.fill("/staff/entry", form="entry", method="card", amount=canaries.word(), date=canaries.word())
    admin.fill("/staff/people?lang=en", form="invite", email=canaries.email(), role="viewer")
    for path in ("/staff/", "/staff/donations", "/staff/search"):
        admin.client.get(path, query_string={"q": canaries.email(), "payer": canaries.word()})
    for who in (canaries.email(), canaries.word("Тарас ")):
        admin.fill("/staff/donors?lang=en", form="donors", who=who)
    wrong = canaries.word()
    admin.fill("/staff/me", form="password", old=wrong, password=canaries.word("long enough "), again=PASSWORD)
    assert {"staff_signed_in", "staff_login_refused", "staff_login_throttled", "staff_invited"} <= events_in(logged)


def test_of_what_banks_tell(tmp_path: Path, sqlite_url: str, canaries: Canaries, logged: io.StringIO) -> None:
    with bank_house(tmp_path, sqlite_url, {"one": ("privatbank", IBAN)}) as house:
        (account,) = house.fakes.accounts
        for standing in ("r", ON_ITS_WAY):
            account.pay(
                10_000,
                canaries.word("на підтримку "),
                name=canaries.word("Ганна "),
                code=canaries.word()[:10],
                standing=standing,
            )
        assert [one.is_good for one in house.look()] == [True]
        for trouble in (BankTrouble.BAD_ROW, BankTrouble.CUT_JSON, BankTrouble.ERROR, BankTrouble.OTHER_SHAPE):
            house.fakes.faults.order(trouble, times=3, path="/transactions")
            house.look()
    assert "set_aside" in events_in(logged)


def test_of_a_ledger_that_is_gone(house: CardHouse, canaries: Canaries, logged: io.StringIO, tmp_path: Path) -> None:
    admin, reader = house.person("admin", canaries.email()), house.reader()
    fields = reader.fields()
    (tmp_path / "ledger.db").write_bytes(b"no database any more" * 400)
    assert reader.press(fields | {"name": canaries.word(), "message": canaries.word()}).status_code in {500, 503}
    answer = admin.client.get("/staff/donations", query_string={"q": canaries.email()})
    assert answer.status_code in {500, 503}
    house.app.test_client().post("/gift", data={"email": canaries.email(), "way": "eth:ETH", "amount": "1"})
    assert {"card_ledger_down", "staff_ledger_down", "gift_ledger_down"} <= events_in(logged)

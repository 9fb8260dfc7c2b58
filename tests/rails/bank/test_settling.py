"""What lines mean for each other: taken back, taken back again, told better, told by hand; on both databases."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from support_service.giving import utc_now
from support_service.ledger import Ledger
from support_service.money import Asset, Money
from support_service.rails.bank.booking import import_lines
from support_service.rails.bank.classes import World
from support_service.rails.bank.line import Line, LineStanding, Party
from support_service.rails.bank.settings import AccountPlace, BankChoices
from support_service.rails.bank.settling import settle
from tests.fixtures.staff import House, build_house
from tests.fixtures.statements import Json, gift_units

ACCOUNT = "UA043052990000026007015028783"
UAH = Asset("UAH", 2)
PAYER = Party("Olena", "UA213223130000026007233566001", "1234567890")
CHOICES = BankChoices(world=World(), places={ACCOUNT: AccountPlace("iban", "bank")})


@pytest.fixture
def house(tmp_path: Path, database_url: str) -> Iterator[House]:
    made = build_house(tmp_path, database_url)
    yield made
    made.ledger.dispose()


def line(reference: str, units: int, day: int = 20, **fields: object) -> Line:
    held = {"counterparty": PAYER, "purpose": "help", "reference_part": "1", "is_reference_unique": True, **fields}
    money = Money(units, UAH)
    return Line(ACCOUNT, date(2026, 5, day), money, "privatbank", reference=reference, **held)  # type: ignore[arg-type]


def take(ledger: Ledger, *lines: Line) -> None:
    list(import_lines(lines, ledger.lines, CHOICES, now=utc_now()))


def bring(house: House, *lines: Line) -> None:
    take(house.ledger, *lines)
    settle({ACCOUNT}, house.ledger.lines)


def rows(house: House) -> dict[str, Json]:
    assert house.ledger.verify() == []
    return {str(one["locator"]).split(":")[1]: one for one in house.ledger.export()}


def balance(house: House, start: str = "assets:") -> int:
    """Sum what the books hold."""
    found = 0
    for one in house.ledger.export():
        history = house.ledger.donation(str(one["id"]))
        assert history is not None
        found += sum(leg.units for _, leg in history.postings if leg.account.startswith(start))
    return found


GIFT = line("A", 10_000)
REVERSAL = line("B", -10_000, 21, is_reversal=True)
BACK_AGAIN = line("C", 10_000, 22, is_reversal=True)
TAKEN_BACK = replace(REVERSAL, standing=LineStanding.TAKEN_BACK)


@pytest.mark.parametrize("end", [TAKEN_BACK, BACK_AGAIN], ids=["by its state", "by a line"])
def test_a_reversal_that_is_itself_taken_back_lifts_its_refund(house: House, end: Line) -> None:
    bring(house, GIFT, REVERSAL)
    assert rows(house)["A"]["state"] == "refunded"
    bring(house, end)
    assert (rows(house)["A"]["state"], gift_units(list(rows(house).values()))) == ("confirmed", 10_000)
    assert balance(house) == 10_000
    assert balance(house, "suspense:") == 0
    bring(house, GIFT, REVERSAL)
    assert rows(house)["A"]["counted_units"] == "10000", "an older file brings the reversal not back"


def test_a_reversal_of_a_reversal_of_a_reversal_takes_the_gift_back(house: House) -> None:
    bring(house, GIFT, REVERSAL)
    bring(house, BACK_AGAIN)
    bring(house, replace(BACK_AGAIN, standing=LineStanding.TAKEN_BACK))
    assert rows(house)["A"]["state"] == "refunded"
    assert balance(house) == balance(house, "suspense:") == 0


def test_what_was_stopped_between_a_reversal_and_its_gift_ends_with_the_next_poll(house: House) -> None:
    take(house.ledger, GIFT, REVERSAL)
    assert rows(house)["A"]["state"] == "confirmed"
    bring(house, line("D", 500))
    assert rows(house)["A"]["state"] == "refunded"
    take(house.ledger, TAKEN_BACK)
    bring(house)
    assert rows(house)["A"]["state"] == "confirmed"


def test_a_better_purpose_makes_a_line_what_it_is_and_a_poorer_one_never_unmakes_it(house: House) -> None:
    poor = line("A", 10_000, purpose="", counterparty=Party("ТОВ Ромашка", PAYER.account, "12345678"))
    rich = replace(poor, purpose="Оплата згідно рахунку № 5 за рекламні послуги")
    bring(house, poor)
    assert rows(house)["A"]["bank_class"] == "gift"
    bring(house, rich)
    told = rows(house)["A"]
    assert (told["bank_class"], told["counted_units"], told["message"]) == ("review", "0", rich.purpose)
    head = house.ledger.head()
    bring(house, poor, rich)
    assert house.ledger.head() == head
    assert rows(house)["A"] == told


def test_a_persons_word_stands_over_a_better_purpose(house: House) -> None:
    poor = line("A", 10_000, purpose="", counterparty=Party("ТОВ Ромашка", PAYER.account, "12345678"))
    bring(house, poor)
    visitor = house.person()
    page = f"/staff/donations/{rows(house)['A']['id']}"
    visitor.fill(page, form="/class", **{"class": "own_transfer"})
    bring(house, replace(poor, purpose="Оплата згідно рахунку № 5"))
    assert rows(house)["A"]["bank_class"] == "own_transfer"


@pytest.mark.parametrize("standing", [LineStanding.PENDING, LineStanding.BOOKED])
def test_an_older_file_never_leads_back(house: House, standing: LineStanding) -> None:
    bring(house, replace(GIFT, standing=LineStanding.TAKEN_BACK))
    bring(house, replace(GIFT, standing=standing, purpose="help with many more words than before"))
    assert (rows(house)["A"]["state"], rows(house)["A"]["counted_units"]) == ("replaced", "0")
    bring(house, line("B", 700))
    bring(house, replace(line("B", 700), standing=LineStanding.PENDING))
    assert rows(house)["B"]["counted_units"] == "700"


def test_the_gifts_of_a_registry_go_with_it_when_the_bank_takes_it_back(house: House) -> None:
    registry = line("R", 60_000, purpose="Оплата згідно реєстру № 7")
    bring(house, registry)
    page = f"/staff/donations/{rows(house)['R']['id']}"
    house.person().fill(page, form="/split", gifts="100;A\n500;B")
    assert gift_units(list(house.ledger.export())) == 60_000
    bring(house, line("S", -60_000, 22, is_reversal=True))
    assert gift_units(list(house.ledger.export())) == 0
    assert balance(house) == 0
    bring(house, line("T", 60_000, 23, is_reversal=True))
    assert gift_units(list(house.ledger.export())) == 60_000
    assert balance(house) == 60_000 == -balance(house, "income:")
    assert {one["payer"] for one in house.ledger.export() if one["counted_units"] != "0"} == {"A", "B"}


def test_a_refund_that_we_sent_and_that_came_back_refunds_nothing(house: House) -> None:
    bring(house, GIFT, line("B", -4_000, 21, purpose="повернення внеску"))
    gift, sent = rows(house)["A"]["id"], rows(house)["B"]["id"]
    house.person().fill(f"/staff/donations/{sent}", form="/gives-back", gift=gift)
    assert rows(house)["A"]["counted_units"] == "6000"
    bring(house, replace(line("B", -4_000, 21, purpose="повернення внеску"), standing=LineStanding.TAKEN_BACK))
    assert rows(house)["A"]["counted_units"] == "10000"
    assert balance(house) == 10_000

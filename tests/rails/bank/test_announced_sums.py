"""A gift without a code that is just what one reader announced: suggested to a person, never matched by itself."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from support_service.giving import Frequency, Intent, utc_now
from support_service.ledger import Why
from support_service.rails.bank.line import LineStanding
from tests.fixtures.staff import House, build_house
from tests.rails.bank.test_known_payers import CODE, OTHER_CODE, gift, row
from tests.rails.bank.test_settling import bring

ARTICLE = "https://example.com/read"
UNITS = 7_310


@pytest.fixture
def house(tmp_path: Path, database_url: str) -> Iterator[House]:
    made = build_house(tmp_path, database_url)
    yield made
    made.ledger.dispose()


def announce(house: House, code: str, days_ago: int = 3, **fields: str | int) -> None:
    """Let a reader say what they are about to give."""
    held = {"method": "iban", "currency": "UAH", "units": UNITS, **fields}
    chosen = Intent(
        code.lower().replace("-", "").rjust(32, "0"), str(held["method"]), str(held["currency"]), 2,
        int(str(held["units"])), Frequency.ONCE, "uk", utc_now() - timedelta(days_ago), article=ARTICLE,
    )  # fmt: skip
    house.ledger.intents.open(chosen, nonce=chosen.ref[::-1], draw_code=iter([code]).__next__)


def suggested(house: House) -> list[str]:
    """The codes that a person is offered for announced sums."""
    lines = house.ledger.inbox.lines()
    assert house.ledger.inbox.counts()[Why.SUGGESTED] == sum(one.why is Why.SUGGESTED for one in lines)
    return [choice.value for one in lines if one.why is Why.SUGGESTED for choice in one.choices]


def test_the_only_announced_gift_of_a_sum_is_suggested_and_matched_by_one_click(house: House) -> None:
    announce(house, CODE)
    bring(house, gift("A", UNITS, 2))
    assert suggested(house) == [CODE]
    assert (row(house, "A")["support_code"], row(house, "A")["matched_by"]) == (None, None)
    house.person().fill("/staff/inbox", form=f"/{row(house, 'A')['id']}/match", code=CODE)
    matched = row(house, "A")
    assert (matched["support_code"], matched["matched_by"], matched["article"]) == (CODE, "amount", ARTICLE)
    assert matched["counted_units"] == str(UNITS)
    assert suggested(house) == []


def test_two_that_announced_one_sum_or_two_lines_of_it_are_nobodys(house: House) -> None:
    announce(house, CODE)
    bring(house, gift("A", UNITS, 2), gift("B", UNITS, 1))
    assert suggested(house) == []
    announce(house, OTHER_CODE, units=9_900)
    announce(house, "7KEA-5H33", units=9_900)
    bring(house, gift("C", 9_900, 2))
    assert suggested(house) == []


@pytest.mark.parametrize(
    "other", [{"units": UNITS + 1}, {"currency": "EUR"}, {"method": "card"}], ids=["sum", "currency", "way"]
)
def test_what_was_announced_otherwise_is_not_suggested(house: House, other: dict[str, str | int]) -> None:
    announce(house, CODE, 3, **other)
    bring(house, gift("A", UNITS, 2))
    assert suggested(house) == []


@pytest.mark.parametrize(("announced_days_ago", "booked_days_ago"), [(9, 4), (2, 5)])
def test_what_is_booked_days_later_or_before_it_was_announced_is_not_suggested(
    house: House, announced_days_ago: int, booked_days_ago: int
) -> None:
    announce(house, CODE, announced_days_ago)
    bring(house, gift("A", UNITS, booked_days_ago))
    assert suggested(house) == []


def test_what_is_no_booked_gift_is_not_suggested(house: House) -> None:
    announce(house, CODE)
    bring(
        house, gift("A", UNITS, 2, standing=LineStanding.PENDING), gift("B", UNITS, 2, standing=LineStanding.TAKEN_BACK)
    )
    bring(house, gift("C", UNITS, 2, purpose="Оплата згідно реєстру № 7"))
    assert suggested(house) == []

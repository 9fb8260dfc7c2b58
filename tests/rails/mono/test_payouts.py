"""What the bank booked as plata's payouts is tied to the days whose payments came to it."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random

import pytest

from support_service.assembly import assemble
from support_service.demo.mono import MonoFake
from support_service.giving import (
    BankCredit,
    BankFacts,
    Direction,
    Identity,
    Kind,
    Observation,
    PaymentClaim,
    Report,
    State,
)
from support_service.rails import RAILS
from support_service.rails.mono.payouts import CurrencyDay, day_books, tied
from support_service.rails.mono.statement import GivenBack, StatementRow
from tests.fixtures.mono_schema import held_to_the_description
from tests.fixtures.plata import PlataHouse, plata_house
from tests.fixtures.staff import FrozenClock

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)  # a Monday


@pytest.fixture
def house(tmp_path: Path, database_url: str) -> Iterator[PlataHouse]:
    clock = FrozenClock()
    with held_to_the_description(MonoFake(clock=clock)) as fake:
        yield plata_house(tmp_path, database_url, fake, clock)


def row(day: int, units: int, fee: int, *backs: GivenBack) -> StatementRow:
    at = NOON + timedelta(days=day)
    return StatementRow(f"p{day}-{units}", "success", at, units, "UAH", None, units - fee, tuple(backs))


def line(day: int, units: int) -> BankCredit:
    return BankCredit((NOON + timedelta(days=day)).date(), "UAH", units)


def test_a_day_is_gross_less_fee_less_what_went_back_that_day() -> None:
    books = day_books([row(0, 100_00, 1_30), row(0, 50_00, 65), row(1, 10_00, 13, GivenBack(NOON, 5_00))])
    first = books[CurrencyDay("UAH", date(2026, 5, 4))]
    assert (first.payments, first.gross_units, first.fee_units, first.back_units) == (2, 150_00, 1_95, 5_00)
    assert first.net_units == 143_05


def test_a_day_is_kyivs_own() -> None:
    late = StatementRow("p", "success", datetime(2026, 5, 4, 21, 30, tzinfo=UTC), 100, "UAH", None, 100)
    assert list(day_books([late])) == [("UAH", date(2026, 5, 5))]


def test_each_line_is_tied_to_its_day_and_a_weekend_to_one() -> None:
    rows = [row(day, 100_00 + day, 1_30) for day in range(7)]
    nets = [98_70 + day for day in range(7)]
    lines = [line(day + 1, nets[day]) for day in range(4)] + [line(7, sum(nets[4:]))]
    found = tied(lines, day_books(rows))
    assert [len(one.days) for one in found] == [1, 1, 1, 1, 3]
    assert [one.books.payments for one in found] == [1, 1, 1, 1, 3]


def test_a_line_that_no_days_come_to_is_tied_to_none_and_takes_none_from_others() -> None:
    found = tied([line(1, 77_77), line(1, 98_70)], day_books([row(0, 100_00, 1_30)]))
    assert [one.days for one in found] == [(), (date(2026, 5, 4),)]


@pytest.mark.parametrize("seed", range(20))
def test_no_day_is_tied_twice_and_every_tie_is_exact(seed: int) -> None:
    random = Random(seed)
    rows = [row(random.randrange(20), random.randint(1, 500) * 100, random.randint(0, 99)) for _ in range(60)]
    books = day_books(rows)
    days_of = {day: CurrencyDay("UAH", (NOON + timedelta(days=day)).date()) for day in range(0, 20, 2)}
    lines = [line(day + 1, books[key].net_units) for day, key in days_of.items() if key in books]
    found = tied(lines, books)
    days = [day for one in found for day in one.days]
    assert len(days) == len(set(days))
    assert all(one.books.net_units == one.line.units for one in found if one.days)


def booked(house: PlataHouse, units: int) -> None:
    """Let the bank tell of a payout, today."""
    now = house.clock()
    money = Identity("", "UAH", "UA043052990000026007015028783", Direction.IN, f"payout {units}")
    claim = PaymentClaim(
        State.CONFIRMED, Kind.PAYOUT, "bank", "iban", units, 2, now,
        bank=BankFacts("payout_acquirer", "acquirer", now.date()),
    )  # fmt: skip
    house.ledger.accept(Report("bank", f"payout {units}", (Observation(money, claim, rank=(1, 1)),)))


def test_verify_says_what_the_banks_line_pays_out(house: PlataHouse) -> None:
    house.paid()
    house.paid()
    house.deliver()
    house.clock.advance(days=1)
    booked(house, 394_80)
    booked(house, 12_34)
    given = assemble(house.file).given("mono")
    said = [one.text for one in RAILS["mono"].compare_online(given, house.ledger, clock=house.clock)]
    pays = "pays out 2 payments of 2026-05-20: 400 UAH less a fee of 5.2 UAH"
    assert said == [
        f"mono: 394.8 UAH that the bank booked on 2026-05-21 {pays}",
        "mono: 12.34 UAH that the bank booked on 2026-05-21 is no sum of days before it",
    ]

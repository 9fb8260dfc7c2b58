"""A civil date is the publisher's: what people see and type is their calendar, what is stored is UTC."""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from support_service.assembly import assemble
from support_service.settings import SettingsError
from support_service.web.civil_dates import day_of, first_moment, moment_within, written
from tests.fixtures.service import SEED, write_settings
from tests.fixtures.staff import House, build_house

KYIV, AUCKLAND = ZoneInfo("Europe/Kyiv"), ZoneInfo("Pacific/Auckland")
# 01:30 on 1 August in Kyiv.
NIGHT = datetime(2026, 7, 31, 22, 30, tzinfo=UTC)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = build_house(tmp_path, f"sqlite:///{tmp_path}/support.db")
    house.clock.now = NIGHT
    yield house
    house.ledger.dispose()


def test_after_midnight_the_entry_form_offers_and_takes_the_new_day(house: House) -> None:
    visitor = house.person()
    page = visitor.get("/staff/entry").text
    assert 'max="2026-08-01" value="2026-08-01"' in page
    visitor.book(date="2026-08-01")
    (item,) = house.ledger.donations()
    assert item.donation.payment.occurred_at == NIGHT
    assert "2026-08-01 01:30" in visitor.get("/staff/donations").text
    assert visitor.fill("/staff/entry", form="entry", method="card", amount="1", date="2026-08-02").status_code == 400


def test_the_filter_counts_the_publishers_days(house: House) -> None:
    visitor = house.person()
    visitor.book(date="2026-08-01")

    def count(**query: str) -> int:
        return len(re.findall("<data ", visitor.get("/staff/donations", **query).text.partition("<table")[2]))

    assert (count(since="2026-08-01"), count(until="2026-08-01"), count(until="2026-08-02")) == (1, 0, 1)
    assert visitor.get("/staff/donations", since="0001-01-01", until="9999-12-31").status_code == 200


@pytest.mark.parametrize(("day", "hours"), [("2026-03-29", 23), ("2026-06-01", 24), ("2026-10-25", 25)])
def test_a_day_is_as_long_as_its_clocks_say(day: str, hours: int) -> None:
    today = date.fromisoformat(day)
    begins, ends = first_moment(today, KYIV), first_moment(today + timedelta(days=1), KYIV)
    assert ends - begins == timedelta(hours=hours)
    assert day_of(begins, KYIV) == day_of(ends - timedelta(microseconds=1), KYIV) == today
    assert day_of(ends, KYIV) != today


def test_a_day_without_midnight_begins_after_it() -> None:
    assert first_moment(date(2023, 9, 3), ZoneInfo("America/Santiago")) == datetime(2023, 9, 3, 4, tzinfo=UTC)


@pytest.mark.parametrize("zone", ["Europe/Kyiv", "Pacific/Auckland", "Pacific/Kiritimati", "Pacific/Pago_Pago", "UTC"])
def test_a_day_alone_is_stored_as_a_moment_of_that_day(zone: str) -> None:
    for day in (date(2026, 1, 15), date(2026, 7, 15)):
        assert day_of(moment_within(day, ZoneInfo(zone)), ZoneInfo(zone)) == day


def test_an_hour_that_clocks_show_twice_is_told_apart() -> None:
    first = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert written(first, KYIV) == "2026-10-25 03:30 +0300"
    assert written(first + timedelta(hours=1), KYIV) == "2026-10-25 03:30 +0200"
    assert written(first + timedelta(hours=2), KYIV) == "2026-10-25 04:30"


@pytest.mark.parametrize(
    ("line", "zone"),
    [
        ('languages = ["uk", "en"]', "Europe/Kyiv"),
        ('languages = ["en", "uk"]', "UTC"),
        ('languages = ["uk"]\ntimezone = "Europe/Warsaw"', "Europe/Warsaw"),
    ],
)
def test_the_zone_is_set_or_follows_the_first_language(tmp_path: Path, line: str, zone: str) -> None:
    assembly = assemble(write_settings(tmp_path, SEED.replace('languages = ["uk", "en"]', line)))
    assert assembly.settings.publisher.zone.key == zone


@pytest.mark.parametrize(
    "name", ["Kyiv", "Europe", "../etc/passwd", "localtime", "Factory", "europe/kyiv", "UTC+3", "\\u0000"]
)
def test_what_is_no_time_zone_is_refused(tmp_path: Path, name: str) -> None:
    text = SEED.replace("[publisher]", f'[publisher]\ntimezone = "{name}"')
    with pytest.raises(SettingsError, match=r"publisher\.timezone"):
        assemble(write_settings(tmp_path, text))

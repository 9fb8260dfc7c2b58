"""Sums that pages are made from are those of the gifts, wherever a day or a month begins; what counts in part too."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from support_service.ledger import Ledger
from support_service.ledger.derived import fill_derived
from support_service.ledger.engine import Database
from support_service.web.staff.month_sums import day_starts, ends_of
from tests.fixtures.books import valued
from tests.fixtures.reports import NOON, gift, pushed, refund

HERE, THERE = "https://example.com/a", "https://example.com/b"


def test_gifts_are_summed_by_article_and_currency_of_value(ledger: Ledger) -> None:
    whole = [gift(f"pi_{number}", article=HERE) for number in (1, 2)]
    partly = gift("pi_3", units=9_00, article=HERE, rank=(1, 0))
    dollars, unvalued = gift("pi_4", article=HERE), gift("pi_5", article=THERE)
    gone = gift("pi_6", article=THERE, rank=(1, 0))
    ledger.accept(pushed("gifts", *whole, partly, dollars, unvalued, gone, gift("pi_7")))
    ledger.accept(pushed("refunds", refund("pi_3", units=6_00, rank=(2, 0)), refund("pi_6", rank=(2, 0))))
    values = [*(valued(one, 400_00, "40") for one in whole), valued(partly, 100_01, "11"), valued(gone, 5, "1")]
    ledger.accept(pushed("values", *values, valued(dollars, 11_00, "1.1", currency="USD"), source="rates"))
    told = ledger.overviews.article_sums(NOON - timedelta(days=1), NOON + timedelta(days=1))
    assert [(one.article, one.currency, one.gifts, one.worth_units) for one in told] == [
        (HERE, "UAH", 3, 800_00 + 100_01 // 3),
        (HERE, "USD", 1, 11_00),
        (THERE, "", 1, 0),
    ]
    assert ledger.overviews.article_sums(NOON + timedelta(days=1), NOON + timedelta(days=2)) == ()


ZONES = ("Europe/Kyiv", "UTC", "Asia/Kathmandu", "America/St_Johns", "Pacific/Kiritimati", "America/Los_Angeles")
OCTOBER = date(2026, 10, 1)


def every_few_hours(ledger: Ledger) -> dict[str, datetime]:
    """Book a gift every five hours and some around the ends of October, half of them by an article."""
    first = datetime(2026, 9, 29, tzinfo=UTC)
    moments = [first + timedelta(hours=5 * number, minutes=7 * number) for number in range(170)]
    given = {f"pi_{number}": moment for number, moment in enumerate(moments)}
    ledger.accept(
        pushed(
            "gifts",
            *(
                gift(name, units=1 + place, occurred_at=moment, article=HERE if place % 2 else None, rank=(1, 0))
                for place, (name, moment) in enumerate(given.items())
            ),
        )
    )
    ledger.accept(pushed("refunds", *(refund(f"pi_{at}", units=1 + at, rank=(2, 0)) for at in range(0, 170, 9))))
    return {name: moment for name, moment in given.items() if int(name[3:]) % 9}


@pytest.mark.parametrize("zone", ZONES)
def test_days_and_articles_are_summed_as_if_gift_by_gift(sqlite_url: str, zone: str) -> None:
    ledger, here = Ledger(sqlite_url), ZoneInfo(zone)
    left = every_few_hours(ledger)
    since, until = ends_of(OCTOBER, here)
    by_day, inside = Counter[date](), [name for name, moment in left.items() if since <= moment < until]
    for name in inside:
        by_day[left[name].astimezone(here).date()] += 1 + int(name[3:])
    told = Counter[date]()
    for total in ledger.quarters(since, until, day_starts(OCTOBER, here)):
        told[total.begin.astimezone(here).date()] += total.sums.units
    assert +told == by_day and len(by_day) > 25
    (month,) = ledger.quarters(since, until, [since])
    assert (month.sums.counted_gifts, month.sums.units) == (len(inside), by_day.total())
    (article,) = ledger.overviews.article_sums(since, until)
    assert article.gifts == sum(int(name[3:]) % 2 for name in inside)
    for begin, end in ((since, since + timedelta(hours=30)), (since + timedelta(days=20), until + timedelta(days=5))):
        gifts = [name for name, moment in left.items() if begin <= moment < end and int(name[3:]) % 2]
        assert [one.gifts for one in ledger.overviews.article_sums(begin, end)] == [len(gifts)]


def test_pieces_shorter_than_a_day_hold_what_lies_in_them(sqlite_url: str) -> None:
    ledger = Ledger(sqlite_url)
    left = every_few_hours(ledger)
    first = datetime(2026, 10, 3, 1, 15, tzinfo=UTC)
    starts = [first + timedelta(hours=3 * number) for number in range(20)]
    told = {total.begin: total.sums.counted_gifts for total in ledger.quarters(first, starts[-1], starts[:-1])}
    plain = Counter(
        starts[(moment - first) // timedelta(hours=3)] for moment in left.values() if first <= moment < starts[-1]
    )
    assert {begin: count for begin, count in told.items() if count} == plain


def test_a_ledger_from_before_there_were_sums_by_day_gets_them(sqlite_url: str) -> None:
    ledger, october = Ledger(sqlite_url), ends_of(OCTOBER, ZoneInfo("UTC"))
    every_few_hours(ledger)
    told = ledger.months.rows(*october), ledger.overviews.article_sums(*october)
    database = Database(sqlite_url)
    with database.write() as tx:
        for table in ("day_total", "article_total"):
            tx.exec_driver_sql(f"DELETE FROM {table}")
    assert any("on day" in problem for problem in ledger.verify())
    with database.write() as tx:
        fill_derived(tx)
    database.dispose()
    assert ledger.verify() == []
    assert told == (ledger.months.rows(*october), ledger.overviews.article_sums(*october))

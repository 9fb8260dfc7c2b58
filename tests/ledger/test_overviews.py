"""Sums that pages are made from are those of the gifts, wherever a day or a month begins; what counts in part too."""

import secrets
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from support_service.giving import Frequency, Intent, Observation, PaymentClaim, PlanClaim, Report
from support_service.ledger import Ledger
from support_service.ledger.derived import fill_derived
from support_service.ledger.engine import Database
from support_service.web.staff.month_sums import day_starts, ends_of
from tests.fixtures.books import valued
from tests.fixtures.database import prepare
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


def chosen(ledger: Ledger, placement: str) -> str:
    """Open a choice that came from a block at this place of a page, and return its ref."""
    ref = secrets.token_hex(16)
    made = Intent(ref, "stripe", "EUR", 2, 10_00, Frequency.ONCE, "uk", NOON, article=HERE, placement=placement)
    return ledger.intents.open(made, nonce=ref).ref


@pytest.mark.parametrize("zone", ["Europe/Kyiv", "America/Los_Angeles"])
def test_gifts_are_summed_by_the_placement_that_their_choices_name(database_url: str, zone: str) -> None:
    prepare(database_url)
    ledger = Ledger(database_url)
    first = datetime(2026, 9, 30, tzinfo=UTC)
    plain, side, end = chosen(ledger, ""), chosen(ledger, "sidebar"), chosen(ledger, "end")
    told = [
        gift(f"pi_{number}", occurred_at=first + timedelta(hours=5 * number), article=HERE, intent=by, rank=(1, 0))
        for number, by in enumerate((plain, side, end, side) * 40)
    ]
    ledger.accept(pushed("gifts", *told))
    ledger.accept(pushed("values", *(valued(one, 400_00, "40") for one in told[::3]), source="rates"))
    ledger.accept(pushed("refunds", *(refund(f"pi_{number}", rank=(2, 0)) for number in range(0, 160, 7))))
    since, until = ends_of(OCTOBER, ZoneInfo(zone))
    left = [number for number, one in enumerate(told) if number % 7 and since <= _moment(one) < until]
    expected: Counter[tuple[str, str]] = Counter()
    for number in left:
        place = ("", "placement:sidebar", "placement:end", "placement:sidebar")[number % 4]
        expected[place, "" if number % 3 else "UAH"] += bool(place)
    summed = {(one.article, one.currency): one.gifts for one in ledger.overviews.placement_sums(since, until)}
    assert summed == +expected
    assert {one.article for one in ledger.overviews.article_sums(since, until)} == {HERE}
    assert ledger.verify() == []
    ledger.dispose()


def _moment(one: Observation) -> datetime:
    assert isinstance(one.claim, PaymentClaim)
    return one.claim.occurred_at


def test_a_sum_by_placement_that_was_changed_is_found_and_one_that_is_missing_is_filled(sqlite_url: str) -> None:
    prepare(sqlite_url)
    ledger, database = Ledger(sqlite_url), Database(sqlite_url)
    ledger.accept(pushed("one", gift(article=HERE, intent=chosen(ledger, "end")), gift("pi_2", article=HERE)))
    whole = ledger.overviews.placement_sums(NOON - timedelta(days=1), NOON + timedelta(days=1))
    with database.write() as tx:
        tx.exec_driver_sql("UPDATE article_total SET gifts = 5 WHERE article = 'placement:end'")
    (problem,) = ledger.verify()
    assert "placement:end" in problem
    with database.write() as tx:
        tx.exec_driver_sql("DELETE FROM article_total")
        fill_derived(tx)
    database.dispose()
    assert ledger.verify() == []
    assert ledger.overviews.placement_sums(NOON - timedelta(days=1), NOON + timedelta(days=1)) == whole


def test_views_are_added_up_by_month_and_past_a_bound_as_one(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("support_service.ledger.view_counts.SUBJECTS_MAX", 3)
    november = date(2026, 11, 1)
    ledger.views.add({(OCTOBER, HERE): 2, (OCTOBER, "placement:end"): 1, (november, HERE): 5})
    ledger.views.add({(OCTOBER, HERE): 3, (OCTOBER, THERE): 4})
    ledger.views.add({(OCTOBER, f"{THERE}{number}"): 1 for number in range(10)} | {(OCTOBER, THERE): 1})
    assert ledger.views.of_month(OCTOBER) == {HERE: 5, "placement:end": 1, THERE: 5, "": 10}
    assert ledger.views.of_month(november) == {HERE: 5}
    assert ledger.verify() == []


def begun(ledger: Ledger, placement: str, moment: datetime) -> PlanClaim:
    """Open a choice at this moment, and say that a plan came of it."""
    ref = secrets.token_hex(16)
    made = Intent(ref, "stripe", "EUR", 2, 10_00, Frequency.MONTHLY, "uk", moment, article=HERE, placement=placement)
    ledger.intents.open(made, nonce=ref)
    return PlanClaim(f"sub_{ref}", ref, 10_00, "EUR", 2, Frequency.MONTHLY, "active", moment, (1, 0))


def test_every_plan_of_a_month_is_counted_by_article_and_placement(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("support_service.ledger.overviews.BEGUN_CHUNK", 4)
    # Three of each moment: a chunk ends between choices of one microsecond, too.
    plans = [
        begun(ledger, ("", "end", "side")[number % 3], NOON + timedelta(seconds=number // 3)) for number in range(12)
    ]
    plans.append(begun(ledger, "end", NOON + timedelta(days=1)))
    ledger.accept(Report("stripe", "1", (), plans=tuple(plans)))
    chosen(ledger, "end")
    told = ledger.overviews.plans_begun(NOON, NOON + timedelta(days=1))
    assert told.by_article == {HERE: 12}
    assert told.by_placement == {"placement:end": 4, "placement:side": 4}

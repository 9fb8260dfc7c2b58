"""Whatever goes wrong with a bank's API loses and doubles nothing: the real ledger against the stand-ins.

Each fault meets every question of a turn in turn. Meanwhile nothing is booked that is not there, and once it is
over the books hold what the bank holds, each line once.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from support_service import watcher
from support_service.demo.bank import BankTrouble
from support_service.demo.bank.account import ON_ITS_WAY, DemoBankAccount
from support_service.rails.bank.live import autoclient, connection
from support_service.rails.source import SourceDown
from tests.fixtures.banks import CARD, IBAN, BankHouse, bank_house
from tests.fixtures.staff import FrozenClock

ACCOUNTS = {"privatbank": IBAN, "monobank": CARD, "monobank_business": IBAN}
# A turn of PrivatBank asks for settings, ten days and what is on its way; of monobank for accounts and a statement.
QUESTIONS = {"privatbank": ("settings", "transactions", "interim"), "monobank": ("client-info", "/statement/")}
QUESTIONS["monobank_business"] = ("/statement/",)
ANYWHERE = [
    one
    for one in BankTrouble
    if one
    not in {
        BankTrouble.BAD_ROW, BankTrouble.CLOSING, BankTrouble.SAME_PAGE, BankTrouble.CIRCLE, BankTrouble.NO_NEXT,
        BankTrouble.SLID, BankTrouble.TEXT_FLAG, BankTrouble.SHUFFLED, BankTrouble.OTHER_ACCOUNT, BankTrouble.ONE_LESS,
    }
]  # fmt: skip
HARMLESS = {BankTrouble.UTF8, BankTrouble.BOM, BankTrouble.CP1251}
PAGED = [
    BankTrouble.SAME_PAGE, BankTrouble.CIRCLE, BankTrouble.NO_NEXT, BankTrouble.SLID, BankTrouble.TEXT_FLAG,
    BankTrouble.SHUFFLED, BankTrouble.ONE_LESS, BankTrouble.CUT_JSON, BankTrouble.SILENT, BankTrouble.BROKEN,
    BankTrouble.BUSY, BankTrouble.BAD_ROW,
]  # fmt: skip
PLACES = [(kind, question) for kind, questions in QUESTIONS.items() for question in questions]


@contextmanager
def patience(trouble: BankTrouble, seconds: float = 0.5) -> Iterator[None]:
    """Do not wait long for an answer that will not come; for all others as long as ever: the machine may be busy."""
    with pytest.MonkeyPatch.context() as patch:
        if trouble is BankTrouble.SILENT:
            patch.setattr(connection, "READ_SECONDS_MAX", seconds)
        yield


def give(account: DemoBankAccount, number: int) -> None:
    """Two equal gifts, another one, a fee, and one on its way."""
    for units in (10_000, 10_000, 1_000 + number, -500):
        account.pay(units, f"дякую {number}")
    account.pay(7_000 + number, standing=ON_ITS_WAY)


def held(account: DemoBankAccount) -> list[int]:
    return sorted(one.units for one in account.payments if one.standing == "r")


def turns(house: BankHouse, count: int) -> list[watcher.SourceOutcome]:
    """Some turns of one watcher; after each nothing is booked that is not there."""
    (account,), sources = house.fakes.accounts, house.sources()
    outcomes = []
    for _ in range(count):
        outcomes += house.look(sources)
        assert Counter(house.units()) - Counter(held(account)) == Counter()
    return outcomes


def assert_whole(house: BankHouse) -> None:
    """What the bank holds is booked, each line once, and what is on its way is seen."""
    (account,) = house.fakes.accounts
    assert house.units() == held(account)
    assert house.units("seen") == sorted(one.units for one in account.payments if one.standing == ON_ITS_WAY)
    assert house.ledger.verify() == []


@pytest.mark.parametrize("trouble", ANYWHERE, ids=lambda one: one.name.lower())
@pytest.mark.parametrize(("kind", "question"), PLACES, ids=lambda word: word.strip("/"))
def test_a_fault_of_one_question_loses_and_doubles_nothing(
    tmp_path: Path, sqlite_url: str, kind: str, question: str, trouble: BankTrouble
) -> None:
    with bank_house(tmp_path, sqlite_url, {"one": (kind, ACCOUNTS[kind])}) as house:
        (account,) = house.fakes.accounts
        give(account, 1)
        house.fakes.faults.order(trouble, path=question)
        with patience(trouble):
            (first,) = turns(house, 1)
        assert first.is_good == (trouble in HARMLESS), first.reason
        assert house.fakes.token not in first.reason
        give(account, 2)
        # A refused token is taken again by a watcher that is started anew.
        turns(house, 2)
        assert_whole(house)


@pytest.mark.parametrize("trouble", PAGED, ids=lambda one: one.name.lower())
@pytest.mark.parametrize("page", [1, 2, 3])
def test_a_fault_between_pages_loses_and_doubles_nothing(
    tmp_path: Path, sqlite_url: str, trouble: BankTrouble, page: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(autoclient, "PAGE_ROWS", 5)
    with bank_house(tmp_path, sqlite_url, {"one": ("privatbank", IBAN)}) as house:
        (account,) = house.fakes.accounts
        for number in range(4):
            give(account, number)
        house.fakes.faults.order(trouble, path="/transactions", skip=page, times=2)
        with patience(trouble):
            turns(house, 1)
            turns(house, 1)
        house.fakes.faults.clear()
        turns(house, 1)
        house.clock.advance(days=1)
        turns(house, 1)
        assert Counter(house.units()) == Counter(held(account))
        assert house.ledger.verify() == []


@pytest.mark.parametrize(
    "trouble", [BankTrouble.CUT_BODY, BankTrouble.BROKEN, BankTrouble.SILENT], ids=lambda one: one.name.lower()
)
@pytest.mark.parametrize("kind", ["monobank", "monobank_business"])
def test_a_fault_between_full_pages_of_monobank_keeps_what_came_and_reads_the_rest(
    tmp_path: Path, sqlite_url: str, kind: str, trouble: BankTrouble
) -> None:
    with bank_house(tmp_path, sqlite_url, {"one": (kind, ACCOUNTS[kind])}) as house:
        (account,) = house.fakes.accounts
        for number in range(700):
            house.clock.advance(seconds=1)
            account.pay(1_000 + number)
        house.fakes.faults.order(trouble, path="/statement/", skip=1)
        with patience(trouble, seconds=3):
            (first,) = turns(house, 1)
        assert not first.is_good
        assert len(house.units()) == 500
        turns(house, 1)
        assert_whole(house)


@pytest.mark.parametrize("kind", ACCOUNTS)
def test_a_long_chain_of_different_faults_loses_and_doubles_nothing(tmp_path: Path, sqlite_url: str, kind: str) -> None:
    with bank_house(tmp_path, sqlite_url, {"one": (kind, ACCOUNTS[kind])}) as house:
        (account,) = house.fakes.accounts
        for number, trouble in enumerate(one for one in ANYWHERE if one is not BankTrouble.SILENT):
            give(account, number)
            house.fakes.faults.order(trouble, skip=number % 3)
            turns(house, 1)
        house.fakes.faults.clear()
        turns(house, 1)
        assert_whole(house)


# Kyiv's midnight (21:00 and 22:00 UTC), the nights of both time changes, the turn of a month and of a year.
MOMENTS = [
    datetime(2026, 9, 8, 20, 59, 59, tzinfo=UTC), datetime(2026, 9, 8, 21, 0, 0, tzinfo=UTC),
    datetime(2026, 10, 24, 23, 30, tzinfo=UTC), datetime(2026, 10, 25, 0, 30, tzinfo=UTC),
    datetime(2026, 10, 25, 1, 30, tzinfo=UTC), datetime(2027, 3, 28, 0, 59, 59, tzinfo=UTC),
    datetime(2027, 3, 28, 1, 0, tzinfo=UTC), datetime(2026, 9, 30, 21, 0, tzinfo=UTC),
    datetime(2026, 12, 31, 21, 59, 59, tzinfo=UTC), datetime(2026, 12, 31, 22, 0, tzinfo=UTC),
]  # fmt: skip


@pytest.mark.parametrize("kind", ACCOUNTS)
@pytest.mark.parametrize("moment", MOMENTS, ids=lambda one: one.isoformat())
def test_no_hour_of_the_clock_loses_a_gift_and_days_are_kyivs(
    tmp_path: Path, sqlite_url: str, kind: str, moment: datetime
) -> None:
    clock = FrozenClock(moment - timedelta(minutes=3))
    with bank_house(tmp_path, sqlite_url, {"one": (kind, ACCOUNTS[kind])}, clock=clock) as house:
        (account,) = house.fakes.accounts
        for _ in range(6):
            account.pay(10_000)
            house.look()
            house.clock.advance(minutes=20)
        assert_whole(house)
        days = sorted(one.booking_day.isoformat() for one in account.payments)
        assert sorted(row["booking_date"] for row in house.rows()) == days
        assert {row["occurred_at"] for row in house.rows()} == {f"{day}T12:00:00Z" for day in days}


@pytest.mark.parametrize("hours", [-26, -1, 1, 26])
@pytest.mark.parametrize("kind", ACCOUNTS)
def test_a_clock_of_ours_that_is_wrong_loses_nothing_once_it_is_right(
    tmp_path: Path, sqlite_url: str, kind: str, hours: int
) -> None:
    with bank_house(tmp_path, sqlite_url, {"one": (kind, ACCOUNTS[kind])}) as house:
        (account,) = house.fakes.accounts
        ours = FrozenClock()
        wrong = [*house.sources()]
        for source in wrong:
            api = source._api  # type: ignore[attr-defined]
            if hasattr(api, "_clock"):
                api._clock = ours
        for number in range(3):
            give(account, number)
            ours.now = house.clock.now + timedelta(hours=hours)
            house.look(wrong)
        turns(house, 1)
        house.clock.advance(days=1)
        turns(house, 1)
        assert house.units() == held(account)
        assert house.ledger.verify() == []


@pytest.mark.parametrize(
    ("trouble", "seconds"), [(BankTrouble.BUSY, 7), (BankTrouble.RESTING, 9), (BankTrouble.WALL, 86_400)]
)
def test_a_bank_that_says_how_long_to_rest_is_left_alone_for_so_long(
    tmp_path: Path, sqlite_url: str, trouble: BankTrouble, seconds: int
) -> None:
    with bank_house(tmp_path, sqlite_url, {"one": ("monobank", CARD)}) as house:
        (source,) = house.sources()
        house.fakes.faults.order(trouble)
        with pytest.raises(SourceDown) as raised:
            watcher.turn(source, house.ledger)
        assert raised.value.retry_after_seconds == seconds


def test_a_redirect_is_not_followed_and_the_token_goes_nowhere_else(tmp_path: Path, sqlite_url: str) -> None:
    with bank_house(tmp_path, sqlite_url, {"one": ("privatbank", IBAN)}) as house:
        asked: list[str] = []
        take = house.fakes.faults.take
        house.fakes.faults.take = lambda path: asked.append(path) or take(path)  # type: ignore[method-assign,func-returns-value]
        house.fakes.faults.order(BankTrouble.MOVED)
        (outcome,) = turns(house, 1)
        assert "HTTP 302" in outcome.reason
        assert "/elsewhere" not in asked


@pytest.fixture
def two(tmp_path: Path, database_url: str) -> Iterator[BankHouse]:
    with bank_house(tmp_path, database_url, {"one": ("privatbank", IBAN), "card": ("monobank", CARD)}) as made:
        yield made


def test_two_watchers_at_once_and_one_that_dies_between_booking_and_cursor_double_nothing(two: BankHouse) -> None:
    for account in two.fakes.accounts:
        give(account, 1)
    fast, slow = two.sources(), two.sources()
    for one, other in zip(fast, slow, strict=True):
        two.clock.advance(minutes=2)
        next(iter(other.reports(two.ledger.cursor(other.name))))
        two.clock.advance(minutes=2)  # monobank answers a token once a minute, whoever asks
        watcher.turn(one, two.ledger)
    two.clock.advance(minutes=2)
    watcher.run_once(two.sources(), two.ledger)
    assert two.units() == sorted(units for account in two.fakes.accounts for units in held(account))
    assert two.ledger.verify() == []

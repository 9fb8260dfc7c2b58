"""Accounts that are asked: what the bank tells becomes lines once, in whatever order it and files tell it."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from support_service import watcher
from support_service.demo.bank import BankTrouble
from support_service.demo.bank.account import ON_ITS_WAY
from support_service.ledger import Health
from support_service.rails.source import SourceRefused
from tests.fixtures.banks import CARD, IBAN, KINDS, BankHouse, account_of, bank_house

ACCOUNTS = {"privatbank": IBAN, "monobank": CARD, "monobank_business": IBAN}


@pytest.fixture(params=KINDS)
def house(request: pytest.FixtureRequest, tmp_path: Path, database_url: str) -> Iterator[BankHouse]:
    kind = request.param
    with bank_house(tmp_path, database_url, {"one": (kind, ACCOUNTS[kind])}) as made:
        yield made


@pytest.fixture
def privat(tmp_path: Path, database_url: str) -> Iterator[BankHouse]:
    with bank_house(tmp_path, database_url, {"privat": ("privatbank", IBAN)}) as made:
        yield made


def test_gifts_come_in_once_and_two_equal_ones_are_two(house: BankHouse) -> None:
    (account,) = house.fakes.accounts
    for _ in range(2):
        account.pay(10_000, "Благодійна допомога")
    account.pay(-500, "Комісія банку")
    (outcome,) = house.look()
    assert (outcome.source, outcome.is_good, outcome.donations_changed) == ("bank:one", True, 3)
    assert house.units() == [-500, 10_000, 10_000]
    account.pay(2_500)
    assert [one.donations_changed for one in (*house.look(), *house.look())] == [1, 0]
    assert house.units() == [-500, 2_500, 10_000, 10_000]
    assert house.ledger.verify() == []


def test_a_gift_that_is_on_its_way_is_seen_and_then_confirmed_once(house: BankHouse) -> None:
    (account,) = house.fakes.accounts
    gift = account.pay(10_000, standing=ON_ITS_WAY)
    house.look()
    assert (house.units("seen"), house.units()) == ([10_000], [])
    assert house.ledger.totals() == ()
    account.book(gift)
    house.look()
    assert (house.units("seen"), house.units()) == ([], [10_000])
    assert house.ledger.verify() == []


def test_what_is_on_its_way_without_reference_gives_way_to_what_is_booked(privat: BankHouse) -> None:
    (account,) = privat.fakes.accounts
    gifts = [account.pay(10_000, "дякую", standing=ON_ITS_WAY, has_reference=False) for _ in range(2)]
    privat.look()
    privat.look()
    assert privat.units("seen") == [10_000, 10_000]
    account.book(gifts[0])
    privat.look()
    assert (privat.units("seen"), privat.units()) == ([10_000], [10_000])
    account.book(gifts[1])
    privat.clock.advance(days=1)
    privat.look()
    assert (privat.units("seen"), privat.units()) == ([], [10_000, 10_000])
    assert privat.units("replaced") == [10_000, 10_000]
    assert privat.ledger.verify() == []


def test_what_vanishes_before_it_is_booked_is_let_go_and_may_come_back(house: BankHouse) -> None:
    (account,) = house.fakes.accounts
    gift = account.pay(10_000, standing=ON_ITS_WAY)
    house.look()
    account.drop(gift)
    house.look()
    assert (house.units("seen"), house.units("replaced")) == ([], [10_000])
    account.payments.append(gift)
    account.book(gift)
    house.look()
    assert (house.units(), house.units("replaced")) == ([10_000], [])
    assert house.ledger.verify() == []


@pytest.mark.parametrize("days", [0, 1, 3, 9])
def test_a_line_that_the_bank_takes_back_days_later_counts_nothing_any_more(privat: BankHouse, days: int) -> None:
    (account,) = privat.fakes.accounts
    gift = account.pay(10_000)
    account.pay(700)
    privat.look()
    account.take_back(gift)
    privat.clock.advance(days=days)
    privat.look()
    assert (privat.units(), privat.units("replaced")) == ([700], [10_000])
    assert [total.units for total in privat.ledger.totals()] == [700]
    assert privat.ledger.verify() == []


def test_a_night_a_weekend_and_a_month_without_us_lose_nothing(house: BankHouse) -> None:
    (account,) = house.fakes.accounts
    told = []
    for days in (1, 3, 40):
        house.look()
        for number in range(days):
            house.clock.advance(days=1)
            account.pay(1_000 + days + number)
            told.append(1_000 + days + number)
        house.look()
    assert house.units() == sorted(told)


@pytest.mark.parametrize("count", [99, 100, 101, 250])
def test_pages_are_read_to_their_end(privat: BankHouse, count: int) -> None:
    (account,) = privat.fakes.accounts
    for number in range(count):
        account.pay(1_000 + number)
    privat.look()
    assert privat.units() == [1_000 + number for number in range(count)]


@pytest.mark.parametrize("kind", ["monobank", "monobank_business"])
@pytest.mark.parametrize("count", [500, 501, 1_200])
def test_full_pages_of_monobank_are_read_to_their_end(tmp_path: Path, database_url: str, kind: str, count: int) -> None:
    with bank_house(tmp_path, database_url, {"mono": (kind, IBAN)}) as house:
        (account,) = house.fakes.accounts
        for number in range(count):
            if number % 7 == 0:
                house.clock.advance(seconds=1)
            account.pay(1_000 + number)
        house.look()
        assert house.units() == [1_000 + number for number in range(count)]


def test_one_token_asks_monobank_once_a_minute_over_all_its_accounts_and_jars(
    tmp_path: Path, database_url: str
) -> None:
    names = {"card": ("monobank", CARD), "jar": ("monobank", "jar:aBcD1234"), "fop": ("monobank", IBAN)}
    with bank_house(tmp_path, database_url, names) as house:
        tables = house.file.read_text(encoding="utf-8")
        house.file.write_text(tables.replace("jar.token", "card.token").replace("fop.token", "card.token"))
        for account in house.fakes.accounts:
            account.pay(10_000)
        outcomes = house.look()
        assert [one.reason for one in outcomes] == ["", "", ""]
        assert sum(house.waited) >= 180 - 1, "client-info and three statements, a minute apart"
        assert house.units() == [10_000] * 3
        assert {row["method"] for row in house.rows()} == {"card", "iban"}


def test_a_refused_token_is_told_once_and_asked_again_only_when_it_is_another(
    privat: BankHouse, caplog: pytest.LogCaptureFixture
) -> None:
    (account,) = privat.fakes.accounts
    account.pay(10_000)
    file = privat.file.parent / "privat.token"
    file.write_text("a-token-of-long-ago")
    (source,) = privat.sources()
    asked: list[str] = []
    privat.fakes.autoclient.answer, plain = _counting(asked, privat), privat.fakes.autoclient.answer  # type: ignore[method-assign]
    for _ in range(4):
        with pytest.raises(SourceRefused, match=r"refuses the token of .*privat\.token"):
            watcher.turn(source, privat.ledger)
    assert len(asked) == 1
    privat.fakes.autoclient.answer = plain  # type: ignore[method-assign]
    (outcome,) = watcher.run_once([source], privat.ledger)
    assert "a-token-of-long-ago" not in outcome.reason + caplog.text
    assert privat.ledger.health()["bank:privat"].state is Health.DOWN
    file.write_text(privat.fakes.token)
    (outcome,) = watcher.run_once([source], privat.ledger)
    assert outcome.is_good
    assert privat.units() == [10_000]


def _counting(asked: list[str], house: BankHouse):  # type: ignore[no-untyped-def]
    plain = house.fakes.autoclient.answer

    def answer(question, token):  # type: ignore[no-untyped-def]
        asked.append(question.path)
        return plain(question, token)

    return answer


def test_one_refused_token_leaves_the_other_banks_alone(tmp_path: Path, database_url: str) -> None:
    names = {"privat": ("privatbank", IBAN), "mono": ("monobank", CARD)}
    with bank_house(tmp_path, database_url, names) as house:
        (tmp_path / "privat.token").write_text("wrong")
        account_of(house, CARD).pay(10_000)
        privat, mono = house.look()
        assert (privat.is_good, mono.is_good) == (False, True)
        assert house.units() == [10_000]


def test_a_row_that_cannot_be_read_is_set_aside_and_the_others_are_booked(house: BankHouse) -> None:
    (account,) = house.fakes.accounts
    for units in (1_001, 1_002, 1_003):
        account.pay(units, "секретний коментар")
    house.fakes.faults.order(BankTrouble.BAD_ROW, path="transactions", times=2)
    house.fakes.faults.order(BankTrouble.BAD_ROW, path="/statement/", times=1)
    (outcome,) = house.look()
    assert outcome.is_good
    assert house.units() == [1_001, 1_002]
    (aside,) = house.ledger.set_aside("bank:one")
    assert aside.key.startswith("line ")
    assert "секретний" not in aside.reason + aside.key
    house.fakes.faults.clear()
    house.look()
    assert house.units() == [1_001, 1_002, 1_003]
    assert house.ledger.set_aside("bank:one") == ()


def test_while_the_bank_closes_its_day_it_is_left_alone(privat: BankHouse) -> None:
    (account,) = privat.fakes.accounts
    account.pay(10_000)
    privat.fakes.faults.order(BankTrouble.CLOSING, path="settings")
    (outcome,) = privat.look()
    assert outcome.is_good
    assert privat.rows() == []
    assert "closing its day" in privat.ledger.health()["bank:privat"].reason
    privat.look()
    assert privat.units() == [10_000]


def test_an_answer_about_another_account_is_a_lie_and_books_nothing(privat: BankHouse) -> None:
    (account,) = privat.fakes.accounts
    account.pay(10_000)
    privat.fakes.faults.order(BankTrouble.OTHER_ACCOUNT, path="transactions")
    (outcome,) = privat.look()
    assert "another account" in outcome.reason
    assert privat.rows() == []
    privat.look()
    assert privat.units() == [10_000]


def test_the_cursor_tells_how_far_an_account_was_read_and_a_quiet_bank_stores_no_report(house: BankHouse) -> None:
    house.look()
    first, head = house.ledger.cursor("bank:one"), house.ledger.head()
    house.look()
    second = house.ledger.cursor("bank:one")
    assert first
    assert second
    assert (second.step, second.checked_at) == (first.step + 1, house.clock.now)
    assert json.loads(second.memo)["again"] == "2026-09-08"
    assert house.ledger.head() == head


MONTH = datetime(2026, 9, 1, tzinfo=UTC), datetime(2026, 10, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("kind", "name"), [("privatbank", IBAN), ("monobank", IBAN), ("monobank", "jar:abc"), ("monobank", CARD)]
)
def test_balances_that_a_bank_tells_are_held_against_the_books(
    tmp_path: Path, database_url: str, kind: str, name: str
) -> None:
    with bank_house(tmp_path, database_url, {"one": (kind, name)}) as house:
        (account,) = house.fakes.accounts
        account.opening_units = 1_000_000
        sources = house.sources()
        for day in range(8):
            account.pay(10_000 + day)
            account.pay(-700)
            if day == 3:
                reserved = account.pay(5_000, standing=ON_ITS_WAY)
            if day == 5:
                account.book(reserved)
            house.look(sources)
            house.clock.advance(days=1)
        places = house.ledger.months.three_way(*MONTH).places
        if name == CARD:
            assert places == (), "a card's balance holds what was reserved and let go"
            return
        (place,) = places
        assert len(place.spans) >= 4
        assert place.differing == ()
        assert place.told_units == place.booked_units > 0
        assert house.ledger.verify() == []


@pytest.mark.parametrize("kind", ["privatbank", "monobank"])
def test_a_line_that_a_bank_did_not_tell_is_a_difference_of_its_days(
    tmp_path: Path, database_url: str, kind: str
) -> None:
    with bank_house(tmp_path, database_url, {"one": (kind, IBAN)}) as house:
        (account,) = house.fakes.accounts
        sources = house.sources()
        for day in range(9):
            account.pay(10_000)
            if day == 4:
                account.pay(77, is_passed_over=True)
            account.pay(1_000)
            house.look(sources)
            house.clock.advance(days=1)
        (difference,) = house.ledger.months.three_way(*MONTH).differences
        assert difference.units == 77


def test_a_bank_that_tells_no_balance_is_heard_all_the_same(privat: BankHouse) -> None:
    (account,) = privat.fakes.accounts
    account.pay(10_000)
    privat.fakes.faults.order(BankTrouble.BROKEN, times=9, path="/balance")
    assert [one.is_good for one in privat.look()] == [True]
    assert privat.units() == [10_000]
    assert privat.ledger.months.three_way(*MONTH).places == ()

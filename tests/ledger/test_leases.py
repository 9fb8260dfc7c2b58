"""Leases on a real PostgreSQL: one watcher has a source, another takes it when it ends, by the database's clock."""

import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import text

from support_service.ledger import Ledger, LedgerDown
from support_service.ledger.engine import Database
from support_service.ledger.leases import Leases
from support_service.watcher import LeaseKeeper
from tests.fixtures.staff import FrozenClock

pytestmark = pytest.mark.postgres

SOURCES = ("evm:a", "evm:b", "notify:mail")
LENGTH = timedelta(seconds=20)


@pytest.fixture
def database(postgresql_url: str) -> Iterator[Database]:
    made = Database(postgresql_url)
    yield made
    made.dispose()


@pytest.fixture
def leases(database: Database) -> Leases:
    return Leases(database)


def moved(database: Database, seconds: int) -> None:
    """Let the database's clock go on, or back: as much as its rows look older, or newer."""
    with database.write() as tx:
        micros = seconds * 1_000_000
        tx.execute(text("UPDATE source_lease SET since = since - :micros, until = until - :micros"), {"micros": micros})


def test_one_has_a_source_until_its_lease_ends_and_then_the_next(leases: Leases, database: Database) -> None:
    assert leases.claim(SOURCES, "one") == set(SOURCES)
    assert leases.claim(SOURCES, "two") == set()
    moved(database, 15)
    assert leases.claim(SOURCES, "one") == set(SOURCES), "renewed"
    moved(database, 15)
    assert leases.claim(SOURCES, "two") == set()
    moved(database, 6)
    assert leases.claim(SOURCES, "two") == set(SOURCES)
    assert leases.claim(SOURCES, "one") == set(), "who comes back late has lost it"


def test_only_what_the_settings_name_is_taken_and_what_is_given_back_is_free_at_once(leases: Leases) -> None:
    assert leases.claim(SOURCES[:1], "one") == {"evm:a"}
    assert leases.claim(SOURCES, "two") == {"evm:b", "notify:mail"}
    assert [(lease.source, lease.holder) for lease in leases.list()] == [
        ("evm:a", "one"),
        ("evm:b", "two"),
        ("notify:mail", "two"),
    ]
    leases.release(SOURCES, "two")
    assert [lease.source for lease in leases.list()] == ["evm:a"]
    assert leases.claim(SOURCES, "one") == set(SOURCES)


def test_a_lease_from_before_the_databases_clock_went_back_keeps_nobody_out(leases: Leases, database: Database) -> None:
    leases.claim(SOURCES, "one")
    moved(database, -3_600)
    assert leases.claim(SOURCES, "two") == set(SOURCES)


def test_of_many_who_ask_at_the_same_time_one_has_each_source(postgresql_url: str) -> None:
    start, databases = threading.Barrier(6), [Database(postgresql_url) for _ in range(6)]

    def ask(number: int) -> frozenset[str]:
        start.wait()
        return Leases(databases[number]).claim(SOURCES, f"watcher {number}")

    with ThreadPoolExecutor(6) as pool:
        taken = [source for found in pool.map(ask, range(6)) for source in found]
    assert sorted(taken) == sorted(SOURCES)
    for one in databases:
        one.dispose()


def test_a_file_on_one_machine_needs_none(sqlite_url: str) -> None:
    ledger = Ledger(sqlite_url)
    assert not ledger.leases.are_needed and ledger.leases.list() == ()
    keeper = LeaseKeeper(SOURCES, ledger.leases)
    assert keeper.has("evm:a")
    ledger.dispose()


class Passing:
    """A clock that nobody sets, as the test moves it."""

    def __init__(self) -> None:
        self.seconds = 1_000.0

    def __call__(self) -> float:
        return self.seconds


def keeper_of(leases: Leases, elapsed: Callable[[], float]) -> LeaseKeeper:
    return LeaseKeeper(SOURCES, leases, length=LENGTH, elapsed=elapsed)


def test_whoever_is_held_up_ends_before_the_next_may_begin(leases: Leases, database: Database) -> None:
    passing = Passing()
    keeper = keeper_of(leases, passing)
    assert not keeper.has("evm:a"), "before it asked"
    keeper.step()
    assert keeper.has("evm:a") and not keeper.has("evm:not ours")
    passing.seconds += 17.9
    assert keeper.has("evm:a")
    passing.seconds += 0.2
    assert not keeper.has("evm:a"), "two seconds before the database gives it to others"
    moved(database, 19)
    assert leases.claim(SOURCES, "two") == set()
    moved(database, 2)
    assert leases.claim(SOURCES, "two") == set(SOURCES)
    keeper.step()
    assert not keeper.has("evm:a")


def test_whoever_is_cut_off_from_the_database_ends_in_time_and_goes_on_when_it_is_back(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)

    class CutOff:
        """A shared database that is reached or not."""

        are_needed, is_reached = True, True

        def claim(self, sources: tuple[str, ...], _holder: str, *, length: timedelta) -> frozenset[str]:
            passing.seconds += 3
            if not self.is_reached:
                raise LedgerDown("the ledger does not answer")
            return frozenset(sources)

    passing, shared = Passing(), CutOff()
    clock = FrozenClock()
    keeper = LeaseKeeper(SOURCES, shared, length=LENGTH, elapsed=passing, clock=clock)  # type: ignore[arg-type]
    rests = [keeper.step()]
    passing.seconds += 14.5
    assert keeper.has("evm:a")
    shared.is_reached = False
    rests.append(keeper.step())
    assert not keeper.has("evm:a"), "18 s after it was begun to ask"
    clock.advance(seconds=50)
    shared.is_reached = True
    rests.append(keeper.step())
    assert keeper.has("evm:a")
    assert all(3.5 <= rest <= 5 for rest in rests)
    (restored,) = [record for record in caplog.records if record.message == "source_restored"]
    assert vars(restored)["seconds"] == 50, "by the watcher's clock"


def test_giving_back_ends_it_here_first(leases: Leases) -> None:
    keeper = keeper_of(leases, Passing())
    keeper.step()
    keeper.release()
    assert not keeper.has("evm:a") and leases.list() == ()

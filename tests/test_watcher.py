"""Turns, rests and faults: what the watcher does with sources that keep the contract, and with ones that fail."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from support_service import watcher
from support_service.giving import (
    Cursor,
    Direction,
    HeldBalance,
    Identity,
    Kind,
    Observation,
    PaymentClaim,
    Report,
    State,
    Statement,
)
from support_service.ledger import Health, Ledger
from support_service.rails.source import Source, SourceDown, SourceLied
from tests.fixtures.database import prepare

START = datetime(2026, 11, 1, 12, tzinfo=UTC)


@dataclass
class FrozenClock:
    """A clock that moves only when told."""

    now: datetime = START

    def __call__(self) -> datetime:
        return self.now

    def tick(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    url = f"sqlite:///{tmp_path}/books.db"
    prepare(url)
    made = Ledger(url)
    yield made
    made.dispose()


def gift(step: int, name: str) -> Report:
    """One confirmed gift per step, the step's number of units."""
    digest = f"0x{step:064x}"
    claim = PaymentClaim(
        State.CONFIRMED, Kind.DONATION, "evm", "eth", step, 18, START, block_height=step, block_hash=digest
    )
    identity = Identity("local", "ETH", name, Direction.IN, f"{digest}:value")
    statement = Statement("local", name, "ETH", digest, delta_units=step)
    cursor = Cursor(step, step, digest, START)
    return Report(name, str(step), (Observation(identity, claim),), (statement,), cursor)


@dataclass
class Chain(Source):
    """A source with a gift in each of its blocks; `fault` is raised after the ones it can tell."""

    name: str = "evm:local"
    height: int = 3
    fault: Exception | None = None
    poll_seconds: float = 7.0
    before_each: Callable[[int], object] = field(default=lambda _step: None)

    def reports(self, after: Cursor | None) -> Iterator[Report]:
        for step in range((after.step if after else 0) + 1, self.height + 1):
            self.before_each(step)
            yield gift(step, self.name)
        if self.fault is not None:
            raise self.fault


def units(ledger: Ledger, name: str = "evm:local") -> list[int]:
    return sorted(int(str(row["units"])) for row in ledger.export() if row["address"] == name)


def test_a_turn_reads_up_to_the_head_and_says_whether_it_found_work(ledger: Ledger) -> None:
    chain = Chain()
    assert watcher.turn(chain, ledger) is True
    assert watcher.turn(chain, ledger) is False
    assert units(ledger) == [1, 2, 3]


def test_two_watchers_racing_book_everything_once(ledger: Ledger) -> None:
    slow = Chain(height=5, before_each=lambda step: watcher.turn(Chain(height=step + 1), ledger) if step < 5 else None)
    watcher.turn(slow, ledger)
    assert units(ledger) == [1, 2, 3, 4, 5]
    assert ledger.verify() == []


def test_a_cursor_that_keeps_moving_ends_the_turn_in_bounded_time(ledger: Ledger) -> None:
    class Behind(Chain):
        """A source that always tells of a step long taken."""

        def reports(self, after: Cursor | None) -> Iterator[Report]:
            yield gift(1, self.name)

    watcher.turn(Chain(height=2), ledger)
    # It was not read up to its head, so "nothing changed" would not be true.
    with pytest.raises(watcher.SourceBusy, match="another watcher was faster 10 times in a row"):
        watcher.turn(Behind(), ledger)
    assert units(ledger) == [1, 2]
    (told,) = watcher.run_once([Behind()], ledger)
    assert not told.is_good and "was faster" in told.reason


def test_once_names_the_sources_that_failed_and_keeps_what_the_others_said(ledger: Ledger) -> None:
    sources = [
        Chain("evm:a", fault=SourceDown("a: no answer in 10 s")),
        Chain("evm:b"),
        Chain("evm:c", height=0, fault=SourceLied("c: is on chain 5, settings say chain_id = 1")),
    ]
    told = watcher.run_once(sources, ledger)
    assert [(outcome.source, outcome.is_good, outcome.height) for outcome in told] == [
        ("evm:a", False, 3),
        ("evm:b", True, 3),
        ("evm:c", False, None),
    ]
    assert (told[1].donations_changed, told[2].reason) == (3, "c: is on chain 5, settings say chain_id = 1")
    assert {name: item.state for name, item in ledger.health().items()} == {
        "evm:a": Health.DOWN,
        "evm:b": Health.OK,
        "evm:c": Health.LIED,
    }
    assert units(ledger, "evm:a") == units(ledger, "evm:b") == [1, 2, 3]


def test_a_report_that_contradicts_itself_is_a_lie_and_books_nothing(ledger: Ledger) -> None:
    class Wrong(Chain):
        """A source that claims less than it proves."""

        def reports(self, after: Cursor | None) -> Iterator[Report]:
            report = gift(1, self.name)
            yield Report(report.source, report.key, (), report.statements, report.cursor)

    (outcome,) = watcher.run_once([Wrong()], ledger)
    assert not outcome.is_good
    assert ledger.health()["evm:local"].state is Health.LIED
    assert units(ledger) == []


@dataclass
class Teller(Chain):
    """A chain that remembers what its address holds: the sum of its gifts."""

    def balances(self, after: Cursor) -> tuple[HeldBalance, ...]:
        units = sum(range(1, after.step + 1))
        return (HeldBalance("local", self.name, "ETH", 18, units, after.step, after.checked_at),)


def test_what_a_source_says_that_we_hold_is_kept_and_held_against_the_books(ledger: Ledger) -> None:
    watch = watched(Teller(height=3), ledger, FrozenClock())
    for _ in range(2):
        watch.step()
    watcher.run_once([Teller(height=3)], ledger)
    assert ledger.head().number == 4, "three gifts, and their balance once"
    told = ledger.months.three_way(START - timedelta(days=1), START + timedelta(days=1))
    assert [(place.told_units, place.booked_units) for place in told.places] == [(6, 6)]
    assert ledger.verify() == []


def test_of_a_source_at_fault_no_balance_is_kept(ledger: Ledger) -> None:
    watched(Teller(height=3, fault=SourceDown("no answer")), ledger, FrozenClock()).step()
    assert ledger.head().number == 3


def watched(chain: Chain, ledger: Ledger, clock: FrozenClock) -> watcher.SourceWatch:
    return watcher.SourceWatch(chain, ledger, threading.Event(), clock)


def test_rests_grow_while_a_source_is_down_and_end_when_it_is_back(ledger: Ledger) -> None:
    chain = Chain(fault=SourceDown("no answer"))
    watch = watched(chain, ledger, FrozenClock())
    rests = [watch.step() for _ in range(14)]
    for n, rest in enumerate(rests):
        longest = min(300.0, 2.0**n)
        assert longest / 2 <= rest <= longest
    assert len(set(rests[9:])) > 1, "watchers of one node do not come back together"
    chain.fault = None
    assert watch.step() == chain.poll_seconds
    chain.fault = SourceDown("no answer")
    assert watch.step() <= 1.0


def test_a_node_that_names_a_wait_is_left_alone_that_long(ledger: Ledger) -> None:
    chain = Chain(fault=SourceDown("too many requests", retry_after_seconds=90))
    assert watched(chain, ledger, FrozenClock()).step() == 90


def test_a_liar_is_asked_again_only_after_a_long_while(ledger: Ledger) -> None:
    watch = watched(Chain(fault=SourceLied("wrong chain")), ledger, FrozenClock())
    assert watch.step() >= 300
    assert ledger.health()["evm:local"].reason == "wrong chain"


def test_a_lasting_fault_is_told_once_a_minute_and_its_end_once(
    ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "support_service.watcher")
    clock, chain = FrozenClock(), Chain(fault=SourceDown("no answer"))
    watch = watched(chain, ledger, clock)
    for _ in range(30):
        watch.step()
        clock.tick(10)
    assert [record.getMessage() for record in caplog.records] == ["source_faulty"] * 5
    chain.fault = SourceDown("another trouble")
    watch.step()
    chain.fault = None
    watch.step()
    watch.step()
    told = [(record.getMessage(), record.__dict__["seconds"]) for record in caplog.records[5:]]
    assert told == [("source_faulty", 300), ("source_restored", 300)]


def test_a_broken_source_is_logged_with_its_traceback_and_tried_again(
    ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    chain = Chain(fault=ZeroDivisionError("oops"))
    watch = watched(chain, ledger, FrozenClock())
    watch.step()
    assert ledger.health()["evm:local"].reason == "internal error (ZeroDivisionError), see the log"
    assert any(record.exc_info for record in caplog.records)
    chain.fault = None
    watch.step()
    assert ledger.health()["evm:local"].state is Health.OK


def test_a_ledger_that_cannot_be_used_stops_nothing_for_good(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/books.db"
    books = Ledger(url)
    watch = watched(Chain(), books, FrozenClock())
    assert 0 < watch.step() <= 1.0
    prepare(url)
    assert watch.step() == 7.0
    assert units(books) == [1, 2, 3]
    books.dispose()


def test_stop_ends_all_threads_and_a_broken_source_holds_up_no_other(ledger: Ledger) -> None:
    stop = threading.Event()

    def done(step: int) -> None:
        if step == 3:
            stop.set()

    sources = [Chain("evm:a", fault=ZeroDivisionError("oops")), Chain("evm:b", before_each=done, poll_seconds=3_600)]
    before = threading.active_count()
    watcher.run(sources, ledger, stop)
    assert threading.active_count() == before
    assert len(units(ledger, "evm:b")) >= 2
    assert ledger.verify() == []


def test_sources_that_wait_for_an_answer_hold_up_the_end_together_no_longer_than_one(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    hanging, seconds = 40, 0.25
    monkeypatch.setattr(watcher, "STOP_SECONDS_MAX", seconds)
    stop, answered = threading.Event(), threading.Event()
    # The last to ask asks for the end, too: all others are waiting by then.
    asking = threading.Barrier(hanging, action=stop.set)

    def waits(_step: int) -> None:
        asking.wait(60)
        answered.wait(60)

    before, began = set(threading.enumerate()), time.monotonic()
    watcher.run([Chain(f"evm:{number}", before_each=waits) for number in range(hanging)], ledger, stop)
    took = time.monotonic() - began
    left = set(threading.enumerate()) - before
    answered.set()
    for thread in left:
        thread.join(60)
    assert len(left) >= hanging
    assert took < hanging * seconds / 2


def test_once_reads_the_others_whatever_is_wrong_with_one_and_names_it(ledger: Ledger) -> None:
    class Behind(Chain):
        """A source that always tells of a step long taken."""

        def reports(self, after: Cursor | None) -> Iterator[Report]:
            yield gift(1, self.name)

    class Unkeepable(Chain):
        """A source whose text no database can keep."""

        def reports(self, after: Cursor | None) -> Iterator[Report]:
            told = gift(1, self.name)
            yield Report("\0", told.key, told.observations, told.statements, told.cursor)

    watcher.turn(Chain("evm:a", height=2), ledger)
    sources = [Behind("evm:a"), Unkeepable("evm:b"), Chain("evm:c", fault=RuntimeError("broken")), Chain("evm:d")]
    told = watcher.run_once(sources, ledger)
    assert [one.source for one in told if not one.is_good] == ["evm:a", "evm:b", "evm:c"]
    assert "10 times" in told[0].reason
    assert units(ledger, "evm:d") == [1, 2, 3]

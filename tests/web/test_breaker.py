"""Whoever waits for others inside a request: the breaker, the ledger of public pages, calls to a processor."""

import sqlite3
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from threading import Event

import pytest

from support_service.ledger import Ledger, LedgerDown
from support_service.rails.processor import CheckoutDown, CheckoutRefused, CheckoutSilent
from support_service.web.breaker import Breaker, PublicReads, Resting
from support_service.web.card.checkouts import AT_ONCE_MAX, FAILURES_MAX, RESTS, Checkouts
from tests.fixtures.database import prepare
from tests.fixtures.staff import FrozenClock


def fail(breaker: Breaker) -> None:
    with pytest.raises(ZeroDivisionError), breaker.asking(ZeroDivisionError):
        raise ZeroDivisionError


def test_after_some_failures_nobody_is_asked_until_one_probe_went_well() -> None:
    clock = FrozenClock()
    breaker = Breaker(clock, failures_max=2, rests=timedelta(seconds=5))
    fail(breaker)
    with breaker.asking(ZeroDivisionError):
        pass
    fail(breaker)
    fail(breaker)
    with pytest.raises(Resting), breaker.asking(ZeroDivisionError):
        pass
    clock.advance(seconds=5)
    with breaker.asking(ZeroDivisionError), pytest.raises(Resting), breaker.asking(ZeroDivisionError):
        pytest.fail("one probe at a time")
    with breaker.asking(ZeroDivisionError):
        pass


def test_another_fault_is_no_failure() -> None:
    breaker = Breaker(FrozenClock(), failures_max=1, rests=timedelta(seconds=5))
    with pytest.raises(ValueError, match="ours"), breaker.asking(ZeroDivisionError):
        raise ValueError("ours")
    with breaker.asking(ZeroDivisionError):
        pass


def test_a_locked_ledger_is_waited_for_briefly_and_then_not_asked_for_a_while(tmp_path: Path) -> None:
    clock, file = FrozenClock(), tmp_path / "support.db"
    prepare(f"sqlite:///{file}")
    ledger, reads, asked = Ledger(f"sqlite:///{file}", clock=clock), PublicReads(clock), list[int]()

    def totals(books: Ledger) -> object:
        asked.append(1)
        return books.totals()

    assert reads.ask(ledger, totals) == ()
    lock = sqlite3.connect(file, isolation_level=None)
    lock.execute("BEGIN EXCLUSIVE")
    for _ in range(20):
        with pytest.raises(LedgerDown):
            reads.ask(ledger, totals)
    assert len(asked) == 2, "one waited, the others were answered at once"
    lock.execute("ROLLBACK")
    lock.close()
    clock.advance(seconds=6)
    assert reads.ask(ledger, totals) == ()
    ledger.dispose()


def held(until: Event) -> Callable[[], None]:
    def call() -> None:
        until.wait(30)

    return call


def test_a_silent_processor_holds_no_request_beyond_the_deadline_and_few_at_all() -> None:
    checkouts, over = Checkouts(FrozenClock(), seconds_max=0.01), Event()
    for _ in range(AT_ONCE_MAX):
        with pytest.raises(CheckoutSilent, match="no answer in"):
            checkouts.ask("stripe", held(over))
    with pytest.raises(CheckoutDown, match="others are asking already"):
        checkouts.ask("stripe", lambda: pytest.fail("not asked"))
    over.set()


def test_after_some_silence_a_processor_is_not_asked_until_a_probe_went_well() -> None:
    clock = FrozenClock()
    checkouts = Checkouts(clock)

    def silent() -> None:
        raise CheckoutSilent

    for _ in range(FAILURES_MAX):
        with pytest.raises(CheckoutSilent):
            checkouts.ask("stripe", silent)
    for _ in range(AT_ONCE_MAX + 1):
        with pytest.raises(CheckoutDown, match="several times in a row"):
            checkouts.ask("stripe", lambda: pytest.fail("not asked"))
    clock.advance(seconds=RESTS.total_seconds())
    assert checkouts.ask("stripe", lambda: 7) == 7
    assert checkouts.ask("stripe", lambda: 8) == 8


def test_an_answer_that_is_a_no_is_no_silence() -> None:
    checkouts = Checkouts(FrozenClock())

    def refused() -> None:
        raise CheckoutRefused("no")

    for _ in range(FAILURES_MAX + 1):
        with pytest.raises(CheckoutRefused):
            checkouts.ask("stripe", refused)

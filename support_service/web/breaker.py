"""Whoever waits for others inside a request: for how long, how many at once, and when not at all.

A breaker that was told of several failures in a row answers at once for a while, then lets one probe through.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from threading import BoundedSemaphore, Lock
from typing import TypeVar

from support_service.giving import Clock
from support_service.ledger import BRIEF_SECONDS_MAX, Ledger, LedgerDown

# Reads of public pages at once; each takes a millisecond or two.
PUBLIC_READS_MAX = 4
LEDGER_RESTS = timedelta(seconds=5)

T = TypeVar("T")


class Resting(Exception):
    """It failed just now: it is not asked again so soon."""


class Breaker:
    """Counts failures in a row, over all threads of this process."""

    def __init__(self, clock: Clock, *, failures_max: int, rests: timedelta) -> None:
        self._clock, self._failures_max, self._rests = clock, failures_max, rests
        self._lock, self._failures = Lock(), 0
        self._next_at: datetime | None = None

    @contextmanager
    def asking(self, *faults: type[Exception]) -> Iterator[None]:
        """Let the block ask; its faults are counted, anything else closes the breaker. Raises Resting at once."""
        if not self._may_ask():
            raise Resting
        has_failed = False
        try:
            yield
        except faults:
            has_failed = True
            raise
        finally:
            (self._failed if has_failed else self._went_well)()

    def _may_ask(self) -> bool:
        with self._lock:
            if self._next_at is None:
                return True
            now = self._clock()
            if now < self._next_at:
                return False
            # One probe; whoever comes while it is on its way waits as long as after a failure.
            self._next_at = now + self._rests
            return True

    def _failed(self) -> None:
        with self._lock:
            self._failures += 1
            if self._failures >= self._failures_max:
                self._next_at = self._clock() + self._rests

    def _went_well(self) -> None:
        with self._lock:
            self._failures, self._next_at = 0, None


class PublicReads:
    """The ledger as pages for everybody read it: soon or not at all, a few at once, and with one breaker for all.

    Shared by all of them, so that one that waited in vain spares the others the wait.
    """

    def __init__(self, clock: Clock) -> None:
        self._breaker = Breaker(clock, failures_max=1, rests=LEDGER_RESTS)
        self._turns = BoundedSemaphore(PUBLIC_READS_MAX)

    def ask(self, ledger: Ledger, read: Callable[[Ledger], T]) -> T:
        """Ask the ledger for BRIEF_SECONDS_MAX at most; raises LedgerError, at once where it was down a moment ago."""
        try:
            with self._breaker.asking(LedgerDown), self._turn():
                return read(ledger.brief)
        except Resting as error:
            raise LedgerDown("the ledger did not answer a moment ago, and is not asked again so soon") from error

    @contextmanager
    def _turn(self) -> Iterator[None]:
        if not self._turns.acquire(timeout=BRIEF_SECONDS_MAX):
            raise LedgerDown("others wait for the ledger already")
        try:
            yield
        finally:
            self._turns.release()

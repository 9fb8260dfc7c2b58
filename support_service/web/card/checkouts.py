"""Asking a processor inside a reader's request: one deadline, a few at once, and not at all while it is silent."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as Late
from datetime import timedelta
from threading import BoundedSemaphore, Lock
from typing import TypeVar

from support_service.giving import Clock
from support_service.rails.processor import CheckoutDown, CheckoutSilent
from support_service.web.breaker import Breaker, Resting

# All that a reader waits for a payment page; asked again, the same one comes, under the same key.
ANSWER_SECONDS_MAX = 8.0
# Each holds a thread of the server. The next is answered at once: try again.
AT_ONCE_MAX = 4
FAILURES_MAX, RESTS = 5, timedelta(seconds=15)

T = TypeVar("T")


class Checkouts:
    """The calls to processors that are on their way in this process."""

    def __init__(self, clock: Clock, *, seconds_max: float = ANSWER_SECONDS_MAX) -> None:
        self._clock, self._seconds_max = clock, seconds_max
        self._lines: dict[str, _Line] = {}
        self._adding = Lock()

    def ask(self, processor: str, request: Callable[[], T]) -> T:
        """Ask, and return or raise what comes in time; CheckoutDown where nothing does, or nobody is asked now.

        A call that is late keeps its place until it ends: an answer that drips holds up no more than that.
        Another processor is asked all the same.
        """
        line = self._line(processor)
        if not line.places.acquire(blocking=False):
            raise CheckoutDown(f"{AT_ONCE_MAX} others are asking already")
        try:
            with line.breaker.asking(CheckoutSilent):
                return self._in_time(line, request)
        except Resting as error:
            line.places.release()
            raise CheckoutDown("it did not answer several times in a row, and is not asked for some seconds") from error

    def _line(self, processor: str) -> "_Line":
        with self._adding:
            return self._lines.setdefault(processor, _Line(self._clock))

    def _in_time(self, line: "_Line", request: Callable[[], T]) -> T:
        pool = ThreadPoolExecutor(1, thread_name_prefix="checkout")
        told = pool.submit(line.in_place, request)
        pool.shutdown(wait=False)
        try:
            return told.result(self._seconds_max)
        except Late as error:
            raise CheckoutSilent(f"no answer in {self._seconds_max:g} s") from error


class _Line:
    """The line to one processor: who asks it now, and whether it answers."""

    def __init__(self, clock: Clock) -> None:
        self.places = BoundedSemaphore(AT_ONCE_MAX)
        self.breaker = Breaker(clock, failures_max=FAILURES_MAX, rests=RESTS)

    def in_place(self, request: Callable[[], T]) -> T:
        """Do it, and then make room for the next."""
        try:
            return request()
        finally:
            self.places.release()

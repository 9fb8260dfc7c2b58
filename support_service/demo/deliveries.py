"""Pushes things from a thread of its own, each again after a rest where it was not taken, in no promised order."""

import logging
import threading
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Generic, TypeVar
from urllib.error import HTTPError, URLError
from urllib.request import ProxyHandler, Request, build_opener

log = logging.getLogger(__name__)

ANSWER_SECONDS_MAX = 20

T = TypeVar("T")


@dataclass
class _Due(Generic[T]):
    item: T
    at: float = field(default_factory=time.monotonic)
    tries: int = 0


class Deliveries(ABC, Generic[T]):
    """A queue and its thread; who inherits says how an item is delivered, and how long to rest until the next try."""

    def __init__(self, name: str) -> None:
        self._due: list[_Due[T]] = []
        self._moved = threading.Condition()
        self._is_busy = self._is_stopped = False
        self._thread = threading.Thread(target=self._run, daemon=True, name=name)

    @abstractmethod
    def deliver(self, item: T) -> bool:
        """Tell whether it was taken."""

    @abstractmethod
    def rest_seconds(self, tries: int) -> float | None:
        """Say how long to wait after so many tries; None: no more."""

    def start(self) -> None:
        """Begin to deliver."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread; what is still due stays undelivered."""
        with self._moved:
            self._is_stopped = True
            self._moved.notify_all()
        if self._thread.is_alive():
            self._thread.join(ANSWER_SECONDS_MAX)

    def add(self, item: T) -> None:
        """Deliver an item as soon as may be."""
        with self._moved:
            self._due.append(_Due(item))
            self._moved.notify_all()

    def settle(self, seconds_max: float = 30) -> bool:
        """Wait until nothing is due; tell whether that came to pass in time."""
        with self._moved:
            return self._moved.wait_for(lambda: not self._due and not self._is_busy, seconds_max)

    def _run(self) -> None:
        while True:
            with self._moved:
                due = self._next()
                if due is None:
                    return
                self._is_busy = True
            is_taken = self.deliver(due.item)
            with self._moved:
                self._is_busy = False
                if not is_taken:
                    self._again(due)
                self._moved.notify_all()

    def _next(self) -> _Due[T] | None:
        """Wait for what is due and take it; None when all is over."""
        while not self._is_stopped:
            now = time.monotonic()
            ready = [due for due in self._due if due.at <= now]
            if ready:
                self._due.remove(ready[0])
                return ready[0]
            self._moved.wait(min((due.at for due in self._due), default=now + 60) - now)
        return None

    def _again(self, due: _Due[T]) -> None:
        tries = due.tries + 1
        rest = self.rest_seconds(tries)
        if rest is None:
            log.warning("demo_message_undelivered", extra={"deliveries": self._thread.name, "tries": tries})
        else:
            self._due.append(_Due(due.item, time.monotonic() + rest, tries))


def post(request: Request) -> int:
    """Send a request past every proxy; return the status of the answer, 0 where there was none."""
    try:
        with build_opener(ProxyHandler({})).open(request, timeout=ANSWER_SECONDS_MAX) as answer:
            return int(answer.status)
    except HTTPError as error:
        with error:
            return error.code
    except (URLError, OSError):
        return 0

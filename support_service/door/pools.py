"""Threads for what may wait: a small pool for each kind of request, so that each can fill only its own."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum
from typing import TypeVar

T = TypeVar("T")

# Whoever has waited this long gets an answer, though the thread may still be at work.
ANSWER_SECONDS_MAX = 30
# An export of a large ledger takes its time; a reader who takes none of it is let go earlier, see send_rest.
EXPORT_SECONDS_MAX = 3_600


class PoolKind(StrEnum):
    """What a request wants; what one kind waits for, no other does."""

    SHELF = "shelf"
    CHOICES = "choices"
    PAGES = "pages"
    ANSWERS = "answers"
    PAYMENTS = "payments"
    WEBHOOKS = "webhooks"
    LOGINS = "logins"
    PROVIDERS = "providers"
    STAFF = "staff"
    EXPORTS = "exports"
    MACHINES = "machines"
    VIEWS = "views"


# Threads of each kind. Payments: four may wait for the processor and others still learn that they cannot. Providers:
# who waits for one holds up nobody's password.
THREADS = {
    PoolKind.SHELF: 2,
    PoolKind.CHOICES: 1,
    PoolKind.PAGES: 4,
    PoolKind.ANSWERS: 3,
    PoolKind.PAYMENTS: 6,
    PoolKind.WEBHOOKS: 3,
    PoolKind.LOGINS: 3,
    PoolKind.PROVIDERS: 2,
    PoolKind.STAFF: 4,
    PoolKind.EXPORTS: 2,
    PoolKind.MACHINES: 2,
    PoolKind.VIEWS: 1,
}
_OF_PATHS = dict.fromkeys(("/readyz", "/metrics", "/totals.json"), PoolKind.MACHINES) | {"/seen": PoolKind.VIEWS}
# Requests that may wait for a thread, for each thread: a burst passes, a flood is told to come again.
WAITING_A_THREAD = 8


class Busy(Exception):
    """All threads of the kind are at work and enough requests wait; or none answered in time."""


class Pool:
    """The threads of one kind. `run` is called on the event loop alone, so counting needs no lock."""

    def __init__(self, kind: PoolKind) -> None:
        self._threads = THREADS[kind]
        self._seconds_max = EXPORT_SECONDS_MAX if kind is PoolKind.EXPORTS else ANSWER_SECONDS_MAX
        self._executor = ThreadPoolExecutor(self._threads, thread_name_prefix=kind)
        self._running = 0

    async def run(self, call: Callable[[], T]) -> T:
        """Call in a thread of this kind; raise Busy where none is free and enough wait, or none answers in time."""
        if self._running >= self._threads * (1 + WAITING_A_THREAD):
            raise Busy
        loop = asyncio.get_running_loop()
        future = loop.run_in_executor(self._executor, call)
        self._running += 1
        future.add_done_callback(self._done)
        done, _ = await asyncio.wait({future}, timeout=self._seconds_max)
        if not done:
            # Nobody may have taken it up yet; if so nobody will.
            future.cancel()
            raise Busy
        return future.result()

    def _done(self, _future: "asyncio.Future[T]") -> None:
        self._running -= 1

    def close(self) -> None:
        """Take nothing new; what runs is left to end."""
        self._executor.shutdown(wait=False, cancel_futures=True)


def kind_of(method: str, path: str) -> PoolKind:
    """Tell which kind a request is of, by its method and its path below our prefix."""
    if path.startswith("/webhooks/"):
        return PoolKind.WEBHOOKS
    if path == "/staff" or path.startswith("/staff/"):
        return _kind_of_staff(path)
    if _is_answer(method, path):
        return PoolKind.ANSWERS
    if path.startswith("/month/"):
        return PoolKind.MACHINES
    is_asked = method in {"GET", "HEAD", "OPTIONS"}
    return _OF_PATHS.get(path, PoolKind.PAGES if is_asked else PoolKind.PAYMENTS)


def _kind_of_staff(path: str) -> PoolKind:
    if path.startswith("/staff/login/oidc"):
        return PoolKind.PROVIDERS
    if path.startswith("/staff/login"):
        return PoolKind.LOGINS
    return PoolKind.EXPORTS if path.startswith(("/staff/export", "/staff/imports")) else PoolKind.STAFF


def _is_answer(method: str, path: str) -> bool:
    """Tell whether a reader asks what became of a gift; what is done to a plan waits for the processor, as payments."""
    room = path.split("/", 2)[1] if path.startswith("/") else ""
    is_plan = room == "plan" and method in {"GET", "HEAD", "OPTIONS"}
    return is_plan or room in {"gift", "arrived", "thanks", "donations"}

"""A signal ends a command, whatever its main thread does when the signal comes."""

import signal
import threading
from collections.abc import Iterator

import pytest

from support_service.supervisor import set_on_signals

WAIT_SECONDS_MAX = 5


class Held(threading.Event):
    """An event whose lock can be held, as a thread holds it for a moment in each wait."""

    def __init__(self) -> None:
        super().__init__()
        self.lock = threading.Lock()

    def set(self) -> None:
        assert self.lock.acquire(timeout=WAIT_SECONDS_MAX), "the handler waits for the thread that it interrupts"
        try:
            super().set()
        finally:
            self.lock.release()


@pytest.fixture
def caught() -> Iterator[signal.Signals]:
    """Lend a signal that nobody else here listens for."""
    before = signal.getsignal(signal.SIGUSR1)
    yield signal.SIGUSR1
    signal.signal(signal.SIGUSR1, before)


def test_a_signal_that_comes_while_the_waiting_thread_holds_the_lock_is_not_waited_for_within_it(
    caught: signal.Signals,
) -> None:
    stopping = Held()
    set_on_signals(stopping, caught)
    with stopping.lock:
        signal.raise_signal(caught)
        signal.raise_signal(caught)
        assert not stopping.is_set()
    assert stopping.wait(WAIT_SECONDS_MAX)

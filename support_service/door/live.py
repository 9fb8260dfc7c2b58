"""An answer that changes and that many ask for: asked of the app by one at a time, the last one served meanwhile."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from support_service.door.finished import Captured, Finished


@dataclass(frozen=True, slots=True)
class Patience:
    """How long an answer is new, how long readers wait for a newer one, and how long the last is better than none.

    For the first, where there is no last, they wait `first_seconds`: a process that has just started is slow.
    After a question that failed or took too long nobody asks again for `rest_seconds`.
    """

    new_seconds: float = 1.0
    wait_seconds: float = 0.5
    first_seconds: float = 3.0
    rest_seconds: float = 5.0
    old_seconds_max: float = 600.0


class Live:
    """One such answer. Used on the event loop alone."""

    def __init__(self, ask: Callable[[], Awaitable[Captured]], patience: Patience) -> None:
        self._ask, self._patience = ask, patience
        self._last: Finished | None = None
        self._made_at = self._rests_until = float("-inf")
        self._asking: asyncio.Task[Captured] | None = None

    async def answer(self) -> Finished | Captured | None:
        """Return the newest answer to be had now; a refusal of the app where there is none; None where it is silent."""
        now = time.monotonic()
        if self._last is not None and now - self._made_at < self._patience.new_seconds:
            return self._last
        refusal: Captured | None = None
        if now >= self._rests_until:
            refusal = await self._newer()
        is_old = time.monotonic() - self._made_at > self._patience.old_seconds_max
        return refusal if self._last is None or is_old else self._last

    async def _newer(self) -> Captured | None:
        """Ask, or wait for who asks already; return what is no answer to keep."""
        if self._asking is None:
            self._asking = asyncio.ensure_future(self._ask())
            self._asking.add_done_callback(self._note)
        asking = self._asking
        patience = self._patience
        seconds = patience.first_seconds if self._last is None else patience.wait_seconds
        done, _ = await asyncio.wait({asking}, timeout=seconds)
        if not done:
            self._rest()
            return None
        if asking.exception() is not None or asking.result().status == 200:
            return None
        return asking.result()

    def _note(self, asked: "asyncio.Task[Captured]") -> None:
        self._asking = None
        if asked.exception() is None and asked.result().status == 200:
            self._last, self._made_at = Finished(asked.result()), time.monotonic()
            self._rests_until = float("-inf")
        else:
            self._rest()

    def _rest(self) -> None:
        self._rests_until = time.monotonic() + self._patience.rest_seconds

"""One HTTPS request for a few numbers, tried again after a passing fault."""

import time
from collections.abc import Callable, Mapping
from typing import TypeAlias
from urllib.parse import urlsplit

from support_service.rails.chain.http import JsonServer
from support_service.rails.source import SourceDown

# The largest honest answer is a market's 720 candles, some 60 kB and 723 brackets.
ANSWER_BYTES_MAX = 512 * 1024
BRACKETS_MAX = 2_000
ATTEMPTS_MAX = 2
PAUSE_SECONDS = 0.5

Pause: TypeAlias = Callable[[float], object]


class RatesServer:
    """Answers questions at one address with JSON; SourceDown where it does not."""

    def __init__(
        self,
        url: str,
        *,
        pause: Pause = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._pause = pause
        self.host = urlsplit(url).hostname or ""
        bounds = {"bytes_max": ANSWER_BYTES_MAX, "brackets_max": BRACKETS_MAX}
        self._server = JsonServer(url, self.host, **bounds, monotonic=monotonic)

    def get(self, questions: Mapping[str, str]) -> object:
        """Ask once more after a passing fault, then raise SourceDown."""
        for attempt in range(ATTEMPTS_MAX):
            try:
                return self._server.get("", questions)
            except SourceDown:
                if attempt == ATTEMPTS_MAX - 1:
                    raise
                self._pause(PAUSE_SECONDS)
        raise AssertionError("unreachable: the last attempt returns or raises")

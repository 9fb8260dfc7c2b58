"""Says how far a source is that still reads what lies behind it."""

import logging
from datetime import datetime, timedelta

from support_service.giving import Clock

# A long catch-up tells where it is so often, not once per step.
TOLD_EVERY = timedelta(seconds=10)


class CatchingUp:
    """One turn of a source, told in the log of its rail."""

    def __init__(self, log: logging.Logger, source: str, clock: Clock) -> None:
        self._log, self._source, self._clock = log, source, clock
        self._told_at: datetime | None = None

    def tell(self, height: int, target: int) -> None:
        """Say where it is, where nobody said so for a while."""
        now = self._clock()
        if self._told_at is None or now - self._told_at >= TOLD_EVERY:
            self._told_at = now
            self._log.info("catching_up", extra={"source": self._source, "height": height, "target": target})

"""The time: aware, UTC, and handed in wherever it matters. Pure but for `utc_now`."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeAlias

Clock: TypeAlias = Callable[[], datetime]


def utc_now() -> datetime:
    """Tell the time; the default clock, passed in wherever time matters."""
    return datetime.now(UTC)

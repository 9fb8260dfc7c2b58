"""What a source could not read and goes on without: asked for again with growing rests, told until it can be read.

The watcher gives a source what the ledger holds of it before a turn, and keeps what has changed.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta

from support_service.giving import Clock, SetAside

REST_FIRST, REST_MAX = timedelta(minutes=1), timedelta(hours=6)
# Beyond this a source is not read badly here and there, but altogether: what comes on top is told by number alone.
ITEMS_MAX = 1_000
# A watch that is stopped, with all that it concerns, and not one thing of it.
WATCH = "watch "


class Asides:
    """The things of one source that cannot be read now, by key."""

    def __init__(self, source: str, clock: Clock) -> None:
        self._source, self._clock = source, clock
        self._items: dict[str, SetAside] = {}

    @property
    def items(self) -> tuple[SetAside, ...]:
        """All of them."""
        return tuple(self._items.values())

    def load(self, held: Iterable[SetAside]) -> None:
        """Take over what was kept."""
        self._items = {item.key: item for item in held}

    def note(self, key: str, reason: str, memo: str = "") -> None:
        """Set a thing aside; one that was tried again in vain rests twice as long as before."""
        now, held = self._clock(), self._items.get(key)
        if held is None:
            if len(self._items) < ITEMS_MAX:
                self._items[key] = SetAside(self._source, key, reason, now, now + REST_FIRST, 1, memo)
            return
        if held.next_try_at is None or held.next_try_at <= now:
            rest = min(REST_MAX, REST_FIRST * (1 << min(held.tries, 16)))
            held = replace(held, tries=held.tries + 1, next_try_at=now + rest)
        self._items[key] = replace(held, reason=reason, memo=memo or held.memo)

    def solve(self, key: str) -> None:
        """Drop a thing: it was read."""
        self._items.pop(key, None)

    def rests(self, key: str) -> bool:
        """Tell whether a thing is not to be tried yet."""
        held = self._items.get(key)
        return held is not None and held.next_try_at is not None and held.next_try_at > self._clock()

    def due(self) -> list[SetAside]:
        """Tell what is to be tried again now, the oldest first."""
        now = self._clock()
        due = (item for item in self._items.values() if item.next_try_at is not None and item.next_try_at <= now)
        return sorted(due, key=lambda item: item.since)

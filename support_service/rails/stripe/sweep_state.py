"""How far Stripe was read: what the sweep keeps in its cursor. Pure."""

import json
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta

# Stripe lists an event or an entry at latest minutes after its time; what lies this far back is read again.
OVERLAP = timedelta(hours=1)
# Stripe keeps events for 30 days (API reference, Events).
EVENTS_KEPT = timedelta(days=30)
AGAIN_AFTER = timedelta(days=1)
GAP_TOLD_FOR = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class SweepState:
    """How far was read; moments in seconds since 1970.

    events, entries: of the newest that was read, by Stripe's clock, but never ahead of ours: a wrong clock on
    either side skips nothing. The rest is by ours. looked: when events were last read to their end; again: when
    all that was open was last looked up;
    gap_start, gap_end: where events were gone when we came; gap_found: when that was.
    """

    events: int
    entries: int
    looked: int
    again: int = 0
    gap_start: int = 0
    gap_end: int = 0
    gap_found: int = 0

    @classmethod
    def read(cls, memo: str) -> "SweepState | None":
        """Read them from a cursor; None before the first gift by card."""
        held = json.loads(memo)
        return cls(**held) if held else None

    @classmethod
    def first(cls, moment: datetime) -> "SweepState":
        """Begin where a reader first chose to give: nothing before that can be ours."""
        return cls(*[_seconds(moment)] * 3)

    def memo(self) -> str:
        """Write them for the cursor."""
        return json.dumps(asdict(self))

    def with_gap(self, now: datetime) -> "SweepState":
        """Note where events are gone that were never read."""
        kept_from = _seconds(now - EVENTS_KEPT)
        if self.looked >= kept_from:
            return self
        return replace(self, gap_start=self.looked, gap_end=kept_from, gap_found=_seconds(now))

    def gap_text(self, now: datetime) -> list[str]:
        """Say, for a day after it was found, where events were gone."""
        if not self.gap_found or now - _moment(self.gap_found) >= GAP_TOLD_FOR:
            return []
        start, end = (_moment(at).date().isoformat() for at in (self.gap_start, self.gap_end))
        what = "that time was read from its balance transactions instead; look at its plans, refunds and disputes once"
        return [f"Stripe has no events from {start} to {end} any more: {what}"]


def since(newest: int) -> dict[str, int]:
    """Ask for what is newer than what was read, and a little before it: Stripe's filter `created`."""
    return {"gte": newest - int(OVERLAP.total_seconds())}


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())


def _moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)

"""How far a merchant's books were read: what the sweep keeps in its cursor. Pure."""

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta

# A payment stands in the statement at latest hours after its time; what lies this far back is read again.
STATEMENT_OVERLAP = timedelta(hours=6)
# Once a day all is read again of this time: a refund stands beside its payment, however old that is.
READ_AGAIN_FOR = timedelta(days=93)
AGAIN_EVERY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class MonoSweepState:
    """How far was read; moments in seconds since 1970, by our clock.

    first: when a reader first chose to give; statement: up to when statements were read; again: when all that is
    open, and the statement of three months, was last looked at.
    """

    first: int
    statement: int
    again: int = 0

    @classmethod
    def read(cls, memo: str) -> "MonoSweepState | None":
        """Read them from a cursor; None before the first gift by card."""
        held = json.loads(memo)
        return cls(**held) if held else None

    @classmethod
    def at_first(cls, moment: datetime) -> "MonoSweepState":
        """Begin where a reader first chose to give: nothing before that can be ours."""
        return cls(seconds(moment), seconds(moment))

    def memo(self) -> str:
        """Write them for the cursor."""
        return json.dumps(asdict(self))

    def is_due(self, now: datetime) -> bool:
        """Tell whether it is time to look at everything again."""
        return now - datetime.fromtimestamp(self.again, UTC) >= AGAIN_EVERY

    def statement_from(self, now: datetime) -> int:
        """Tell from when on the statement is to be read."""
        back = self.statement - int(STATEMENT_OVERLAP.total_seconds())
        if self.is_due(now):
            back = min(back, seconds(now - READ_AGAIN_FOR))
        return max(back, self.first - int(STATEMENT_OVERLAP.total_seconds()))


def seconds(moment: datetime) -> int:
    """Write a time as the cursor has it."""
    return int(moment.timestamp())

"""What a source has to say though it was read well, and what that means for those who give. Pure."""

from dataclasses import dataclass
from enum import StrEnum


class WarningKind(StrEnum):
    """What people have to expect; UNFINAL alone keeps money from being confirmed."""

    # The chain goes on, but nothing becomes final: gifts are seen, and confirmed later.
    UNFINAL = "unfinal"
    # What was read is old: no new block, or a node that is far behind. Gifts are seen later.
    LATE = "late"
    # What is booked could not be held against a balance or a second list, or differs from it.
    UNPROVED = "unproved"
    # Something was read the poorer way, or is left out: all that could be read is booked.
    DEGRADED = "degraded"


@dataclass(frozen=True, slots=True)
class SourceWarning:
    """One thing to tell of a source; equal troubles have equal texts. The text is for staff: it may name nodes."""

    kind: WarningKind
    text: str

"""What the ledger believes of a gift, in the few words that a reader needs. Pure."""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum

from support_service.giving import State


class Belief(StrEnum):
    """How far a gift has come, as its own page tells it."""

    PROCESSING = "processing"
    RECEIVED = "received"
    CHECKING = "checking"
    DISPUTED = "disputed"
    PARTIALLY_REFUNDED = "partially_refunded"
    REFUNDED = "refunded"
    FAILED = "failed"
    EXPIRED = "expired"

    @property
    def may_change_soon(self) -> bool:
        """Tell whether it is worth looking again in a few seconds."""
        return self in {Belief.PROCESSING, Belief.EXPIRED}


# The first of these that one of the gift's payments is in; a monthly gift has many.
_BY_STATE = (
    (State.CONFIRMED, Belief.RECEIVED),
    (State.PARTIALLY_REFUNDED, Belief.PARTIALLY_REFUNDED),
    (State.REFUNDED, Belief.REFUNDED),
    (State.DISPUTED, Belief.DISPUTED),
    (State.QUARANTINED, Belief.CHECKING),
    (State.SEEN, Belief.PROCESSING),
    (State.ORPHANED, Belief.FAILED),
    (State.REPLACED, Belief.FAILED),
)


def believe(states: Iterable[State], open_until: datetime | None, now: datetime) -> Belief:
    """Say how far a gift has come from the states of its payments alone: no address a browser visits changes it.

    open_until is when its payment page closes; without any payment it is expired after that.
    """
    known = set(states)
    for state, belief in _BY_STATE:
        if state in known:
            return belief
    is_over = open_until is not None and open_until <= now
    return Belief.EXPIRED if is_over else Belief.PROCESSING

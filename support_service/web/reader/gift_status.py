"""What is known of a gift, in the few words that a reader needs. Pure."""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum

from support_service.giving import State


class GiftStatus(StrEnum):
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
        return self in {GiftStatus.PROCESSING, GiftStatus.EXPIRED}


# The first of these that one of the gift's payments is in; a monthly gift has many.
_BY_STATE = (
    (State.CONFIRMED, GiftStatus.RECEIVED),
    (State.PARTIALLY_REFUNDED, GiftStatus.PARTIALLY_REFUNDED),
    (State.REFUNDED, GiftStatus.REFUNDED),
    (State.DISPUTED, GiftStatus.DISPUTED),
    (State.QUARANTINED, GiftStatus.CHECKING),
    (State.SEEN, GiftStatus.PROCESSING),
    (State.ORPHANED, GiftStatus.FAILED),
    (State.REPLACED, GiftStatus.FAILED),
)


def gift_status_of(states: Iterable[State], open_until: datetime | None, now: datetime) -> GiftStatus:
    """Say how far a gift has come from the states of its payments alone: no address a browser visits changes it.

    open_until is when its payment page closes; without any payment it is expired after that.
    """
    known = set(states)
    for state, gift_status in _BY_STATE:
        if state in known:
            return gift_status
    is_over = open_until is not None and open_until <= now
    return GiftStatus.EXPIRED if is_over else GiftStatus.PROCESSING

"""What money may be, and what may have become of it. Pure."""

from enum import StrEnum


class Direction(StrEnum):
    """Which way the money went, as seen from our address."""

    IN = "in"
    OUT = "out"


class Kind(StrEnum):
    """What a piece of money is; the export's `kind`."""

    DONATION = "donation"
    OUTFLOW = "outflow"
    PROTOCOL = "protocol"
    UNATTRIBUTED = "unattributed"
    INTERNAL = "internal"
    OPENING = "opening"
    PAYOUT = "payout"
    OTHER = "other"
    REVIEW = "review"


COUNTED_KINDS = frozenset({Kind.DONATION, Kind.UNATTRIBUTED})


"""Kinds that totals sum: readers' money, also where a node could not tell which transaction paid it."""


class State(StrEnum):
    """What we believe about a donation; only confirmed money is counted, thanked and totalled."""

    SEEN = "seen"
    CONFIRMED = "confirmed"
    ORPHANED = "orphaned"
    REPLACED = "replaced"
    REFUNDED = "refunded"
    PARTIALLY_REFUNDED = "partially_refunded"
    DISPUTED = "disputed"
    QUARANTINED = "quarantined"


PAYMENT_STATES = frozenset({State.SEEN, State.CONFIRMED, State.ORPHANED, State.REPLACED, State.QUARANTINED})


"""States that one payment claim may hold; the others follow from refunds and disputes."""


class Flag(StrEnum):
    """A remark on a donation that people should see beside its amount."""

    OFF_ROUTE = "off_route"
    ESTIMATED = "estimated"
    MINT = "mint"
    CONFLICT = "conflict"
    MANUAL = "manual"


class Outcome(StrEnum):
    """How far a refund, a dispute or a bank reversal has come."""

    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"

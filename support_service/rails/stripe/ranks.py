"""Where payments, refunds, disputes and plans stand in their lives: the first half of every rank. Pure.

Events come in any order and more than once; of two claims the one further on counts, and of two at the
same place the later one.
"""

from dataclasses import dataclass

from support_service.giving import Frequency, Identity, Named, Observation, Outcome, PlanClaim

MICROS = 1_000_000
# Where a payment stands in its life. A sum that is not what was chosen outranks all else.
NAMELESS, UNPAID, PROCESSING, FAILED, PAID_PAGE, PAID, STRANGE = 1, 10, 12, 20, 30, 32, 40

DISPUTES: dict[str, tuple[int, Outcome, bool]] = {
    # An inquiry takes no money; it may still become a dispute, which outranks it.
    "warning_needs_response": (1, Outcome.PENDING, False),
    "warning_under_review": (1, Outcome.PENDING, False),
    "warning_closed": (2, Outcome.FAILED, False),
    "needs_response": (3, Outcome.PENDING, True),
    "under_review": (3, Outcome.PENDING, True),
    # What was decided may be appealed and decided again: the later word counts.
    "won": (4, Outcome.FAILED, False),
    "lost": (4, Outcome.SUCCEEDED, True),
    "appeal_needs_response": (4, Outcome.PENDING, True),
    "appeal_under_review": (4, Outcome.PENDING, True),
}
REFUNDS: dict[str, tuple[int, Outcome]] = {
    "pending": (1, Outcome.PENDING),
    "requires_action": (1, Outcome.PENDING),
    "succeeded": (2, Outcome.SUCCEEDED),
    # A bank may return a refund that had succeeded; never the other way round.
    "failed": (3, Outcome.FAILED),
    "canceled": (3, Outcome.FAILED),
}
# Stripe's times are whole seconds: within one of them the more serious state counts.
PLANS: dict[str, tuple[int, int]] = {
    "incomplete": (1, 0),
    "trialing": (2, 0),
    "active": (2, 1),
    "past_due": (2, 2),
    "unpaid": (2, 3),
    "paused": (2, 4),
    "incomplete_expired": (3, 0),
    "canceled": (3, 1),
}

# Where what Stripe charges is what we offer, it is called as we call it.
FREQUENCIES = {
    ("month", 1): Frequency.MONTHLY,
    ("month", 12): Frequency.YEARLY,
    ("year", 1): Frequency.YEARLY,
}


@dataclass(frozen=True, slots=True)
class StripeClaims:
    """What an object says, in the parts of a report."""

    observations: tuple[Observation, ...] = ()
    aliases: tuple[tuple[str, Identity], ...] = ()
    waiting: tuple[Named, ...] = ()
    plans: tuple[PlanClaim, ...] = ()

    def __add__(self, other: "StripeClaims") -> "StripeClaims":
        return StripeClaims(
            self.observations + other.observations,
            self.aliases + other.aliases,
            self.waiting + other.waiting,
            self.plans + other.plans,
        )


@dataclass(frozen=True, slots=True)
class EventTime:
    """When it was said, and whether by the account and in the mode (live or test) that we work with."""

    micros: int
    is_ours: bool = True

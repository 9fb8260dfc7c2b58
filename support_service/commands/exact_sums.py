"""Says whose gift a transfer is by its exact sum: one more source beside the chains.

It reads from the ledger which transfers came in exactly the sum that one reader was shown, and says so in reports
like everybody else's. It comes after the fact and changes no money: whatever was sent is booked by its chain first.
"""

from collections.abc import Callable, Iterator, Sequence

from support_service.giving import MATCH_PART, Answered, Cursor, MatchClaim, Observation, Report
from support_service.rails.source import Source

NAME = "exact-sums"
# A reader looks at the page and waits: together with the chain's own rest it stays below half a minute.
POLL_SECONDS = 3.0

# Transfers whose sum tells whose they are: `Ledger.answered`.
AnsweredFinder = Callable[[], Sequence[Answered]]


class ExactSums(Source):
    """A Source; the ledger itself tells what is still to be done, so there is no cursor."""

    name = NAME
    poll_seconds = POLL_SECONDS

    def __init__(self, answered: AnsweredFinder) -> None:
        self._answered = answered

    def reports(self, after: Cursor | None) -> Iterator[Report]:
        """Yield a report for each transfer that is known by its sum; whoever tells it first, it is told once."""
        del after
        for found in self._answered():
            yield Report(
                source=self.name, key=f"{found.identity.ref}:{found.intent.ref}", observations=(_matched(found),)
            )


def _matched(found: Answered) -> Observation:
    intent = found.intent
    reason = f"came in exactly the sum that the gift {intent.support_code} was told apart by"
    claim = MatchClaim(intent.support_code, "amount", reason, intent.ref, intent.article)
    return Observation(found.identity, claim, MATCH_PART, (0, 0))

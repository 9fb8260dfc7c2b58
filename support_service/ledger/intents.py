"""What readers chose, the payment pages opened for it, and plans. What is not kept yet is refused, not forgotten."""

from dataclasses import dataclass
from datetime import datetime

from support_service.giving import Checkout, Frequency, Intent
from support_service.ledger.errors import LedgerError
from support_service.ledger.queries import Listed


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try to open a payment page; checkout None: not opened yet."""

    number: int
    checkout: Checkout | None
    is_refused: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """A gift that repeats; state is the processor's own word."""

    name: str
    intent: str | None
    units: int
    currency: str
    exponent: int
    frequency: Frequency
    state: str
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class Waiting:
    """A claim about a payment that was not heard of yet."""

    name: str
    part: str
    since: datetime
    report_number: int


class Intents:
    """The ledger's side of giving by card; every method may raise LedgerError."""

    def open_intent(self, intent: Intent, *, nonce: str) -> Intent:
        """Keep what was chosen; the same nonce gives the intent first opened with it."""
        raise NotKept(intent.ref, nonce)

    def intent(self, ref: str) -> Intent | None:
        """Look up what was chosen."""
        raise NotKept(ref)

    def attempt(self, ref: str) -> Attempt | None:
        """Return the newest try to open a payment page."""
        raise NotKept(ref)

    def start_attempt(self, ref: str) -> Attempt:
        """Return the open try; a new number only after a definite refusal or the page's end."""
        raise NotKept(ref)

    def note_checkout(self, ref: str, number: int, checkout: Checkout) -> None:
        """Keep the payment page of a try."""
        raise NotKept(ref, str(number), checkout.session)

    def note_refused(self, ref: str, number: int) -> None:
        """Keep that a try was definitely refused."""
        raise NotKept(ref, str(number))

    def intent_donations(self, ref: str) -> tuple[Listed, ...]:
        """List what the ledger believes was given for an intent."""
        raise NotKept(ref)

    def plans(self, limit: int, before: int | None) -> tuple[Plan, ...]:
        """List plans, the newest change first."""
        raise NotKept(str(limit), str(before))

    def plan(self, name: str) -> Plan | None:
        """Look a plan up by the processor's name for it."""
        raise NotKept(name)

    def inbox(self) -> tuple[Waiting, ...]:
        """List claims whose payment is not known yet."""
        raise NotKept


class NotKept(LedgerError):
    """This ledger keeps no intents yet; whoever asks is refused, so that nothing is charged."""

"""What rails ask of the ledger, part by part: they never see it. Every method raises what the ledger raises."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Protocol

from support_service.giving import (
    BankCredit,
    Cursor,
    Decline,
    HeldBalance,
    Intent,
    LineBooks,
    LineWork,
    OpenedPage,
    OpenMoney,
    PagePlace,
    Plan,
    PlanPlace,
    WaitingClaim,
)


class IntentFinder(Protocol):
    """Finds what readers chose. Raises what its ledger raises."""

    def find(self, ref: str) -> Intent | None:
        """Find it by its reference."""
        ...

    def of_page(self, method: str, session: str) -> Intent | None:
        """Find it by the processor's name of the payment page that was opened for it, kept when that was opened."""
        ...


class ChosenBooks(IntentFinder, Protocol):
    """What readers chose, with the payment pages that were opened for it."""

    def opened_pages(self, method: str, since: datetime, after: PagePlace | None) -> Sequence[OpenedPage]:
        """List payment pages whose try began since a moment, from behind a place."""
        ...


class PlanBooks(Protocol):
    """Plans as they stand."""

    def newest(self, limit: int, before: PlanPlace | None, *, rail: str) -> Sequence[Plan]:
        """List plans of a rail, the newest change first, from below a place."""
        ...


class WaitingBooks(Protocol):
    """Names that wait for their payment."""

    def waiting(self, after: WaitingClaim | None = None, *, rail: str) -> Sequence[WaitingClaim]:
        """List the names of a rail that wait, oldest first, from behind one of them."""
        ...


class SweepBooks(Protocol):
    """What is known already, and what is not over."""

    def first_intent_at(self, method: str) -> datetime | None:
        """Tell when a reader first chose to give by this method."""
        ...

    def bank_lines(self, line_class: str, since: date) -> Sequence[BankCredit]:
        """List what came in by the bank's lines of a class since a day, in the order of days."""
        ...

    def known_reports(self, source: str, keys: Sequence[str]) -> frozenset[str]:
        """Tell which messages were accepted already."""
        ...

    def known_names(self, rail: str, names: Sequence[str]) -> frozenset[str]:
        """Tell which names of a rail stand for money whose payment is known."""
        ...

    def note_decline(self, told: Decline) -> None:
        """Count a card that was declined, once whoever tells of it."""
        ...

    def open_money(self, rail: str, *, after: int = 0) -> Sequence[OpenMoney]:
        """List money that is not over, by number, from above one."""
        ...


class Work(Protocol):
    """One bounded pass: asked inside the ledger's transaction."""

    def __call__(self, books: LineBooks) -> LineWork:
        """Say what is to be written."""
        ...


class LineLedger(Protocol):
    """Lines of bank accounts: what is known of them, and their one way in."""

    def take(self, work: Work, importing: int | None = None) -> None:
        """Take a pass over some lines in; importing: the number of the import that tells them."""
        ...

    def look(self, work: Work) -> LineWork:
        """Ask what it would mean."""
        ...

    def late_payouts(self, account: str, *, since: datetime, until: datetime) -> Sequence[str]:
        """Name the payouts due between two moments that arrived nowhere."""
        ...

    def units(self, account: str, asset: str, days: tuple[date, date]) -> int:
        """Sum what an account's lines of some days moved."""
        ...


class BalanceLedger(Protocol):
    """What others say that we hold."""

    def tell(self, source: str, balances: Sequence[HeldBalance]) -> None:
        """Keep balances; the same ones told again change nothing."""
        ...


class Books(Protocol):
    """The ledger, as rails know it."""

    @property
    def intents(self) -> ChosenBooks:
        """What readers chose."""
        ...

    @property
    def plans(self) -> PlanBooks:
        """Plans."""
        ...

    @property
    def inbox(self) -> WaitingBooks:
        """What waits."""
        ...

    @property
    def sweeps(self) -> SweepBooks:
        """What a sweep asks."""
        ...

    @property
    def lines(self) -> LineLedger:
        """Lines of the bank."""
        ...

    @property
    def balances(self) -> BalanceLedger:
        """What others say that we hold."""
        ...

    def cursor(self, source: str) -> Cursor | None:
        """Tell how far a source was read."""
        ...

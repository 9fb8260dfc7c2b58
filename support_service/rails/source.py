"""What tells us about money: the base of all sources, and what a source raises."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime

from support_service.giving import Cursor, HeldBalance, MoneyBlock, Report, SourceWarning, Watch
from support_service.rails.asides import Asides


class SourceError(Exception):
    """A source could not tell us about money; the text is for the log and names the source."""


class SourceDown(SourceError):
    """No answer, or none yet: the same call may work later, not before retry_after_seconds where that is told."""

    def __init__(self, text: str, *, retry_after_seconds: float = 0) -> None:
        super().__init__(text)
        self.retry_after_seconds = retry_after_seconds


class SourceRefused(SourceDown):
    """We are not let in, and only a person can change that: told once, and nobody is asked again until they have."""


class SourceLied(SourceError):
    """An answer that must not be trusted: wrong chain, broken proof, contradiction."""


class MustFreeze(SourceLied):
    """Two answers that cannot both be true: a final block that changed, or nodes that differ about one block.

    Only a person can judge that: the watcher accepts nothing from the source until somebody has
    looked. evidence holds what each side said, by side, for people and machines; it names no secrets.
    """

    def __init__(self, text: str, evidence: Mapping[str, str]) -> None:
        super().__init__(text)
        self.evidence = dict(evidence)


class SourceLeft(Exception):
    """Another watcher may read this source now: whoever still does ends its turn, and asks nobody anything more.

    It is no SourceError: no way around a node that fails leads past it.
    """


# Tells a thread that reads a source whether it still may; whoever shares it with nobody always may.
_may_ask: ContextVar[Callable[[], bool]] = ContextVar("may_ask", default=lambda: True)


@contextmanager
def asking_while(may_ask: Callable[[], bool]) -> Iterator[None]:
    """Let this thread ask nodes and tell channels only as long as `may_ask` says so."""
    before = _may_ask.set(may_ask)
    try:
        yield
    finally:
        _may_ask.reset(before)


def refuse_if_left() -> None:
    """Say this before anything that leaves the machine; raises SourceLeft where it is another watcher's turn."""
    if not _may_ask.get()():
        raise SourceLeft("another watcher may read this source now")


@dataclass(frozen=True, slots=True)
class Rescan:
    """What is to be read again: a method, from a block on. live is where the live source stands.

    blocks are those the ledger holds money in.
    """

    method: str
    first: int
    live: Cursor
    blocks: tuple[MoneyBlock, ...]


@dataclass(frozen=True, slots=True)
class Holding:
    """What a chain says that a watched address holds, at the end of a final block.

    units are None where the chain could not be asked; trouble says why.
    """

    watch: Watch
    height: int
    units: int | None
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class HeldPayment:
    """What a processor's books hold of one payment, known by one of its names: before fees, in its own currency."""

    name: str
    currency: str
    exponent: int
    units: int
    newest_at: datetime


class Source(ABC):
    """One place that tells us about money: a node, a card processor, a bank.

    What it cannot do it leaves at these defaults.

    poll_seconds is how long the watcher rests between two looks. asides is what it could not read and goes on
    without; the watcher keeps that in the ledger. can_be_woken: somebody outside may tell it that there is news.
    """

    name: str
    poll_seconds: float
    asides: Asides | None = None
    can_be_woken = False

    @abstractmethod
    def reports(self, after: Cursor | None) -> Iterator[Report]:
        """Yield reports newer than the opaque cursor, oldest first; raise SourceDown or SourceLied."""

    def warnings(self) -> tuple[SourceWarning, ...]:
        """Say what people should hear of though the last look went well."""
        return ()

    def booked(self) -> int:
        """Tell how much changed since this was asked last, of what the source took in by itself.

        Such a source asks the ledger what its news mean; its reports move the cursor alone.
        """
        return 0

    def is_woken(self) -> bool:
        """Tell whether it is time for a turn; asked every few seconds while a source rests that can_be_woken."""
        return False

    def step_back(self, after: Cursor, blocks: Iterable[MoneyBlock]) -> Report | None:
        """After a freeze: report the step back to the last block that the chain still has; None where none is needed.

        blocks are those the ledger holds money in.
        """
        del after, blocks
        return None

    def read_again(self, name: str, task: Rescan, after: Cursor | None) -> Iterator[Report]:
        """Read blocks once more, and yield reports of source `name`, oldest block first, with a cursor of its own.

        Raises SourceDown and SourceLied; SourceError where there is nothing of that kind.
        """
        del name, task, after
        raise SourceError(f"{self.name}: has no blocks that could be read again")

    def balances(self, after: Cursor) -> tuple[HeldBalance, ...]:
        """Tell what our addresses hold as the cursor remembers it; nobody is asked."""
        del after
        return ()

    def holdings(self, after: Cursor) -> list[Holding]:
        """Ask what our addresses hold, of every watch that is read up to finality; raise SourceDown or SourceLied."""
        del after
        return []

    def held_payments(self) -> Iterable[HeldPayment] | None:
        """Ask a processor's books for all payments since the first gift; None where there are no such books.

        Raises SourceDown, also while they are told one by one.
        """
        return None

"""What tells us about money: the Source protocol, and what a source raises."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from support_service.giving import Cursor, Report, Watch


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


class Source(Protocol):
    """One place that tells us about money: a node, Stripe, a bank statement.

    poll_seconds is how long the watcher rests between two looks.
    """

    name: str
    poll_seconds: float

    def reports(self, after: Cursor | None) -> Iterator[Report]:
        """Yield reports newer than the opaque cursor, oldest first; raise SourceDown or SourceLied."""
        ...


@runtime_checkable
class Warns(Protocol):
    """A source that may have something to say though it was read well; "" if not. Equal troubles have equal texts."""

    warning: str


@runtime_checkable
class BooksItself(Protocol):
    """A source that asks the ledger what its news mean, and takes them in by itself; its reports move the cursor."""

    def booked(self) -> int:
        """Tell how much changed since this was asked last."""
        ...


@runtime_checkable
class Wakes(Protocol):
    """A source that is told from outside that it is worth a look."""

    def is_woken(self) -> bool:
        """Tell whether it is time for a turn; asked every few seconds while the source rests."""
        ...


@runtime_checkable
class StepsBack(Protocol):
    """A source that can go on after a freeze."""

    def step_back(self, after: Cursor, blocks: Iterable[tuple[str, str, int, str]]) -> Report | None:
        """Report the step back to the last block that the chain still has; None where none is needed.

        blocks are those the ledger holds money in: (address, asset code, height, block hash).
        """
        ...


@dataclass(frozen=True, slots=True)
class Rescan:
    """What is to be read again: a method, from a block on. live is where the live source stands.

    blocks are those the ledger holds money in: (address, asset code, height, block hash).
    """

    method: str
    first: int
    live: Cursor
    blocks: tuple[tuple[str, str, int, str], ...]


@runtime_checkable
class ReadsAgain(Protocol):
    """A source that can read blocks once more, under another name and with a cursor of its own."""

    def read_again(self, name: str, task: Rescan, after: Cursor | None) -> Iterator[Report]:
        """Yield reports of source `name`, oldest block first; raise SourceDown or SourceLied."""
        ...


@dataclass(frozen=True, slots=True)
class Holding:
    """What a chain says that a watched address holds, at the end of a final block.

    units are None where the chain could not be asked; trouble says why.
    """

    watch: Watch
    height: int
    units: int | None
    trouble: str = ""


@runtime_checkable
class TellsHoldings(Protocol):
    """A source that can say what its addresses hold, to hold the ledger against."""

    def holdings(self, after: Cursor) -> list[Holding]:
        """Ask for every watch that is read up to finality; raise SourceDown or SourceLied."""
        ...

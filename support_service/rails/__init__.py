"""One folder per rail, the Source protocol they keep, and the table of rails.

A rail's folder has a pure half, `method.py` (what we show), and, where a machine tells about the
money, an I/O half, `source.py` (what we hear), which is imported only when sources are built: the
web process never loads it. A new rail is a new folder and one line in RAILS.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from typing import Protocol, cast, runtime_checkable

from support_service.giving import Clock, Cursor, PaymentMethod, Report, Watch
from support_service.money import Asset

RAILS = {
    "bank": "support_service.rails.bank",
    "bitcoin": "support_service.rails.bitcoin",
    "card": "support_service.rails.card",
    "evm": "support_service.rails.evm",
    "tron": "support_service.rails.tron",
}


# Who charges cards: the folder and the settings table of the same name; the method's key, too.
PROCESSORS = {"stripe": "support_service.rails.stripe"}


class SourceError(Exception):
    """A source could not tell us about money; the text is for the log and names the source."""


class SourceDown(SourceError):
    """No answer, or none yet: the same call may work later, not before retry_after_seconds where that is told."""

    def __init__(self, text: str, *, retry_after_seconds: float = 0) -> None:
        super().__init__(text)
        self.retry_after_seconds = retry_after_seconds


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


@dataclass(frozen=True, slots=True)
class Mistake:
    """One wrong setting: `key` is its dotted path in the settings file, `reason` says what to do."""

    key: str
    reason: str


class BadOption(ValueError):
    """A rail's validator refuses a value; the text is the reason shown to the publisher."""


@dataclass(slots=True)
class Options:
    """Reads one table of the settings, collecting every mistake instead of stopping at the first.

    A rail takes each key it knows, then calls `close`, which names the keys nobody took.
    """

    where: str
    values: Mapping[str, object]
    mistakes: list[Mistake] = field(default_factory=list)
    _taken: set[str] = field(default_factory=set)

    def text(self, name: str, default: str = "") -> str:
        """Take a string; a missing one is the default."""
        return cast("str", self._take(name, str, default))

    def required(self, name: str) -> str:
        """Take a string that must be there; "" (with a mistake noted) if it is not."""
        if name not in self.values:
            self._taken.add(name)
            self.reject(name, "is missing")
            return ""
        value = self.text(name)
        if not value.strip() and not self.has_mistake(name):
            self.reject(name, "is empty")
        return value

    def number(self, name: str, default: int | None = None) -> int | None:
        """Take a whole number that is not negative."""
        value = cast("int | None", self._take(name, int, default))
        if value is not None and value < 0:
            self.reject(name, "must not be negative")
            return default
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        """Take a list of strings; a missing one is empty."""
        value = cast("list[object] | tuple[object, ...]", self._take(name, list, ()))
        if not all(isinstance(item, str) for item in value):
            self.reject(name, "must be a list of texts")
            return ()
        return tuple(cast("Iterable[str]", value))

    def anything(self, name: str) -> object:
        """Take a value of any type; the caller checks it."""
        self._taken.add(name)
        return self.values.get(name)

    def reject(self, name: str, reason: str) -> None:
        """Note a mistake at one key of this table."""
        self.mistakes.append(Mistake(f"{self.where}.{name}", reason))

    def has_mistake(self, name: str) -> bool:
        """Tell whether this key was already refused."""
        return any(mistake.key == f"{self.where}.{name}" for mistake in self.mistakes)

    def close(self) -> None:
        """Name every key that was never taken."""
        for name in sorted(set(self.values) - self._taken):
            known = ", ".join(sorted(self._taken))
            self.reject(name, f"is not a known setting here; known are: {known}")

    def _take(self, name: str, kind: type, default: object) -> object:
        self._taken.add(name)
        value = self.values.get(name, default)
        if value is default:
            return default
        if isinstance(value, bool) or not isinstance(value, kind):
            self.reject(name, f"must be a {_KIND_NAMES[kind]}")
            return default
        return value


_KIND_NAMES = {str: "text", int: "whole number", list: "list"}


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a method may need to know beside its own options: the networks' tables and the assets."""

    networks: Mapping[str, Mapping[str, object]]
    assets: tuple[Asset, ...]

    def asset(self, code: str, network: str) -> Asset | None:
        """Find an asset by code and network ("" for national currencies)."""
        return next((a for a in self.assets if a.code == code and a.network == network), None)


class MethodHalf(Protocol):
    """The pure half of a rail: `rails/<rail>/method.py`."""

    def build_method(self, key: str, options: Options, around: Surroundings) -> PaymentMethod | None:
        """Read a method's options; None (with mistakes noted in options) where it cannot be shown."""
        ...

    def check_network(self, name: str, options: Options) -> None:
        """Check one [networks.<name>] table of this rail, noting mistakes; rails without networks refuse it."""
        ...


class SourceHalf(Protocol):
    """The I/O half of a rail: `rails/<rail>/source.py`."""

    def build_sources(
        self, network: str, table: Mapping[str, object], watches: tuple[Watch, ...], *, clock: Clock
    ) -> list[Source]:
        """Build the sources of one network; none where the network names no node."""
        ...


class ProcessorMethodHalf(Protocol):
    """The pure half of a processor: `rails/<name>/method.py`."""

    def build_method(self, options: Options, around: Surroundings) -> PaymentMethod | None:
        """Read the processor's own table; None (with mistakes noted in options) where it cannot be shown."""
        ...


def processor_method_half(name: str) -> ProcessorMethodHalf:
    """Load the pure half of a processor; KeyError for one nobody wrote."""
    return cast("ProcessorMethodHalf", import_module(f"{PROCESSORS[name]}.method"))


def method_half(rail: str) -> MethodHalf:
    """Load the pure half of a rail; KeyError for a rail nobody wrote."""
    return cast("MethodHalf", import_module(f"{RAILS[rail]}.method"))


def can_watch(table: Mapping[str, object]) -> bool:
    """Tell whether a checked [networks.*] table names a node, and its rail has an I/O half yet."""
    has_node = any(table.get(key) for key in ("rpc", "esplora"))
    return has_node and find_spec(f"{RAILS[str(table['rail'])]}.source") is not None


def source_half(rail: str) -> SourceHalf:
    """Load the I/O half of a rail, late: it may import web3."""
    return cast("SourceHalf", import_module(f"{RAILS[rail]}.source"))

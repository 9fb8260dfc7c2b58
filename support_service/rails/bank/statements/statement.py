"""What reading a statement gives: proved statements, and in words what could not be read. Pure."""

import io
import pickle
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import date
from enum import StrEnum
from operator import attrgetter
from typing import Any

from support_service.money import Asset, Money
from support_service.rails.bank.line import Line, Party

# Lines are kept packed: 200,000 of them as objects would take 300 MB, packed they take some 30 MB.
LINES_PER_PACK = 500

Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Problem:
    """One row that could not be read, or one field of it. row is counted from 1, 0 is the whole file."""

    row: int
    field: str
    reason: str

    def __str__(self) -> str:
        where = f"row {self.row}: " if self.row else ""
        return f"{where}{self.field}: {self.reason}" if self.field else f"{where}{self.reason}"


class StatementRefused(ValueError):
    """Nothing of the file may be written; the text says what it is and what to do, for people."""

    def __init__(self, reason: str, problems: tuple[Problem, ...] = ()) -> None:
        super().__init__(reason)
        self.problems = problems


class BadField(ValueError):
    """One field of a row cannot be read; the row becomes a Problem."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(reason)
        self.name = name

    def at(self, row: int) -> Problem:
        """Name the row."""
        return Problem(row, self.name, str(self))


@dataclass(frozen=True, slots=True)
class WantedStatement:
    """What the caller knows and a file may not say.

    account: of --account, "" if none was given. own_accounts: of the settings, to find the IBAN behind
    an old number. account_names: what a bank calls an account -> its IBAN. currency: of the account.
    profile: the column map of --profile, see csv_columns.Profile.
    """

    account: str = ""
    own_accounts: tuple[str, ...] = ()
    account_names: Mapping[str, str] = field(default_factory=dict)
    currency: str = ""
    profile: "Profile | None" = None


@dataclass(frozen=True, slots=True)
class Profile:
    """Which column of a table holds what: field -> its header, or several headers that it may have.

    decimal is "." or "," where amounts such as 1.000 would be ambiguous. day_order is "DMY", "MDY" or
    "YMD" where dates have slashes. delimiter "" finds it out. currency names the column, or is the
    three letters themselves.
    """

    name: str
    columns: Mapping[str, tuple[str, ...]]
    delimiter: str = ""
    decimal: str = ""
    day_order: str = ""
    currency: str = ""


class BalanceProof(StrEnum):
    """What opening + lines = closing said about a statement."""

    CLOSES = "exact"
    REVERSALS_TURNED = "reversals_turned"  # closes once reversals are read against ISO's definition
    ABSENT = "absent"  # the file names no balances


@dataclass(frozen=True, slots=True)
class Opened:
    """Part: a statement of one account begins. label is the bank's own name for it."""

    account: str
    asset: Asset
    label: str = ""
    page: str = ""


@dataclass(frozen=True, slots=True)
class Balance:
    """Part: a balance of the open statement. is_final says that the day is over with it."""

    units: int
    is_opening: bool
    is_final: bool = True


@dataclass(frozen=True, slots=True)
class Closed:
    """Part: the open statement ends."""


@dataclass(frozen=True, slots=True)
class Note:
    """Part: something a person should know that stops nothing."""

    text: str


Part = Opened | Balance | Line | Problem | Closed | Note

_VALUES: dict[type, Callable[[Any], tuple[object, ...]]] = {
    record: attrgetter(*(one.name for one in fields(record))) for record in (Line, Party, Money, Asset)
}


class _Packer(pickle.Pickler):
    """Writes records by their values alone: the usual way asks each of them for its fields, at ten times the cost."""

    def reducer_override(self, record: object) -> Any:
        values = _VALUES.get(type(record))
        return NotImplemented if values is None else (type(record), values(record))


def _packed(lines: list[Line]) -> bytes:
    written = io.BytesIO()
    _Packer(written, pickle.HIGHEST_PROTOCOL).dump(lines)
    return written.getvalue()


class StatementLines:
    """The lines of one statement; iterate as often as you like."""

    def __init__(self) -> None:
        self._packs: list[bytes] = []
        self._open: list[Line] = []
        self._count = 0
        self._turned = False

    def add(self, line: Line) -> None:
        """Add a line at the end."""
        self._open.append(line)
        self._count += 1
        if len(self._open) == LINES_PER_PACK:
            self._packs.append(zlib.compress(_packed(self._open), 1))
            self._open = []

    def turn_reversals(self) -> None:
        """Give every reversal the other sign from now on."""
        self._turned = not self._turned

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Line]:
        for pack in self._packs:
            lines: list[Line] = pickle.loads(zlib.decompress(pack))  # noqa: S301  packed by add, never from outside
            yield from map(self._signed, lines)
        yield from map(self._signed, self._open)

    def _signed(self, line: Line) -> Line:
        if not (self._turned and line.is_reversal):
            return line
        return replace(line, money=Money(-line.money.units, line.money.asset))


@dataclass(frozen=True, slots=True)
class BankStatement:
    """One account's lines over a time, with what was proved about them.

    opening_units and closing_units are None where the file names none; first_day and last_day are
    those of the booked lines. notes say what a person should know (a page that is missing).
    is_whole: it begins and ends with a day, and not in the middle of one.
    """

    account: str
    asset: Asset
    label: str
    lines: StatementLines
    first_day: date | None
    last_day: date | None
    opening_units: int | None
    closing_units: int | None
    proof: BalanceProof
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()
    is_whole: bool = True


@dataclass(frozen=True, slots=True)
class StatementsRead:
    """All that one file says. problems names every row that was left out; the rows in lines are kept.

    digest is the SHA-256 of the file: where a line comes from, never what it is.
    """

    format: str
    digest: str
    statements: tuple[BankStatement, ...]
    problems: tuple[Problem, ...]
    notes: tuple[str, ...] = ()

    @property
    def lines(self) -> Iterator[Line]:
        """Every line, in the file's order."""
        return (line for statement in self.statements for line in statement.lines)

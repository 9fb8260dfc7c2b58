"""Collect the parts that a format reads into statements, and prove each: opening + lines = closing. Pure.

The proof is the only judge of reversal signs, missing pages and misread columns. Where a statement
has balances and no reading closes, nothing of the file may be written.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date

from support_service.money import Asset, Money, plain
from support_service.rails.bank.line import Line
from support_service.rails.bank.statements.statement import (
    Balance,
    BalanceProof,
    BankStatement,
    Closed,
    Note,
    Opened,
    Part,
    Problem,
    Progress,
    StatementLines,
    StatementRefused,
)

ROWS_MAX = 250_000
# More unreadable rows than this are a wrong column map, and nobody reads their names.
PROBLEMS_MAX = 1_000
PROGRESS_ROWS = 1_000


@dataclass(slots=True)
class Draft:
    """A statement while its parts come in."""

    account: str
    asset: Asset
    label: str = ""
    page: str = ""
    is_explicit: bool = True
    lines: StatementLines = field(default_factory=StatementLines)
    first_day: date | None = None
    last_day: date | None = None
    opening: Balance | None = None
    closing: Balance | None = None
    booked_units: int = 0
    reversed_units: int = 0
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, line: Line) -> None:
        """Take one line into the sums."""
        if line.money.asset != self.asset:
            reason = f"a line in {line.money.asset.code} stands in an account of {self.asset.code}"
            self.problems.append(Problem(line.row, "currency", reason))
            return
        self.lines.add(line)
        if line.books_money:
            self.booked_units += line.money.units
            self.reversed_units += line.money.units if line.is_reversal else 0
            if line.day:
                self.first_day = min(self.first_day or line.day, line.day)
                self.last_day = max(self.last_day or line.day, line.day)

    def proved(self) -> BankStatement:
        """Close the statement; Refused where it has balances and no reading closes."""
        proof = BalanceProof.ABSENT
        if self.opening and self.closing:
            proof = self._proof(self.closing.units - self.opening.units)
        elif self.opening or self.closing:
            missing = "closing" if self.opening else "opening"
            raise StatementRefused(
                f"{self._named}: the {missing} balance is missing, so the file is cut off or incomplete"
            )
        elif self.reversed_units:
            self.notes.append(f"{self._named}: without balances nobody can prove the signs of its reversals")
        if proof is BalanceProof.REVERSALS_TURNED:
            self.lines.turn_reversals()
            self.notes.append(f"{self._named}: this bank keeps the original's direction on reversals; read so")
        if self.opening and self.closing and not self.closing.is_final:
            self.notes.append(f"{self._named}: ends with an intermediate balance, its next page is in another file")
        return BankStatement(
            self.account, self.asset, self.label, self.lines, self.first_day, self.last_day,
            self.opening.units if self.opening else None, self.closing.units if self.closing else None,
            proof, tuple(self.problems), tuple(self.notes),
            is_whole=all(one.is_final for one in (self.opening, self.closing) if one),
        )  # fmt: skip

    def _proof(self, change_units: int) -> BalanceProof:
        if self.booked_units == change_units:
            return BalanceProof.CLOSES
        if self.reversed_units and self.booked_units - 2 * self.reversed_units == change_units:
            return BalanceProof.REVERSALS_TURNED
        off = plain(Money(change_units - self.booked_units, self.asset))
        cause = "rows that cannot be read" if self.problems else "a page is missing, or a row is misread"
        raise StatementRefused(
            f"{self._named} does not close: opening + lines is not closing, {off} {self.asset.code} is not "
            f"accounted for ({cause}); nothing of it was written",
            tuple(self.problems),
        )

    @property
    def _named(self) -> str:
        return f"statement {self.label} of {self.account}" if self.label else f"the statement of {self.account}"


class Collector:
    """Builds statements from parts: those that a format opens, and one per account for tables."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._open: Draft | None = None
        self._by_account: dict[tuple[str, str], Draft] = {}
        self._rows = 0
        self.done: list[BankStatement] = []
        self.problems: list[Problem] = []
        self.notes: list[str] = []

    def collect(self, parts: Iterable[Part]) -> None:
        """Take all parts of one file; Refused as soon as one statement does not close."""
        for part in parts:
            self._take(part)
        if self._open:
            raise StatementRefused("the file ends in the middle of a statement: it is cut off")
        self.done += [draft.proved() for draft in self._by_account.values()]
        self.problems += [problem for draft in self._by_account.values() for problem in draft.problems]
        self._progress(self._rows)

    def _take(self, part: Part) -> None:
        match part:
            case Line():
                self._count()
                self._draft(part).add(part)
            case Problem():
                self._count()
                (self._open.problems if self._open else self.problems).append(part)
                self._refuse_hopeless()
            case Note():
                (self._open.notes if self._open else self.notes).append(part.text)
            case Opened():
                self._begin(part)
            case Balance():
                assert self._open, "a format opens a statement before it tells its balances"
                if part.is_opening:
                    self._open.opening = self._open.opening or part
                else:
                    self._open.closing = part
            case Closed():
                self._end()

    def _begin(self, opened: Opened) -> None:
        assert self._open is None, "a format closes one statement before it opens the next"
        self._open = Draft(opened.account, opened.asset, opened.label, opened.page)

    def _end(self) -> None:
        assert self._open
        statement = self._open.proved()
        self._open = None
        self.done.append(statement)
        self.problems += statement.problems

    def _draft(self, line: Line) -> Draft:
        if self._open:
            return self._open
        key = (line.account, line.money.asset.code)
        if key not in self._by_account:
            self._by_account[key] = Draft(line.account, line.money.asset, is_explicit=False)
        return self._by_account[key]

    def _count(self) -> None:
        self._rows += 1
        if self._rows > ROWS_MAX:
            raise StatementRefused(f"the file has more than {ROWS_MAX} rows: export a shorter time")
        if self._rows % PROGRESS_ROWS == 0:
            self._progress(self._rows)

    def _refuse_hopeless(self) -> None:
        problems = [*self.problems, *(self._open.problems if self._open else ())]
        if len(problems) > PROBLEMS_MAX:
            raise StatementRefused(
                f"more than {PROBLEMS_MAX} rows cannot be read: is this the right format?", tuple(problems)
            )

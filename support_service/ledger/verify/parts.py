"""What the parts of verify share: the moment that is checked, and how columns are read without trusting them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, Select, Text, cast

from support_service.giving import PlanClaim
from support_service.ledger.accept.write import TotalKey
from support_service.ledger.columns import Units
from support_service.ledger.kept_sums import Added, SumKey, add

# Rows read in one transaction: few enough that a writer does not notice.
CHUNK_ROWS = 500
# A person mends the first few; a ledger that is all wrong would fill the memory with lines.
PROBLEMS_MAX = 1_000


@dataclass(slots=True)
class VerifyMoment:
    """The ledger at the start of the check, and what the parts have found on their way through it."""

    on_progress: Callable[[int, int], None]
    last_report: int
    last_hash: str
    donations_count: int
    last_posting: int
    rows: dict[str, int]
    totals: dict[tuple[str, ...], tuple[str, str]]
    steps: dict[str, int]
    kept: dict[str, dict[tuple[str, ...], tuple[str, ...]]] = field(default_factory=dict)
    reached: dict[str, int] = field(default_factory=dict)
    counted: dict[TotalKey, tuple[int, int]] = field(default_factory=dict)
    quarters: dict[SumKey, Added] = field(default_factory=dict)
    articles: dict[SumKey, Added] = field(default_factory=dict)
    # Of the donations that are looked at just now: the placement that their choices name, by choice.
    placements: dict[str, str] = field(default_factory=dict)
    terms: int = 0
    polled: dict[str, int] = field(default_factory=dict)
    plans: dict[tuple[str, str], tuple[PlanClaim, int]] = field(default_factory=dict)
    done: int = 0

    def reach(self, what: str, rows: int) -> None:
        """Count rows that were found from one of their sides, such as "posting of a donation"."""
        self.reached[what] = self.reached.get(what, 0) + rows

    def count(self, key: TotalKey, units: int) -> None:
        """Add one gift to the sum it counts in."""
        held = self.counted.get(key, (0, 0))
        self.counted[key] = (held[0] + units, held[1] + 1)

    def begun(self) -> "VerifyMoment":
        """The same moment, of which nothing is found yet and nothing is told: for a part that is checked elsewhere."""
        return VerifyMoment(
            _silent, self.last_report, self.last_hash, self.donations_count, self.last_posting, {}, {}, {}
        )

    def join(self, other: "VerifyMoment") -> None:
        """Add what a part found that was checked elsewhere."""
        for what, rows in other.reached.items():
            self.reach(what, rows)
        for key, (units, gifts) in other.counted.items():
            held = self.counted.get(key, (0, 0))
            self.counted[key] = (held[0] + units, held[1] + gifts)
        for sums, others in ((self.quarters, other.quarters), (self.articles, other.articles)):
            for sum_key, added in others.items():
                add(sums, sum_key, added)
        self.terms += other.terms
        for source, step in other.polled.items():
            self.polled[source] = max(self.polled.get(source, 0), step)
        self.progress(other.done)

    def progress(self, rows: int) -> None:
        """Tell that so many more rows are done."""
        self.done += rows
        total = self.last_report + self.donations_count + self.last_posting
        self.on_progress(min(self.done, total), total)


def _silent(_done: int, _of: int) -> None:
    pass


def stored(tx: Connection, asked: Select[*tuple[Any, ...]], **parameters: object) -> list[tuple[Any, ...]]:
    """Read rows as the driver gives them: to make records of them costs more than to read them."""
    found = tx.execute(asked, parameters)
    assert found.cursor is not None, "a question has an answer"
    return list(found.cursor.fetchall())


def stored_of(tx: Connection, asked: str, keys: Sequence[Any]) -> list[tuple[Any, ...]]:
    """Read the rows of some keys, which belong where the question says {keys}: for SQLAlchemy spells each out anew."""
    if not keys:
        return []
    mark = "?" if tx.dialect.name == "sqlite" else "%s"
    found = tx.exec_driver_sql(asked.format(keys=", ".join([mark] * len(keys))), tuple(keys))
    assert found.cursor is not None, "a question has an answer"
    return list(found.cursor.fetchall())


def raw(column: Column[Any]) -> ColumnElement[str]:
    """Read a column as the text that is stored: parsing an amount would hide "007"."""
    return cast(column, Text).label(column.name)


def as_stored(value: object) -> str | None:
    """Write a value as its column would be read by `raw`."""
    return None if value is None else str(value)


def raw_units(column: Column[Any]) -> ColumnElement[Any]:
    """Read amounts as stored text and everything else as it is."""
    return raw(column) if isinstance(column.type, Units) else column

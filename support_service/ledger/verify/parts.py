"""What the parts of verify share: the moment that is checked, and how columns are read without trusting them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Column, ColumnElement, Text, cast

from support_service.giving import PlanClaim
from support_service.ledger.accept.write import TotalKey
from support_service.ledger.columns import Units
from support_service.ledger.quarters import QuarterKey, QuarterSums

# Rows read in one transaction: few enough that a writer does not notice.
CHUNK_ROWS = 500


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
    quarter_totals: dict[tuple[str, ...], tuple[str, ...]] = field(default_factory=dict)
    reached: dict[str, int] = field(default_factory=dict)
    counted: dict[TotalKey, tuple[int, int]] = field(default_factory=dict)
    quarters: dict[QuarterKey, QuarterSums] = field(default_factory=dict)
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

    def progress(self, rows: int) -> None:
        """Tell that so many more rows are done."""
        self.done += rows
        total = self.last_report + self.donations_count + self.last_posting
        self.on_progress(min(self.done, total), total)


def raw(column: Column[Any]) -> ColumnElement[str]:
    """Read a column as the text that is stored: parsing an amount would hide "007"."""
    return cast(column, Text).label(column.name)


def as_stored(value: object) -> str | None:
    """Write a value as its column would be read by `raw`."""
    return None if value is None else str(value)


def raw_units(column: Column[Any]) -> ColumnElement[Any]:
    """Read amounts as stored text and everything else as it is."""
    return raw(column) if isinstance(column.type, Units) else column

"""Months that are closed: by a report, with the sums of that moment; what comes later is told apart for good.

Nothing is ever kept out of the ledger: a gift that comes late stands in its own time. The books of a closed month are
its closing's sums; the difference to what the ledger says now stands in the earliest month after it that is open, with
the month it belongs to, and is taken along when that one is closed.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from sqlalchemy import Connection, select

from support_service.giving import Clock, Listed, Report
from support_service.ledger.accept import accept_report
from support_service.ledger.canonical import read_raw
from support_service.ledger.columns import from_micros, to_micros
from support_service.ledger.engine import Database
from support_service.ledger.errors import LedgerError
from support_service.ledger.quarters import SUMS, QuarterSums, read_quarters
from support_service.ledger.queries import donations_with_people, read_head
from support_service.ledger.rows import read_donation
from support_service.ledger.tables import donation, personal_data, report
from support_service.ledger.three_way import Difference, ThreeWay, hold_together

# Reports of closings may not be erased with what is kept of persons: their sums are the books of a month.
SOURCE = "month:"
LATE_MAX = 100
_KEY = ("method", "rail", "network", "asset", "exponent", "currency", "currency_exponent")

# When a month begins and ends on the publisher's calendar.
Ends: TypeAlias = Callable[[str], tuple[datetime, datetime]]
MonthKey: TypeAlias = tuple[str, str, str, str, int, str, int]


@dataclass(frozen=True, slots=True)
class MonthRow:
    """Sums of a month by method, asset and currency of value."""

    key: MonthKey
    sums: QuarterSums


@dataclass(frozen=True, slots=True)
class Closing:
    """A month was closed or opened again: by which report, when and by whom.

    rows are the sums of the closing's moment, carried what it took along of earlier months, by month; differences is
    with how many it was closed, each of which its report names.
    """

    month: str
    number: int
    at: datetime
    by: str
    note: str
    is_close: bool
    head: int
    rows: tuple[MonthRow, ...]
    carried: Mapping[str, tuple[MonthRow, ...]]
    differences: int = 0


@dataclass(frozen=True, slots=True)
class Late:
    """What changed in a closed month since, as the difference to its books, and some of the gifts that did it."""

    month: str
    rows: tuple[MonthRow, ...]
    gifts: tuple[Listed, ...]


class MonthBusy(LedgerError):
    """Somebody else closed the month or opened it again meanwhile."""


class Months:
    """The ledger's side of closing months; every method may raise LedgerError."""

    def __init__(self, database: Database, *, clock: Clock) -> None:
        self._database, self._clock = database, clock

    def closings(self, months: Sequence[str]) -> dict[str, list[Closing]]:
        """Tell how each of these months was closed and opened, oldest first."""
        with self._database.read() as tx:
            return _closings(tx, months)

    def rows(self, since: datetime, until: datetime) -> tuple[MonthRow, ...]:
        """Sum what came between two moments, as the ledger says it now."""
        with self._database.read() as tx:
            return _rows(tx, since, until)

    def late(self, months: Sequence[str], ends: Ends) -> tuple[Late, ...]:
        """Tell how closed months differ from their books; `ends` tells when a month begins and ends."""
        with self._database.read() as tx:
            return _late(tx, _closings(tx, months), ends)

    def three_way(self, since: datetime, until: datetime) -> ThreeWay:
        """Hold what came between two moments against processors, banks and chains, by what they told already."""
        with self._database.read() as tx:
            return hold_together(tx, since, until)

    def close(
        self,
        month: str,
        earlier: Sequence[str],
        ends: Ends,
        *,
        by: str,
        note: str,
        seen: int | None = None,
    ) -> None:
        """Close a month with what it takes along of earlier ones, and with its differences as they are now.

        seen is how many of these whoever closes it looked at. MonthBusy where there are others, or it is closed.
        """
        with self._database.write() as tx:
            differences = hold_together(tx, *ends(month)).differences
            if seen is not None and seen != len(differences):
                raise MonthBusy(f"{month} has {len(differences)} differences now, not {seen}")
            held = _closings(tx, [month, *earlier])
            late = _late(tx, {name: held[name] for name in earlier}, ends)
            told = {
                "rows": [_written(one) for one in _rows(tx, *ends(month))],
                "carried": {one.month: [_written(row) for row in one.rows] for one in late},
                "differences": [_told(one) for one in differences],
            }
            self._tell_month(tx, held[month], month, is_close=True, told={**told, "by": by, "note": note})

    def reopen(self, month: str, *, by: str, note: str) -> None:
        """Open a closed month again; MonthBusy where it is open."""
        with self._database.write() as tx:
            held = _closings(tx, [month])[month]
            self._tell_month(tx, held, month, is_close=False, told={"by": by, "note": note, "rows": [], "carried": {}})

    def _tell_month(
        self, tx: Connection, held: list[Closing], month: str, *, is_close: bool, told: Mapping[str, Any]
    ) -> None:
        if is_closed(held) is is_close:
            raise MonthBusy(f"{month} is {'closed' if is_close else 'open'} already")
        said = {**told, "action": "close" if is_close else "reopen", "head": read_head(tx).number}
        raw = json.dumps(said, ensure_ascii=False, sort_keys=True)
        accept_report(tx, Report(f"{SOURCE}{month}", str(len(held) + 1), raw=raw), self._clock())


def is_closed(held: Sequence[Closing]) -> bool:
    """Tell whether the last word about a month closed it."""
    return bool(held) and held[-1].is_close


def _closings(tx: Connection, months: Sequence[str]) -> dict[str, list[Closing]]:
    asked = (
        select(report.c.number, report.c.source, report.c.accepted_at, personal_data.c.body)
        .join(personal_data, personal_data.c.digest == report.c.raw_digest)
        .where(report.c.source.in_([f"{SOURCE}{month}" for month in months]))
        .order_by(report.c.number)
    )
    found: dict[str, list[Closing]] = {month: [] for month in months}
    for row in tx.execute(asked).mappings():
        month = row["source"].removeprefix(SOURCE)
        held = json.loads(read_raw(row["body"]) or "{}")
        carried = {name: tuple(map(_read, rows)) for name, rows in held.get("carried", {}).items()}
        found[month].append(
            Closing(
                month,
                row["number"],
                from_micros(row["accepted_at"]),
                held.get("by", ""),
                held.get("note", ""),
                is_close=held.get("action") == "close",
                head=held.get("head", 0),
                rows=tuple(map(_read, held.get("rows", []))),
                carried=carried,
                differences=len(held.get("differences", ())),
            )
        )
    return found


def _rows(tx: Connection, since: datetime, until: datetime) -> tuple[MonthRow, ...]:
    held: dict[MonthKey, QuarterSums] = {}
    for one in read_quarters(tx, since, until, [since]):
        key = (one.method, one.rail, one.network, one.asset, one.exponent, one.currency, one.currency_exponent)
        held[key] = held.get(key, QuarterSums()).plus(one.sums)
    return tuple(MonthRow(key, held[key]) for key in sorted(held))


def _late(tx: Connection, closings: Mapping[str, list[Closing]], ends: Ends) -> tuple[Late, ...]:
    found = []
    carried: dict[str, list[MonthRow]] = {}
    for held in closings.values():
        if is_closed(held):
            for month, rows in held[-1].carried.items():
                carried.setdefault(month, []).extend(rows)
    for month, held in closings.items():
        if not is_closed(held):
            continue
        # Money may leave a month, too, when its moment turns out to be another: only the sums tell.
        left = {one.key: one.sums for one in _rows(tx, *ends(month))}
        for one in (*held[-1].rows, *carried.get(month, [])):
            left[one.key] = left.get(one.key, QuarterSums()).plus(one.sums, -1)
        rows = tuple(MonthRow(key, sums) for key, sums in sorted(left.items()) if sums != QuarterSums())
        if rows:
            found.append(Late(month, rows, _moved(tx, held[-1], *ends(month))))
    return tuple(found)


def _moved(tx: Connection, closing: Closing, since: datetime, until: datetime) -> tuple[Listed, ...]:
    asked = donations_with_people().where(*_between(since, until), donation.c.last_report > closing.head)
    rows = tx.execute(asked.order_by(donation.c.occurred_at, donation.c.id).limit(LATE_MAX)).mappings()
    return tuple(Listed(row["id"], read_donation(row, None)) for row in rows)


def _between(since: datetime, until: datetime) -> tuple[Any, Any]:
    return donation.c.occurred_at >= to_micros(since), donation.c.occurred_at < to_micros(until)


def _written(row: MonthRow) -> list[object]:
    return [*row.key, *(str(getattr(row.sums, name)) for name in SUMS)]


def _told(one: Difference) -> list[object]:
    return [one.kind, str(one.units), one.asset, one.exponent, one.ref, *one.place]


def _read(held: list[Any]) -> MonthRow:
    method, rail, network, asset, exponent, currency, currency_exponent = held[: len(_KEY)]
    key = (method, rail, network, asset, int(exponent), currency, int(currency_exponent))
    return MonthRow(key, QuarterSums(*map(int, held[len(_KEY) :])))

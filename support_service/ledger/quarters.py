"""Sums by quarter of an hour and by day of UTC, kept by accept: what a month, a day or a chart is added up from.

A quarter is the largest piece of time that every calendar in use is made of: days begin at a quarter of an hour of UTC
wherever a publisher lives. A publisher's day is a day of UTC but for the quarters between its ends and midnight, so
that a month is some days and a few quarters however many gifts it had. Sums are of the gift's own time, so that money
that comes late stands where it belongs.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from sqlalchemy import Connection, select, type_coerce
from sqlalchemy.types import NullType

from support_service.giving import COUNTED_KINDS, Direction, Donation, State, ValueClaim
from support_service.ledger.columns import from_micros, to_micros
from support_service.ledger.kept_sums import Added, KeptSums, SumKey, add
from support_service.ledger.rows import in_chunks
from support_service.ledger.sum_tables import day_total, quarter_total

QUARTER_MICROS = 15 * 60 * 1_000_000
DAY_QUARTERS = 96

# Money that reached us, whatever became of it since.
CAME = frozenset({State.CONFIRMED, State.PARTIALLY_REFUNDED, State.REFUNDED, State.DISPUTED})

QuarterKey: TypeAlias = tuple[int, str, str, str, str, int, str, int]
NAMES = ("quarter", "method", "rail", "network", "asset", "exponent", "currency", "currency_exponent")
SUMS = ("gifts", "counted_gifts", "units", "refunded_units", "fee_units", "worth_units")
QUARTERS, DAYS = KeptSums(quarter_total, len(NAMES)), KeptSums(day_total, len(NAMES))


@dataclass(frozen=True, slots=True)
class QuarterSums:
    """Sums of gifts of one asset, and what of them still counts was worth; counted_gifts are those that count."""

    gifts: int = 0
    counted_gifts: int = 0
    units: int = 0
    refunded_units: int = 0
    fee_units: int = 0
    worth_units: int = 0

    def plus(self, other: "QuarterSums", sign: int = 1) -> "QuarterSums":
        """Add other sums, or with sign -1 take them off."""
        return QuarterSums(
            self.gifts + sign * other.gifts,
            self.counted_gifts + sign * other.counted_gifts,
            self.units + sign * other.units,
            self.refunded_units + sign * other.refunded_units,
            self.fee_units + sign * other.fee_units,
            self.worth_units + sign * other.worth_units,
        )

    @property
    def values(self) -> Added:
        """The sums in the order of SUMS."""
        return (
            self.gifts,
            self.counted_gifts,
            self.units,
            self.refunded_units,
            self.fee_units,
            self.worth_units,
        )


@dataclass(frozen=True, slots=True)
class QuarterTotal:
    """The sums of one quarter, or of what began with it, by method, asset and currency of value ("": not known)."""

    quarter: int
    method: str
    rail: str
    network: str
    asset: str
    exponent: int
    currency: str
    currency_exponent: int
    sums: QuarterSums

    @property
    def begin(self) -> datetime:
        """The moment at which the quarter began."""
        return from_micros(self.quarter * QUARTER_MICROS)


def counted_in(found: Donation) -> tuple[QuarterKey, QuarterSums] | None:
    """Tell where a piece of money is summed, and with what; None for what is no gift or never reached us."""
    payment, identity, value = found.payment, found.identity, found.value
    is_gift = payment.kind in COUNTED_KINDS and identity.direction is Direction.IN
    if not is_gift or found.state not in CAME:
        return None
    quarter = to_micros(payment.occurred_at) // QUARTER_MICROS
    where = (quarter, payment.method, payment.rail, identity.network, identity.asset, payment.exponent)
    counted = found.counted_units
    brought = worth(value, counted, of=payment.units)
    sums = QuarterSums(1, int(bool(counted)), counted, found.refunded_units, found.fee_units or 0, brought)
    return (*where, value.currency if value else "", value.exponent if value else 0), sums


def worth(value: ValueClaim | None, counted_units: int, *, of: int) -> int:
    """Tell what the part of a gift that counts was worth, rounded down; 0 while no value is known."""
    return value.units * counted_units // of if value is not None and of else 0


def quarters(since: datetime, until: datetime) -> tuple[int, int]:
    """Number the quarters between two moments, the second excluded."""
    return to_micros(since) // QUARTER_MICROS, to_micros(until) // QUARTER_MICROS


def by_day(quarter_sums: Mapping[SumKey, Added]) -> dict[SumKey, Added]:
    """Add sums by quarter up to sums by day."""
    days: dict[SumKey, Added] = {}
    for key, sums in quarter_sums.items():
        add(days, (key[0] // DAY_QUARTERS, *key[1:]), sums)
    return days


def move_quarters(tx: Connection, changed: Iterable[tuple[Donation | None, Donation | None]]) -> None:
    """Bring the sums up to date; changed are donations before and after."""
    moves: dict[SumKey, Added] = {}
    for before, after in changed:
        for found, sign in ((before, -1), (after, 1)):
            told = counted_in(found) if found is not None else None
            if told is not None:
                add(moves, told[0], told[1].values, sign)
    QUARTERS.move(tx, moves)
    DAYS.move(tx, by_day(moves))


def read_quarters(
    tx: Connection, since: datetime, until: datetime, starts: Sequence[datetime] | None = None
) -> tuple[QuarterTotal, ...]:
    """Read the sums of what came between two moments, oldest first; starts: summed up from each of them to the next."""
    first, end = quarters(since, until)
    if starts is None:
        rows = _rows(tx, QUARTERS, first, end)
        held = {tuple(row[: len(NAMES)]): list(map(int, row[len(NAMES) :])) for row in rows}
    else:
        held = _read_pieces(tx, [*(to_micros(one) // QUARTER_MICROS for one in starts), end])
    return tuple(QuarterTotal(*(*key, QuarterSums(*sums))) for key, sums in held.items())


def _rows(tx: Connection, kept: KeptSums, first: int, end: int) -> Sequence[Sequence[Any]]:
    """Read rows as they are stored: there are many, and their amounts are made numbers where they are added up."""
    when = kept.table.c[kept.key_names[0]]
    asked = select(*(type_coerce(column, NullType()) for column in kept.table.c)).where(when >= first, when < end)
    return tx.execute(asked.order_by(*kept.table.primary_key)).all()


def _read_pieces(tx: Connection, edges: Sequence[int]) -> dict[SumKey, list[int]]:
    """Sum up what lies between each two edges: whole days of UTC, and what lies between each edge and a midnight."""
    midnights = [(edge + DAY_QUARTERS // 2) // DAY_QUARTERS for edge in edges]
    held: dict[SumKey, list[int]] = {}
    for row in _rows(tx, DAYS, midnights[0], midnights[-1]):
        _add_row(held, edges[bisect_right(midnights, row[0]) - 1], row, 1)
    moved = _between_edges_and_midnights(edges, midnights)
    for chunk in in_chunks(sorted(moved)):
        asked = select(*(type_coerce(column, NullType()) for column in quarter_total.c))
        for found in tx.execute(asked.where(quarter_total.c.quarter.in_(chunk))):
            stored: Sequence[Any] = found
            for edge, sign in moved[stored[0]]:
                _add_row(held, edge, stored, sign)
    return {key: held[key] for key in sorted(held) if held[key][0]}


def _between_edges_and_midnights(edges: Sequence[int], midnights: Sequence[int]) -> dict[int, list[tuple[int, int]]]:
    """Tell to which pieces, named by the edge they begin at, a quarter is to be added (1), and from which taken (-1).

    Days were given to the piece that has the midnight they begin with.
    """
    moved: dict[int, list[tuple[int, int]]] = {}
    for place, (edge, day) in enumerate(zip(edges, midnights, strict=True)):
        midnight = day * DAY_QUARTERS
        sign = 1 if edge < midnight else -1
        for quarter in range(min(edge, midnight), max(edge, midnight)):
            pieces = moved.setdefault(quarter, [])
            if place > 0:
                pieces.append((edges[place - 1], -sign))
            if place < len(edges) - 1:
                pieces.append((edge, sign))
    return moved


def _add_row(held: dict[SumKey, list[int]], start: int, row: Sequence[Any], sign: int) -> None:
    sums = held.setdefault((start, *row[1 : len(NAMES)]), [0] * len(SUMS))
    for place, one in enumerate(row[len(NAMES) :]):
        sums[place] += sign * int(one)

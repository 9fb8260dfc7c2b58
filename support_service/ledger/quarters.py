"""Sums by quarter of an hour, kept by accept: what a month, a day or a chart is added up from.

A quarter is the largest piece of time that every calendar in use is made of: days begin at a quarter of an hour of UTC
wherever a publisher lives. Sums are of the gift's own time, so that money that comes late stands where it belongs.
"""

from bisect import bisect_right
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from sqlalchemy import Connection, bindparam, delete, insert, select, type_coerce, update
from sqlalchemy.types import NullType

from support_service.giving import COUNTED_KINDS, Direction, Donation, State
from support_service.ledger.columns import to_micros
from support_service.ledger.rows import in_chunks
from support_service.ledger.tables import quarter_total

QUARTER_MICROS = 15 * 60 * 1_000_000

# Money that reached us, whatever became of it since.
CAME = frozenset({State.CONFIRMED, State.PARTIALLY_REFUNDED, State.REFUNDED, State.DISPUTED})

QuarterKey: TypeAlias = tuple[int, str, str, str, str, int, str, int]
NAMES = ("quarter", "method", "rail", "network", "asset", "exponent", "currency", "currency_exponent")
SUMS = ("gifts", "counted_gifts", "units", "refunded_units", "fee_units", "worth_units")


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


@dataclass(frozen=True, slots=True)
class QuarterTotal:
    """The sums of one quarter, method, asset and currency of value; currency "" while no value is known."""

    quarter: int
    method: str
    rail: str
    network: str
    asset: str
    exponent: int
    currency: str
    currency_exponent: int
    sums: QuarterSums


def counted_in(found: Donation) -> tuple[QuarterKey, QuarterSums] | None:
    """Tell where a piece of money is summed, and with what; None for what is no gift or never reached us."""
    payment, identity, value = found.payment, found.identity, found.value
    is_gift = payment.kind in COUNTED_KINDS and identity.direction is Direction.IN
    if not is_gift or found.state not in CAME:
        return None
    quarter = to_micros(payment.occurred_at) // QUARTER_MICROS
    where = (quarter, payment.method, payment.rail, identity.network, identity.asset, payment.exponent)
    worth = value.units * found.counted_units // payment.units if value is not None and payment.units else 0
    sums = QuarterSums(
        1, int(bool(found.counted_units)), found.counted_units, found.refunded_units, found.fee_units or 0, worth
    )
    return (*where, value.currency if value else "", value.exponent if value else 0), sums


def quarters(since: datetime, until: datetime) -> tuple[int, int]:
    """Number the quarters between two moments, the second excluded."""
    return to_micros(since) // QUARTER_MICROS, to_micros(until) // QUARTER_MICROS


_IS_IT = [quarter_total.c[name] == bindparam(f"held_{name}") for name in NAMES]
_MOVED, _EMPTY = update(quarter_total).where(*_IS_IT), delete(quarter_total).where(*_IS_IT)


def move_quarters(tx: Connection, changed: Iterable[tuple[Donation | None, Donation | None]]) -> None:
    """Bring the sums up to date; changed are donations before and after."""
    moves: dict[QuarterKey, QuarterSums] = {}
    for before, after in changed:
        for found, sign in ((before, -1), (after, 1)):
            told = counted_in(found) if found is not None else None
            if told is not None:
                moves[told[0]] = moves.get(told[0], QuarterSums()).plus(told[1], sign)
    moves = {key: move for key, move in moves.items() if move != QuarterSums()}
    held = _held(tx, moves)
    new, moved, empty = [], [], []
    for key, move in moves.items():
        now = held.get(key, QuarterSums()).plus(move)
        values = {name: getattr(now, name) for name in SUMS}
        here = {f"held_{name}": part for name, part in zip(NAMES, key, strict=True)}
        if key not in held:
            new.append(dict(zip(NAMES, key, strict=True)) | values)
        elif now.gifts:
            moved.append(here | values)
        else:
            empty.append(here)
    for statement, rows in ((insert(quarter_total), new), (_MOVED, moved), (_EMPTY, empty)):
        if rows:
            tx.execute(statement, rows)


def _held(tx: Connection, keys: Collection[QuarterKey]) -> dict[QuarterKey, QuarterSums]:
    """Read the sums that are kept under these keys: a question for many quarters, since one has few sums."""
    found: dict[QuarterKey, QuarterSums] = {}
    for chunk in in_chunks(sorted({key[0] for key in keys})):
        for row in tx.execute(select(quarter_total).where(quarter_total.c.quarter.in_(chunk))):
            found[tuple(row[: len(NAMES)])] = QuarterSums(*row[len(NAMES) :])
    return {key: found[key] for key in keys if key in found}


def read_quarters(
    tx: Connection, since: datetime, until: datetime, starts: Sequence[datetime] | None = None
) -> tuple[QuarterTotal, ...]:
    """Read the sums of what came between two moments, oldest first; starts: summed up from each of them to the next.

    A month has ten thousand of them: they are read as they are stored and added up as plain numbers.
    """
    first, end = quarters(since, until)
    asked = select(*(type_coerce(column, NullType()) for column in quarter_total.c))
    asked = asked.where(quarter_total.c.quarter >= first, quarter_total.c.quarter < end)
    edges = None if starts is None else [to_micros(one) // QUARTER_MICROS for one in starts]
    rows: Sequence[Any] = tx.execute(asked.order_by(*quarter_total.primary_key)).all()
    held: dict[Any, list[int]] = {}
    for row in rows:
        start = row[0] if edges is None else edges[bisect_right(edges, row[0]) - 1]
        key = (start, *row[1 : len(NAMES)])
        sums = held.get(key)
        if sums is None:
            held[key] = [int(one) for one in row[len(NAMES) :]]
        else:
            for place, one in enumerate(row[len(NAMES) :]):
                sums[place] += int(one)
    return tuple(QuarterTotal(*(*key, QuarterSums(*sums))) for key, sums in held.items())

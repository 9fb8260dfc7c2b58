"""What banks and chains say that we hold: kept in the chain of reports, and held against the books.

A balance is told of one place: an account's asset at the evening of a day, an address's asset after a block. Between
two of them the money that the books have there must make the difference.
"""

import hashlib
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import TypeAlias

from sqlalchemy import Connection, Select, func, select

from support_service.giving import Clock, Direction, HeldBalance, Report, State
from support_service.ledger.accept import accept_report
from support_service.ledger.columns import from_micros, to_micros
from support_service.ledger.engine import Database
from support_service.ledger.lines import MOVED
from support_service.ledger.tables import donation, told_balance

# A balance that goes on changing is kept so often, others once a day: enough to find the day of a difference.
KEPT_EVERY = timedelta(hours=1)

HeldAsset: TypeAlias = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class BalanceSpan:
    """From one balance to the next, and what the books moved meanwhile; first None: from the beginning on."""

    first: HeldBalance | None
    last: HeldBalance
    booked_units: int

    @property
    def told_units(self) -> int:
        """By how much the balance changed."""
        return self.last.units - (self.first.units if self.first else 0)

    @property
    def difference_units(self) -> int:
        """What they have more than the books; below zero: less."""
        return self.told_units - self.booked_units


@dataclass(frozen=True, slots=True)
class ComparedPlace:
    """One account or address in one asset, and the spans between what was told of it; none: one balance alone."""

    last: HeldBalance
    spans: tuple[BalanceSpan, ...]

    @property
    def told_units(self) -> int:
        """By how much the balance changed in all."""
        return sum(span.told_units for span in self.spans)

    @property
    def booked_units(self) -> int:
        """What the books moved meanwhile."""
        return sum(span.booked_units for span in self.spans)

    @property
    def differing(self) -> tuple[BalanceSpan, ...]:
        """The spans in which the books are not what was told."""
        return tuple(span for span in self.spans if span.difference_units)


class Balances:
    """The ledger's side of balances; every method may raise LedgerError."""

    def __init__(self, database: Database, *, clock: Clock) -> None:
        self._database, self._clock = database, clock

    def note(self, source: str, balances: Sequence[HeldBalance]) -> None:
        """Keep what a source says that we hold: the first of each day, and what changed, but not more than hourly."""
        with self._database.read() as tx:
            due = tuple(one for one in balances if _is_due(tx, one))
        if due:
            self.tell(source, due)

    def tell(self, source: str, balances: Sequence[HeldBalance]) -> None:
        """Keep balances; the same ones told again change nothing."""
        report = Report(source, f"balances:{_digest(balances)}", balances=tuple(balances))
        with self._database.write() as tx:
            accept_report(tx, report, self._clock())


def compare_balances(tx: Connection, since: datetime, until: datetime) -> tuple[ComparedPlace, ...]:
    """Hold the balances told between two moments, and the last before them, against the books."""
    found = []
    for place in _places(tx):
        balances = _told_balances(tx, place, since, until)
        if balances and balances[-1].at >= since:
            found.append(_compared(tx, balances, since))
    return tuple(found)


def _is_due(tx: Connection, told: HeldBalance) -> bool:
    asked = _of(told.place).order_by(told_balance.c.at.desc(), told_balance.c.report_number.desc()).limit(1)
    row = tx.execute(asked).mappings().first()
    if row is None:
        return True
    at = from_micros(row["at"])
    if told.mark == row["mark"]:
        return told.units != int(row["units"])
    return at.date() != told.at.date() or (told.units != row["units"] and told.at - at >= KEPT_EVERY)


def _digest(balances: Iterable[HeldBalance]) -> str:
    told = "\x1e".join(f"{one.place}\x1f{one.mark}\x1f{one.units}\x1f{one.exponent}" for one in balances)
    return hashlib.sha256(told.encode()).hexdigest()[:40]


def _of(place: HeldAsset) -> Select[tuple[object, ...]]:
    network, address, asset = place
    where = (told_balance.c.network == network, told_balance.c.address == address, told_balance.c.asset == asset)
    return select(told_balance).where(*where)


def _places(tx: Connection) -> list[HeldAsset]:
    names = (told_balance.c.network, told_balance.c.address, told_balance.c.asset)
    return [(row[0], row[1], row[2]) for row in tx.execute(select(*names).group_by(*names).order_by(*names))]


def _told_balances(tx: Connection, place: HeldAsset, since: datetime, until: datetime) -> list[HeldBalance]:
    """Read what was told of a place, in the order of its marks: of one mark what was told last.

    A chain that went back told of blocks that are gone.
    """
    before = select(func.max(told_balance.c.at)).where(
        told_balance.c.network == place[0],
        told_balance.c.address == place[1],
        told_balance.c.asset == place[2],
        told_balance.c.at < to_micros(since),
    )
    first = tx.execute(before).scalar_one()
    asked = _of(place).where(told_balance.c.at >= (to_micros(since) if first is None else first))
    asked = asked.where(told_balance.c.at < to_micros(until))
    by_mark: dict[int, HeldBalance] = {}
    for row in tx.execute(asked.order_by(told_balance.c.report_number, told_balance.c.mark)).mappings():
        names = ("network", "address", "asset", "exponent", "mark")
        told = HeldBalance(**{name: row[name] for name in names}, units=int(row["units"]), at=from_micros(row["at"]))
        if told.network:
            by_mark = {mark: one for mark, one in by_mark.items() if mark < told.mark}
        by_mark[told.mark] = told
    return [by_mark[mark] for mark in sorted(by_mark)]


def _compared(tx: Connection, balances: list[HeldBalance], since: datetime) -> ComparedPlace:
    last = balances[-1]
    # What a chain holds began with nothing, and what lay there before we watched is booked as that.
    is_whole = bool(last.network) and balances[0].at >= since
    ends = [balance.mark for balance in balances]
    booked = [0] * (len(ends) + 1)
    for mark, units in _moves(tx, last, None if is_whole else ends[0]):
        booked[bisect_left(ends, mark)] += units
    spans = [BalanceSpan(first, second, booked[at]) for at, (first, second) in enumerate(pairwise(balances), 1)]
    return ComparedPlace(last, (*([BalanceSpan(None, balances[0], booked[0])] if is_whole else []), *spans))


def _moves(tx: Connection, last: HeldBalance, above: int | None) -> list[tuple[int, int]]:
    """List what the books moved at a place up to a mark, and above another: mark, and units with their sign.

    Summed in Python: SQLite's own SUM overflows at 9.2 ETH in wei.
    """
    names = (donation.c.direction, donation.c.units)
    here = (donation.c.address == last.address, donation.c.asset == last.asset)
    if last.network:
        asked = select(donation.c.block_height, *names).where(
            donation.c.network == last.network,
            *here,
            donation.c.block_height.is_not(None),
            donation.c.block_height <= last.mark,
            donation.c.state == State.CONFIRMED,
        )
        rows = tx.execute(asked if above is None else asked.where(donation.c.block_height > above))
        return [(height, units if way == Direction.IN else -units) for height, way, units in rows]
    day = donation.c.booking_date
    asked = select(day, *names).where(
        *here, donation.c.bank_class.is_not(None), day <= _day(last.mark), donation.c.state.in_(MOVED)
    )
    rows = tx.execute(asked if above is None else asked.where(day > _day(above)))
    return [
        (date.fromisoformat(text).toordinal(), units if way == Direction.IN else -units) for text, way, units in rows
    ]


def _day(mark: int) -> str:
    return date.fromordinal(mark).isoformat()

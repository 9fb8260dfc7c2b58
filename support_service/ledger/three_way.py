"""The books of a month against those who tell of money: what processors paid out, the bank's lines, the chains.

Each difference has a sum and a place; people say what explains it. Nothing is mended here.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import ColumnElement, Connection, func, literal_column, select

from support_service.giving import HOLDS_PART, UNTOLD, Direction, Donation, HoldsClaim, Kind, State, live
from support_service.ledger.accept.aliases import read_aliases
from support_service.ledger.balances import ComparedPlace, compare_balances
from support_service.ledger.columns import to_micros
from support_service.ledger.lines import BY_HAND, line_places
from support_service.ledger.rows import donation_rows, histories, in_chunks, read_donation
from support_service.ledger.tables import donation

# Of each kind so many are listed: whoever has more differences mends the cause and looks again.
LISTED_MAX = 50
_PAYOUT: ColumnElement[str] = literal_column(f"'{Kind.PAYOUT}'")
_ARRIVAL = donation.alias("arrival")
# Said of no plain column, so that the database begins with the few payouts, or gifts by hand, and not with a month.
_AT = func.coalesce(donation.c.occurred_at, 0)
_IN_TIME = (_AT, func.coalesce(donation.c.id, 0))
# The gifts of lines that are nobody's: an index holds all that is asked of them, and nothing else.
_NOBODYS = select(func.count()).where(
    donation.c.match.is_(None),
    donation.c.support_code.is_(None),
    donation.c.kind == literal_column(f"'{Kind.DONATION}'"),
)
_COUNTS = (State.CONFIRMED, State.PARTIALLY_REFUNDED, State.REFUNDED, State.DISPUTED)


class DifferenceKind(StrEnum):
    """What a difference is about, in the words of its side: processor, bank or chain."""

    NO_ARRIVAL = "no_arrival"
    NO_PAYOUT = "no_payout"
    OTHER_SUM = "other_sum"
    NO_LINE = "no_line"
    BANK_BALANCE = "bank_balance"
    CHAIN_BALANCE = "chain_balance"


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not the same on both sides: by how much others have more than the books (less: below zero).

    ref names the money that it is about; of a balance there is none, and place (network, address) with the days
    between which it came about tell where to look.
    """

    kind: DifferenceKind
    units: int
    asset: str
    exponent: int
    ref: str | None = None
    place: tuple[str, str] = ("", "")
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Payout:
    """What a processor paid out. arrival: the ref of the bank's line; gifts: how many are inside, None: not told.

    inside_units: what these come to after fees. is_heard: lines of an account of that currency are known.
    """

    donation: Donation
    arrival: str | None
    gifts: int | None
    inside_units: int
    is_heard: bool

    @property
    def units(self) -> int:
        """What left the processor; below zero where it took money from the bank."""
        paid = self.donation.payment.units
        return paid if self.donation.identity.direction is Direction.OUT else -paid


@dataclass(frozen=True, slots=True)
class ThreeWay:
    """A month held against the three sides. unmatched: gifts by bank that name no reader's code.

    not_compared: accounts with lines of which the bank told no two balances. is_whole False: more is not listed.
    """

    payouts: tuple[Payout, ...]
    places: tuple[ComparedPlace, ...]
    differences: tuple[Difference, ...]
    not_compared: tuple[str, ...] = ()
    unmatched: int = 0
    is_whole: bool = True


def hold_together(tx: Connection, since: datetime, until: datetime) -> ThreeWay:
    """Hold the books of a time against the three sides."""
    lines = line_places(tx)
    payouts = _payouts(tx, since, until, {asset for _, asset in lines})
    places = compare_balances(tx, since, until)
    unsent = _payout_lines(tx, since, until)
    by_hand = _by_hand(tx, since, until, _heard_methods(tx, lines))
    differences = (*_of_payouts(payouts), *unsent, *by_hand, *_of_balances(places))
    told = {(place.last.address, place.last.asset) for place in places if place.spans and not place.last.network}
    moved, unmatched = _lines_of(tx, lines, since, until)
    return ThreeWay(
        payouts,
        places,
        differences,
        tuple(sorted({address for address, asset in moved - told})),
        unmatched,
        is_whole=all(len(some) < LISTED_MAX for some in (payouts, unsent, by_hand)),
    )


def _between(since: datetime, until: datetime) -> tuple[ColumnElement[bool], ...]:
    return to_micros(since) <= _AT, to_micros(until) > _AT


def _payouts(tx: Connection, since: datetime, until: datetime, heard: set[str]) -> tuple[Payout, ...]:
    arrived = select(_ARRIVAL.c.ref).where(_ARRIVAL.c.linked_to == donation.c.ref).limit(1).scalar_subquery()
    asked = select(donation, arrived.label("arrival")).where(
        donation.c.kind == _PAYOUT,
        donation.c.state == State.CONFIRMED,
        donation.c.bank_class.is_(None),
        *_between(since, until),
    )
    rows = tx.execute(asked.order_by(*_IN_TIME).limit(LISTED_MAX)).mappings().all()
    inside = _inside(tx, {row["id"]: row["rail"] for row in rows})
    return tuple(
        Payout(read_donation(row, None), row["arrival"], *inside.get(row["id"], (None, 0)), row["asset"] in heard)
        for row in rows
    )


def _inside(tx: Connection, rails: Mapping[int, str]) -> dict[int, tuple[int | None, int]]:
    """Add up the gifts inside payouts after fees, by the payout's number."""
    found: dict[int, tuple[int | None, int]] = {}
    for number, kept in histories(tx, sorted(rails)).items():
        seen = live(one.observed for one in kept).get(HOLDS_PART)
        if seen is None or not isinstance(seen.claim, HoldsClaim) or seen.claim.names is None:
            continue
        refs = {
            identity.ref
            for chunk in in_chunks(seen.claim.names)
            for identity in read_aliases(tx, rails[number], list(chunk)).values()
        }
        gifts = [row for chunk in in_chunks(sorted(refs)) for row in donation_rows(tx, list(chunk))]
        net = sum(row["units"] - (row["fee_units"] or 0) for row in gifts if row["state"] in _COUNTS)
        found[number] = (len(seen.claim.names), net)
    return found


def _of_payouts(payouts: Iterable[Payout]) -> Iterable[Difference]:
    for one in payouts:
        payment, identity = one.donation.payment, one.donation.identity
        where = (identity.asset, payment.exponent, identity.ref)
        if one.gifts is not None and one.units != one.inside_units:
            yield Difference(DifferenceKind.OTHER_SUM, one.units - one.inside_units, *where)
        if one.is_heard and one.arrival is None:
            yield Difference(DifferenceKind.NO_ARRIVAL, -one.units, *where)


def _payout_lines(tx: Connection, since: datetime, until: datetime) -> tuple[Difference, ...]:
    """List the lines of banks that say to be a payout of which no processor told."""
    asked = select(donation).where(
        donation.c.kind == _PAYOUT,
        donation.c.state == State.CONFIRMED,
        donation.c.bank_class.is_not(None),
        donation.c.linked_to.is_(None),
        *_between(since, until),
    )
    rows = tx.execute(asked.order_by(*_IN_TIME).limit(LISTED_MAX)).mappings()
    return tuple(
        Difference(
            DifferenceKind.NO_PAYOUT,
            row["units"] if row["direction"] == Direction.IN else -row["units"],
            row["asset"],
            row["exponent"],
            row["ref"],
        )
        for row in rows
    )


def _heard_methods(tx: Connection, lines: Sequence[tuple[str, str]]) -> set[str]:
    """Name the methods whose gifts come as lines of an account."""
    methods = set()
    for address, asset in lines:
        here = (donation.c.address == address, donation.c.asset == asset, donation.c.bank_class.is_not(None))
        methods |= set(tx.execute(select(donation.c.method).where(*here).limit(LISTED_MAX)).scalars())
    return methods


def _by_hand(tx: Connection, since: datetime, until: datetime, heard: set[str]) -> tuple[Difference, ...]:
    """List the gifts that were booked by hand though their account is heard, and that no line brought."""
    asked = select(donation).where(
        donation.c.flags == BY_HAND,
        donation.c.state == State.CONFIRMED,
        func.coalesce(donation.c.method, "").in_(sorted(heard)),
        donation.c.link.is_(None) | (donation.c.linked_to.is_(None) & donation.c.link.like(f"%{UNTOLD}%")),
        *_between(since, until),
    )
    rows = tx.execute(asked.order_by(*_IN_TIME).limit(LISTED_MAX)).mappings()
    return tuple(
        Difference(DifferenceKind.NO_LINE, -row["units"], row["asset"], row["exponent"], row["ref"]) for row in rows
    )


def _of_balances(places: Iterable[ComparedPlace]) -> Iterable[Difference]:
    for place in places:
        kind = DifferenceKind.CHAIN_BALANCE if place.last.network else DifferenceKind.BANK_BALANCE
        for span in place.differing:
            last = span.last
            yield Difference(
                kind,
                span.difference_units,
                last.asset,
                last.exponent,
                place=(last.network, last.address),
                since=span.first.at if span.first else None,
                until=last.at,
            )


def _lines_of(
    tx: Connection, lines: Sequence[tuple[str, str]], since: datetime, until: datetime
) -> tuple[set[tuple[str, str]], int]:
    """Tell which accounts had lines, and how many of their gifts are nobody's."""
    moved, unmatched = set(), 0
    first, last = since.date().isoformat(), until.date().isoformat()
    for address, asset in lines:
        of_account = (
            donation.c.address == address,
            donation.c.asset == asset,
            donation.c.bank_class.is_not(None),
            donation.c.state.in_(_COUNTS),
        )
        # An index of days finds one; the publisher's month decides.
        of_days = donation.c.booking_date.between(first, last)
        if tx.execute(select(donation.c.id).where(*of_account, of_days, *_between(since, until)).limit(1)).first():
            moved.add((address, asset))
        unmatched += tx.execute(_NOBODYS.where(*of_account, *_in_index(since, until))).scalar_one()
    return moved, unmatched


def _in_index(since: datetime, until: datetime) -> tuple[ColumnElement[bool], ...]:
    return donation.c.occurred_at >= to_micros(since), donation.c.occurred_at < to_micros(until)

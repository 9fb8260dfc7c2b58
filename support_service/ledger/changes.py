"""What changed, report by report: for whoever wants to tell people.

Derived from the observations alone, so a replay tells the same however often it is asked, and whatever came since.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Connection, RowMapping, select, tuple_

from support_service.giving import Donation, Kind, State
from support_service.ledger.rows import StoredObservation, believed, histories, identity_of
from support_service.ledger.tables import donation, observation

# One page; whoever wants more goes on from the last one's place.
CHANGES_MAX = 1_000
_LAST = (1 << 63) - 1


@dataclass(frozen=True, slots=True, order=True)
class ChangePlace:
    """Where a change stands: the number of its report, and in it that of the donation. Without one: behind them all."""

    report: int
    donation: int = _LAST


class ChangeKind(StrEnum):
    """What became of a piece of money; one report may bring several."""

    SEEN = "seen"
    CONFIRMED = "confirmed"
    WITHDRAWN = "withdrawn"
    REFUNDED = "refunded"
    DISPUTED = "disputed"
    DISPUTE_ENDED = "dispute_ended"
    TO_REVIEW = "to_review"
    VALUED = "valued"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class DonationChange:
    """One donation before and after one report, without personal data; before is None where it was not known."""

    place: ChangePlace
    before: Donation | None
    after: Donation
    kinds: tuple[ChangeKind, ...]


def read_changes(tx: Connection, after: ChangePlace, limit: int) -> tuple[DonationChange, ...]:
    """List changes behind a place, in the order of their reports; none only where there are none."""
    while places := _places(tx, after, limit):
        found = _told(tx, places)
        if found:
            return found
        # All of them speak of money that is not known yet, such as a refund that came before its payment.
        after = ChangePlace(places[-1]["report_number"], places[-1]["donation_id"])
    return ()


def _places(tx: Connection, after: ChangePlace, limit: int) -> Sequence[RowMapping]:
    here = (observation.c.report_number, observation.c.donation_id)
    asked = (
        select(*here, *(donation.c[name] for name in ("network", "asset", "address", "direction", "locator")))
        .join(donation, donation.c.id == observation.c.donation_id)
        # The first half alone lets the database begin at the report.
        .where(observation.c.report_number >= after.report, tuple_(*here) > tuple_(after.report, after.donation))
        .distinct()
        .order_by(*here)
        .limit(min(limit, CHANGES_MAX))
    )
    return tx.execute(asked).mappings().all()


def _told(tx: Connection, rows: Sequence[RowMapping]) -> tuple[DonationChange, ...]:
    held = histories(tx, sorted({row["donation_id"] for row in rows}))
    found = []
    for row in rows:
        place, history = ChangePlace(row["report_number"], row["donation_id"]), held[row["donation_id"]]
        before, now = (believed(identity_of(row), then) for then in _around(history, place.report))
        # A refund that was told before its payment changes nothing yet.
        if now is not None:
            earlier = before[0] if before else None
            found.append(DonationChange(place, earlier, now[0], _kinds(earlier, now[0])))
    return tuple(found)


def _around(
    history: Sequence[StoredObservation], report: int
) -> tuple[list[StoredObservation], list[StoredObservation]]:
    before = [kept for kept in history if kept.observed.report_number < report]
    return before, [kept for kept in history if kept.observed.report_number <= report]


_OURS = {State.CONFIRMED, State.PARTIALLY_REFUNDED, State.REFUNDED, State.DISPUTED}


def _kinds(before: Donation | None, after: Donation) -> tuple[ChangeKind, ...]:
    was, now = (before.state if before else None), after.state
    told = {
        ChangeKind.SEEN: now is State.SEEN and was is not State.SEEN,
        ChangeKind.CONFIRMED: now in _OURS and was not in _OURS,
        ChangeKind.WITHDRAWN: was is not None and was in _OURS | {State.SEEN} and now not in _OURS | {State.SEEN},
        ChangeKind.REFUNDED: after.refunded_units > (before.refunded_units if before else 0),
        ChangeKind.DISPUTED: now is State.DISPUTED and was is not State.DISPUTED,
        ChangeKind.DISPUTE_ENDED: was is State.DISPUTED and now is not State.DISPUTED,
        ChangeKind.TO_REVIEW: after.payment.kind is Kind.REVIEW
        and (before is None or before.payment.kind is not Kind.REVIEW),
        ChangeKind.VALUED: after.value is not None and (before is None or before.value != after.value),
    }
    return tuple(kind for kind, is_so in told.items() if is_so) or (ChangeKind.OTHER,)

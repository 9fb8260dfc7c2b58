"""Writes what accept decided: donations refolded, observations, postings and totals."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Column, Connection, func, insert, select, update

from support_service.giving import PAYMENT_PART, Donation, Identity, Observed, Rank, fold, live
from support_service.ledger import canonical
from support_service.ledger.postings import Leg, postings_for
from support_service.ledger.rows import donation_row, donation_values, identity_values, observed_of
from support_service.ledger.tables import donation, observation, posting, total


@dataclass(frozen=True, slots=True)
class Claimed:
    """A claim that is new to the ledger; rank None stands for the number of its report."""

    identity: Identity
    part: str
    rank: Rank | None
    text: str

    def ranked(self, number: int) -> Rank:
        """The rank as stored: the number of its report stands in where the source gave none."""
        return self.rank or (0, number)


@dataclass(frozen=True, slots=True)
class Writing:
    """The open transaction, the number of the report that is written, and the time."""

    tx: Connection
    number: int
    now: datetime


def store_claims(at: Writing, claimed: list[Claimed]) -> tuple[Donation, ...]:
    """Write the claims of a remembered report and bring every donation they touch up to date."""
    by_identity: dict[Identity, list[Claimed]] = {}
    for claim in claimed:
        by_identity.setdefault(claim.identity, []).append(claim)
    return tuple(_refold(at, identity, claims) for identity, claims in by_identity.items())


def _refold(at: Writing, identity: Identity, claims: list[Claimed]) -> Donation:
    row = donation_row(at.tx, identity)
    stored = observed_of(at.tx, row["id"]) if row else []
    fresh = [
        (claim.text, Observed(at.number, at.now, claim.part, claim.ranked(at.number), canonical.read_claim(claim.text)))
        for claim in claims
    ]
    before = fold(identity, [seen for _, seen in stored]) if stored else None
    history = stored + fresh
    after = fold(identity, [seen for _, seen in history])
    held = live(seen for _, seen in history)[PAYMENT_PART]
    text = next(text for text, seen in history if seen is held)
    values = donation_values(after, digest=canonical.personal_digest(text), report_number=at.number)
    donation_id = _write_donation(at.tx, identity, row["id"] if row else None, values)
    _write_observations(at, donation_id, claims)
    _write_postings(at, donation_id, postings_for(before, after))
    _move_total(at.tx, before, after)
    return after


def _write_donation(tx: Connection, identity: Identity, donation_id: int | None, values: dict[str, object]) -> int:
    if donation_id is not None:
        tx.execute(update(donation).where(donation.c.id == donation_id).values(**values))
        return donation_id
    new = _next(tx, donation.c.id)
    tx.execute(insert(donation).values(id=new, ref=identity.ref, **identity_values(identity), **values))
    return new


def _write_observations(at: Writing, donation_id: int, claims: list[Claimed]) -> None:
    first = _next(at.tx, observation.c.id)
    rows = []
    for offset, claim in enumerate(claims):
        major, minor = claim.ranked(at.number)
        rows.append(
            {
                "id": first + offset,
                "report_number": at.number,
                "donation_id": donation_id,
                "part": claim.part,
                "rank_major": major,
                "rank_minor": minor,
                "claim": claim.text,
            }
        )
    at.tx.execute(insert(observation), rows)


def _write_postings(at: Writing, donation_id: int, legs: tuple[Leg, ...]) -> None:
    if not legs:
        return
    posting_number = _next(at.tx, posting.c.posting_number)
    rows = [
        {
            "posting_number": posting_number,
            "leg": index,
            "report_number": at.number,
            "donation_id": donation_id,
            "account": leg.account,
            "network": leg.network,
            "asset": leg.asset,
            "units": leg.units,
        }
        for index, leg in enumerate(legs, 1)
    ]
    at.tx.execute(insert(posting), rows)


def _move_total(tx: Connection, before: Donation | None, after: Donation) -> None:
    """Keep the sums that pages show; verify derives them anew."""
    for found, sign in ((before, -1), (after, 1)):
        if found is not None and found.counted_units:
            _add_to_total(tx, found, sign)


def _add_to_total(tx: Connection, found: Donation, sign: int) -> None:
    payment, identity = found.payment, found.identity
    key = {"method": payment.method, "rail": payment.rail, "network": identity.network, "asset": identity.asset}
    is_here = [total.c[name] == value for name, value in key.items()]
    held = tx.execute(select(total.c.units, total.c.count.label("donations")).where(*is_here)).first()
    if held is None:
        tx.execute(insert(total).values(**key, exponent=payment.exponent, units=found.counted_units * sign, count=sign))
    else:
        new = {"units": held.units + sign * found.counted_units, "count": held.donations + sign}
        tx.execute(update(total).where(*is_here).values(**new))


def _next(tx: Connection, column: Column[Any]) -> int:
    return int(tx.execute(select(func.coalesce(func.max(column), 0) + 1)).scalar_one())

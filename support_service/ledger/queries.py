"""What may be asked of the ledger; every question is one short reading transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, literal_column, select

from support_service.giving import COUNTED_KINDS, Cursor, Direction, Donation, Kind, Listed, Observed, State
from support_service.ledger.canonical import read_raw
from support_service.ledger.columns import from_micros, to_micros
from support_service.ledger.postings import Leg
from support_service.ledger.rows import histories, read_donation
from support_service.ledger.tables import cursor, donation, head, personal_data, posting, report, total

# One page of a list; whoever wants more reads on from the last number, or exports.
LISTED_MAX = 1_000


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which donations are asked for; since is inclusive, until exclusive, both by occurred_at."""

    since: datetime | None = None
    until: datetime | None = None
    rail: str | None = None
    method: str | None = None
    state: State | None = None
    kind: Kind | None = None


@dataclass(frozen=True, slots=True)
class Total:
    """Confirmed money that counts, by method and asset."""

    method: str
    rail: str
    network: str
    asset: str
    exponent: int
    units: int
    count: int


@dataclass(frozen=True, slots=True)
class ReportFacts:
    """One report as a person looks it up: raw is None where there was none, or it was erased."""

    number: int
    source: str
    key: str
    accepted_at: datetime
    hash: str
    body: str
    raw: str | None


@dataclass(frozen=True, slots=True)
class History:
    """Everything the ledger holds about one donation; postings go with the number of their report."""

    number: int
    donation: Donation
    observations: tuple[Observed, ...]
    sources: dict[int, ReportFacts]
    postings: tuple[tuple[int, Leg], ...]


@dataclass(frozen=True, slots=True)
class Head:
    """The newest report: publish its number and hash, and nobody can rewrite what came before."""

    number: int
    hash: str


@cache
def donations_with_people() -> Select[Any]:
    """Ask for donations whose payment is known, with their personal data; unordered."""
    joined = donation.outerjoin(personal_data, personal_data.c.digest == donation.c.personal_digest)
    asked = select(donation, personal_data.c.body.label("personal_body")).select_from(joined)
    return asked.where(donation.c.state.is_not(None))


def conditions(wanted: Wanted) -> list[ColumnElement[bool]]:
    """Say in SQL which donations are wanted, by what is believed now."""
    asked = [
        donation.c[name] == value
        for name in ("rail", "method", "state", "kind")
        if (value := getattr(wanted, name)) is not None
    ]
    # Said beside the value, for an index of what is rare is used where the question says that it is.
    if wanted.state not in {None, State.CONFIRMED}:
        asked.append(donation.c.state != literal_column("'confirmed'"))
    if wanted.kind not in {None, Kind.DONATION}:
        asked.append(donation.c.kind != literal_column("'donation'"))
    if wanted.since is not None:
        asked.append(donation.c.occurred_at >= to_micros(wanted.since))
    if wanted.until is not None:
        asked.append(donation.c.occurred_at < to_micros(wanted.until))
    return asked


def is_wanted(found: Donation, wanted: Wanted) -> bool:
    """Say the same of a donation at hand."""
    payment, moment = found.payment, found.payment.occurred_at
    pairs = (
        (wanted.rail, payment.rail),
        (wanted.method, payment.method),
        (wanted.state, found.state),
        (wanted.kind, payment.kind),
    )
    is_in_time = (wanted.since is None or moment >= wanted.since) and (wanted.until is None or moment < wanted.until)
    return is_in_time and all(asked is None or asked == held for asked, held in pairs)


def list_donations(tx: Connection, wanted: Wanted, before: int | None, limit: int) -> tuple[Listed, ...]:
    """List donations, newest first, from below a number."""
    asked = donations_with_people().where(*conditions(wanted)).order_by(donation.c.id.desc())
    if before is not None:
        asked = asked.where(donation.c.id < before)
    rows = tx.execute(asked.limit(min(limit, LISTED_MAX))).mappings()
    return tuple(Listed(row["id"], read_donation(row, row["personal_body"])) for row in rows)


def list_unvalued(tx: Connection, after: int, limit: int) -> tuple[Listed, ...]:
    """List confirmed gifts that have no value yet, oldest first, from above a number."""
    asked = select(donation).where(
        donation.c.id > after,
        donation.c.value.is_(None),
        donation.c.confirmed_at.is_not(None),
        donation.c.direction == Direction.IN,
        donation.c.kind.in_(sorted(COUNTED_KINDS)),
    )
    rows = tx.execute(asked.order_by(donation.c.id).limit(min(limit, LISTED_MAX))).mappings()
    return tuple(Listed(row["id"], read_donation(row, None)) for row in rows)


def find_history(tx: Connection, ref: str) -> History | None:
    """Look up one donation with all that was ever said about it."""
    row = tx.execute(donations_with_people().where(donation.c.ref == ref)).mappings().one_or_none()
    if row is None:
        return None
    kept = histories(tx, [row["id"]], with_personal=True)[row["id"]]
    asked = select(posting).where(posting.c.donation_id == row["id"]).order_by(*posting.primary_key)
    return History(
        number=row["id"],
        donation=read_donation(row, row["personal_body"]),
        observations=tuple(one.observed for one in kept),
        sources=_reports(tx, sorted({one.observed.report_number for one in kept})),
        postings=tuple(
            (leg["report_number"], Leg(leg["account"], leg["network"], leg["asset"], leg["units"]))
            for leg in tx.execute(asked).mappings()
        ),
    )


def read_head(tx: Connection) -> Head:
    """Read the end of the chain of reports; number 0 while there are none."""
    row = tx.execute(select(head.c.number, head.c.hash)).one()
    return Head(row.number, row.hash)


def read_totals(tx: Connection) -> tuple[Total, ...]:
    """Read the kept sums."""
    asked = select(total).order_by(*total.primary_key)
    return tuple(Total(**row) for row in tx.execute(asked).mappings())


def read_cursors(tx: Connection) -> dict[str, Cursor]:
    """Read how far every polled source has been read."""
    return {
        row["source"]: Cursor(
            row["step"], row["height"], row["block_hash"], from_micros(row["checked_at"]), row["memo"]
        )
        for row in tx.execute(select(cursor)).mappings()
    }


def _reports(tx: Connection, numbers: Sequence[int]) -> dict[int, ReportFacts]:
    asked = (
        select(report, personal_data.c.body.label("raw"))
        .outerjoin(personal_data, personal_data.c.digest == report.c.raw_digest)
        .where(report.c.number.in_(numbers))
    )
    return {
        row["number"]: ReportFacts(
            row["number"],
            row["source"],
            row["key"],
            from_micros(row["accepted_at"]),
            row["hash"],
            row["body"],
            read_raw(row["raw"]),
        )
        for row in tx.execute(asked).mappings()
    }

"""What may be asked of the ledger; every question is one short reading transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Select, select

from support_service.giving import Cursor, Donation, Kind, Observed, State
from support_service.ledger.health import Health, SourceHealth
from support_service.ledger.postings import Leg
from support_service.ledger.rows import observed_of, read_donation
from support_service.ledger.tables import (
    cursor,
    donation,
    from_micros,
    personal_data,
    posting,
    report,
    source_health,
    to_micros,
    total,
)


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
class Listed:
    """A donation with its number in the list."""

    number: int
    donation: Donation


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
    """One report as a person looks it up: raw is None where there was none or it was erased."""

    number: int
    source: str
    key: str
    accepted_at: datetime
    hash: str
    body: str
    raw: str | None


@dataclass(frozen=True, slots=True)
class History:
    """Everything the ledger holds about one donation."""

    number: int
    donation: Donation
    observations: tuple[Observed, ...]
    sources: dict[int, ReportFacts]
    postings: tuple[tuple[int, Leg], ...]


def matching(wanted: Wanted) -> Select[tuple[object, ...]]:
    """Select the donation rows that are asked for, unordered."""
    asked = select(donation, personal_data.c.body.label("personal_body")).outerjoin(
        personal_data, personal_data.c.digest == donation.c.personal_digest
    )
    if wanted.since is not None:
        asked = asked.where(donation.c.occurred_at >= to_micros(wanted.since))
    if wanted.until is not None:
        asked = asked.where(donation.c.occurred_at < to_micros(wanted.until))
    for name in ("rail", "method", "state", "kind"):
        value = getattr(wanted, name)
        if value is not None:
            asked = asked.where(donation.c[name] == value)
    return asked


def list_donations(tx: Connection, wanted: Wanted, before: int | None, limit: int) -> tuple[Listed, ...]:
    """List donations, newest first, from below a number."""
    asked = matching(wanted).order_by(donation.c.id.desc()).limit(limit)
    if before is not None:
        asked = asked.where(donation.c.id < before)
    rows = tx.execute(asked).mappings()
    return tuple(Listed(row["id"], read_donation(row, row["personal_body"])) for row in rows)


def find_history(tx: Connection, ref: str) -> History | None:
    """Look up one donation with all that was ever said about it."""
    row = tx.execute(matching(Wanted()).where(donation.c.ref == ref)).mappings().first()
    if row is None:
        return None
    observations = tuple(seen for _, seen in observed_of(tx, row["id"], with_personal=True))
    legs = tx.execute(
        select(posting).where(posting.c.donation_id == row["id"]).order_by(*posting.primary_key)
    ).mappings()
    return History(
        number=row["id"],
        donation=read_donation(row, row["personal_body"]),
        observations=observations,
        sources=_reports(tx, sorted({seen.report_number for seen in observations})),
        postings=tuple(
            (leg["report_number"], Leg(leg["account"], leg["network"], leg["asset"], leg["units"])) for leg in legs
        ),
    )


def read_totals(tx: Connection) -> tuple[Total, ...]:
    """Read the kept sums, those that are not nothing."""
    asked = select(total).where(total.c.count > 0).order_by(*total.primary_key)
    return tuple(Total(**row) for row in tx.execute(asked).mappings())


def read_cursors(tx: Connection) -> dict[str, Cursor]:
    """Read how far every polled source has been read."""
    return {
        row["source"]: Cursor(
            row["step"], row["height"], row["block_hash"], from_micros(row["checked_at"]), row["memo"]
        )
        for row in tx.execute(select(cursor)).mappings()
    }


def read_health(tx: Connection) -> dict[str, SourceHealth]:
    """Read how every source was at its last turn."""
    return {
        row["source"]: SourceHealth(Health(row["state"]), row["reason"], from_micros(row["changed_at"]))
        for row in tx.execute(select(source_health)).mappings()
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
            row["raw"],
        )
        for row in tx.execute(asked).mappings()
    }

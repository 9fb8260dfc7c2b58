"""Rows <-> frozen records: what the tables hold of donations and their observations."""

import json
from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, RowMapping, select

from support_service.giving import Direction, Donation, Flag, Identity, Observed, PaymentClaim, State
from support_service.ledger.canonical import personal_digest, read_claim, read_personal
from support_service.ledger.tables import donation, from_micros, observation, personal_data, report, to_micros


def identity_of(row: RowMapping) -> Identity:
    """Read the identity of a donation row."""
    return Identity(row["network"], row["asset"], row["address"], Direction(row["direction"]), row["locator"])


def observed_of(connection: Connection, donation_id: int, *, with_personal: bool = False) -> list[tuple[str, Observed]]:
    """Read all observations of a donation in order of arrival, each with its stored text."""
    asked = (
        select(observation, report.c.accepted_at)
        .join(report, report.c.number == observation.c.report_number)
        .where(observation.c.donation_id == donation_id)
        .order_by(observation.c.id)
    )
    rows = connection.execute(asked).mappings().all()
    bodies = personal_bodies(connection, (row["claim"] for row in rows)) if with_personal else {}
    return [(row["claim"], _observed(row, bodies)) for row in rows]


def personal_bodies(connection: Connection, claims: Iterable[str]) -> dict[str, str | None]:
    """Look up the personal data that stored claims name: digest -> body, None where erased."""
    digests = {digest for digest in map(personal_digest, claims) if digest}
    if not digests:
        return {}
    asked = select(personal_data.c.digest, personal_data.c.body).where(personal_data.c.digest.in_(digests))
    return {row.digest: row.body for row in connection.execute(asked)}


def donation_values(found: Donation, *, digest: str | None, report_number: int) -> dict[str, Any]:
    """Write a donation as the values of its row, identity left out."""
    payment = found.payment
    return {
        "kind": payment.kind,
        "rail": payment.rail,
        "method": payment.method,
        "state": found.state,
        "units": payment.units,
        "exponent": payment.exponent,
        "refunded_units": found.refunded_units,
        "counted_units": found.counted_units,
        "flags": json.dumps(list(payment.flags)),
        "block_height": payment.block_height,
        "block_hash": payment.block_hash,
        "tx": payment.tx,
        "article": payment.article,
        "support_code": payment.support_code,
        "personal_digest": digest,
        "seen_at": to_micros(found.seen_at),
        "confirmed_at": None if found.confirmed_at is None else to_micros(found.confirmed_at),
        "occurred_at": to_micros(payment.occurred_at),
        "fee_units": payment.fee_units,
        "net_units": found.net_units,
        "value": None,
        "last_report": report_number,
    }


def read_donation(row: RowMapping, body: str | None) -> Donation:
    """Read a donation row; body is its personal data, None where there are none (any more).

    The payment's own state is not in the row; it is shown as confirmed where later parts decided.
    """
    state = State(row["state"])
    own = state if state in _PAYMENT_STATES else State.CONFIRMED
    payment = PaymentClaim(
        state=own,
        kind=row["kind"],
        rail=row["rail"],
        method=row["method"],
        units=row["units"],
        exponent=row["exponent"],
        occurred_at=from_micros(row["occurred_at"]),
        block_height=row["block_height"],
        block_hash=row["block_hash"],
        tx=row["tx"],
        article=row["article"],
        support_code=row["support_code"],
        fee_units=row["fee_units"],
        flags=tuple(Flag(flag) for flag in json.loads(row["flags"])),
        personal=read_personal(body),
    )
    confirmed = row["confirmed_at"]
    return Donation(
        identity=identity_of(row),
        payment=payment,
        state=state,
        refunded_units=row["refunded_units"],
        counted_units=row["counted_units"],
        seen_at=from_micros(row["seen_at"]),
        confirmed_at=None if confirmed is None else from_micros(confirmed),
    )


def identity_values(identity: Identity) -> dict[str, str]:
    """Write an identity as column values."""
    return {
        "network": identity.network,
        "asset": identity.asset,
        "address": identity.address,
        "direction": identity.direction,
        "locator": identity.locator,
    }


def donation_row(connection: Connection, identity: Identity) -> RowMapping | None:
    """Find the row of one piece of money."""
    asked = select(donation).where(donation.c.ref == identity.ref)
    return connection.execute(asked).mappings().first()


_PAYMENT_STATES = {State.SEEN, State.CONFIRMED, State.ORPHANED, State.REPLACED, State.QUARANTINED}


def _observed(row: RowMapping, bodies: dict[str, str | None]) -> Observed:
    personal = read_personal(bodies.get(personal_digest(row["claim"]) or ""))
    return Observed(
        report_number=row["report_number"],
        accepted_at=from_micros(row["accepted_at"]),
        part=row["part"],
        rank=(row["rank_major"], row["rank_minor"]),
        claim=read_claim(row["claim"], personal),
    )

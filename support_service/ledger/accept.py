"""The one door for money: a report becomes rows, states, postings, totals and a cursor, or nothing does."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, insert, select, update

from support_service.giving import (
    PAYMENT_PART,
    Cursor,
    Direction,
    Donation,
    Identity,
    Observation,
    PaymentClaim,
    Report,
    State,
    Statement,
    live,
)
from support_service.ledger import canonical
from support_service.ledger.errors import CursorMoved, SourceContradiction
from support_service.ledger.rows import (
    donation_row,
    identity_of,
    observed_of,
)
from support_service.ledger.store import Claimed, Writing, store_claims
from support_service.ledger.tables import (
    cursor,
    donation,
    personal_data,
    report,
    to_micros,
)

FIRST_HASH = "0" * 64
GONE = frozenset({State.ORPHANED, State.REPLACED})


@dataclass(frozen=True, slots=True)
class Change:
    """What accepting a report changed; report_number is None where nothing had to be remembered."""

    report_number: int | None = None
    donations: tuple[Donation, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Tell whether no donation changed."""
        return not self.donations


def accept_report(tx: Connection, told: Report, now: datetime) -> Change:
    """Take a report in; the caller holds the one writing transaction and commits it.

    Raises CursorMoved and SourceContradiction; then nothing may be committed.
    """
    if told.cursor is None and _is_known(tx, told):
        return Change()
    if told.cursor is not None:
        _follow(tx, told.source, told.cursor)
    _check_sums(told)
    claimed = _new_claims(tx, told)
    if told.cursor is not None and not claimed:
        return Change()
    number = _remember(tx, told, claimed, now)
    return Change(number, store_claims(Writing(tx, number, now), claimed))


def _is_known(tx: Connection, told: Report) -> bool:
    asked = select(report.c.number).where(report.c.source == told.source, report.c.key == told.key)
    return tx.execute(asked).first() is not None


def _follow(tx: Connection, source: str, wanted: Cursor) -> None:
    """Move the cursor one step, if it still stands where the report says it stood."""
    values = {
        "step": wanted.step,
        "height": wanted.height,
        "block_hash": wanted.block_hash,
        "checked_at": to_micros(wanted.checked_at),
        "memo": wanted.memo,
    }
    held = tx.execute(select(cursor.c.step).where(cursor.c.source == source)).scalar()
    if (held or 0) != wanted.step - 1:
        raise CursorMoved(f"{source}: the cursor stands at step {held or 0}, this report follows {wanted.step - 1}")
    if held is None:
        tx.execute(insert(cursor).values(source=source, **values))
    else:
        moved = tx.execute(update(cursor).where(cursor.c.source == source, cursor.c.step == held).values(**values))
        assert moved.rowcount == 1


def _check_sums(told: Report) -> None:
    """Hold each statement's proven balance change against what the report claims for that block."""
    for statement in told.statements:
        if statement.delta_units is None:
            continue
        claims = [(seen.identity.direction, seen.claim) for seen in told.observations if _speaks_of(seen, statement)]
        moved = sum(c.units if d is Direction.IN else -c.units for d, c in claims if isinstance(c, PaymentClaim))
        if moved != statement.delta_units:
            raise SourceContradiction(
                f"{told.source}: block {statement.block_hash} moved {statement.asset} of {statement.address} by "
                f"{statement.delta_units}, but the report names {moved}"
            )


def _speaks_of(seen: Observation, statement: Statement) -> bool:
    identity, claim = seen.identity, seen.claim
    scope = (statement.network, statement.address, statement.asset)
    is_here = (identity.network, identity.address, identity.asset) == scope
    return is_here and isinstance(claim, PaymentClaim) and claim.block_hash == statement.block_hash


def _new_claims(tx: Connection, told: Report) -> list[Claimed]:
    """Keep what differs from what the ledger holds: the report's claims, and what its statements imply."""
    named = {seen.identity for seen in told.observations}
    gone = [claim for statement in told.statements for claim in _implied(tx, statement, named)]
    spoken = [
        Claimed(seen.identity, seen.part, seen.rank, canonical.claim_text(seen.identity, seen.claim))
        for seen in told.observations
    ]
    return gone + [claim for claim in spoken if claim.text != _live_text(tx, claim.identity, claim.part)]


def _implied(tx: Connection, statement: Statement, named: set[Identity]) -> list[Claimed]:
    """What stands in the block and is not named: replaced where the block is canonical, else orphaned.

    What the same report names has either been restated there or has moved to another block.
    """
    asked = select(donation).where(
        donation.c.network == statement.network,
        donation.c.address == statement.address,
        donation.c.asset == statement.asset,
        donation.c.block_hash == statement.block_hash,
        donation.c.state.not_in(GONE),
    )
    state = State.REPLACED if statement.is_canonical else State.ORPHANED
    implied = []
    for row in tx.execute(asked.order_by(donation.c.id)).mappings():
        identity = identity_of(row)
        held = _live_text(tx, identity, PAYMENT_PART)
        if identity not in named and held is not None:
            implied.append(Claimed(identity, PAYMENT_PART, None, canonical.restated(held, state)))
    return implied


def _live_text(tx: Connection, identity: Identity, part: str) -> str | None:
    row = donation_row(tx, identity)
    if row is None:
        return None
    stored = observed_of(tx, row["id"])
    held = live(seen for _, seen in stored).get(part)
    return next((text for text, seen in stored if seen is held), None)


def _remember(tx: Connection, told: Report, claimed: list[Claimed], now: datetime) -> int:
    """Store the report as the next link of the chain, and what it says of people apart from it."""
    last = tx.execute(select(report.c.number, report.c.hash).order_by(report.c.number.desc()).limit(1)).first()
    number, previous = (last.number + 1, last.hash) if last else (1, FIRST_HASH)
    raw_digest = None if told.raw is None else canonical.sha256(told.raw)
    body = canonical.dumps(_body(told, claimed, number, raw_digest))
    tx.execute(
        insert(report).values(
            number=number,
            source=told.source,
            key=told.key,
            accepted_at=to_micros(now),
            previous_hash=previous,
            hash=chain_hash(previous, to_micros(now), body),
            body=body,
            raw_digest=raw_digest,
        )
    )
    if told.raw is not None and raw_digest is not None:
        _keep_apart(tx, "raw", told.raw, now)
    for seen in told.observations:
        text = (
            canonical.personal_body(seen.identity, seen.claim.personal)
            if isinstance(seen.claim, PaymentClaim)
            else None
        )
        if text is not None:
            _keep_apart(tx, "personal", text, now)
    return int(number)


def chain_hash(previous: str, accepted_at_micros: int, body: str) -> str:
    """Link a report to all before it (SHA-256 over the previous hash, the time and the canonical body)."""
    return canonical.sha256(f"{previous}\n{accepted_at_micros}\n{body}")


def _body(told: Report, claimed: list[Claimed], number: int, raw_digest: str | None) -> dict[str, object]:
    at = told.cursor
    return {
        "number": number,
        "source": told.source,
        "key": told.key,
        "cursor": None if at is None else [at.step, at.height, at.block_hash],
        "statements": [canonical.statement_body(statement) for statement in told.statements],
        "observations": [
            [canonical.identity_body(claim.identity), claim.part, list(claim.ranked(number)), claim.text]
            for claim in claimed
        ],
        "raw": raw_digest,
    }


def _keep_apart(tx: Connection, kind: str, text: str, now: datetime) -> None:
    """Store erasable data once; what was erased stays erased."""
    digest = canonical.sha256(text)
    if tx.execute(select(personal_data.c.digest).where(personal_data.c.digest == digest)).first() is None:
        tx.execute(insert(personal_data).values(digest=digest, kind=kind, body=text, stored_at=to_micros(now)))

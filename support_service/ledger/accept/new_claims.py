"""What in a report is new to the ledger: the claims it makes, and those that its statements imply."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from sqlalchemy import Connection, RowMapping, select

from support_service.giving import (
    PAYMENT_PART,
    Direction,
    Identity,
    Observation,
    PaymentClaim,
    Report,
    SplitClaim,
    State,
    Statement,
    live,
    split_identity,
)
from support_service.ledger import canonical
from support_service.ledger.accept.aliases import Apart, Names, RankedClaim, names_of
from support_service.ledger.errors import BadReport, SourceContradiction
from support_service.ledger.rows import StoredObservation, donation_rows, histories, identity_of
from support_service.ledger.tables import donation

GONE = frozenset({State.ORPHANED, State.REPLACED})


@dataclass(frozen=True, slots=True)
class Held:
    """What the ledger holds of one piece of money before this report; id None: nothing yet."""

    id: int | None = None
    last_report: int = 0
    history: list[StoredObservation] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class NewClaims:
    """The new claims of a report in the order they are stored, and what is held of the money they speak of."""

    claims: list[RankedClaim]
    held: dict[str, Held]
    names: Names = field(default=Names())

    @property
    def is_empty(self) -> bool:
        """Tell whether nothing of the report is new."""
        return not self.claims and self.names.is_empty


def check(told: Report) -> None:
    """Refuse a report that no database can keep (BadReport) or whose sums do not hold (SourceContradiction)."""
    _check_splits(told)
    # Of a long report all is looked at in one go: only where something is wrong, one text after the other.
    if not _is_text("".join(_texts(told))):
        wrong = next(text for text in _texts(told) if not _is_text(text))
        raise BadReport(f"{told.source}: text that is not text: {wrong[:80]!r}")
    for statement in told.statements:
        if statement.is_canonical and statement.delta_units is not None:
            _check_sum(told, statement, statement.delta_units)


def _is_text(text: str) -> bool:
    return "\0" not in text and (text.isascii() or text == text.encode("utf-8", "replace").decode())


def news(tx: Connection, told: Report) -> NewClaims:
    """Sift a report: what equals the ledger's live claims is not news, so that a rescan changes nothing."""
    names = names_of(tx, told)
    spoken = _best([*map(_claimed, told.observations), *names.found])
    named = {claim.identity.ref for claim in spoken}
    standing = {
        row["ref"]: (row, statement)
        for statement in told.statements
        for row in _standing(tx, statement)
        if row["ref"] not in named
    }
    held = _held(tx, [*(row for row, _ in standing.values()), *donation_rows(tx, sorted(named))])
    implied = [_implied(row, statement, held[ref].history) for ref, (row, statement) in standing.items()]
    fresh = [claim for claim in spoken if _is_news(claim, held.get(claim.identity.ref, Held()).history)]
    return NewClaims([*implied, *fresh], held, names)


def _texts(told: Report) -> Iterable[str]:
    yield from (told.source, told.key)
    if told.cursor is not None:
        yield from (told.cursor.block_hash or "", told.cursor.memo)
    for seen in told.observations:
        identity, claim = seen.identity, seen.claim
        yield from (seen.part, identity.network, identity.asset, identity.address, identity.locator)
        if isinstance(claim, PaymentClaim):
            yield from (claim.rail, claim.method, claim.block_hash or "", claim.tx or "")
            yield from (claim.article or "", claim.support_code or "", claim.intent or "")
    for one in told.balances:
        yield from one.place
    yield from _names(told)


def _names(told: Report) -> Iterable[str]:
    for name, identity in told.aliases:
        yield from (name, identity.network, identity.asset, identity.address, identity.locator)
    for one in told.waiting:
        yield from (one.name, one.part, one.asset or "")
    for plan in told.plans:
        yield from (plan.name, plan.intent or "", plan.currency, plan.state)
        yield plan.terms.interval if plan.terms else ""


def _check_splits(told: Report) -> None:
    """Hold what a line is said to hold against the gifts that the same report names: never more, never less."""
    named = {seen.identity.ref: seen.claim.units for seen in told.observations if isinstance(seen.claim, PaymentClaim)}
    for seen in told.observations:
        if not isinstance(seen.claim, SplitClaim) or seen.claim.nonce is None:
            continue
        nonce, units = seen.claim.nonce, seen.claim.units
        gifts = [named.get(split_identity(seen.identity, nonce, number).ref) for number in range(1, len(units) + 1)]
        if gifts != list(units) or not all(units):
            raise SourceContradiction(f"{told.source}: {seen.identity.locator} is split into gifts that are not told")


def _check_sum(told: Report, statement: Statement, delta_units: int) -> None:
    """Hold the block's proven balance change against what the report names there."""
    named = 0
    for seen in told.observations:
        claim = seen.claim
        if isinstance(claim, PaymentClaim) and claim.state not in GONE and _is_in(seen.identity, claim, statement):
            named += claim.units if seen.identity.direction is Direction.IN else -claim.units
    if named != delta_units:
        raise SourceContradiction(
            f"{told.source}: block {statement.block_hash} moved the {statement.asset} of {statement.address} "
            f"by {delta_units} units, but the report names {named}"
        )


def _is_in(identity: Identity, claim: PaymentClaim, statement: Statement) -> bool:
    here = (statement.network, statement.address, statement.asset, statement.block_hash)
    return (identity.network, identity.address, identity.asset, claim.block_hash) == here


def _best(claims: Iterable[RankedClaim]) -> list[RankedClaim]:
    """Of several claims about one part keep the one of highest rank, then the last."""
    best: dict[tuple[str, str], RankedClaim] = {}
    for claim in claims:
        key = (claim.identity.ref, claim.part)
        if key not in best or (claim.rank or (0, 0)) >= (best[key].rank or (0, 0)):
            best[key] = claim
    return list(best.values())


def _claimed(seen: Observation) -> RankedClaim:
    claim = seen.claim
    body = canonical.personal_body(seen.identity.ref, claim.personal) if isinstance(claim, PaymentClaim) else None
    if body is None or not isinstance(claim, PaymentClaim):
        return RankedClaim(seen.identity, seen.part, seen.rank, canonical.claim_text(seen.identity, claim), None, claim)
    digest = canonical.sha256(body)
    text = canonical.claim_text(seen.identity, claim, digest=digest)
    apart = Apart(digest, body, canonical.tidied(claim.personal))
    return RankedClaim(seen.identity, seen.part, seen.rank, text, apart, claim.without_personal())


def _standing(tx: Connection, statement: Statement) -> list[RowMapping]:
    asked = select(donation).where(
        donation.c.network == statement.network,
        donation.c.address == statement.address,
        donation.c.asset == statement.asset,
        donation.c.block_hash == statement.block_hash,
        donation.c.state.not_in(GONE),
    )
    return list(tx.execute(asked.order_by(donation.c.id)).mappings().all())


def _held(tx: Connection, rows: list[RowMapping]) -> dict[str, Held]:
    kept = histories(tx, [row["id"] for row in rows])
    return {row["ref"]: Held(row["id"], row["last_report"], kept[row["id"]]) for row in rows}


def _implied(row: RowMapping, statement: Statement, history: list[StoredObservation]) -> RankedClaim:
    """Claim what follows for money that stands in the block and is not named: it was replaced, or went with it."""
    payment = live(one.observed for one in history)[PAYMENT_PART]
    text = next(one.text for one in history if one.observed is payment)
    state = State.REPLACED if statement.is_canonical else State.ORPHANED
    return RankedClaim(identity_of(row), PAYMENT_PART, None, canonical.restated(text, state))


def _is_news(claim: RankedClaim, history: list[StoredObservation]) -> bool:
    if not history:
        return True
    kept = [one for one in history if one.observed.part == claim.part]
    if claim.rank is None:
        held = live(one.observed for one in kept).get(claim.part)
        return not any(one.observed is held and one.text == claim.text for one in kept)
    # Said again with a higher rank it is news: a third claim may rank between the two.
    return not any(one.text == claim.text and one.observed.rank >= claim.rank for one in kept)

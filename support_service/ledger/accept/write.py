"""Writes what accept decided: donations refolded, observations, postings and totals."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from support_service.giving import Donation, HeldBalance, Identity, Observed
from support_service.ledger import canonical
from support_service.ledger.accept.aliases import RankedClaim
from support_service.ledger.accept.new_claims import Held, NewClaims
from support_service.ledger.article_totals import move_articles
from support_service.ledger.columns import to_micros
from support_service.ledger.errors import SourceContradiction
from support_service.ledger.postings import Leg, postings_for
from support_service.ledger.quarters import move_quarters
from support_service.ledger.rows import (
    StoredObservation,
    believed,
    digests_in,
    donation_values,
    identity_values,
    insert_rows,
    no_values,
)
from support_service.ledger.search import Findable, Told, move_terms
from support_service.ledger.tables import donation, observation, posting, told_balance, total

TotalKey: TypeAlias = tuple[str, str, str, str, int]

# Built once: to build a statement costs more than to run it.
_AS_READ = update(donation).where(
    donation.c.id == bindparam("held_id"), donation.c.last_report == bindparam("held_report")
)
_TOTAL_NAMES = ("method", "rail", "network", "asset", "exponent")
_IS_TOTAL = [total.c[name] == bindparam(f"held_{name}") for name in _TOTAL_NAMES]
_TOTAL = select(total.c.units, total.c.count.label("gifts")).where(*_IS_TOTAL)
_TOTAL_MOVED = update(total).where(*_IS_TOTAL)
_TOTAL_EMPTY = delete(total).where(*_IS_TOTAL)


@dataclass(frozen=True, slots=True)
class NextPlace:
    """Where the next of everything goes: its number, and the hash that the report links to."""

    report: int
    last_hash: str
    donation: int
    observation: int
    posting: int


@dataclass(frozen=True, slots=True)
class Writing:
    """The open transaction, the place in it of what is written, and the time."""

    tx: Connection
    place: NextPlace
    now: datetime

    @property
    def number(self) -> int:
        """The number of the report that is written."""
        return self.place.report


@dataclass(frozen=True, slots=True)
class _Refolded:
    """One piece of money before and after the report, with the values of its row."""

    id: int
    identity: Identity
    held: Held
    fresh: list[StoredObservation]
    before: Donation | None
    after: Donation | None
    was: dict[str, Any] | None
    values: dict[str, Any]


def store(at: Writing, found: NewClaims) -> tuple[Donation, ...]:
    """Write the claims of a remembered report, and bring all that they touch up to date."""
    ids = _numbered(at.place, found)
    fresh = [_kept(at, at.place.observation + offset, claim) for offset, claim in enumerate(found.claims)]
    by_ref: dict[str, list[StoredObservation]] = {ref: [] for ref in ids}
    for claim, kept in zip(found.claims, fresh, strict=True):
        by_ref[claim.identity.ref].append(kept)
    identities = {claim.identity.ref: claim.identity for claim in found.claims}
    # In the order of their numbers, so that the postings of one report have one possible order.
    touched = [
        _refold(identities[ref], number, found.held.get(ref, Held()), by_ref[ref])
        for ref, number in sorted(ids.items(), key=lambda item: item[1])
    ]
    _write_donations(at, touched)
    if fresh:
        rows = [_observation_row(kept, ids, claim) for claim, kept in _pairs(found, fresh)]
        insert_rows(at.tx, observation, rows)
    _write_postings(at, touched)
    _move_totals(at.tx, touched)
    changed = [(one.before, one.after) for one in touched]
    move_quarters(at.tx, changed)
    move_articles(at.tx, changed)
    _move_terms(at.tx, touched, found)
    return tuple(one.after for one in touched if one.after is not None)


def _numbered(place: NextPlace, found: NewClaims) -> dict[str, int]:
    """Give each piece of money its number in the list; numbers have no gaps, so that a missing row is noticed."""
    ids, coming = dict[str, int](), place.donation
    for claim in found.claims:
        ref = claim.identity.ref
        if ref in ids:
            continue
        held = found.held.get(ref, Held()).id
        ids[ref] = coming if held is None else held
        coming += held is None
    return ids


def _kept(at: Writing, number: int, claim: RankedClaim) -> StoredObservation:
    rank = claim.rank or (0, at.number)
    said = canonical.read_claim(claim.text) if claim.claim is None else claim.claim
    return StoredObservation(number, claim.text, Observed(at.number, at.now, claim.part, rank, said))


def _pairs(found: NewClaims, fresh: Sequence[StoredObservation]) -> Iterable[tuple[RankedClaim, StoredObservation]]:
    return zip(found.claims, fresh, strict=True)


def _observation_row(kept: StoredObservation, ids: dict[str, int], claim: RankedClaim) -> dict[str, Any]:
    major, minor = kept.observed.rank
    return {
        "id": kept.id,
        "report_number": kept.observed.report_number,
        "donation_id": ids[claim.identity.ref],
        "part": claim.part,
        "rank_major": major,
        "rank_minor": minor,
        "claim": claim.text,
    }


def _refold(identity: Identity, number: int, held: Held, fresh: list[StoredObservation]) -> _Refolded:
    before = believed(identity, held.history) if held.history else None
    after = believed(identity, [*held.history, *fresh])
    if after is not None and after[0].is_split and sum(_split_units(after[0])) != after[0].payment.units:
        held_units = after[0].payment.units
        raise SourceContradiction(f"{identity.locator} is of {held_units} units, its gifts are not: nothing is split")
    values = no_values() if after is None else donation_values(*after)
    was = None if before is None else donation_values(*before)
    return _Refolded(number, identity, held, fresh, before and before[0], after and after[0], was, values)


def _split_units(found: Donation) -> tuple[int, ...]:
    return found.split.units if found.split is not None else ()


def _write_donations(at: Writing, touched: list[_Refolded]) -> None:
    new = [
        {"id": one.id, **identity_values(one.identity), **one.values, "last_report": at.number}
        for one in touched
        if one.held.id is None
    ]
    if new:
        insert_rows(at.tx, donation, new)
    for one in touched:
        if one.held.id is not None:
            as_read = {"held_id": one.id, "held_report": one.held.last_report}
            moved = at.tx.execute(_AS_READ, {**as_read, **one.values, "last_report": at.number})
            assert moved.rowcount == 1, "writers are serial"


def _write_postings(at: Writing, touched: list[_Refolded]) -> None:
    rows: list[dict[str, Any]] = []
    number = at.place.posting
    for one in touched:
        legs = postings_for(one.before, one.after) if one.after is not None else ()
        rows += posting_rows(number, at.number, one.id, legs)
        number += bool(legs)
    if rows:
        insert_rows(at.tx, posting, rows)


def posting_rows(number: int, report_number: int, donation_id: int, legs: Iterable[Leg]) -> list[dict[str, Any]]:
    """Write one posting as the rows of its legs."""
    where = {"posting_number": number, "report_number": report_number, "donation_id": donation_id}
    return [
        {**where, "leg": place, "account": leg.account, "network": leg.network, "asset": leg.asset, "units": leg.units}
        for place, leg in enumerate(legs, 1)
    ]


def total_key(found: Donation) -> TotalKey:
    """Name the sum that a donation counts in: method, rail, network, asset, exponent."""
    payment, identity = found.payment, found.identity
    return (payment.method, payment.rail, identity.network, identity.asset, payment.exponent)


def _move_totals(tx: Connection, touched: list[_Refolded]) -> None:
    """Keep the sums that pages show; verify derives them anew."""
    units: Counter[TotalKey] = Counter()
    count: Counter[TotalKey] = Counter()
    for one in touched:
        for found, sign in ((one.before, -1), (one.after, 1)):
            if found is not None and found.counted_units:
                units[total_key(found)] += sign * found.counted_units
                count[total_key(found)] += sign
    for key in units:
        if units[key] or count[key]:
            _move_total(tx, key, units[key], count[key])


def _move_terms(tx: Connection, touched: list[_Refolded], found: NewClaims) -> None:
    """Keep what staff find money by."""
    told_apart = {claim.identity.ref: claim.personal for claim in found.claims if claim.personal is not None}
    told = []
    for one in touched:
        names = {"asset": one.identity.asset, "address": one.identity.address, "locator": one.identity.locator}
        apart = told_apart.get(one.identity.ref)
        is_it = apart is not None and apart.digest == one.values["personal_digest"]
        said = _said(one.held.history)
        before = None if one.was is None else Told(one.was | names, said)
        after = Told(one.values | names, tuple(dict.fromkeys((*_said(one.fresh), *said))))
        told.append(Findable(one.id, before, after, apart.personal if apart is not None and is_it else None))
    move_terms(tx, told)


def _said(history: Sequence[StoredObservation]) -> tuple[str, ...]:
    if not history:
        return ()
    return digests_in(one.text for one in reversed(history))


def _move_total(tx: Connection, key: TotalKey, units: int, count: int) -> None:
    names = dict(zip(_TOTAL_NAMES, key, strict=True))
    here = {f"held_{name}": part for name, part in names.items()}
    held = tx.execute(_TOTAL, here).one_or_none()
    if held is None:
        tx.execute(insert(total), {**names, "units": units, "count": count})
    elif held.gifts + count:
        tx.execute(_TOTAL_MOVED, {**here, "units": held.units + units, "count": held.gifts + count})
    else:
        tx.execute(_TOTAL_EMPTY, here)


def write_balances(tx: Connection, number: int, balances: Sequence[HeldBalance]) -> None:
    """Keep what a source says that we hold, under its report's number."""
    rows = [
        {
            "report_number": number, "network": one.network, "address": one.address, "asset": one.asset,
            "mark": one.mark, "exponent": one.exponent, "units": one.units, "at": to_micros(one.at),
        }
        for one in balances
    ]  # fmt: skip
    if rows:
        insert_rows(tx, told_balance, rows)

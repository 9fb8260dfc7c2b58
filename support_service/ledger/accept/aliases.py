"""Money by its other names: aliases, claims that wait for theirs, and plans.

A processor calls one payment by several names, and tells of them in any order. A claim about a name
that stands for nothing yet waits; the report that brings the alias claims it anew as its own, so the
chain of reports holds all of it: who said it first, and when it found its money.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BindParameter, Connection, RowMapping, bindparam, insert, select, update

from support_service.giving import Claim, Direction, Frequency, Identity, Named, Personal, PlanClaim, Rank, Report
from support_service.ledger import canonical
from support_service.ledger.columns import from_micros, to_micros
from support_service.ledger.rows import ByKeys
from support_service.ledger.tables import alias, plan, waiting_claim

_RAIL: BindParameter[str] = bindparam("rail")
_ALIASES = ByKeys(select(alias).where(alias.c.rail == _RAIL), alias.c.name)
_WAITING = ByKeys(
    select(waiting_claim).where(waiting_claim.c.rail == _RAIL).order_by(waiting_claim.c.report_number),
    waiting_claim.c.name,
)
_PLANS = ByKeys(select(plan).where(plan.c.rail == _RAIL), plan.c.name)
_NEW_ALIAS, _NEW_WAITING = insert(alias), insert(waiting_claim)


@dataclass(frozen=True, slots=True)
class Apart:
    """Personal data, and as they are written apart from the claim, which names them by their digest."""

    digest: str
    body: str
    personal: Personal


@dataclass(frozen=True, slots=True)
class RankedClaim:
    """A claim as it will be stored; rank None stands for the number of its report.

    claim is what the text says, without personal data, where it need not be read again.
    """

    identity: Identity
    part: str
    rank: Rank | None
    text: str
    personal: Apart | None = None
    claim: Claim | None = None


@dataclass(frozen=True, slots=True)
class Waits:
    """A claim whose name stands for nothing yet, as it will be stored."""

    told: Named
    text: str


@dataclass(frozen=True, slots=True)
class Names:
    """What of a report's names is new, and the claims that have found their money by it; all are names of one rail."""

    rail: str = ""
    aliases: tuple[tuple[str, Identity], ...] = ()
    waits: tuple[Waits, ...] = ()
    found: tuple[RankedClaim, ...] = ()
    plans: tuple[PlanClaim, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Tell whether there is nothing to write beside the found claims."""
        return not (self.aliases or self.waits or self.plans)


def names_of(tx: Connection, told: Report) -> Names:
    """Look up every name in a report: a name that has a meaning keeps it, whatever is told later."""
    if not (told.aliases or told.waiting or told.plans):
        return Names()
    wanted = {name for name, _ in told.aliases} | {one.name for one in told.waiting}
    known = read_aliases(tx, told.rail, sorted(wanted))
    fresh = {name: identity for name, identity in told.aliases if name not in known}
    meanings = known | fresh
    before = _WAITING.rows(tx, sorted(wanted - set(known)), rail=told.rail)
    found = [_claimed(meanings[one.name], one) for one in told.waiting if _fits(meanings.get(one.name), one.asset)]
    found += [
        RankedClaim(meanings[row["name"]], row["part"], (row["rank_major"], row["rank_minor"]), row["claim"])
        for row in before
        if row["name"] in fresh and _fits(fresh[row["name"]], row["asset"])
    ]
    # What is counted in another asset than its money waits on, for people: no unit of it is taken for another's.
    unfit = [one for one in told.waiting if not _fits(meanings.get(one.name), one.asset)]
    unknown = [Waits(one, canonical.named_text(one)) for one in unfit]
    before += _WAITING.rows(tx, sorted({one.name for one in unfit} & set(known)), rail=told.rail)
    return Names(told.rail, tuple(fresh.items()), _new_waits(unknown, before), tuple(found), _new_plans(tx, told))


def write_names(tx: Connection, number: int, names: Names) -> None:
    """Store what is new under the report's number."""
    if names.aliases:
        told = {"rail": names.rail, "report_number": number}
        rows = [{**told, "name": name, **identity_columns(identity)} for name, identity in names.aliases]
        tx.execute(_NEW_ALIAS, rows)
    if names.waits:
        tx.execute(_NEW_WAITING, [_waits_row(number, names.rail, one) for one in names.waits])
    for claim in names.plans:
        _write_plan(tx, number, names.rail, claim)


def bodies(names: Names) -> dict[str, object]:
    """Describe it in the report's body; what is empty is left out, as in reports made before there were names."""
    told = {
        "aliases": [[name, canonical.identity_body(identity)] for name, identity in names.aliases],
        "waiting": [canonical.named_body(one.told, one.text) for one in names.waits],
        "plans": [canonical.plan_body(claim) for claim in names.plans],
    }
    return {key: value for key, value in told.items() if value}


def read_aliases(tx: Connection, rail: str, names: list[str]) -> dict[str, Identity]:
    """Look up what names of a rail stand for."""
    return {row["name"]: identity_of_alias(row) for row in _ALIASES.rows(tx, names, rail=rail)}


def identity_of_alias(row: RowMapping) -> Identity:
    """Read the identity that a name stands for."""
    return Identity(row["network"], row["asset"], row["address"], Direction(row["direction"]), row["locator"])


def identity_columns(identity: Identity) -> dict[str, str]:
    """Write an identity as column values."""
    return {
        "network": identity.network,
        "asset": identity.asset,
        "address": identity.address,
        "direction": identity.direction,
        "locator": identity.locator,
    }


def plan_values(claim: PlanClaim) -> dict[str, Any]:
    """Write what is believed of a plan as column values; rail, name and report number are left out."""
    major, minor = claim.rank
    return {
        "intent": claim.intent,
        "units": claim.units,
        "currency": claim.currency,
        "exponent": claim.exponent,
        "frequency": claim.frequency,
        "state": claim.state,
        "changed_at": to_micros(claim.at),
        "rank_major": major,
        "rank_minor": minor,
        "terms": canonical.terms_text(claim.terms),
    }


def plan_place(claim: PlanClaim) -> tuple[Rank, str]:
    """Order what is said of one plan: by rank, then by its text, so that no order of arrival decides."""
    return claim.rank, canonical.dumps(canonical.plan_body(claim))


def _fits(meaning: Identity | None, asset: str | None) -> bool:
    """Tell whether a name is known, and stands for money that the claim's units are of."""
    return meaning is not None and asset in (None, meaning.asset)


def _claimed(identity: Identity, one: Named) -> RankedClaim:
    return RankedClaim(identity, one.part, one.rank, canonical.claim_text(identity, one.claim))


def _new_waits(unknown: Iterable[Waits], before: list[RowMapping]) -> tuple[Waits, ...]:
    """Leave out what waits already, said as late or later; of one part said twice keep the higher rank."""
    best: dict[tuple[str, str], Waits] = {}
    for one in unknown:
        held = best.get((one.told.name, one.told.part))
        if held is None or one.told.rank >= held.told.rank:
            best[one.told.name, one.told.part] = one
    return tuple(one for one in best.values() if not any(_says_it_too(row, one) for row in before))


def _says_it_too(row: RowMapping, one: Waits) -> bool:
    told = one.told
    is_same = (row["name"], row["part"], row["claim"], row["asset"]) == (told.name, told.part, one.text, told.asset)
    return is_same and (row["rank_major"], row["rank_minor"]) >= one.told.rank


def _new_plans(tx: Connection, told: Report) -> tuple[PlanClaim, ...]:
    best: dict[str, PlanClaim] = {}
    for claim in told.plans:
        if claim.name not in best or plan_place(best[claim.name]) < plan_place(claim):
            best[claim.name] = claim
    if not best:
        return ()
    rows = _PLANS.rows(tx, sorted(best), rail=told.rail)
    held = {row["name"]: plan_place(read_plan_row(row)) for row in rows}
    return tuple(claim for name, claim in best.items() if name not in held or held[name] < plan_place(claim))


def read_plan_row(row: RowMapping) -> PlanClaim:
    """Read a plan's row as the claim that it was written from."""
    names = ("name", "intent", "units", "currency", "exponent", "state")
    return PlanClaim(
        **{name: row[name] for name in names},
        frequency=Frequency(row["frequency"]),
        at=from_micros(row["changed_at"]),
        rank=(row["rank_major"], row["rank_minor"]),
        terms=canonical.read_terms(row["terms"]),
    )


def _waits_row(number: int, rail: str, one: Waits) -> dict[str, Any]:
    major, minor = one.told.rank
    place = {"report_number": number, "rail": rail, "name": one.told.name, "part": one.told.part}
    return {**place, "rank_major": major, "rank_minor": minor, "claim": one.text, "asset": one.told.asset}


def _write_plan(tx: Connection, number: int, rail: str, claim: PlanClaim) -> None:
    values = {**plan_values(claim), "report_number": number}
    moved = tx.execute(update(plan).where(plan.c.rail == rail, plan.c.name == claim.name).values(**values))
    if not moved.rowcount:
        tx.execute(insert(plan).values(rail=rail, name=claim.name, **values))

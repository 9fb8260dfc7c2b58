"""Verify: names, claims that waited for theirs, and plans.

Names and waiting claims are rows of history: they must be those that the reports claim. Plans follow
from the reports.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import BindParameter, Connection, RowMapping, and_, bindparam, func, or_, select

from support_service.giving import rail_of
from support_service.ledger import canonical
from support_service.ledger.accept.aliases import identity_of_alias, plan_place, plan_values
from support_service.ledger.engine import Database
from support_service.ledger.tables import alias, donation, observation, plan, report, told_balance, waiting_claim
from support_service.ledger.verify.parts import CHUNK_ROWS, VerifyMoment, as_stored, raw_units

_AFTER: BindParameter[int] = bindparam("after")
_UNTIL: BindParameter[int] = bindparam("until")
_BODIES = select(report.c.number, report.c.source, report.c.body).where(
    report.c.number > _AFTER, report.c.number <= _UNTIL
)
_ALIASES, _WAITING, _BALANCES = (
    asked.where(table.c.report_number > _AFTER, table.c.report_number <= _UNTIL)
    for table, asked in (
        (alias, select(alias)),
        (waiting_claim, select(waiting_claim)),
        (told_balance, select(*(raw_units(column) for column in told_balance.c))),
    )
)
_IS_SAME = and_(
    *(donation.c[name] == alias.c[name] for name in ("network", "asset", "address", "direction", "locator"))
)
_IS_NAMED = (alias.c.rail == waiting_claim.c.rail) & (alias.c.name == waiting_claim.c.name)
_WAITED = (
    select(
        waiting_claim.c.report_number,
        waiting_claim.c.name,
        waiting_claim.c.part,
        waiting_claim.c.rank_major,
        waiting_claim.c.rank_minor,
        observation.c.rank_major.label("seen_major"),
        observation.c.rank_minor.label("seen_minor"),
    )
    .select_from(
        waiting_claim.join(alias, _IS_NAMED)
        .outerjoin(donation, _IS_SAME)
        .outerjoin(
            observation, (observation.c.donation_id == donation.c.id) & (observation.c.part == waiting_claim.c.part)
        )
    )
    .where(waiting_claim.c.report_number <= _UNTIL)
    .where(or_(waiting_claim.c.asset.is_(None), waiting_claim.c.asset == alias.c.asset))
)
# No report has a number below 1, and none above the newest one.
_PLANS = select(*(raw_units(column) for column in plan.c)).where(
    or_(plan.c.report_number > _AFTER, plan.c.report_number < 1)
)
_NEWEST = select(func.coalesce(func.max(report.c.number), 0))


def check_names(database: Database, moment: VerifyMoment, *, since: int = 0) -> Iterator[str]:
    """See that no claim waits whose money is known, and that plans follow from reports.

    since: the names that reports up to this number told are taken as they are.
    """
    yield from _check_told(database, moment, since)
    with database.read() as tx:
        problems = [*_check_found(tx, moment), *_check_plans(tx, moment, since)]
    yield from problems


def _check_told(database: Database, moment: VerifyMoment, since: int) -> Iterator[str]:
    """Hold the stored names and waiting claims against what the reports say; note what they say of plans.

    The rail of a row is not in the report's body: it is that of the report's source.
    """
    for after in range(since, moment.last_report, CHUNK_ROWS):
        until = min(after + CHUNK_ROWS, moment.last_report)
        with database.read() as tx:
            rows = tx.execute(_BODIES, {"after": after, "until": until}).all()
            bodies = {row.number: _names_in(row.body) for row in rows}
            rails = {row.number: rail_of(row.source) for row in rows}
            held = {
                "aliases": _aliases(tx, after, until),
                "waiting": _waits(tx, after, until),
                "balances": _balances(tx, after, until, rails),
            }
        for number in sorted({*bodies, *(number for rows in held.values() for number in rows)}):
            told = bodies.get(number, {})
            for what, table in (("aliases", "alias"), ("waiting", "waiting_claim"), ("balances", "told_balance")):
                stored = [row for rail, row in held[what].get(number, []) if rail == rails.get(number)]
                moment.reach(f"{table} of report", len(stored))
                if len(stored) < len(held[what].get(number, [])):
                    yield f"report {number}: rows of {table} are of another rail than its source"
                if sorted(map(canonical.dumps, told.get(what, []))) != sorted(map(canonical.dumps, stored)):
                    yield f"report {number}: the rows of {table} are not those it claims"
            for one in told.get("plans", []):
                yield from _note_plan(moment, one, number, rails[number])


def _names_in(body: str) -> dict[str, Any]:
    """Read what a report's body says by name; most say nothing, and a damaged one was told of before."""
    if not any(f'"{key}":[' in body for key in ("aliases", "waiting", "plans", "balances")):
        return {}
    held = _json(body)
    return held if isinstance(held, dict) else {}


def _aliases(tx: Connection, after: int, until: int) -> dict[int, list[Any]]:
    found: dict[int, list[Any]] = {}
    for row in tx.execute(_ALIASES, {"after": after, "until": until}).mappings():
        told = [row["name"], _identity(row)]
        found.setdefault(row["report_number"], []).append((row["rail"], told))
    return found


def _identity(row: RowMapping) -> object:
    try:
        return canonical.identity_body(identity_of_alias(row))
    except ValueError:
        return "damaged"


def _waits(tx: Connection, after: int, until: int) -> dict[int, list[Any]]:
    found: dict[int, list[Any]] = {}
    for row in tx.execute(_WAITING, {"after": after, "until": until}).mappings():
        told = {"name": row["name"], "part": row["part"], "rank": [row["rank_major"], row["rank_minor"]]}
        told |= {} if row["asset"] is None else {"asset": row["asset"]}
        found.setdefault(row["report_number"], []).append((row["rail"], {**told, "claim": _as_written(row["claim"])}))
    return found


def _balances(tx: Connection, after: int, until: int, rails: Mapping[int, str]) -> dict[int, list[Any]]:
    found: dict[int, list[Any]] = {}
    for row in tx.execute(_BALANCES, {"after": after, "until": until}).mappings():
        told = {name: row[name] for name in ("network", "address", "asset", "exponent", "units", "mark", "at")}
        found.setdefault(row["report_number"], []).append((rails.get(row["report_number"]), told))
    return found


def _json(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _as_written(text: str) -> object:
    """Read JSON that stands as accept writes it; in another spelling it is no more than a text."""
    held = _json(text)
    return held if canonical.dumps(held) == text else text


def _note_plan(moment: VerifyMoment, told: dict[str, Any], number: int, rail: str) -> Iterator[str]:
    try:
        claim = canonical.read_plan(told)
    except (KeyError, TypeError, ValueError, AssertionError, OverflowError, IndexError):
        yield f"report {number}: what it says of a plan cannot be read"
        return
    held = moment.plans.get((rail, claim.name))
    if held is None or plan_place(held[0]) < plan_place(claim):
        moment.plans[rail, claim.name] = (claim, number)


def _check_found(tx: Connection, moment: VerifyMoment) -> Iterator[str]:
    """A claim that waited must stand with its money, or something said later about the same part.

    One that is counted in another asset than the money waits for people, and must not stand there.
    """
    is_found: dict[tuple[int, str, str], bool] = {}
    for row in tx.execute(_WAITED, {"until": moment.last_report}):
        key = (row.report_number, row.name, row.part)
        seen = row.seen_major is not None and (row.seen_major, row.seen_minor) >= (row.rank_major, row.rank_minor)
        is_found[key] = is_found.get(key, False) or seen
    for (number, name, part), is_so in is_found.items():
        if not is_so:
            yield f"report {number}: what it says of {part} of {name} never found its money, though the name is known"


def _check_plans(tx: Connection, moment: VerifyMoment, since: int) -> Iterator[str]:
    stored = tx.execute(_PLANS, {"after": since}).mappings()
    rows = {(row["rail"], row["name"]): row for row in stored}
    newest = tx.execute(_NEWEST).scalar_one()
    for (rail, name), (claim, number) in moment.plans.items():
        row = rows.pop((rail, name), None)
        if row is None:
            yield f"plan {name} is missing"
        elif not moment.last_report < row["report_number"] <= newest:
            expected = {**plan_values(claim), "report_number": number}
            for column, value in expected.items():
                if as_stored(row[column]) != as_stored(value):
                    yield f"plan {name}: {column} is stored as {row[column]!r}, but reports say {as_stored(value)!r}"
    yield from (
        f"no report speaks of plan {name}"
        for (_, name), row in rows.items()
        if not moment.last_report < row["report_number"] <= newest
    )

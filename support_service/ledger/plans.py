"""What givers agreed to pay again and again, as processors tell it."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import RowMapping, and_, bindparam, literal, or_, select, tuple_

from support_service.giving import Intent, Plan, PlanPlace
from support_service.ledger import canonical
from support_service.ledger.accept.aliases import read_plan_row
from support_service.ledger.engine import Database
from support_service.ledger.intents import find_intent
from support_service.ledger.queries import LISTED_MAX
from support_service.ledger.tables import donation, personal_data, plan
from support_service.ledger.terms import email_of

# The newest body of personal data of each choice's gifts comes last.
_PARTIES = (
    select(donation.c.intent, personal_data.c.body)
    .join(personal_data, personal_data.c.digest == donation.c.personal_digest)
    .where(donation.c.intent.in_(bindparam("refs", expanding=True)))
    .order_by(donation.c.id)
)


@dataclass(frozen=True, slots=True)
class PlanGiver:
    """Who gives by a plan, as far as it is known and not erased: name typed with us, e-mail told by the processor."""

    support_code: str | None
    name: str | None
    email: str | None


class Plans:
    """The ledger's side of plans; every method may raise LedgerError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def newest(self, limit: int, before: PlanPlace | None, *, rail: str | None = None) -> tuple[Plan, ...]:
        """List plans of a rail or of all, the newest change first; `before`: the place of the last one shown."""
        asked = select(plan).order_by(plan.c.report_number.desc(), plan.c.name).limit(min(limit, LISTED_MAX))
        if rail is not None:
            asked = asked.where(plan.c.rail == rail)
        if before is not None:
            is_next = and_(plan.c.report_number == before.number, plan.c.name > before.name)
            asked = asked.where(or_(plan.c.report_number < before.number, is_next))
        with self._database.read() as tx:
            return tuple(_read_plan(row) for row in tx.execute(asked).mappings())

    def changed_after(self, number: int, name: str, limit: int) -> tuple[Plan, ...]:
        """List plans that changed behind a report's number and a name, the oldest change first."""
        here = tuple_(plan.c.report_number, plan.c.name)
        asked = select(plan).where(here > tuple_(literal(number), literal(name)))
        asked = asked.order_by(plan.c.report_number, plan.c.name).limit(min(limit, LISTED_MAX))
        with self._database.read() as tx:
            return tuple(_read_plan(row) for row in tx.execute(asked).mappings())

    def find(self, rail: str, name: str) -> Plan | None:
        """Look a plan up by the processor's name for it."""
        asked = select(plan).where(plan.c.rail == rail, plan.c.name == name)
        with self._database.read() as tx:
            row = tx.execute(asked).mappings().one_or_none()
            return None if row is None else _read_plan(row)

    def of(self, intent: str) -> Plan | None:
        """Look up the plan that a reader's choice began; None where it began none."""
        asked = select(plan).where(plan.c.intent == intent).order_by(plan.c.report_number.desc(), plan.c.name).limit(1)
        with self._database.read() as tx:
            row = tx.execute(asked).mappings().one_or_none()
            return None if row is None else _read_plan(row)

    def givers(self, intents: Sequence[str]) -> dict[str, PlanGiver]:
        """Tell who chose each of these, a page of them at most; personal data, for staff alone."""
        with self._database.read() as tx:
            parties = {row.intent: row.body for row in tx.execute(_PARTIES, {"refs": list(intents)})}
            held = [(ref, find_intent(tx, ref=ref)) for ref in intents]
        return {ref: _giver(made, parties.get(ref)) for ref, made in held if made is not None}


def _giver(made: Intent, body: str | None) -> PlanGiver:
    return PlanGiver(made.support_code, made.personal.payer, email_of(canonical.read_personal(body)))


def _read_plan(row: RowMapping) -> Plan:
    claim = read_plan_row(row)
    return Plan(
        rail=row["rail"],
        name=claim.name,
        intent=claim.intent,
        units=claim.units,
        currency=claim.currency,
        exponent=claim.exponent,
        frequency=claim.frequency,
        state=claim.state,
        changed_at=claim.at,
        number=row["report_number"],
        terms=claim.terms,
    )

"""What readers chose, the payment pages opened for it, plans, and claims that wait for their payment."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import Connection, RowMapping, and_, bindparam, func, insert, literal, or_, select, tuple_, update

from support_service.giving import (
    Awaiting,
    Checkout,
    Clock,
    Frequency,
    Intent,
    Listed,
    OpenedPage,
    PagePlace,
    Plan,
    PlanPlace,
    WaitingClaim,
)
from support_service.ledger import canonical
from support_service.ledger.accept import keep_apart
from support_service.ledger.accept.aliases import read_plan_row
from support_service.ledger.awaited import with_sum_of_its_own
from support_service.ledger.columns import from_micros, to_micros
from support_service.ledger.engine import Database
from support_service.ledger.errors import LedgerError
from support_service.ledger.queries import LISTED_MAX, donations_with_people
from support_service.ledger.rows import digests_in, personal_by_digest, read_donation
from support_service.ledger.tables import (
    alias,
    checkout_attempt,
    donation,
    intent,
    observation,
    personal_data,
    plan,
    report,
    support_code,
    waiting_claim,
)
from support_service.ledger.terms import email_of

# A try to open a payment page that led to none is given up after this, so that a processor that keeps
# failing for one key cannot hold up a reader. Pages are opened with more time left than this.
TRY_LASTS = timedelta(minutes=20)
# 22 million codes can be issued: a hundred draws in a row that are taken mean that nearly all are.
CODE_DRAWS_MAX = 100
# So many words about one gift are looked through for an e-mail; most gifts have two or three.
CLAIMS_MAX = 200
_CHOSEN = personal_data.alias("chosen")

_WITH_PERSON = select(intent, personal_data.c.body.label("personal_body")).select_from(
    intent.outerjoin(personal_data, personal_data.c.digest == intent.c.personal_digest)
)
_FIND = {name: _WITH_PERSON.where(intent.c[name] == bindparam("value")) for name in ("ref", "nonce")}
_OF_PAGE = (
    _WITH_PERSON.join(checkout_attempt, checkout_attempt.c.intent_ref == intent.c.ref)
    .where(intent.c.method == bindparam("method"), checkout_attempt.c.session == bindparam("session"))
    .limit(1)
)
# The newest body of personal data of each choice's gifts comes last.
_PARTIES = (
    select(donation.c.intent, personal_data.c.body)
    .join(personal_data, personal_data.c.digest == donation.c.personal_digest)
    .where(donation.c.intent.in_(bindparam("refs", expanding=True)))
    .order_by(donation.c.id)
)


@dataclass(frozen=True, slots=True)
class CheckoutAttempt:
    """One try to open a payment page; checkout None: not opened yet. All of a try follows from started_at."""

    number: int
    started_at: datetime
    checkout: Checkout | None = None
    is_refused: bool = False


@dataclass(frozen=True, slots=True)
class PlanGiver:
    """Who gives by a plan, as far as it is known and not erased: name typed with us, e-mail told by the processor."""

    support_code: str | None
    name: str | None
    email: str | None


class Intents:
    """The ledger's side of giving by card; every method may raise LedgerError."""

    _database: Database
    _clock: Clock

    def open_intent(
        self,
        intent: Intent,
        *,
        nonce: str,
        draw_code: Callable[[], str] | None = None,
        awaiting: Awaiting | None = None,
    ) -> Intent:
        """Keep what was chosen; the same nonce gives the intent first opened with it.

        draw_code: gives support codes at random, of which the first that nobody has becomes the intent's.
        awaiting: where its sum tells it apart from others that are awaited there.
        """
        with self._database.write() as tx:
            held = _find(tx, nonce=nonce)
            if held is None:
                held = intent if draw_code is None else _with_code(tx, intent, draw_code)
                held = held if awaiting is None else with_sum_of_its_own(tx, held, awaiting)
                _write_intent(tx, held, nonce, self._clock())
            return held

    def intent(self, ref: str) -> Intent | None:
        """Look up what was chosen."""
        with self._database.read() as tx:
            return _find(tx, ref=ref)

    def page_intent(self, method: str, session: str) -> Intent | None:
        """Look up what was chosen, by the processor's name of the payment page that was opened for it."""
        with self._database.read() as tx:
            row = tx.execute(_OF_PAGE, {"method": method, "session": session}).mappings().first()
            return None if row is None else read_intent(row, row["personal_body"])

    def opened_pages(self, method: str, since: datetime, after: PagePlace | None = None) -> tuple[OpenedPage, ...]:
        """List payment pages whose try began since a moment, from behind a place."""
        place = (checkout_attempt.c.intent_ref, checkout_attempt.c.number)
        asked = select(checkout_attempt, intent.c.body.label("intent_body"))
        asked = asked.join(intent, intent.c.ref == checkout_attempt.c.intent_ref).order_by(*place).limit(LISTED_MAX)
        is_open = and_(checkout_attempt.c.session.is_not(None), checkout_attempt.c.started_at >= to_micros(since))
        asked = asked.where(intent.c.method == method, is_open)
        if after is not None:
            asked = asked.where(tuple_(*place) > tuple_(*map(literal, after)))
        with self._database.read() as tx:
            return tuple(_read_page(row) for row in tx.execute(asked).mappings())

    def attempt(self, ref: str) -> CheckoutAttempt | None:
        """Return the newest try to open a payment page."""
        with self._database.read() as tx:
            return _newest(tx, ref)

    def start_attempt(self, ref: str) -> CheckoutAttempt:
        """Return the open try; a new number only after a definite refusal or the page's end."""
        now = self._clock()
        with self._database.write() as tx:
            if _find(tx, ref=ref) is None:
                raise LedgerError(f"there is no intent {ref}")
            held = _newest(tx, ref)
            if held is not None and _is_open(held, now):
                return held
            number = 1 if held is None else held.number + 1
            row = {"intent_ref": ref, "number": number, "started_at": to_micros(now)}
            tx.execute(insert(checkout_attempt).values(**row))
            return CheckoutAttempt(number, now)

    def note_checkout(self, ref: str, number: int, checkout: Checkout) -> None:
        """Keep the payment page of a try; the first one stays."""
        values = {"session": checkout.session, "url": checkout.url, "expires_at": to_micros(checkout.expires_at)}
        self._note(ref, number, **values)

    def note_refused(self, ref: str, number: int) -> None:
        """Keep that a try was definitely refused."""
        self._note(ref, number, refused_at=to_micros(self._clock()))

    def intent_donations(self, ref: str) -> tuple[Listed, ...]:
        """List what the ledger believes was given for an intent."""
        asked = donations_with_people().where(donation.c.intent == ref).order_by(donation.c.id).limit(LISTED_MAX)
        with self._database.read() as tx:
            rows = tx.execute(asked).mappings()
            return tuple(Listed(row["id"], read_donation(row, row["personal_body"])) for row in rows)

    def plans(self, limit: int, before: PlanPlace | None, *, rail: str | None = None) -> tuple[Plan, ...]:
        """List plans of a rail or of all, the newest change first; `before`: the place of the last one shown."""
        asked = select(plan).order_by(plan.c.report_number.desc(), plan.c.name).limit(min(limit, LISTED_MAX))
        if rail is not None:
            asked = asked.where(plan.c.rail == rail)
        if before is not None:
            is_next = and_(plan.c.report_number == before.number, plan.c.name > before.name)
            asked = asked.where(or_(plan.c.report_number < before.number, is_next))
        with self._database.read() as tx:
            return tuple(_read_plan(row) for row in tx.execute(asked).mappings())

    def plans_after(self, number: int, name: str, limit: int) -> tuple[Plan, ...]:
        """List plans that changed behind a report's number and a name, the oldest change first."""
        here = tuple_(plan.c.report_number, plan.c.name)
        asked = select(plan).where(here > tuple_(literal(number), literal(name)))
        asked = asked.order_by(plan.c.report_number, plan.c.name).limit(min(limit, LISTED_MAX))
        with self._database.read() as tx:
            return tuple(_read_plan(row) for row in tx.execute(asked).mappings())

    def giver_email(self, ref: str) -> str | None:
        """Tell the e-mail that the giver of one donation gave: with the money, the choice, or by what was said before.

        None where none is known, or it was erased.
        """
        joined = donation.outerjoin(personal_data, personal_data.c.digest == donation.c.personal_digest)
        joined = joined.outerjoin(intent, intent.c.ref == donation.c.intent)
        joined = joined.outerjoin(_CHOSEN, _CHOSEN.c.digest == intent.c.personal_digest)
        asked = select(donation.c.id, personal_data.c.body, _CHOSEN.c.body.label("chosen")).select_from(joined)
        with self._database.read() as tx:
            row = tx.execute(asked.where(donation.c.ref == ref)).one_or_none()
            if row is None:
                return None
            return _email(row.body) or _email(row.chosen) or _email_said(tx, row.id)

    def plan(self, rail: str, name: str) -> Plan | None:
        """Look a plan up by the processor's name for it."""
        asked = select(plan).where(plan.c.rail == rail, plan.c.name == name)
        with self._database.read() as tx:
            row = tx.execute(asked).mappings().one_or_none()
            return None if row is None else _read_plan(row)

    def plan_of(self, intent: str) -> Plan | None:
        """Look up the plan that a reader's choice began; None where it began none."""
        asked = select(plan).where(plan.c.intent == intent).order_by(plan.c.report_number.desc(), plan.c.name).limit(1)
        with self._database.read() as tx:
            row = tx.execute(asked).mappings().one_or_none()
            return None if row is None else _read_plan(row)

    def plan_givers(self, intents: Sequence[str]) -> dict[str, PlanGiver]:
        """Tell who chose each of these, a page of them at most; personal data, for staff alone."""
        with self._database.read() as tx:
            parties = {row.intent: row.body for row in tx.execute(_PARTIES, {"refs": list(intents)})}
            held = [(ref, _find(tx, ref=ref)) for ref in intents]
        return {ref: _giver(made, parties.get(ref)) for ref, made in held if made is not None}

    def inbox(self, after: WaitingClaim | None = None, *, rail: str | None = None) -> tuple[WaitingClaim, ...]:
        """List claims that found no payment of their name and asset, oldest first; `after`: the last one seen."""
        with self._database.read() as tx:
            return read_inbox(tx, after, rail=rail)

    def _note(self, ref: str, number: int, **values: object) -> None:
        here = (checkout_attempt.c.intent_ref == ref) & (checkout_attempt.c.number == number)
        asked = update(checkout_attempt).where(here, checkout_attempt.c.session.is_(None)).values(**values)
        with self._database.write() as tx:
            tx.execute(asked)


def _giver(made: Intent, body: str | None) -> PlanGiver:
    return PlanGiver(made.support_code, made.personal.payer, _email(body))


def _email_said(tx: Connection, donation_id: int) -> str | None:
    """Look through all that was ever said of a gift, the newest first: the last word need not tell who gave."""
    claims = select(observation.c.claim).where(observation.c.donation_id == donation_id)
    said = tx.execute(claims.order_by(observation.c.id.desc()).limit(CLAIMS_MAX)).scalars()
    digests = digests_in(said)
    bodies = personal_by_digest(tx, digests)
    return next((found for digest in digests if (found := _email(bodies.get(digest)))), None)


def _email(body: str | None) -> str | None:
    return email_of(canonical.read_personal(body))


def read_inbox(
    tx: Connection, after: WaitingClaim | None = None, *, rail: str | None = None
) -> tuple[WaitingClaim, ...]:
    """Read the claims whose name stands for nothing yet, or for money of another asset, from behind a place."""
    is_same = (alias.c.rail == waiting_claim.c.rail) & (alias.c.name == waiting_claim.c.name)
    joined = waiting_claim.outerjoin(alias, is_same)
    joined = joined.join(report, report.c.number == waiting_claim.c.report_number)
    place = (report.c.number, waiting_claim.c.name, waiting_claim.c.part)
    told = (waiting_claim.c.rail, waiting_claim.c.name, waiting_claim.c.part)
    asked = select(*told, report.c.accepted_at, report.c.number, alias.c.asset)
    is_left = or_(alias.c.name.is_(None), waiting_claim.c.asset != alias.c.asset)
    asked = asked.select_from(joined).where(is_left).order_by(*place).limit(LISTED_MAX)
    if rail is not None:
        asked = asked.where(waiting_claim.c.rail == rail)
    if after is not None:
        asked = asked.where(tuple_(*place) > tuple_(*map(literal, (after.report_number, after.name, after.part))))
    return tuple(
        WaitingClaim(row.rail, row.name, row.part, from_micros(row.accepted_at), row.number, row.asset is not None)
        for row in tx.execute(asked)
    )


def intent_hash(nonce: str, body: str, personal_digest: str | None) -> str:
    """Seal an intent's row, so that `verify` sees whether it was changed."""
    return canonical.sha256("\n".join((nonce, body, personal_digest or "")))


def read_intent(row: RowMapping, personal_body: str | None) -> Intent:
    """Read an intent's row; erased personal data are empty."""
    held = json.loads(row["body"])
    return Intent(
        ref=held["ref"],
        method=held["method"],
        currency=held["currency"],
        exponent=held["exponent"],
        units=int(held["units"]),
        frequency=Frequency(held["frequency"]),
        lang=held["lang"],
        made_at=from_micros(held["made_at"]),
        article=held["article"],
        article_title=held.get("article_title", ""),
        support_code=held["support_code"],
        covered_fee_units=int(held["covered_fee_units"]),
        personal=canonical.read_personal(personal_body),
    )


def _find(tx: Connection, **where: str) -> Intent | None:
    ((name, value),) = where.items()
    row = tx.execute(_FIND[name], {"value": value}).mappings().one_or_none()
    return None if row is None else read_intent(row, row["personal_body"])


def _with_code(tx: Connection, made: Intent, draw_code: Callable[[], str]) -> Intent:
    """Give an intent a code of its own, for good: one code never stands for two choices."""
    for _ in range(CODE_DRAWS_MAX):
        code = draw_code()
        if tx.execute(select(support_code.c.code).where(support_code.c.code == code)).first() is None:
            row = {"code": code, "intent": made.ref, "issued_at": to_micros(made.made_at)}
            tx.execute(insert(support_code).values(**row))
            return replace(made, support_code=code)
    raise LedgerError("no free support code was drawn: too many are issued")


def _write_intent(tx: Connection, made: Intent, nonce: str, now: datetime) -> None:
    body, personal = canonical.intent_body(made), canonical.personal_body(made.ref, made.personal)
    digest = None if personal is None else canonical.sha256(personal)
    if digest is not None and personal is not None:
        keep_apart(tx, {digest: ("personal", personal)}, now)
    values = {"ref": made.ref, "nonce": nonce, "method": made.method, "made_at": to_micros(made.made_at)}
    values |= {"body": body, "personal_digest": digest, "hash": intent_hash(nonce, body, digest)}
    tx.execute(insert(intent).values(**values))


def _newest(tx: Connection, ref: str) -> CheckoutAttempt | None:
    newest = select(func.max(checkout_attempt.c.number)).where(checkout_attempt.c.intent_ref == ref).scalar_subquery()
    asked = select(checkout_attempt).where(checkout_attempt.c.intent_ref == ref, checkout_attempt.c.number == newest)
    row = tx.execute(asked).mappings().one_or_none()
    if row is None:
        return None
    page = None
    if row["session"] is not None:
        page = Checkout(row["session"], row["url"], from_micros(row["expires_at"]))
    return CheckoutAttempt(row["number"], from_micros(row["started_at"]), page, row["refused_at"] is not None)


def _read_page(row: RowMapping) -> OpenedPage:
    frequency = Frequency(json.loads(row["intent_body"])["frequency"])
    place = PagePlace(str(row["intent_ref"]), int(row["number"]))
    return OpenedPage(row["session"], frequency, from_micros(row["expires_at"]), place)


def _is_open(held: CheckoutAttempt, now: datetime) -> bool:
    if held.is_refused:
        return False
    ends = held.checkout.expires_at if held.checkout else held.started_at + TRY_LASTS
    return now < ends


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

"""What readers chose, and the payment pages opened for it."""

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import Connection, RowMapping, and_, bindparam, func, insert, literal, select, tuple_, update

from support_service.giving import Awaiting, Checkout, Clock, Frequency, Intent, Listed, OpenedPage, PagePlace
from support_service.ledger import canonical
from support_service.ledger.accept import keep_apart
from support_service.ledger.awaited import with_sum_of_its_own
from support_service.ledger.columns import from_micros, to_micros
from support_service.ledger.engine import Database
from support_service.ledger.errors import LedgerError
from support_service.ledger.queries import LISTED_MAX, donations_with_people
from support_service.ledger.rows import ByKeys, read_donation
from support_service.ledger.tables import checkout_attempt, donation, intent, personal_data, support_code

# A try to open a payment page that led to none is given up after this, so that a processor that keeps
# failing for one key cannot hold up a reader. Pages are opened with more time left than this.
TRY_LASTS = timedelta(minutes=20)
# 22 million codes can be issued: a hundred draws in a row that are taken mean that nearly all are.
CODE_DRAWS_MAX = 100

_WITH_PERSON = select(intent, personal_data.c.body.label("personal_body")).select_from(
    intent.outerjoin(personal_data, personal_data.c.digest == intent.c.personal_digest)
)
_ISSUED = ByKeys(select(support_code.c.code, support_code.c.intent), support_code.c.code)
_FIND = {name: _WITH_PERSON.where(intent.c[name] == bindparam("value")) for name in ("ref", "nonce")}
_OF_PAGE = (
    _WITH_PERSON.join(checkout_attempt, checkout_attempt.c.intent_ref == intent.c.ref)
    .where(intent.c.method == bindparam("method"), checkout_attempt.c.session == bindparam("session"))
    .limit(1)
)


@dataclass(frozen=True, slots=True)
class CheckoutAttempt:
    """One try to open a payment page; checkout None: not opened yet. All of a try follows from started_at."""

    number: int
    started_at: datetime
    checkout: Checkout | None = None
    is_refused: bool = False


class Intents:
    """The ledger's side of giving by card; every method may raise LedgerError."""

    def __init__(self, database: Database, *, clock: Clock) -> None:
        self._database, self._clock = database, clock

    def open(
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
            held = find_intent(tx, nonce=nonce)
            if held is None:
                held = intent if draw_code is None else _with_code(tx, intent, draw_code)
                summed = None if awaiting is None else with_sum_of_its_own(tx, held, awaiting)
                held = summed or held
                _write_intent(tx, held, nonce, self._clock(), awaiting=awaiting if summed else None)
            return held

    def find(self, ref: str) -> Intent | None:
        """Look up what was chosen."""
        with self._database.read() as tx:
            return find_intent(tx, ref=ref)

    def issued(self, codes: Collection[str]) -> Mapping[str, str]:
        """Tell which of these support codes were issued, and the reference of the choice that each stands for."""
        with self._database.read() as tx:
            return issued_codes(tx, codes)

    def of_page(self, method: str, session: str) -> Intent | None:
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
            if find_intent(tx, ref=ref) is None:
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

    def donations(self, ref: str) -> tuple[Listed, ...]:
        """List what the ledger believes was given for an intent."""
        asked = donations_with_people().where(donation.c.intent == ref).order_by(donation.c.id).limit(LISTED_MAX)
        with self._database.read() as tx:
            rows = tx.execute(asked).mappings()
            return tuple(Listed(row["id"], read_donation(row, row["personal_body"])) for row in rows)

    def _note(self, ref: str, number: int, **values: object) -> None:
        here = (checkout_attempt.c.intent_ref == ref) & (checkout_attempt.c.number == number)
        asked = update(checkout_attempt).where(here, checkout_attempt.c.session.is_(None)).values(**values)
        with self._database.write() as tx:
            tx.execute(asked)


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
        placement=held.get("placement", ""),
        support_code=held["support_code"],
        covered_fee_units=int(held["covered_fee_units"]),
        personal=canonical.read_personal(personal_body),
    )


def issued_codes(tx: Connection, codes: Collection[str]) -> dict[str, str]:
    """Tell which of these support codes were issued, and the reference of the choice that each stands for."""
    return {row["code"]: row["intent"] for row in _ISSUED.rows(tx, sorted(codes))}


def find_intent(tx: Connection, **where: str) -> Intent | None:
    """Look up what was chosen, by its ref or by its nonce."""
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


def _write_intent(tx: Connection, made: Intent, nonce: str, now: datetime, *, awaiting: Awaiting | None) -> None:
    body, personal = canonical.intent_body(made, awaiting), canonical.personal_body(made.ref, made.personal)
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

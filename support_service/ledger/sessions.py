"""Sessions of staff. The token is known to the browser alone; the database holds its SHA-256."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, Update, delete, func, insert, select, update

from support_service.ledger.accounts import STAFF_COLUMNS, Person, StaffAccount, as_person
from support_service.ledger.columns import from_micros, to_micros
from support_service.ledger.invites import digest_of
from support_service.ledger.tables import staff, staff_session

SESSION_IDLE = timedelta(minutes=30)
SESSION_LENGTH = timedelta(hours=12)
# A page view writes only where the mark is older than this: reading must not queue behind booking.
SESSION_MARK = timedelta(minutes=1)
# Empty stands for when the session began.
NEVER_PROVED = 0


@dataclass(frozen=True, slots=True)
class Session:
    """A person who is logged in; `digest` names the session, and tells nobody how to take it over.

    proved_at is when a password, a code or a passkey was last given in it; 1970 where none was.
    """

    person: Person
    digest: str
    seen_at: datetime
    proved_at: datetime


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A session's token, for the cookie alone, and the digest of the account and the password it was opened with."""

    token: str
    account: str


def open_session(tx: Connection, held: StaffAccount, token: str, now: datetime, *, is_proved: bool = True) -> bool:
    """Open a session if the account is still what was checked; the sessions long over go.

    is_proved: its person gave a password, a code or a passkey just now.
    """
    same = (staff.c.email == held.person.email) & (staff.c.password_hash == held.hash) & staff.c.disabled_at.is_(None)
    if tx.execute(mark_seen(held.person.email, now).where(same)).rowcount != 1:
        return False
    tx.execute(delete(staff_session).where(staff_session.c.created_at <= to_micros(now - SESSION_LENGTH)))
    at = to_micros(now)
    row = {"token_digest": digest_of(token), "email": held.person.email, "created_at": at, "seen_at": at}
    tx.execute(insert(staff_session).values(**row, proved_at=at if is_proved else NEVER_PROVED))
    return True


def living_session(tx: Connection, digest: str, now: datetime) -> Session | None:
    """Find the living session of a person who may come in."""
    proved = func.coalesce(staff_session.c.proved_at, staff_session.c.created_at).label("proved_at")
    asked = (
        select(*STAFF_COLUMNS, staff_session.c.seen_at, proved)
        .join(staff_session, staff_session.c.email == staff.c.email)
        .where(staff_session.c.token_digest == digest)
        .where(staff.c.disabled_at.is_(None), *is_living(now))
    )
    row = tx.execute(asked).mappings().one_or_none()
    if row is None:
        return None
    return Session(as_person(row), digest, from_micros(row["seen_at"]), from_micros(row["proved_at"]))


def is_living(now: datetime) -> tuple[ColumnElement[bool], ...]:
    """Say what holds of a session that goes on."""
    idle, old = to_micros(now - SESSION_IDLE), to_micros(now - SESSION_LENGTH)
    return staff_session.c.ended_at.is_(None), staff_session.c.seen_at > idle, staff_session.c.created_at > old


def mark_seen(email: str, now: datetime) -> Update:
    """Note that a person was here."""
    return update(staff).where(staff.c.email == email).values(seen_at=to_micros(now))


def end_sessions(tx: Connection, which: ColumnElement[bool], now: int) -> None:
    """End sessions that go on."""
    tx.execute(update(staff_session).where(which, staff_session.c.ended_at.is_(None)).values(ended_at=now))

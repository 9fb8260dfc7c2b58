"""Who may see the books: staff and their sessions.

A session's token is known to the browser alone; the database holds its SHA-256.
"""

import hashlib
import re
import secrets
import unicodedata
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, Select, Update, delete, insert, select, update

from support_service.giving import Clock
from support_service.ledger.columns import from_micros, to_micros
from support_service.ledger.engine import Database
from support_service.ledger.errors import LedgerError
from support_service.ledger.invites import (
    Action,
    Invite,
    end_invites,
    make_invite,
    new_token,
    note_action,
    read_actions,
    read_invite,
    use_invite,
)
from support_service.ledger.login_limits import ATTEMPTS_WINDOW, Knock, buckets_of, is_too_often
from support_service.ledger.password_hashes import HASH_OF_NOBODY, PASSWORD_CHARS_MAX, Hashing, TooBusy, prepared
from support_service.ledger.rate_limits import note_attempt
from support_service.ledger.tables import login_attempt, staff, staff_session
from support_service.ledger.weak_passwords import is_weak

PASSWORD_CHARS_MIN = 12
EMAIL_CHARS_MAX = 254  # RFC 5321, section 4.5.3.1.3, as erratum 1690 corrects it
_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s]+")

SESSION_IDLE = timedelta(minutes=30)
SESSION_LENGTH = timedelta(hours=12)
# A page view writes only where the mark is older than this: reading must not queue behind booking.
SESSION_MARK = timedelta(minutes=1)


# A session has a time of the same name.
_STAFF = [column.label("staff_seen_at") if column is staff.c.seen_at else column for column in staff.c]


class PeopleError(LedgerError):
    """A person cannot be added or disabled; the text is for people."""


class LoginRefused(Exception):
    """Wrong password, unknown or disabled: which of them is not told."""


class TooManyAttempts(LoginRefused):
    """This account, place or network tried too often within a minute, or too many do; nothing was checked."""


class Role(StrEnum):
    """What a person may do, each including the one before: look, book and export, everything."""

    VIEWER = "viewer"
    BOOKKEEPER = "bookkeeper"
    ADMIN = "admin"

    def covers(self, needed: "Role") -> bool:
        """Tell whether this role may do what asks for the needed one."""
        order = list(Role)
        return order.index(self) >= order.index(needed)


@dataclass(frozen=True, slots=True)
class Person:
    """One member of staff; the e-mail address is in lower case."""

    email: str
    role: Role
    created_at: datetime
    disabled_at: datetime | None
    seen_at: datetime | None = None

    @property
    def source(self) -> str:
        """The name under which this person's reports stand in the ledger."""
        return f"staff:{self.email}"


@dataclass(frozen=True, slots=True)
class Session:
    """A person who is logged in; `digest` names the session, and tells nobody how to take it over."""

    person: Person
    digest: str
    seen_at: datetime


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A session's token, for the cookie alone, and the digest of the account and the password it was opened with."""

    token: str
    account: str


class People:
    """Staff and their sessions, over the ledger's database; every method may raise LedgerDown."""

    def __init__(self, database: Database, *, clock: Clock) -> None:
        self._database, self._clock = database, clock
        self._hashing = Hashing()

    def add(self, email: str, role: str, password: str, *, publisher: Iterable[str] = ()) -> Person:
        """Let a person in; a disabled one comes back with the new role and password.

        publisher are names of the publisher: its visitors try them as a password first. Raises
        PeopleError for a bad address, role or password, and for somebody who is there already.
        """
        address = checked_email(email)
        _check_role(role)
        names = (address, *address.split("@"), *publisher)
        password_hash = self._hashed(password, names)
        row = {"role": role, "password_hash": password_hash, "created_at": self._now(), "disabled_at": None}
        with self._database.write() as tx:
            held = _account(tx, address)
            if held is None:
                tx.execute(insert(staff).values(email=address, **row))
            elif held.person.disabled_at is not None:
                tx.execute(update(staff).where(staff.c.email == held.person.email).values(**row))
            else:
                raise PeopleError(f"{address} is there already; to set a new password, disable and add again")
            added = _account(tx, address)
        assert added is not None
        return added.person

    def list(self) -> tuple[Person, ...]:
        """Name everybody, also who is disabled, by address."""
        with self._database.read() as tx:
            return tuple(_as_person(row) for row in tx.execute(select(*_STAFF).order_by(staff.c.email)).mappings())

    def find(self, email: str) -> Person | None:
        """Look a person up by address, whatever its case."""
        with self._database.read() as tx:
            held = _account(tx, email)
        return None if held is None else held.person

    def disable(self, email: str) -> Person:
        """Close the door behind a person and end every session of theirs; PeopleError if unknown."""
        now = self._now()
        with self._database.write() as tx:
            held = _account(tx, email)
            if held is None:
                raise PeopleError(f"{address_key(email)} is not known; see `support-service staff list`")
            address = held.person.email
            if held.person.disabled_at is None:
                tx.execute(update(staff).where(staff.c.email == address).values(disabled_at=now))
            _end(tx, staff_session.c.email == address, now)
            closed = _account(tx, address)
        assert closed is not None
        return closed.person

    def log_in(self, email: str, password: str, knock: Knock, *, old_token: str = "") -> SignedIn:
        """Check a password and open a session.

        A session that the browser brought along is ended: the token changes at every login. Raises
        TooManyAttempts before any hashing, LoginRefused after the same work whoever was asked for.
        """
        with self._database.read() as tx:
            held = _account(tx, email)
            device = knock.device(held.digest) if held is not None and held.person.disabled_at is None else ""
            # Looked at before anything is written: a flood that is refused must not keep writers waiting.
            if is_too_often(tx, knock, device, self._clock()):
                raise TooManyAttempts
        with self._database.write() as tx:
            if is_too_often(tx, knock, device, self._clock()):
                raise TooManyAttempts
            attempt = note_attempt(tx, buckets_of(knock, device), self._clock(), kept=ATTEMPTS_WINDOW)
        try:
            checked = self._hashing.check(held.hash if held else HASH_OF_NOBODY, password, is_known=bool(device))
        except TooBusy as error:
            raise TooManyAttempts from error
        if not checked.is_right or held is None or held.person.disabled_at is not None:
            raise LoginRefused
        token = secrets.token_urlsafe(32)
        with self._database.write() as tx:
            if not self._open(tx, held, fresh=checked.hash, token=token):
                raise LoginRefused
            _end(tx, staff_session.c.token_digest == digest_of(old_token), self._now())
            # A right password is no guess: it must not use up the account's tries.
            tx.execute(delete(login_attempt).where(login_attempt.c.id.in_(attempt)))
        return SignedIn(token, _Account(held.person, checked.hash).digest)

    def invite(self, email: str, role: str, *, by: str) -> str:
        """Make the token of a link by which somebody chooses a password, once and within a week; also anew."""
        address = checked_email(email)
        _check_role(role)
        token, now = new_token(), self._clock()
        with self._database.write() as tx:
            make_invite(tx, address, role, by=by, now=now, digest=digest_of(token))
            note_action(tx, by, "invite", f"{address} {role}", now=now)
        return token

    def invited(self, token: str) -> Invite | None:
        """Find an open invitation."""
        with self._database.read() as tx:
            return read_invite(tx, digest_of(token), self._clock())

    def join(self, token: str, password: str, *, publisher: Iterable[str] = ()) -> Person:
        """Spend an invitation: the person is in, with this password, and every session of before is over."""
        held = self.invited(token)
        if held is None:
            raise PeopleError("this link was used, or is over")
        password_hash = self._hashed(password, (held.email, *held.email.split("@"), *publisher))
        with self._database.write() as tx:
            now = self._clock()
            if use_invite(tx, digest_of(token), now) is None:
                raise PeopleError("this link was used, or is over")
            account = _account(tx, held.email)
            row = {"role": held.role, "password_hash": password_hash, "disabled_at": None}
            if account is None:
                tx.execute(insert(staff).values(email=held.email, created_at=self._now(), **row))
            else:
                tx.execute(update(staff).where(staff.c.email == account.person.email).values(**row))
                _end(tx, staff_session.c.email == account.person.email, self._now())
            note_action(tx, held.email, "join", f"{held.email} {held.role}", now=now)
            added = _account(tx, held.email)
        assert added is not None
        return added.person

    def change_role(self, email: str, role: str, *, by: str) -> None:
        """Give a person another role; PeopleError where no admin would be left."""
        _check_role(role)
        with self._database.write() as tx:
            person = self._other(tx, email, by)
            tx.execute(update(staff).where(staff.c.email == person.email).values(role=role))
            note_action(tx, by, "role", f"{person.email} {role}", now=self._clock())

    def shut_out(self, email: str, *, by: str) -> None:
        """Close the door behind a colleague, with every session and invitation of theirs."""
        with self._database.write() as tx:
            person = self._other(tx, email, by)
            tx.execute(update(staff).where(staff.c.email == person.email).values(disabled_at=self._now()))
            _end(tx, staff_session.c.email == person.email, self._now())
            end_invites(tx, person.email, self._clock())
            note_action(tx, by, "disable", person.email, now=self._clock())

    def change_password(self, session: Session, old: str, new: str, *, publisher: Iterable[str] = ()) -> None:
        """Choose another password, knowing the old one; all other sessions end.

        A wrong one ends this session, too: whoever found it open cannot go on guessing. Raises LoginRefused,
        TooManyAttempts and PeopleError.
        """
        email = session.person.email
        with self._database.read() as tx:
            held = _account(tx, email)
        try:
            is_right = held is not None and self._hashing.check(held.hash, old, is_known=True).is_right
        except TooBusy as error:
            raise TooManyAttempts from error
        if not is_right:
            with self._database.write() as tx:
                _end(tx, staff_session.c.token_digest == session.digest, self._now())
            raise LoginRefused
        password_hash = self._hashed(new, (email, *email.split("@"), *publisher))
        with self._database.write() as tx:
            tx.execute(update(staff).where(staff.c.email == email).values(password_hash=password_hash))
            _end(tx, (staff_session.c.email == email) & (staff_session.c.token_digest != session.digest), self._now())
            note_action(tx, email, "password", email, now=self._clock())

    def sessions(self, email: str) -> tuple[tuple[datetime, datetime], ...]:
        """List when the living sessions of a person began and were last used."""
        columns = (staff_session.c.created_at, staff_session.c.seen_at)
        asked = select(*columns).where(staff_session.c.email == email, *_is_living(self._clock())).order_by(*columns)
        with self._database.read() as tx:
            return tuple((from_micros(row.created_at), from_micros(row.seen_at)) for row in tx.execute(asked))

    def end_others(self, session: Session) -> None:
        """End every session of a person but this one."""
        others = (staff_session.c.email == session.person.email) & (staff_session.c.token_digest != session.digest)
        with self._database.write() as tx:
            _end(tx, others, self._now())
            note_action(tx, session.person.email, "end_sessions", session.person.email, now=self._clock())

    def note(self, by: str, action: str, about: str) -> None:
        """Write down what somebody did that no report tells, such as an export."""
        with self._database.write() as tx:
            note_action(tx, by, action, about, now=self._clock())

    def actions(self, before: int | None = None) -> tuple[Action, ...]:
        """List what people did, newest first."""
        with self._database.read() as tx:
            return read_actions(tx, before)

    def _other(self, tx: Connection, email: str, by: str) -> Person:
        held = _account(tx, email)
        if held is None or held.person.disabled_at is not None:
            raise PeopleError(f"{address_key(email)[:80]} is not known, or shut out already")
        if held.person.email == by:
            # So one admin is always left, and nobody shuts themselves out by a slip.
            raise PeopleError("your own role and access are another admin's to change")
        return held.person

    def _hashed(self, password: str, names: Iterable[str]) -> str:
        try:
            return self._hashing.hash(_checked_password(password, names))
        except TooBusy as error:
            raise PeopleError("too many passwords are being checked just now; try again") from error

    def session(self, token: str) -> Session | None:
        """Find the living session of a token; None where it has ended."""
        digest, now = digest_of(token), self._clock()
        with self._database.read() as tx:
            row = tx.execute(_living_session(digest, now)).mappings().one_or_none()
        return None if row is None else Session(_as_person(row), digest, from_micros(row["seen_at"]))

    def mark_used(self, session: Session) -> None:
        """Keep a session alive that is used; written once a minute at most."""
        now = self._clock()
        if now - session.seen_at >= SESSION_MARK:
            with self._database.write() as tx:
                # Compared again: a mark must not revive what ended a moment ago.
                mine = (staff_session.c.token_digest == session.digest) & staff_session.c.ended_at.is_(None)
                tx.execute(update(staff_session).where(mine).values(seen_at=to_micros(now)))
                tx.execute(_seen(session.person.email, now))

    def log_out(self, token: str) -> None:
        """End a session; a token nobody holds changes nothing."""
        with self._database.write() as tx:
            _end(tx, staff_session.c.token_digest == digest_of(token), self._now())

    def _open(self, tx: Connection, held: "_Account", *, fresh: str, token: str) -> bool:
        """Open a session if the person is still who was checked; the sessions long over go."""
        email = held.person.email
        same = (staff.c.email == email) & (staff.c.password_hash == held.hash) & staff.c.disabled_at.is_(None)
        if tx.execute(update(staff).where(same).values(password_hash=fresh)).rowcount != 1:
            return False
        now = self._now()
        over = to_micros(self._clock() - SESSION_LENGTH)
        tx.execute(delete(staff_session).where(staff_session.c.created_at <= over))
        row = {"token_digest": digest_of(token), "email": email, "created_at": now, "seen_at": now, "ended_at": None}
        tx.execute(insert(staff_session).values(**row))
        tx.execute(_seen(email, self._clock()))
        return True

    def _now(self) -> int:
        return to_micros(self._clock())


def _check_role(role: str) -> None:
    if role not in list(Role):
        raise PeopleError(f"{role!r} is no role; roles are {', '.join(Role)}")


def checked_email(text: str) -> str:
    """Bring an address to the form it is kept in; PeopleError where it is none."""
    address = address_key(text)
    if len(address) > EMAIL_CHARS_MAX or not address.isprintable() or not _EMAIL.fullmatch(address):
        raise PeopleError(f"{text[:80]!r} is not an e-mail address")
    return address


def address_key(text: str) -> str:
    """Write an e-mail address so that what people take for one address is one text.

    Lower case, NFC, and the domain as people write it: "xn--..." is read (RFC 5891).
    """
    user, at, domain = unicodedata.normalize("NFC", text.strip().lower()).rpartition("@")
    if "xn--" in domain:
        with suppress(UnicodeError):  # then it is nobody's domain, and stays as it is
            domain = domain.encode("ascii").decode("idna")
    return unicodedata.normalize("NFC", f"{user}{at}{domain}")


def digest_of(token: str) -> str:
    """Name a token by its digest, as it stands in the database."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def _checked_password(password: str, names: Iterable[str]) -> str:
    if len(prepared(password)) < PASSWORD_CHARS_MIN or len(password) > PASSWORD_CHARS_MAX:
        raise PeopleError(f"a password has {PASSWORD_CHARS_MIN} to {PASSWORD_CHARS_MAX} characters")
    if any(unicodedata.category(char) in {"Cc", "Cs"} for char in password):
        raise PeopleError("a password has no control characters, which no form can send; type other ones")
    if is_weak(password, names):
        raise PeopleError(
            "this password is among the first that anybody would try; take a few words that do not belong together"
        )
    return password


@dataclass(frozen=True, slots=True)
class _Account:
    person: Person
    hash: str

    @property
    def digest(self) -> str:
        """Name the account with its password of now: another password, another digest."""
        return digest_of(f"{self.person.email}\n{self.hash}")


def _account(tx: Connection, email: str) -> _Account | None:
    """Find an account by its address; one that was added before addresses had one form, by the text of then."""
    # An address nobody can have takes the same way as one that nobody has; PostgreSQL refuses NUL.
    plain = email.strip().lower() if email.isprintable() else ""
    known_as = dict.fromkeys((address_key(plain), plain, unicodedata.normalize("NFD", plain)))
    rows = tx.execute(select(*_STAFF).where(staff.c.email.in_(known_as))).mappings().all()
    found = {row["email"]: row for row in rows}
    row = next((found[one] for one in known_as if one in found), None)
    return None if row is None else _Account(_as_person(row), row["password_hash"])


def _as_person(row: RowMapping) -> Person:
    disabled_at = row["disabled_at"]
    return Person(
        email=row["email"],
        role=Role(row["role"]),
        created_at=from_micros(row["created_at"]),
        disabled_at=None if disabled_at is None else from_micros(disabled_at),
        seen_at=None if row["staff_seen_at"] is None else from_micros(row["staff_seen_at"]),
    )


def _living_session(digest: str, now: datetime) -> Select[Any]:
    return (
        select(*_STAFF, staff_session.c.seen_at)
        .join(staff_session, staff_session.c.email == staff.c.email)
        .where(staff_session.c.token_digest == digest)
        .where(staff.c.disabled_at.is_(None), *_is_living(now))
    )


def _is_living(now: datetime) -> tuple[ColumnElement[bool], ...]:
    idle, old = to_micros(now - SESSION_IDLE), to_micros(now - SESSION_LENGTH)
    return staff_session.c.ended_at.is_(None), staff_session.c.seen_at > idle, staff_session.c.created_at > old


def _seen(email: str, now: datetime) -> Update:
    return update(staff).where(staff.c.email == email).values(seen_at=to_micros(now))


def _end(tx: Connection, which: ColumnElement[bool], now: int) -> None:
    tx.execute(update(staff_session).where(which, staff_session.c.ended_at.is_(None)).values(ended_at=now))

"""Who may see the books: staff, their sessions, and how often somebody may try to log in.

A session's token is known to the browser alone; the database holds its SHA-256. Attempts are
counted in the database, so that the limit holds over all workers; a bucket is a keyed digest made
by the caller, never an address or a name.
"""

import hashlib
import re
import secrets
import threading
from base64 import b64encode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError
from sqlalchemy import ColumnElement, Connection, RowMapping, Select, delete, insert, select, update

from support_service.giving import Clock
from support_service.ledger.attempts import attempts_since, note_attempt
from support_service.ledger.engine import Database
from support_service.ledger.errors import LedgerError
from support_service.ledger.tables import from_micros, login_attempt, staff, staff_session, to_micros

# OWASP Password Storage Cheat Sheet, argon2id: 19 MiB, 2 passes, 1 lane.
HASH_KIB, HASH_PASSES, HASH_LANES = 19_456, 2, 1
# Hashes made at one time in one process: 2 x 19 MiB, however many people knock.
HASHES_AT_ONCE = 2
HASH_WAIT_SECONDS_MAX = 10

PASSWORD_CHARS_MIN, PASSWORD_CHARS_MAX = 8, 1024
EMAIL_CHARS_MAX = 254  # RFC 5321, section 4.5.3.1.3, as erratum 1690 corrects it
_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s]+")

SESSION_IDLE = timedelta(minutes=30)
SESSION_LENGTH = timedelta(hours=12)
# A page view writes only where the mark is older than this: reading must not queue behind booking.
SESSION_MARK = timedelta(minutes=1)

ATTEMPTS_MAX = 5
ATTEMPTS_WINDOW = timedelta(minutes=1)


class PeopleError(LedgerError):
    """A person cannot be added or disabled; the text is for people."""


class LoginRefused(Exception):
    """Wrong password, unknown or disabled: which of them is not told."""


class TooManyAttempts(LoginRefused):
    """This account or this place tried too often within a minute; nothing was checked."""


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

    @property
    def source(self) -> str:
        """The name under which this person's reports stand in the ledger."""
        return f"staff:{self.email}"


@dataclass(frozen=True, slots=True)
class Session:
    """A person who is logged in; `digest` names the session, and tells nobody how to take it over."""

    person: Person
    digest: str


class People:
    """Staff and their sessions, over the ledger's database; every method may raise LedgerDown."""

    def __init__(self, database: Database, *, clock: Clock) -> None:
        self._database, self._clock = database, clock
        self._hasher = PasswordHasher(time_cost=HASH_PASSES, memory_cost=HASH_KIB, parallelism=HASH_LANES)
        self._gate = threading.BoundedSemaphore(HASHES_AT_ONCE)

    def add(self, email: str, role: str, password: str) -> Person:
        """Let a person in; a disabled one comes back with the new role and password.

        Raises PeopleError for a bad address, role or password, and for somebody who is there already.
        """
        address, password_hash = checked_email(email), self._hash(_checked_password(password))
        if role not in list(Role):
            raise PeopleError(f"{role!r} is no role; roles are {', '.join(Role)}")
        row = {"role": role, "password_hash": password_hash, "created_at": self._now(), "disabled_at": None}
        with self._database.write() as tx:
            held = _person(tx, address)
            if held is None:
                tx.execute(insert(staff).values(email=address, **row))
            elif held.disabled_at is not None:
                tx.execute(update(staff).where(staff.c.email == address).values(**row))
            else:
                raise PeopleError(f"{address} is there already; to set a new password, disable and add again")
            added = _person(tx, address)
        assert added is not None
        return added

    def list(self) -> tuple[Person, ...]:
        """Name everybody, also who is disabled, by address."""
        with self._database.read() as tx:
            return tuple(_as_person(row) for row in tx.execute(select(staff).order_by(staff.c.email)).mappings())

    def find(self, email: str) -> Person | None:
        """Look a person up by address, whatever its case."""
        with self._database.read() as tx:
            return _person(tx, email.strip().lower())

    def disable(self, email: str) -> Person:
        """Close the door behind a person and end every session of theirs; PeopleError if unknown."""
        address, now = email.strip().lower(), self._now()
        with self._database.write() as tx:
            held = _person(tx, address)
            if held is None:
                raise PeopleError(f"{address} is not known; see `support-service staff list`")
            if held.disabled_at is None:
                tx.execute(update(staff).where(staff.c.email == address).values(disabled_at=now))
            _end(tx, staff_session.c.email == address, now)
            person = _person(tx, address)
        assert person is not None
        return person

    def log_in(self, email: str, password: str, *, buckets: Sequence[str], old_token: str = "") -> str:
        """Check a password and open a session; return its token, for the cookie alone.

        buckets are the digests this attempt counts under (account, place). A session that the
        browser brought along is ended: the token changes at every login. Raises TooManyAttempts
        before any hashing, LoginRefused after the same work whoever was asked for.
        """
        # An address nobody can have takes the same way as one that nobody has; PostgreSQL refuses NUL.
        address = email.strip().lower() if email.isprintable() else ""
        with self._database.write() as tx:
            attempt = self._count_attempt(tx, buckets)
            person, held = _person(tx, address), _password_hash(tx, address)
        is_right = self._is_right(held or HASH_OF_NOBODY, password)
        if not is_right or person is None or held is None or person.disabled_at is not None:
            raise LoginRefused
        fresh = self._hash(password) if self._hasher.check_needs_rehash(held) else held
        token = secrets.token_urlsafe(32)
        with self._database.write() as tx:
            if not self._open(tx, address, held=held, fresh=fresh, token=token):
                raise LoginRefused
            _end(tx, staff_session.c.token_digest == digest_of(old_token), self._now())
            # A right password is no guess: it must not use up the account's tries.
            tx.execute(delete(login_attempt).where(login_attempt.c.id.in_(attempt)))
        return token

    def session(self, token: str) -> Session | None:
        """Find the living session of a token, and mark that it was used; None where it has ended."""
        digest, now = digest_of(token), self._clock()
        with self._database.read() as tx:
            row = tx.execute(_living_session(digest, now)).mappings().one_or_none()
        if row is None:
            return None
        if now - from_micros(row["seen_at"]) >= SESSION_MARK:
            with self._database.write() as tx:
                # Compared again: a mark must not revive what ended a moment ago.
                mine = (staff_session.c.token_digest == digest) & staff_session.c.ended_at.is_(None)
                tx.execute(update(staff_session).where(mine).values(seen_at=to_micros(now)))
        return Session(_as_person(row), digest)

    def log_out(self, token: str) -> None:
        """End a session; a token nobody holds changes nothing."""
        with self._database.write() as tx:
            _end(tx, staff_session.c.token_digest == digest_of(token), self._now())

    def _count_attempt(self, tx: Connection, buckets: Sequence[str]) -> tuple[int, ...]:
        """Count an attempt in every bucket and return its rows, or raise."""
        now = self._clock()
        if any(attempts_since(tx, bucket, now - ATTEMPTS_WINDOW) >= ATTEMPTS_MAX for bucket in buckets):
            # Not counted itself: who keeps knocking while the door is shut gets in when a minute has passed.
            raise TooManyAttempts
        return note_attempt(tx, buckets, now)

    def _open(self, tx: Connection, email: str, *, held: str, fresh: str, token: str) -> bool:
        """Open a session if the person is still who was checked; the sessions long over go."""
        same = (staff.c.email == email) & (staff.c.password_hash == held) & staff.c.disabled_at.is_(None)
        if tx.execute(update(staff).where(same).values(password_hash=fresh)).rowcount != 1:
            return False
        now = self._now()
        over = to_micros(self._clock() - SESSION_LENGTH)
        tx.execute(delete(staff_session).where(staff_session.c.created_at <= over))
        row = {"token_digest": digest_of(token), "email": email, "created_at": now, "seen_at": now, "ended_at": None}
        tx.execute(insert(staff_session).values(**row))
        return True

    def _hash(self, password: str) -> str:
        with self._hashing():
            return self._hasher.hash(password)

    def _is_right(self, held: str, password: str) -> bool:
        with self._hashing():
            try:
                # Longer than anything `add` takes: the work is the same, the answer is no.
                return self._hasher.verify(held, password[: PASSWORD_CHARS_MAX + 1])
            except (VerifyMismatchError, InvalidHashError):
                return False

    @contextmanager
    def _hashing(self) -> Iterator[None]:
        if not self._gate.acquire(timeout=HASH_WAIT_SECONDS_MAX):
            raise TooManyAttempts
        try:
            yield
        finally:
            self._gate.release()

    def _now(self) -> int:
        return to_micros(self._clock())


def checked_email(text: str) -> str:
    """Bring an address to the form it is kept in; PeopleError where it is none."""
    address = text.strip().lower()
    if len(address) > EMAIL_CHARS_MAX or not address.isprintable() or not _EMAIL.fullmatch(address):
        raise PeopleError(f"{text[:80]!r} is not an e-mail address")
    return address


def digest_of(token: str) -> str:
    """Name a token by its digest, as it stands in the database."""
    return hashlib.sha256(token.encode()).hexdigest()


def _checked_password(password: str) -> str:
    if not PASSWORD_CHARS_MIN <= len(password) <= PASSWORD_CHARS_MAX:
        raise PeopleError(f"a password has {PASSWORD_CHARS_MIN} to {PASSWORD_CHARS_MAX} characters")
    return password


def _person(tx: Connection, email: str) -> Person | None:
    row = tx.execute(select(staff).where(staff.c.email == email)).mappings().one_or_none()
    return None if row is None else _as_person(row)


def _password_hash(tx: Connection, email: str) -> str | None:
    return tx.execute(select(staff.c.password_hash).where(staff.c.email == email)).scalar_one_or_none()


def _as_person(row: RowMapping) -> Person:
    disabled_at = row["disabled_at"]
    return Person(
        email=row["email"],
        role=Role(row["role"]),
        created_at=from_micros(row["created_at"]),
        disabled_at=None if disabled_at is None else from_micros(disabled_at),
    )


def _living_session(digest: str, now: datetime) -> Select[Any]:
    return (
        select(staff, staff_session.c.seen_at)
        .join(staff_session, staff_session.c.email == staff.c.email)
        .where(staff_session.c.token_digest == digest)
        .where(staff_session.c.ended_at.is_(None), staff.c.disabled_at.is_(None))
        .where(staff_session.c.seen_at > to_micros(now - SESSION_IDLE))
        .where(staff_session.c.created_at > to_micros(now - SESSION_LENGTH))
    )


def _end(tx: Connection, which: ColumnElement[bool], now: int) -> None:
    tx.execute(update(staff_session).where(which, staff_session.c.ended_at.is_(None)).values(ended_at=now))


def _nobody() -> str:
    """Write a hash of the same cost that no password matches, for accounts nobody has."""
    salt, digest = (b64encode(bytes(size)).decode().rstrip("=") for size in (16, 32))
    return f"$argon2id$v=19$m={HASH_KIB},t={HASH_PASSES},p={HASH_LANES}${salt}${digest}"


HASH_OF_NOBODY = _nobody()

"""What a person signs in with besides a password: codes of an app, recovery codes, passkeys, an account elsewhere.

The key of an app's codes stands here as the caller sealed it, a recovery code as its digest.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, RowMapping, delete, func, insert, select, update

from support_service.giving import Clock
from support_service.ledger.accounts import PeopleError, account_of
from support_service.ledger.columns import from_micros, to_micros
from support_service.ledger.engine import Database
from support_service.ledger.invites import note_action
from support_service.ledger.issuer_accounts import bound_since, unbind
from support_service.ledger.sessions import end_sessions
from support_service.ledger.staff_tables import staff_code_key, staff_passkey, staff_recovery_code, staff_spent
from support_service.ledger.tables import staff_session

# More than anybody carries; it keeps a page and a list of ours short.
PASSKEYS_MAX = 20


@dataclass(frozen=True, slots=True)
class CodeGiven:
    """A code that somebody typed: the step of time it belongs to, or the digest of a recovery code."""

    step: int | None = None
    recovery: str = ""


@dataclass(frozen=True, slots=True)
class Passkey:
    """One passkey: its public key, and how often it has signed by its own count."""

    credential: str
    email: str
    name: str
    public_key: str
    signs: int
    made_at: datetime
    used_at: datetime | None


@dataclass(frozen=True, slots=True)
class PasskeyUse:
    """An answer of a passkey that fits: the key as it was, its new count, and the challenge, which serves once."""

    key: Passkey
    signs: int
    challenge: str
    until: datetime


@dataclass(frozen=True, slots=True)
class HeldFactors:
    """What a person has: codes, recovery codes that are left, passkeys."""

    has_codes: bool
    recovery_left: int
    passkeys: tuple[Passkey, ...]


class Factors:
    """Over the ledger's database; every method may raise LedgerDown."""

    def __init__(self, database: Database, *, clock: Clock) -> None:
        self._database, self._clock = database, clock

    def held(self, email: str) -> HeldFactors:
        """Tell what a person has."""
        mine = (
            select(staff_passkey)
            .where(staff_passkey.c.email == email)
            .order_by(staff_passkey.c.made_at, staff_passkey.c.credential)
        )
        with self._database.read() as tx:
            keys = tuple(_as_passkey(row) for row in tx.execute(mine).mappings())
            return HeldFactors(has_codes(tx, email), _recovery_left(tx, email), keys)

    def passkey(self, credential: str) -> Passkey | None:
        """Find a passkey by its id."""
        with self._database.read() as tx:
            asked = select(staff_passkey).where(staff_passkey.c.credential == credential)
            row = tx.execute(asked).mappings().one_or_none()
        return None if row is None else _as_passkey(row)

    def add_passkey(self, key: Passkey) -> bool:
        """Keep a new passkey; False where it is there already, or its person has as many as may be."""
        with self._database.write() as tx:
            known = select(staff_passkey.c.credential).where(staff_passkey.c.credential == key.credential)
            mine = select(func.count()).select_from(staff_passkey).where(staff_passkey.c.email == key.email)
            if tx.execute(known).first() is not None or tx.execute(mine).scalar_one() >= PASSKEYS_MAX:
                return False
            row = {"credential": key.credential, "email": key.email, "name": key.name, "public_key": key.public_key}
            tx.execute(insert(staff_passkey).values(**row, signs=key.signs, made_at=to_micros(key.made_at)))
            note_action(tx, key.email, "passkey", key.email, now=self._clock())
        return True

    def remove_passkey(self, email: str, credential: str) -> bool:
        """Take one of one's own passkeys away; False for what is none of them."""
        mine = (staff_passkey.c.credential == credential) & (staff_passkey.c.email == email)
        with self._database.write() as tx:
            is_gone = tx.execute(delete(staff_passkey).where(mine)).rowcount == 1
            if is_gone:
                note_action(tx, email, "no_passkey", email, now=self._clock())
        return is_gone

    def code_key(self, email: str, *, is_confirmed: bool) -> str | None:
        """Give the sealed key of a person's codes: the one in use, or the one that waits for its first code."""
        since = staff_code_key.c.confirmed_at
        asked = select(staff_code_key.c.sealed).where(
            staff_code_key.c.email == email, since.is_not(None) if is_confirmed else since.is_(None)
        )
        with self._database.read() as tx:
            return tx.execute(asked).scalar_one_or_none()

    def begin_codes(self, email: str, sealed: str) -> None:
        """Keep a key that counts for nothing until a code of it is given; one that is in use stays as it is."""
        with self._database.write() as tx:
            waiting = (staff_code_key.c.email == email) & staff_code_key.c.confirmed_at.is_(None)
            tx.execute(delete(staff_code_key).where(waiting))
            if not has_codes(tx, email):
                row = {"email": email, "sealed": sealed, "made_at": to_micros(self._clock()), "step_used": 0}
                tx.execute(insert(staff_code_key).values(**row))

    def confirm_codes(self, email: str, step: int, recovery: Iterable[str]) -> bool:
        """Take the waiting key into use with its first code, and these recovery codes; False where none waits."""
        now = self._clock()
        with self._database.write() as tx:
            waiting = (staff_code_key.c.email == email) & staff_code_key.c.confirmed_at.is_(None)
            values = {"confirmed_at": to_micros(now), "step_used": step}
            if tx.execute(update(staff_code_key).where(waiting).values(**values)).rowcount != 1:
                return False
            _write_recovery(tx, email, recovery)
            note_action(tx, email, "codes", email, now=now)
        return True

    def renew_recovery(self, email: str, recovery: Iterable[str]) -> bool:
        """Take new recovery codes in the place of all old ones; False where a person has no codes."""
        with self._database.write() as tx:
            if not has_codes(tx, email):
                return False
            _write_recovery(tx, email, recovery)
            note_action(tx, email, "recovery", email, now=self._clock())
        return True

    def end_codes(self, email: str) -> None:
        """Take codes and recovery codes away from oneself."""
        with self._database.write() as tx:
            _end_codes(tx, email)
            note_action(tx, email, "no_codes", email, now=self._clock())

    def bound_since(self, email: str, issuer: str) -> datetime | None:
        """Tell since when a person has an account at a provider; None where they have none."""
        with self._database.read() as tx:
            return bound_since(tx, email, issuer)

    def unbind(self, email: str) -> bool:
        """Take one's account at the provider away from oneself; False where there is none."""
        with self._database.write() as tx:
            is_gone = unbind(tx, email)
            if is_gone:
                note_action(tx, email, "unbound", email, now=self._clock())
        return is_gone

    def spend(self, digest: str, until: datetime) -> bool:
        """Use up what serves once, by its digest; False where it was used before. It is remembered until then."""
        with self._database.write() as tx:
            return spend_once(tx, digest, until, self._clock())

    def reset(self, email: str, *, by: str) -> None:
        """Take everything but the password away from a person who lost it, and end their sessions."""
        with self._database.write() as tx:
            held = account_of(tx, email)
            if held is None or held.person.email == by:
                raise PeopleError(f"{email[:80]!r} is not known, or it is yourself")
            address = held.person.email
            _end_codes(tx, address)
            tx.execute(delete(staff_passkey).where(staff_passkey.c.email == address))
            unbind(tx, address)
            end_sessions(tx, staff_session.c.email == address, to_micros(self._clock()))
            note_action(tx, by, "factors", address, now=self._clock())


def has_codes(tx: Connection, email: str) -> bool:
    """Tell whether a person signs in with a code, too."""
    mine = (staff_code_key.c.email == email) & staff_code_key.c.confirmed_at.is_not(None)
    return tx.execute(select(staff_code_key.c.email).where(mine)).first() is not None


def spend_code(tx: Connection, email: str, given: CodeGiven | None, now: datetime) -> bool:
    """Use a code up: each once, and none that is older than one that was used."""
    if given is None:
        return False
    if given.step is not None:
        mine = (staff_code_key.c.email == email) & staff_code_key.c.confirmed_at.is_not(None)
        is_new = staff_code_key.c.step_used < given.step
        used = update(staff_code_key).where(mine, is_new).values(step_used=given.step)
        return tx.execute(used).rowcount == 1
    mine = (staff_recovery_code.c.email == email) & (staff_recovery_code.c.code_digest == given.recovery)
    spent = update(staff_recovery_code).where(mine, staff_recovery_code.c.used_at.is_(None))
    if tx.execute(spent.values(used_at=to_micros(now))).rowcount != 1:
        return False
    note_action(tx, email, "recovery_used", email, now=now)
    return True


def _recovery_left(tx: Connection, email: str) -> int:
    mine = (staff_recovery_code.c.email == email) & staff_recovery_code.c.used_at.is_(None)
    return int(tx.execute(select(func.count()).select_from(staff_recovery_code).where(mine)).scalar_one())


def _write_recovery(tx: Connection, email: str, recovery: Iterable[str]) -> None:
    tx.execute(delete(staff_recovery_code).where(staff_recovery_code.c.email == email))
    tx.execute(insert(staff_recovery_code), [{"email": email, "code_digest": digest} for digest in recovery])


def _end_codes(tx: Connection, email: str) -> None:
    tx.execute(delete(staff_code_key).where(staff_code_key.c.email == email))
    tx.execute(delete(staff_recovery_code).where(staff_recovery_code.c.email == email))


def _as_passkey(row: RowMapping) -> Passkey:
    used_at = None if row["used_at"] is None else from_micros(row["used_at"])
    return Passkey(**{**row, "made_at": from_micros(row["made_at"]), "used_at": used_at})


def spend_passkey(tx: Connection, use: PasskeyUse, now: datetime) -> bool:
    """Use a challenge up, and count on what the key signed; a copy of a key shows by a count that was there before."""
    if not spend_once(tx, use.challenge, use.until, now):
        return False
    mine = (staff_passkey.c.credential == use.key.credential) & (staff_passkey.c.email == use.key.email)
    counted = update(staff_passkey).where(mine, staff_passkey.c.signs == use.key.signs)
    return tx.execute(counted.values(signs=use.signs, used_at=to_micros(now))).rowcount == 1


def spend_once(tx: Connection, digest: str, until: datetime, now: datetime) -> bool:
    """Use up what serves once; False where it was used before. What nobody can bring any more is forgotten."""
    tx.execute(delete(staff_spent).where(staff_spent.c.kept_until <= to_micros(now)))
    if tx.execute(select(staff_spent.c.digest).where(staff_spent.c.digest == digest)).first() is not None:
        return False
    tx.execute(insert(staff_spent).values(digest=digest, kept_until=to_micros(until)))
    return True

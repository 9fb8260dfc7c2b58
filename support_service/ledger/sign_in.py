"""How staff come in and prove who they are: passwords, codes, passkeys, a provider, and the sessions that follow.

A session's token is known to the browser alone; the database holds its SHA-256.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, select, update

from support_service.giving import Clock
from support_service.ledger.accounts import StaffAccount, account_of
from support_service.ledger.columns import from_micros, to_micros
from support_service.ledger.engine import Database
from support_service.ledger.factors import CodeGiven, PasskeyUse, has_codes, spend_code, spend_passkey
from support_service.ledger.invites import digest_of, new_token, note_action
from support_service.ledger.issuer_accounts import IssuerAccount, person_of
from support_service.ledger.login_limits import ATTEMPTS_WINDOW, Knock, buckets_of, is_too_often
from support_service.ledger.password_hashes import HASH_OF_NOBODY, Hashing, TooBusy
from support_service.ledger.rate_limits import KEPT, attempts_since, note_attempt
from support_service.ledger.sessions import (
    SESSION_MARK,
    Session,
    SignedIn,
    end_sessions,
    is_living,
    living_session,
    mark_seen,
    open_session,
)
from support_service.ledger.tables import login_attempt, staff, staff_session

# Wrong codes of an account in half a day, from browsers that are strange to it: whoever has the password guesses one
# of a million with three tries in a hundred thousand.
CODES_MAX = 30


class LoginRefused(Exception):
    """Wrong password, unknown or disabled: which of them is not told."""


class TooManyAttempts(LoginRefused):
    """This account, place or network tried too often within a minute, or too many do; nothing was checked."""


@dataclass(frozen=True, slots=True)
class Half:
    """Somebody whose password was right and whose code is to come: their address, and the account as it stood then."""

    email: str
    account: str


class CodeNeeded(Exception):
    """The password is right; this person signs in with a code, too."""

    def __init__(self, half: Half) -> None:
        super().__init__("a code is needed")
        self.half = half


class SignIn:
    """The door, over the ledger's database; every method may raise LedgerDown."""

    def __init__(self, database: Database, *, clock: Clock) -> None:
        self._database, self._clock = database, clock
        self._hashing = Hashing()

    def log_in(self, email: str, password: str, knock: Knock, *, old_token: str = "") -> SignedIn:
        """Check a password and open a session.

        A session that the browser brought along is ended: the token changes at every login. Raises
        TooManyAttempts before any hashing, LoginRefused after the same work whoever was asked for, and CodeNeeded.
        """
        with self._database.read() as tx:
            held = account_of(tx, email)
        device = knock.device(held.digest) if held is not None and held.person.disabled_at is None else ""
        attempt = self._attempt(knock, device)
        try:
            checked = self._hashing.check(held.hash if held else HASH_OF_NOBODY, password, is_known=bool(device))
        except TooBusy as error:
            raise TooManyAttempts from error
        if not checked.is_right or held is None or held.person.disabled_at is not None:
            raise LoginRefused
        account, token = StaffAccount(held.person, checked.hash), ""
        with self._database.write() as tx:
            same = (staff.c.email == held.person.email) & (staff.c.password_hash == held.hash)
            tx.execute(update(staff).where(same).values(password_hash=checked.hash))
            # A right password is no guess: it must not use up the account's tries.
            tx.execute(delete(login_attempt).where(login_attempt.c.id.in_(attempt)))
            if not has_codes(tx, account.person.email):
                token = self._enter(tx, account, old_token)
        if not token:
            raise CodeNeeded(Half(account.person.email, account.digest))
        return SignedIn(token, account.digest)

    def give_code(self, half: Half, given: CodeGiven | None, knock: Knock, *, old_token: str = "") -> SignedIn:
        """Open a session for whoever gave the password before, and gives a code now; None is a wrong one.

        Raises TooManyAttempts before the code is looked at, and LoginRefused.
        """
        with self._database.read() as tx:
            held = account_of(tx, half.email)
        if held is None or held.digest != half.account or held.person.disabled_at is not None:
            raise LoginRefused
        with self._database.write() as tx:
            attempt = self._code_attempt(tx, given, knock, knock.device(held.digest))
        with self._database.write() as tx:
            if not spend_code(tx, held.person.email, given, self._clock()):
                raise LoginRefused
            token = self._enter(tx, held, old_token)
            tx.execute(delete(login_attempt).where(login_attempt.c.id.in_(attempt)))
        return SignedIn(token, held.digest)

    def enter_by_passkey(self, use: PasskeyUse, *, old_token: str = "") -> SignedIn:
        """Open a session for whoever holds a passkey, which asked for finger, face or PIN; raises LoginRefused."""
        with self._database.write() as tx:
            held = account_of(tx, use.key.email)
            if held is None or not spend_passkey(tx, use, self._clock()):
                raise LoginRefused
            return SignedIn(self._enter(tx, held, old_token), held.digest)

    def enter_by_issuer(self, account: IssuerAccount, *, old_token: str = "") -> SignedIn:
        """Open a session for whom the newsroom's provider vouches; raises LoginRefused.

        No code of ours is asked for: a second factor is the provider's to ask, where the newsroom demands it of
        everybody at once. But the provider's word may be hours old, at a desk that was left. So it is no proof: money
        going back, data leaving and people being changed ask for a password, a code or a passkey all the same.
        """
        with self._database.write() as tx:
            held = person_of(tx, account, self._clock())
            if held is None:
                raise LoginRefused
            return SignedIn(self._enter(tx, held, old_token, is_proved=False), held.digest)

    def prove_by_passkey(self, session: Session, use: PasskeyUse) -> None:
        """The same as `prove`, by a passkey of this very person."""
        is_mine = staff_session.c.token_digest == session.digest
        with self._database.write() as tx:
            if use.key.email != session.person.email or not spend_passkey(tx, use, self._clock()):
                raise LoginRefused
            tx.execute(update(staff_session).where(is_mine).values(proved_at=self._now()))

    def prove(self, session: Session, knock: Knock, *, password: str = "", given: CodeGiven | None = None) -> None:
        """Note that the person of a session has proved once more who they are, by a password or a code.

        Raises LoginRefused, and TooManyAttempts: then the session ends, for whoever found it open goes on guessing.
        """
        email, is_mine = session.person.email, staff_session.c.token_digest == session.digest
        with self._database.read() as tx:
            held = account_of(tx, email)
        if held is None:
            raise LoginRefused
        try:
            with self._database.write() as tx:
                attempt = self._code_attempt(tx, given, knock, f"prove {session.digest}")
        except TooManyAttempts:
            with self._database.write() as tx:
                end_sessions(tx, is_mine, self._now())
            raise
        is_right = given is None and self._is_password(held.hash, password)
        with self._database.write() as tx:
            if not is_right and not spend_code(tx, email, given, self._clock()):
                raise LoginRefused
            tx.execute(update(staff_session).where(is_mine).values(proved_at=self._now()))
            tx.execute(delete(login_attempt).where(login_attempt.c.id.in_(attempt)))

    def _attempt(self, knock: Knock, device: str) -> tuple[int, ...]:
        """Count an attempt; raises TooManyAttempts."""
        # Looked at before anything is written: a flood that is refused must not keep writers waiting.
        with self._database.read() as tx:
            if is_too_often(tx, knock, device, self._clock()):
                raise TooManyAttempts
        with self._database.write() as tx:
            if is_too_often(tx, knock, device, self._clock()):
                raise TooManyAttempts
            return note_attempt(tx, buckets_of(knock, device), self._clock(), kept=ATTEMPTS_WINDOW)

    def _code_attempt(self, tx: Connection, given: CodeGiven | None, knock: Knock, device: str) -> tuple[int, ...]:
        """Count an attempt with a code, apart from those with passwords; raises TooManyAttempts."""
        now, day = self._clock(), f"codes of {knock.account}"
        is_guess = not device and (given is None or given.step is not None)
        known = f"code {device}" if device else ""
        if is_too_often(tx, knock.for_codes, known, now):
            raise TooManyAttempts
        if is_guess and attempts_since(tx, day, now - KEPT) >= CODES_MAX:
            raise TooManyAttempts
        minute = note_attempt(tx, buckets_of(knock.for_codes, known), now, kept=ATTEMPTS_WINDOW)
        return (*minute, *note_attempt(tx, [day] if is_guess else [], now))

    def _enter(self, tx: Connection, account: StaffAccount, old_token: str, *, is_proved: bool = True) -> str:
        """Open a session and end the one that the browser brought along; raises LoginRefused."""
        token = new_token()
        if not open_session(tx, account, token, self._clock(), is_proved=is_proved):
            raise LoginRefused
        end_sessions(tx, staff_session.c.token_digest == digest_of(old_token), self._now())
        return token

    def _is_password(self, held: str, password: str) -> bool:
        try:
            return self._hashing.check(held, password, is_known=True).is_right
        except TooBusy as error:
            raise TooManyAttempts from error

    def session(self, token: str) -> Session | None:
        """Find the living session of a token; None where it has ended."""
        with self._database.read() as tx:
            return living_session(tx, digest_of(token), self._clock())

    def mark_used(self, session: Session) -> None:
        """Keep a session alive that is used; written once a minute at most."""
        now = self._clock()
        if now - session.seen_at >= SESSION_MARK:
            with self._database.write() as tx:
                # Compared again: a mark must not revive what ended a moment ago.
                mine = (staff_session.c.token_digest == session.digest) & staff_session.c.ended_at.is_(None)
                tx.execute(update(staff_session).where(mine).values(seen_at=to_micros(now)))
                tx.execute(mark_seen(session.person.email, now))

    def log_out(self, token: str) -> None:
        """End a session; a token nobody holds changes nothing."""
        with self._database.write() as tx:
            end_sessions(tx, staff_session.c.token_digest == digest_of(token), self._now())

    def _now(self) -> int:
        return to_micros(self._clock())

    def sessions(self, email: str) -> tuple[tuple[datetime, datetime], ...]:
        """List when the living sessions of a person began and were last used."""
        columns = (staff_session.c.created_at, staff_session.c.seen_at)
        asked = select(*columns).where(staff_session.c.email == email, *is_living(self._clock())).order_by(*columns)
        with self._database.read() as tx:
            return tuple((from_micros(row.created_at), from_micros(row.seen_at)) for row in tx.execute(asked))

    def end_others(self, session: Session) -> None:
        """End every session of a person but this one."""
        others = (staff_session.c.email == session.person.email) & (staff_session.c.token_digest != session.digest)
        with self._database.write() as tx:
            end_sessions(tx, others, self._now())
            note_action(tx, session.person.email, "end_sessions", session.person.email, now=self._clock())

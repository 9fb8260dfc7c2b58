"""Who may see the books: people are let in, change their passwords, and are shut out."""

import unicodedata
from collections.abc import Iterable

from sqlalchemy import Connection, insert, select, update

from support_service.ledger.accounts import (
    STAFF_COLUMNS,
    PeopleError,
    Person,
    Role,
    account_of,
    address_key,
    as_person,
    check_role,
    checked_email,
)
from support_service.ledger.invites import (
    Action,
    Invite,
    digest_of,
    end_invites,
    make_invite,
    new_token,
    note_action,
    read_actions,
    read_invite,
    use_invite,
)
from support_service.ledger.issuer_accounts import unbind
from support_service.ledger.new_passwords import make_link, use_link, whose_link
from support_service.ledger.password_hashes import PASSWORD_CHARS_MAX, TooBusy, prepared
from support_service.ledger.sessions import SESSION_MARK, Session, SignedIn, end_sessions
from support_service.ledger.sign_in import CodeNeeded, Half, LoginRefused, SignIn, TooManyAttempts
from support_service.ledger.tables import staff, staff_session
from support_service.ledger.weak_passwords import is_weak

__all__ = [
    "SESSION_MARK",
    "CodeNeeded",
    "Half",
    "LoginRefused",
    "People",
    "PeopleError",
    "Person",
    "Role",
    "Session",
    "SignedIn",
    "TooManyAttempts",
    "address_key",
]

PASSWORD_CHARS_MIN = 12
LINK_IS_OVER = "this link was used, or is over"


class People(SignIn):
    """Staff and their sessions, over the ledger's database; every method may raise LedgerDown."""

    def add(self, email: str, role: str, password: str, *, publisher: Iterable[str] = ()) -> Person:
        """Let a person in; a disabled one comes back with the new role and password.

        publisher are names of the publisher: its visitors try them as a password first. Raises
        PeopleError for a bad address, role or password, and for somebody who is there already.
        """
        address = checked_email(email)
        check_role(role)
        names = (address, *address.split("@"), *publisher)
        password_hash = self._hashed(password, names)
        row = {"role": role, "password_hash": password_hash, "created_at": self._now(), "disabled_at": None}
        with self._database.write() as tx:
            held = account_of(tx, address)
            if held is None:
                tx.execute(insert(staff).values(email=address, **row))
            elif held.person.disabled_at is not None:
                tx.execute(update(staff).where(staff.c.email == held.person.email).values(**row))
            else:
                raise PeopleError(f"{address} is there already; to set a new password, disable and add again")
            added = account_of(tx, address)
        assert added is not None
        return added.person

    def list(self) -> tuple[Person, ...]:
        """Name everybody, also who is disabled, by address."""
        with self._database.read() as tx:
            return tuple(
                as_person(row) for row in tx.execute(select(*STAFF_COLUMNS).order_by(staff.c.email)).mappings()
            )

    def find(self, email: str) -> Person | None:
        """Look a person up by address, whatever its case."""
        with self._database.read() as tx:
            held = account_of(tx, email)
        return None if held is None else held.person

    def disable(self, email: str) -> Person:
        """Close the door behind a person and end every session of theirs; PeopleError if unknown."""
        now = self._now()
        with self._database.write() as tx:
            held = account_of(tx, email)
            if held is None:
                raise PeopleError(f"{address_key(email)} is not known; see `support-service staff list`")
            address = held.person.email
            if held.person.disabled_at is None:
                tx.execute(update(staff).where(staff.c.email == address).values(disabled_at=now))
            end_sessions(tx, staff_session.c.email == address, now)
            # Who comes back under this address may be somebody else.
            unbind(tx, address)
            closed = account_of(tx, address)
        assert closed is not None
        return closed.person

    def invite(self, email: str, role: str, *, by: str) -> str:
        """Make the token of a link by which somebody chooses a password, once and within a week; also anew."""
        address = checked_email(email)
        check_role(role)
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
            raise PeopleError(LINK_IS_OVER)
        password_hash = self._hashed(password, (held.email, *held.email.split("@"), *publisher))
        with self._database.write() as tx:
            now = self._clock()
            if use_invite(tx, digest_of(token), now) is None:
                raise PeopleError(LINK_IS_OVER)
            account = account_of(tx, held.email)
            row = {"role": held.role, "password_hash": password_hash, "disabled_at": None}
            if account is None:
                tx.execute(insert(staff).values(email=held.email, created_at=self._now(), **row))
            else:
                tx.execute(update(staff).where(staff.c.email == account.person.email).values(**row))
                end_sessions(tx, staff_session.c.email == account.person.email, self._now())
            note_action(tx, held.email, "join", f"{held.email} {held.role}", now=now)
            added = account_of(tx, held.email)
        assert added is not None
        return added.person

    def change_role(self, email: str, role: str, *, by: str) -> None:
        """Give a person another role; PeopleError where no admin would be left."""
        check_role(role)
        with self._database.write() as tx:
            person = self._other(tx, email, by)
            tx.execute(update(staff).where(staff.c.email == person.email).values(role=role))
            note_action(tx, by, "role", f"{person.email} {role}", now=self._clock())

    def shut_out(self, email: str, *, by: str) -> None:
        """Close the door behind a colleague, with every session and invitation of theirs."""
        with self._database.write() as tx:
            person = self._other(tx, email, by)
            tx.execute(update(staff).where(staff.c.email == person.email).values(disabled_at=self._now()))
            end_sessions(tx, staff_session.c.email == person.email, self._now())
            end_invites(tx, person.email, self._clock())
            unbind(tx, person.email)
            note_action(tx, by, "disable", person.email, now=self._clock())

    def change_password(self, session: Session, old: str, new: str, *, publisher: Iterable[str] = ()) -> None:
        """Choose another password, knowing the old one; all other sessions end.

        A wrong one ends this session, too: whoever found it open cannot go on guessing. Raises LoginRefused,
        TooManyAttempts and PeopleError.
        """
        email = session.person.email
        with self._database.read() as tx:
            held = account_of(tx, email)
        if held is None or not self._is_password(held.hash, old):
            with self._database.write() as tx:
                end_sessions(tx, staff_session.c.token_digest == session.digest, self._now())
            raise LoginRefused
        password_hash = self._hashed(new, (email, *email.split("@"), *publisher))
        with self._database.write() as tx:
            tx.execute(update(staff).where(staff.c.email == email).values(password_hash=password_hash))
            end_sessions(
                tx, (staff_session.c.email == email) & (staff_session.c.token_digest != session.digest), self._now()
            )
            note_action(tx, email, "password", email, now=self._clock())

    def new_password_link(self, email: str) -> tuple[str, str] | None:
        """Make the token of a link to a new password, and say whose it is; None for whoever may not come in."""
        token, now = new_token(), self._clock()
        with self._database.write() as tx:
            held = account_of(tx, email)
            if held is None or held.person.disabled_at is not None:
                return None
            make_link(tx, held.person.email, token, now)
            note_action(tx, held.person.email, "forgot", held.person.email, now=now)
        return held.person.email, token

    def whose_link(self, token: str) -> str | None:
        """Tell whose open link to a new password this is."""
        with self._database.read() as tx:
            return whose_link(tx, token, self._clock())

    def choose_password(self, token: str, password: str, *, publisher: Iterable[str] = ()) -> None:
        """Spend a link: the password is this one, and every session of before is over; codes are asked for as ever."""
        email = self.whose_link(token)
        if email is None:
            raise PeopleError(LINK_IS_OVER)
        password_hash = self._hashed(password, (email, *email.split("@"), *publisher))
        with self._database.write() as tx:
            if use_link(tx, token, self._clock()) != email:
                raise PeopleError(LINK_IS_OVER)
            tx.execute(update(staff).where(staff.c.email == email).values(password_hash=password_hash))
            end_sessions(tx, staff_session.c.email == email, self._now())
            end_invites(tx, email, self._clock())
            note_action(tx, email, "password", email, now=self._clock())

    def note(self, by: str, action: str, about: str) -> None:
        """Write down what somebody did that no report tells, such as an export."""
        with self._database.write() as tx:
            note_action(tx, by, action, about, now=self._clock())

    def actions(self, before: int | None = None) -> tuple[Action, ...]:
        """List what people did, newest first."""
        with self._database.read() as tx:
            return read_actions(tx, before)

    def _other(self, tx: Connection, email: str, by: str) -> Person:
        held = account_of(tx, email)
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

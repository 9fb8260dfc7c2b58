"""People let each other in by one-time links, and what they did stands in a log that only grows."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, func, insert, select, update

from support_service.ledger.columns import from_micros, to_micros
from support_service.ledger.tables import staff_action, staff_invite

INVITE_LASTS = timedelta(days=7)
ACTIONS_MAX = 200


@dataclass(frozen=True, slots=True)
class Invite:
    """Somebody who may choose a password by a link; for a person who is in already it is a new password."""

    email: str
    role: str
    made_by: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Action:
    """One thing that somebody did on the staff pages or by command, and whom or what it was about."""

    number: int
    at: datetime
    by: str
    action: str
    about: str


def make_invite(tx: Connection, email: str, role: str, *, by: str, now: datetime, digest: str) -> None:
    """Keep an invitation; one that was open for this address ends."""
    end_invites(tx, email, now)
    row = {"token_digest": digest, "email": email, "role": role, "made_by": by}
    tx.execute(insert(staff_invite).values(**row, expires_at=to_micros(now + INVITE_LASTS)))


def end_invites(tx: Connection, email: str, now: datetime) -> None:
    """End what is open for an address."""
    is_open = (staff_invite.c.email == email) & staff_invite.c.used_at.is_(None)
    tx.execute(update(staff_invite).where(is_open).values(used_at=to_micros(now)))


def read_invite(tx: Connection, digest: str, now: datetime) -> Invite | None:
    """Find an invitation that is open; None for one that was used, is over, or never was."""
    asked = select(staff_invite).where(
        staff_invite.c.token_digest == digest,
        staff_invite.c.used_at.is_(None),
        staff_invite.c.expires_at > to_micros(now),
    )
    row = tx.execute(asked).mappings().one_or_none()
    return None if row is None else Invite(row["email"], row["role"], row["made_by"], from_micros(row["expires_at"]))


def use_invite(tx: Connection, digest: str, now: datetime) -> Invite | None:
    """Spend an open invitation; None where it is none, or somebody else was faster."""
    held = read_invite(tx, digest, now)
    mine = (staff_invite.c.token_digest == digest) & staff_invite.c.used_at.is_(None)
    is_mine = tx.execute(update(staff_invite).where(mine).values(used_at=to_micros(now))).rowcount == 1
    return held if is_mine else None


def new_token() -> str:
    """Make a token that nobody guesses."""
    return secrets.token_urlsafe(32)


def digest_of(token: str) -> str:
    """Name a token by its digest, as it stands in the database."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def note_action(tx: Connection, by: str, action: str, about: str, *, now: datetime) -> None:
    """Write down what somebody did."""
    number = tx.execute(select(func.coalesce(func.max(staff_action.c.number), 0) + 1)).scalar_one()
    row = {"number": number, "at": to_micros(now), "by": by, "action": action, "about": about}
    tx.execute(insert(staff_action).values(**row))


def read_actions(tx: Connection, before: int | None) -> tuple[Action, ...]:
    """Read what was done, newest first."""
    asked = select(staff_action).order_by(staff_action.c.number.desc()).limit(ACTIONS_MAX)
    if before is not None:
        asked = asked.where(staff_action.c.number < before)
    return tuple(
        Action(row["number"], from_micros(row["at"]), row["by"], row["action"], row["about"])
        for row in tx.execute(asked).mappings()
    )

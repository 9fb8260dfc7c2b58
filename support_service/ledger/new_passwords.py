"""Links to a new password for people who forgot theirs: short-lived, once, and only for who may come in."""

from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, insert, select, update

from support_service.ledger.columns import to_micros
from support_service.ledger.invites import digest_of
from support_service.ledger.staff_tables import staff_new_password
from support_service.ledger.tables import staff

LINK_LASTS = timedelta(minutes=30)


def make_link(tx: Connection, email: str, token: str, now: datetime) -> None:
    """Keep a link by its digest; one that was open before opens nothing any more, and those long over go."""
    tx.execute(
        delete(staff_new_password).where(
            (staff_new_password.c.email == email) | (staff_new_password.c.expires_at <= to_micros(now))
        )
    )
    row = {"token_digest": digest_of(token), "email": email, "expires_at": to_micros(now + LINK_LASTS)}
    tx.execute(insert(staff_new_password).values(**row))


def whose_link(tx: Connection, token: str, now: datetime) -> str | None:
    """Tell whose open link this is; None for one that was used, is over, or whose person is shut out."""
    asked = (
        select(staff_new_password.c.email)
        .join(staff, staff.c.email == staff_new_password.c.email)
        .where(staff_new_password.c.token_digest == digest_of(token), staff_new_password.c.used_at.is_(None))
        .where(staff_new_password.c.expires_at > to_micros(now), staff.c.disabled_at.is_(None))
    )
    return tx.execute(asked).scalar_one_or_none()


def use_link(tx: Connection, token: str, now: datetime) -> str | None:
    """Spend a link; None where it opens nothing, or somebody else was faster."""
    email = whose_link(tx, token, now)
    mine = (staff_new_password.c.token_digest == digest_of(token)) & staff_new_password.c.used_at.is_(None)
    is_mine = tx.execute(update(staff_new_password).where(mine).values(used_at=to_micros(now))).rowcount == 1
    return email if is_mine else None

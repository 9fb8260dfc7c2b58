"""Accounts at the newsroom's own provider (OpenID Connect), each bound to the one person who came in by it first.

An e-mail address goes to somebody else one day, an account's number at its provider never does (OpenID Connect Core,
5.7): the address finds the person once, the number ever after. It stands here as a digest.
"""

from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection, delete, insert, select, update

from support_service.ledger.accounts import StaffAccount, account_of
from support_service.ledger.columns import from_micros, to_micros
from support_service.ledger.invites import digest_of, note_action
from support_service.ledger.staff_tables import staff_issuer_account


@dataclass(frozen=True, slots=True)
class IssuerAccount:
    """An account that a provider vouched for just now: its number there, and the e-mail that the provider verified."""

    issuer: str
    subject: str = field(repr=False)
    email: str = field(repr=False)

    @property
    def digest(self) -> str:
        """Name the account: the same number at another provider is another account."""
        return digest_of(f"{self.issuer}\n{self.subject}")


def person_of(tx: Connection, account: IssuerAccount, now: datetime) -> StaffAccount | None:
    """Find whom an account is bound to, or bind it to who has its e-mail and no account there; None for nobody.

    Nobody is made here, and whoever is shut out stays so.
    """
    this = staff_issuer_account.c.account_digest == account.digest
    bound = tx.execute(
        update(staff_issuer_account).where(this).values(used_at=to_micros(now)).returning(staff_issuer_account.c.email)
    ).scalar_one_or_none()
    held = account_of(tx, account.email if bound is None else bound)
    if held is None or held.person.disabled_at is not None:
        return None
    if bound is None:
        email = held.person.email
        if bound_since(tx, email, account.issuer) is not None:
            return None
        row = {"account_digest": account.digest, "issuer": account.issuer, "email": email}
        tx.execute(insert(staff_issuer_account).values(**row, bound_at=to_micros(now), used_at=to_micros(now)))
        note_action(tx, email, "bound", email, now=now)
    return held


def bound_since(tx: Connection, email: str, issuer: str) -> datetime | None:
    """Tell since when a person has an account at a provider; None where they have none."""
    mine = (staff_issuer_account.c.email == email) & (staff_issuer_account.c.issuer == issuer)
    at = tx.execute(select(staff_issuer_account.c.bound_at).where(mine)).scalar_one_or_none()
    return None if at is None else from_micros(at)


def unbind(tx: Connection, email: str) -> bool:
    """Take all such accounts away from a person; the next one with their e-mail is bound. False where none was."""
    return tx.execute(delete(staff_issuer_account).where(staff_issuer_account.c.email == email)).rowcount > 0

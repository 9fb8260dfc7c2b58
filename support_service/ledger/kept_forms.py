"""Forms that were typed and not sent on, for their person signs in first: sealed by the caller, kept for hours."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, insert, or_, select

from support_service.giving import Clock
from support_service.ledger.columns import from_micros, to_micros
from support_service.ledger.engine import Database
from support_service.ledger.invites import digest_of
from support_service.ledger.staff_tables import staff_kept_form

# Less than a day: so long a processor knows the nonce of a form again, and does nothing twice.
KEPT_FOR = timedelta(hours=12)
# One person has a few pages open; the oldest go.
KEPT_OF_ONE_MAX = 20


@dataclass(frozen=True, slots=True)
class SealedForm:
    """A kept form as it lies there."""

    token_digest: str
    kept_at: datetime
    sealed: str


def drop_forms(tx: Connection, digests: Sequence[str], now: datetime) -> None:
    """Forget these forms, and all that are over."""
    over = staff_kept_form.c.kept_at <= to_micros(now - KEPT_FOR)
    tx.execute(delete(staff_kept_form).where(or_(over, staff_kept_form.c.token_digest.in_(digests))))


class KeptForms:
    """Over the ledger's database; every method may raise LedgerDown."""

    def __init__(self, database: Database, *, clock: Clock) -> None:
        self._database, self._clock = database, clock

    def keep(self, email: str, token: str, sealed: str) -> None:
        """Keep a form of a person under a token, of which the digest alone is kept."""
        now = self._clock()
        with self._database.write() as tx:
            newest = select(staff_kept_form.c.token_digest).where(staff_kept_form.c.email == email)
            newest = newest.order_by(staff_kept_form.c.kept_at.desc()).limit(KEPT_OF_ONE_MAX - 1)
            too_many = (staff_kept_form.c.email == email) & staff_kept_form.c.token_digest.not_in(newest)
            over = staff_kept_form.c.kept_at <= to_micros(now - KEPT_FOR)
            tx.execute(delete(staff_kept_form).where(or_(over, too_many)))
            row = {"token_digest": digest_of(token), "email": email, "kept_at": to_micros(now), "sealed": sealed}
            tx.execute(insert(staff_kept_form).values(**row))

    def all(self) -> tuple[SealedForm, ...]:
        """List what is kept, also what is over: as long as it lies there, it can be read by who has the key."""
        asked = select(staff_kept_form).order_by(staff_kept_form.c.kept_at, staff_kept_form.c.token_digest)
        with self._database.read() as tx:
            rows = tx.execute(asked).mappings()
            return tuple(SealedForm(row["token_digest"], from_micros(row["kept_at"]), row["sealed"]) for row in rows)

    def find(self, email: str, token: str) -> str | None:
        """Find a form by its token; None for one that is over, or somebody else's."""
        asked = select(staff_kept_form.c.sealed).where(
            staff_kept_form.c.token_digest == digest_of(token),
            staff_kept_form.c.email == email,
            staff_kept_form.c.kept_at > to_micros(self._clock() - KEPT_FOR),
        )
        with self._database.read() as tx:
            return tx.execute(asked).scalar_one_or_none()

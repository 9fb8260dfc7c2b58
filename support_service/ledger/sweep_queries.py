"""What a source that reads again asks of the ledger: what is known already, and what is not over yet."""

from collections.abc import Sequence
from datetime import date, datetime

from sqlalchemy import and_, func, or_, select

from support_service.giving import BankCredit, Decline, Direction, Identity, OpenMoney, State, live
from support_service.ledger.accept.aliases import read_aliases
from support_service.ledger.columns import from_micros
from support_service.ledger.engine import Database
from support_service.ledger.queries import LISTED_MAX
from support_service.ledger.rate_limits import Attempts
from support_service.ledger.rows import donation_rows, histories, identity_of, in_chunks
from support_service.ledger.tables import donation, intent, report


class SweepQueries:
    """The questions; every method may raise LedgerError."""

    def __init__(self, database: Database, attempts: Attempts) -> None:
        self._database, self._attempts = database, attempts

    def note_decline(self, told: Decline) -> None:
        """Count a card that was declined, once."""
        self._attempts.note_decline(told)

    def known_reports(self, source: str, keys: Sequence[str]) -> frozenset[str]:
        """Tell which of these keys the ledger has a report of."""
        asked = select(report.c.key).where(report.c.source == source)
        with self._database.read() as tx:
            return frozenset(
                key for chunk in in_chunks(keys) for key in tx.execute(asked.where(report.c.key.in_(chunk))).scalars()
            )

    def known_names(self, rail: str, names: Sequence[str]) -> frozenset[str]:
        """Tell which names of a rail stand for money whose payment is known: of some the name alone was told."""
        refs = {name: identity.ref for name, identity in self.named_money(rail, names).items()}
        with self._database.read() as tx:
            paid = {row["ref"] for row in donation_rows(tx, sorted(set(refs.values()))) if row["state"] is not None}
        return frozenset(name for name, ref in refs.items() if ref in paid)

    def named_money(self, rail: str, names: Sequence[str]) -> dict[str, Identity]:
        """Look up what names of a rail stand for; those that stand for nothing are left out."""
        with self._database.read() as tx:
            return read_aliases(tx, rail, list(names))

    def first_intent_at(self, method: str) -> datetime | None:
        """Tell when a reader first chose to give by a method; None before that."""
        asked = select(func.min(intent.c.made_at)).where(intent.c.method == method)
        with self._database.read() as tx:
            first = tx.execute(asked).scalar_one_or_none()
            return None if first is None else from_micros(first)

    def bank_lines(self, line_class: str, since: date) -> tuple[BankCredit, ...]:
        """List what came in by booked lines of a class since a day, in the order of days."""
        is_it = and_(donation.c.bank_class == line_class, donation.c.booking_date >= since.isoformat())
        is_in = and_(donation.c.direction == Direction.IN, donation.c.state == State.CONFIRMED)
        asked = select(donation.c.booking_date, donation.c.asset, donation.c.units).where(is_it, is_in)
        with self._database.read() as tx:
            rows = tx.execute(asked.order_by(donation.c.booking_date, donation.c.id).limit(LISTED_MAX)).all()
        return tuple(BankCredit(date.fromisoformat(row.booking_date), row.asset, int(row.units)) for row in rows)

    def open_money(self, rail: str, *, after: int = 0, limit: int = LISTED_MAX) -> tuple[OpenMoney, ...]:
        """List money of a rail that is on its way, or has a refund or dispute under way, from above a number."""
        is_open = or_(donation.c.state == State.SEEN, donation.c.open_parts > 0)
        asked = select(donation).where(donation.c.rail == rail, is_open, donation.c.id > after)
        with self._database.read() as tx:
            rows = tx.execute(asked.order_by(donation.c.id).limit(min(limit, LISTED_MAX))).mappings().all()
            kept = histories(tx, [row["id"] for row in rows])
        return tuple(
            OpenMoney(
                row["id"],
                identity_of(row),
                {part: seen.claim for part, seen in live(one.observed for one in kept[row["id"]]).items()},
            )
            for row in rows
        )

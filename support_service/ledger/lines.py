"""Lines of bank accounts: known again by their keys, taken in with their money in one transaction."""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import date, datetime

from sqlalchemy import Connection, func, insert, select, update

from support_service.giving import Direction, Donation, KeptLine, LineWork, OpenReversal, State
from support_service.ledger.accept import accept_report
from support_service.ledger.engine import Database
from support_service.ledger.errors import Outrun
from support_service.ledger.queries import donations_with_people
from support_service.ledger.rows import ByKeys, donation_rows, in_chunks, read_donation
from support_service.ledger.tables import donation, known_line, line_key, support_code
from support_service.ledger.tables import intent as made

_FOUND = ByKeys(
    select(known_line, line_key.c.key)
    .join(line_key, line_key.c.number == known_line.c.number)
    .order_by(known_line.c.number),
    line_key.c.key,
)
_STANDS = (State.CONFIRMED, State.PARTIALLY_REFUNDED)
# What was given back later did move the account when it came.
_MOVED = (*_STANDS, State.REFUNDED, State.DISPUTED)


class Lines:
    """The ledger's side of bank statements; every method may raise LedgerError."""

    _database: Database
    _clock: Callable[[], datetime]

    def take_lines(self, work: Callable[["TxLineBooks"], LineWork]) -> None:
        """Ask what a pass over a file means, and take it in, in one transaction.

        Raises Outrun where another import took one of its new lines in meanwhile; then nothing of it is kept.
        """
        with self._database.write() as tx:
            done = work(TxLineBooks(tx))
            _keep(tx, done.kept)
            for report in done.reports:
                accept_report(tx, report, self._clock(), only_news=True)
            for locator, original in done.settled:
                settle = update(known_line).where(known_line.c.locator == locator)
                tx.execute(settle.values(reverses=original.ref))

    def look_at_lines(self, work: Callable[["TxLineBooks"], LineWork]) -> LineWork:
        """Ask what a pass over a file would mean; nothing is written."""
        with self._database.read() as tx:
            return work(TxLineBooks(tx))

    def line_units(self, account: str, asset: str, days: tuple[date, date]) -> int:
        """Sum what an account's lines of some days moved, both days included: in less out, taken back left out."""
        first, last = days
        asked = select(donation.c.units, donation.c.direction).where(
            donation.c.address == account,
            donation.c.asset == asset,
            donation.c.bank_class.is_not(None),
            donation.c.booking_date.between(first.isoformat(), last.isoformat()),
            donation.c.state.in_(_MOVED),
        )
        with self._database.read() as tx:
            rows = tx.execute(asked).all()
        return sum(int(row.units) if row.direction == Direction.IN else -int(row.units) for row in rows)

    def issued_codes(self) -> Mapping[str, str]:
        """Tell every support code that was issued, with the reference of the choice that it stands for."""
        with self._database.read() as tx:
            return {row.code: row.intent for row in tx.execute(select(support_code.c.code, support_code.c.intent))}


class TxLineBooks:
    """What the ledger tells about lines in one transaction."""

    def __init__(self, tx: Connection) -> None:
        self._tx = tx

    def find(self, keys: Collection[str]) -> Mapping[str, Sequence[KeptLine]]:
        """Find the known lines under each key, oldest first."""
        found: dict[str, list[KeptLine]] = {}
        for row in _FOUND.rows(self._tx, sorted(keys)):
            line = KeptLine(row["locator"], row["account"], row["ref"], row["memo"])
            found.setdefault(row["key"], []).append(line)
        return found

    def donations(self, refs: Collection[str]) -> Mapping[str, Donation]:
        """Tell what is believed of the money of known lines, by its ref; personal data are left out."""
        rows = donation_rows(self._tx, sorted(refs))
        return {row["ref"]: read_donation(row, None) for row in rows if row["state"] is not None}

    def article_of(self, intent: str) -> str | None:
        """Tell what the reader of a choice had read."""
        body = self._tx.execute(select(made.c.body).where(made.c.ref == intent)).scalar_one_or_none()
        return json.loads(body)["article"] if body else None

    def open_reversals(self, accounts: Collection[str]) -> Sequence[OpenReversal]:
        """List the reversals of these accounts that have found no original."""
        asked = donations_with_people().where(
            donation.c.address.in_(sorted(accounts)),
            donation.c.bank_class == "reversal",
            donation.c.state == State.CONFIRMED,
        )
        asked = asked.join(known_line, known_line.c.ref == donation.c.ref).where(known_line.c.reverses.is_(None))
        rows = self._tx.execute(asked.order_by(donation.c.id)).mappings()
        return [OpenReversal(row["locator"], read_donation(row, row["personal_body"])) for row in rows]

    def pending(self, accounts: Collection[str]) -> Sequence[Donation]:
        """List lines of these accounts that the bank has told of and not booked."""
        asked = donations_with_people().where(
            donation.c.address.in_(sorted(accounts)),
            donation.c.bank_class.is_not(None),
            donation.c.state == State.SEEN,
        )
        rows = self._tx.execute(asked.order_by(donation.c.id)).mappings()
        return [read_donation(row, row["personal_body"]) for row in rows]

    def opposite(self, of: Donation) -> Sequence[Donation]:
        """List lines of the same account, asset and sum that moved the other way and still stand."""
        there = of.identity
        other = Direction.OUT if there.direction is Direction.IN else Direction.IN
        asked = donations_with_people().where(
            donation.c.address == there.address,
            donation.c.asset == there.asset,
            donation.c.units == of.payment.units,
            donation.c.direction == other,
            donation.c.bank_class.is_not(None),
            donation.c.bank_class != "reversal",
            donation.c.state.in_(_STANDS),
        )
        rows = self._tx.execute(asked.order_by(donation.c.id)).mappings()
        return [read_donation(row, row["personal_body"]) for row in rows]


def _keep(tx: Connection, kept: Sequence[KeptLine]) -> None:
    """Keep new lines under the next numbers; of known ones their memo and the keys that came to them."""
    numbers = {
        row.locator: row.number
        for chunk in in_chunks([line.locator for line in kept])
        for row in tx.execute(select(known_line.c.locator, known_line.c.number).where(known_line.c.locator.in_(chunk)))
    }
    last = tx.execute(select(func.coalesce(func.max(known_line.c.number), 0))).scalar_one()
    new = []
    for line in kept:
        if line.is_new:
            if line.locator in numbers:
                raise Outrun(f"{line.locator}: another import was faster; import the file again")
            last += 1
            numbers[line.locator] = last
            new.append(
                {
                    "number": last, "locator": line.locator, "account": line.account, "ref": line.ref,
                    "memo": line.memo, "reverses": None,
                }
            )  # fmt: skip
        else:
            tx.execute(update(known_line).where(known_line.c.locator == line.locator).values(memo=line.memo))
    if new:
        tx.execute(insert(known_line), new)
    _add_keys(tx, kept, numbers)


def _add_keys(tx: Connection, kept: Sequence[KeptLine], numbers: Mapping[str, int]) -> None:
    wanted = {(key, numbers[line.locator]) for line in kept for key in line.keys}
    old = sorted({numbers[line.locator] for line in kept if not line.is_new})
    for chunk in in_chunks(old):
        rows = tx.execute(select(line_key.c.key, line_key.c.number).where(line_key.c.number.in_(chunk)))
        wanted -= {(row.key, row.number) for row in rows}
    if wanted:
        tx.execute(insert(line_key), [{"key": key, "number": number} for key, number in sorted(wanted)])

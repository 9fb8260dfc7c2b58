"""Lines of bank accounts: known again by their keys, taken in with their money in one transaction."""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    RowMapping,
    Select,
    bindparam,
    exists,
    func,
    literal_column,
    select,
    update,
)

from support_service.giving import (
    UNTOLD,
    Clock,
    Direction,
    Donation,
    KeptLine,
    Kind,
    LineWork,
    PaidOut,
    Pair,
    Reversal,
    Split,
    State,
    split_identity,
)
from support_service.ledger.accept import accept_report
from support_service.ledger.columns import to_micros
from support_service.ledger.engine import Database
from support_service.ledger.errors import Outrun
from support_service.ledger.intents import issued_codes
from support_service.ledger.queries import donations_with_people
from support_service.ledger.rows import ByKeys, donation_rows, in_chunks, insert_rows, insert_values, read_donation
from support_service.ledger.tables import donation, import_line, known_line, line_key
from support_service.ledger.tables import intent as made

_FOUND = ByKeys(
    select(known_line, line_key.c.key)
    .join(line_key, line_key.c.number == known_line.c.number)
    .order_by(known_line.c.number),
    line_key.c.key,
)
# A person books what an app shows today; the bank books it within some days, also over holidays.
JOIN_DAYS_MAX = 5
# A booking day stands at its noon, one that was typed at any hour: a day more holds both.
_NEAR_MICROS = timedelta(days=JOIN_DAYS_MAX + 1) // timedelta(microseconds=1)
# A payout is announced for a day and arrives on it or some days later, also over holidays.
_EARLY, _LATE = timedelta(days=2), timedelta(days=7)
LATE_SHOWN_MAX = 5
_BY_LOCATOR = ByKeys(select(known_line.c.locator, known_line.c.number), known_line.c.locator)
_TOLD_BY = ByKeys(select(import_line), import_line.c.line)
_KEYS_OF = ByKeys(select(line_key), line_key.c.number)
# Said in the statement itself, not bound to it: only so SQLite knows that its partial index serves.
BY_HAND: ColumnElement[str] = literal_column("'manual'")
_REVERSAL: ColumnElement[str] = literal_column("'reversal'")
_OTHER, _HAND, _LINE, _FIRST = (donation.alias(name) for name in ("other", "hand", "line", "first"))
_BY_HAND = select(donation.c.ref, donation.c.asset, donation.c.units, donation.c.method, donation.c.occurred_at).where(
    donation.c.flags == BY_HAND,
    donation.c.state == State.CONFIRMED,
    donation.c.link.is_(None) | (donation.c.linked_to.is_(None) & donation.c.link.like(f"%{UNTOLD}%")),
)
_STANDS = (State.CONFIRMED, State.PARTIALLY_REFUNDED)
# What was given back later did move the account when it came.
MOVED = (*_STANDS, State.REFUNDED, State.DISPUTED)

# What every turn of every account asks, built once: to build a question costs more than to ask it.
_ACCOUNTS: BindParameter[str] = bindparam("accounts", expanding=True)
_OF_THEM, _IS_LINE = donation.c.address.in_(_ACCOUNTS), donation.c.bank_class.is_not(None)
_IS_LINKED = exists().where(_OTHER.c.linked_to == donation.c.ref)
_PAYOUT: ColumnElement[str] = literal_column(f"'{Kind.PAYOUT}'")
_SENT = (
    donation.c.kind == _PAYOUT,
    donation.c.state == State.CONFIRMED,
    donation.c.direction == Direction.OUT,
    donation.c.bank_class.is_(None),
    ~_IS_LINKED,
)
_LATE_PAYOUTS = (
    select(donation.c.locator)
    .where(
        *_SENT,
        donation.c.asset.in_(
            select(_LINE.c.asset)
            .join(_FIRST, _FIRST.c.ref == _LINE.c.linked_to)
            .where(_LINE.c.address == bindparam("account"), _LINE.c.kind == _PAYOUT)
        ),
        donation.c.occurred_at.between(bindparam("since"), bindparam("until")),
    )
    .order_by(donation.c.occurred_at)
    .limit(LATE_SHOWN_MAX)
)
_OPEN_PAYOUTS = select(donation).where(*_SENT, donation.c.link.is_(None)).order_by(donation.c.id)
_PAYOUT_LINES = (
    select(donation)
    .where(donation.c.kind == _PAYOUT, donation.c.state == State.CONFIRMED, donation.c.link.is_(None))
    .where(donation.c.direction == Direction.IN, _IS_LINE, _OF_THEM)
    .order_by(donation.c.id)
)
_WITH_PEOPLE = donations_with_people()
_OF_REFS = _WITH_PEOPLE.where(donation.c.ref.in_(bindparam("refs", expanding=True)))
_REVERSING = (
    _WITH_PEOPLE.where(donation.c.state == State.CONFIRMED, _IS_LINE)
    .join(known_line, known_line.c.ref == donation.c.ref)
    .where(known_line.c.reverses.is_(None))
)
_REVERSING_JUDGED = _REVERSING.where(_OF_THEM, donation.c.bank_class == _REVERSAL, donation.c.link.is_(None))
# Few are linked, many are of an account: asked so, the database begins with the few.
_REVERSING_LINKED = _REVERSING.where(
    donation.c.linked_to.is_not(None), func.coalesce(donation.c.address, "").in_(_ACCOUNTS)
)
_FALLEN = (
    _WITH_PEOPLE.add_columns(known_line.c.reverses)
    .join(known_line, known_line.c.ref == donation.c.ref)
    .where(known_line.c.reverses.is_not(None), _OF_THEM, donation.c.state != State.CONFIRMED)
    .order_by(donation.c.id)
)
_SPLIT = _WITH_PEOPLE.where(donation.c.split.is_not(None), _OF_THEM).order_by(donation.c.id)
_PENDING = _WITH_PEOPLE.where(_OF_THEM, _IS_LINE, donation.c.state == State.SEEN).order_by(donation.c.id)
_UNTOLD = (
    select(_HAND.c.ref.label("by_hand"), _LINE.c.ref.label("line"))
    .join(_LINE, _LINE.c.ref == _HAND.c.linked_to)
    .where(_LINE.c.stand.like('%"stands":false%'), _HAND.c.direction == Direction.IN, _LINE.c.address.in_(_ACCOUNTS))
)
_LAST_NUMBER = select(func.coalesce(func.max(known_line.c.number), 0))
_MEMO = update(known_line).where(known_line.c.locator == bindparam("of")).values(memo=bindparam("told"))


@dataclass(frozen=True, slots=True)
class _OpenGift:
    """A gift booked by hand, or a line, that is joined to nothing yet."""

    ref: str
    method: str
    occurred_at: int


# Room for what a transaction changes: else that is written before its end, and readers wait. Others keep 2 MiB.
PASS_CACHE_KIB = 40 * 1024


class Lines:
    """The ledger's side of bank statements; every method may raise LedgerError."""

    def __init__(self, database: Database, *, clock: Clock) -> None:
        self._database, self._clock = database, clock

    def take(self, work: Callable[["TxLineBooks"], LineWork], importing: int | None = None) -> None:
        """Ask what a pass over a file means, and take it in; passes that go on share one transaction.

        importing: the number of the import that tells the lines.
        Raises Outrun where another import took one of its new lines in meanwhile; then nothing of it is kept.
        """
        with self._database.write() as tx:
            if self._database.is_sqlite:
                tx.exec_driver_sql(f"PRAGMA cache_size=-{PASS_CACHE_KIB}")
            done = LineWork(goes_on=True)
            while done.goes_on:
                done = work(TxLineBooks(tx))
                _keep(tx, done.kept)
                if importing is not None:
                    _tell(tx, importing, done.told)
                for report in done.reports:
                    accept_report(tx, report, self._clock(), only_news=True)
                for locator, original in done.settled:
                    settled = update(known_line).where(known_line.c.locator == locator)
                    tx.execute(settled.values(reverses=original and original.ref))

    def look(self, work: Callable[["TxLineBooks"], LineWork]) -> LineWork:
        """Ask what a pass over a file would mean; nothing is written."""
        with self._database.read() as tx:
            return work(TxLineBooks(tx))

    def accounts(self) -> Sequence[str]:
        """List the accounts whose lines are known."""
        with self._database.read() as tx:
            return line_accounts(tx)

    def late_payouts(self, account: str, *, since: datetime, until: datetime) -> Sequence[str]:
        """Name the payouts due between two moments that arrived nowhere, of the kind that this account received before.

        Some of them, the oldest first: whose payouts go to an account that nobody hears is not told every day.
        """
        asked = {"account": account, "since": to_micros(since), "until": to_micros(until)}
        with self._database.read() as tx:
            return tx.execute(_LATE_PAYOUTS, asked).scalars().all()

    def units(self, account: str, asset: str, days: tuple[date, date]) -> int:
        """Sum what an account's lines of some days moved, both days included: in less out, taken back left out."""
        first, last = days
        asked = select(donation.c.units, donation.c.direction).where(
            donation.c.address == account,
            donation.c.asset == asset,
            donation.c.bank_class.is_not(None),
            donation.c.booking_date.between(first.isoformat(), last.isoformat()),
            donation.c.state.in_(MOVED),
        )
        with self._database.read() as tx:
            rows = tx.execute(asked).all()
        return sum(int(row.units) if row.direction == Direction.IN else -int(row.units) for row in rows)


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

    def issued(self, codes: Collection[str]) -> Mapping[str, str]:
        """Tell which of these support codes were issued, and for which choice."""
        return issued_codes(self._tx, codes)

    def donations(self, refs: Collection[str]) -> Mapping[str, Donation]:
        """Tell what is believed of the money of known lines, by its ref; personal data are left out."""
        rows = donation_rows(self._tx, sorted(refs))
        return {row["ref"]: read_donation(row, None) for row in rows if row["state"] is not None}

    def people(self, refs: Collection[str]) -> Mapping[str, Donation]:
        """Tell the same with personal data."""
        return {row["ref"]: read_donation(row, row["personal_body"]) for row in self._with_people(sorted(refs))}

    def article_of(self, intent: str) -> str | None:
        """Tell what the reader of a choice had read."""
        body = self._tx.execute(select(made.c.body).where(made.c.ref == intent)).scalar_one_or_none()
        return json.loads(body)["article"] if body else None

    def open_reversals(self, accounts: Collection[str]) -> Sequence[Reversal]:
        """List the lines of these accounts that take something back, while nothing is lowered by it."""
        told = [*self._rows(_REVERSING_JUDGED, accounts), *self._rows(_REVERSING_LINKED, accounts)]
        originals = self.donations({row["linked_to"] for row in told if row["linked_to"]})
        # The arrival of a payout is about it, and takes nothing back.
        arrived = {
            ref for ref, one in originals.items() if one.payment.kind is Kind.PAYOUT and one.payment.bank is None
        }
        told = [row for row in told if row["linked_to"] not in arrived]
        return [_reversal(row, originals.get(row["linked_to"])) for row in sorted(told, key=lambda row: row["id"])]

    def fallen_reversals(self, accounts: Collection[str]) -> Sequence[Reversal]:
        """List the lines of these accounts that took something back and stand no more."""
        told = self._rows(_FALLEN, accounts)
        originals = self.donations({row["reverses"] for row in told})
        return [_reversal(row, originals.get(row["reverses"])) for row in told]

    def splits(self, accounts: Collection[str]) -> Sequence[Split]:
        """List the lines of these accounts whose gifts are booked one by one."""
        found = []
        for row in self._rows(_SPLIT, accounts):
            line = read_donation(row, row["personal_body"])
            if line.split is not None and line.split.nonce is not None:
                numbers = range(1, len(line.split.units) + 1)
                refs = [split_identity(line.identity, line.split.nonce, number).ref for number in numbers]
                people = self.people(refs)
                found.append(Split(line, tuple(people[ref] for ref in refs), row["last_report"]))
        return found

    def linked(self, ref: str) -> Sequence[str]:
        """List the refs of all that is said to be about this money."""
        return self._tx.execute(select(donation.c.ref).where(donation.c.linked_to == ref)).scalars().all()

    def reversal(self, ref: str) -> Reversal | None:
        """Tell what a line takes back."""
        asked = select(known_line.c.locator, known_line.c.reverses, donation.c.last_report)
        asked = asked.join(donation, donation.c.ref == known_line.c.ref).where(known_line.c.ref == ref)
        row = self._tx.execute(asked).one_or_none()
        found = self.donations({ref, row.reverses} if row and row.reverses else {ref})
        if row is None or ref not in found:
            return None
        original = found.get(row.reverses or "")
        identity = original.identity if original else None
        return Reversal(row.locator, found[ref], row.last_report, identity)

    def untold_joins(self, accounts: Collection[str]) -> Sequence[Pair]:
        """List gifts booked by hand whose line was taken back with its file."""
        rows = self._rows(_UNTOLD, accounts)
        found = self.donations({ref for row in rows for ref in (row["by_hand"], row["line"])})
        return [Pair(found[row["by_hand"]], found[row["line"]]) for row in rows]

    def pairs(self, accounts: Collection[str]) -> Sequence[Pair]:
        """List gifts that were booked by hand with the lines of these accounts that may be the same."""
        return read_pairs(self._tx, accounts)

    def payouts(self, accounts: Collection[str]) -> Sequence[PaidOut]:
        """Pair what processors paid out with the lines of one sum about that day that nobody said anything of."""
        told = [read_donation(row, None) for row in self._tx.execute(_OPEN_PAYOUTS).mappings()]
        if not told:
            return []
        by_sum: dict[tuple[str, int], list[Donation]] = {}
        for row in self._rows(_PAYOUT_LINES, accounts):
            line = read_donation(row, None)
            by_sum.setdefault((line.identity.asset, line.payment.units), []).append(line)
        return [
            PaidOut(payout, line)
            for payout in told
            for line in by_sum.get((payout.identity.asset, payout.payment.units), ())
            if -_EARLY <= line.payment.occurred_at - payout.payment.occurred_at <= _LATE
        ]

    def _with_people(self, refs: Sequence[str]) -> Sequence[RowMapping]:
        return self._tx.execute(_OF_REFS, {"refs": refs}).mappings().all()

    def _rows(self, asked: Select[Any], accounts: Collection[str]) -> Sequence[RowMapping]:
        return self._tx.execute(asked, {"accounts": sorted(accounts)}).mappings().all()

    def pending(self, accounts: Collection[str]) -> Sequence[Donation]:
        """List lines of these accounts that the bank has told of and not booked."""
        return [read_donation(row, row["personal_body"]) for row in self._rows(_PENDING, accounts)]

    def opposite(self, of: Donation) -> Sequence[Donation]:
        """List lines of the same account, asset and sum that moved the other way and still stand."""
        there = of.identity
        other = Direction.OUT if there.direction is Direction.IN else Direction.IN
        asked = _WITH_PEOPLE.where(
            donation.c.address == there.address,
            donation.c.asset == there.asset,
            donation.c.units == of.payment.units,
            donation.c.direction == other,
            donation.c.bank_class.is_not(None),
            donation.c.state.in_(_STANDS),
        )
        rows = self._tx.execute(asked.order_by(donation.c.id)).mappings()
        return [read_donation(row, row["personal_body"]) for row in rows]


def line_places(tx: Connection) -> list[tuple[str, str]]:
    """List the accounts and assets whose lines are known; each is found by one step from the one before."""
    address, asset = donation.c.address, donation.c.asset
    asked = select(address, asset).where(donation.c.bank_class.is_not(None)).order_by(address, asset).limit(1)
    found: list[tuple[str, str]] = []
    row = tx.execute(asked).first()
    while row is not None:
        found.append((row.address, row.asset))
        row = tx.execute(asked.where(address == row.address, asset > row.asset)).first()
        row = row or tx.execute(asked.where(address > found[-1][0])).first()
    return found


def line_accounts(tx: Connection) -> list[str]:
    """List the accounts whose lines are known."""
    return sorted({address for address, _ in line_places(tx)})


def read_pairs(tx: Connection, accounts: Collection[str]) -> list[Pair]:
    """Pair gifts that were booked by hand with lines of one method and sum, about one day, while nobody joined any."""
    by_sum: dict[tuple[str, int], list[_OpenGift]] = {}
    for row in tx.execute(_BY_HAND):
        by_sum.setdefault((row.asset, row.units), []).append(_OpenGift(row.ref, row.method, row.occurred_at))
    pairs = [
        (one.ref, line)
        for (asset, units), some in by_sum.items()
        for line in _lines_of(tx, accounts, asset, units)
        for one in some
        if one.method == line.method and abs(one.occurred_at - line.occurred_at) <= _NEAR_MICROS
    ]
    found: dict[str, Donation] = {}
    for chunk in in_chunks(sorted({ref for hand, line in pairs for ref in (hand, line.ref)})):
        people = tx.execute(_OF_REFS, {"refs": chunk}).mappings()
        found |= {row["ref"]: read_donation(row, row["personal_body"]) for row in people}
    memos = {
        row.ref: _references(row.locator, row.memo)
        for chunk in in_chunks(sorted({line.ref for _, line in pairs}))
        for row in tx.execute(select(known_line).where(known_line.c.ref.in_(chunk)))
    }
    return [Pair(found[hand], found[line.ref], memos[line.ref]) for hand, line in pairs if line.ref in memos]


def _lines_of(tx: Connection, accounts: Collection[str], asset: str, units: int) -> list[_OpenGift]:
    """Find the gifts among lines of one sum that nothing is joined to."""
    asked = select(donation.c.ref, donation.c.method, donation.c.occurred_at).where(
        donation.c.address.in_(sorted(accounts)),
        donation.c.asset == asset,
        donation.c.units == units,
        donation.c.bank_class.is_not(None),
        donation.c.direction == Direction.IN,
        donation.c.kind == Kind.DONATION,
        donation.c.state == State.CONFIRMED,
        ~_IS_LINKED,
    )
    return [_OpenGift(row.ref, row.method, row.occurred_at) for row in tx.execute(asked.order_by(donation.c.id))]


def _references(locator: str, memo: str) -> frozenset[str]:
    """Tell every spelling of the bank's references of a line; what we named it ourselves is none."""
    held = json.loads(memo)
    told = {*held.get("references", ()), *held.get("partial", ())}
    told |= {one.partition(":")[0] for one in told} | {one.replace(":", "") for one in told}
    named = locator.partition(":")[2].rpartition(":")[0]
    return frozenset(told | ({named} if named and not named.startswith("~") else set()))


def _reversal(row: RowMapping, original: Donation | None) -> Reversal:
    found = read_donation(row, row["personal_body"])
    return Reversal(row["locator"], found, row["last_report"], original.identity if original else None)


def _tell(tx: Connection, importing: int, told: Sequence[str]) -> None:
    """Keep which lines an import told, each once."""
    numbers = {row["number"] for row in _BY_LOCATOR.rows(tx, sorted(set(told)))}
    held = _TOLD_BY.rows(tx, sorted(numbers))
    numbers -= {row["line"] for row in held if row["import"] == importing}
    insert_values(tx, import_line, ("import", "line"), [(importing, number) for number in sorted(numbers)])


def _keep(tx: Connection, kept: Sequence[KeptLine]) -> None:
    """Keep new lines under the next numbers; of known ones their memo and the keys that came to them."""
    numbers = {row["locator"]: row["number"] for row in _BY_LOCATOR.rows(tx, [line.locator for line in kept])}
    last = tx.execute(_LAST_NUMBER).scalar_one()
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
            tx.execute(_MEMO, {"of": line.locator, "told": line.memo})
    if new:
        insert_rows(tx, known_line, new)
    _add_keys(tx, kept, numbers)


def _add_keys(tx: Connection, kept: Sequence[KeptLine], numbers: Mapping[str, int]) -> None:
    wanted = {(key, numbers[line.locator]) for line in kept for key in line.keys}
    old = sorted({numbers[line.locator] for line in kept if not line.is_new})
    wanted -= {(row["key"], row["number"]) for row in _KEYS_OF.rows(tx, old)}
    insert_values(tx, line_key, ("key", "number"), sorted(wanted))

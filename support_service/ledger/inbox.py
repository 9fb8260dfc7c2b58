"""What wants a person: lines of the bank, each with what it may be, and claims that wait for their payment."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import Connection, exists, func, literal, literal_column, or_, select, tuple_

from support_service.giving import (
    HOLDS_PART,
    PAYER_KEY,
    Clock,
    Direction,
    Donation,
    HoldsClaim,
    Identity,
    Kind,
    State,
    WaitingClaim,
    live,
    split_identity,
)  # fmt: skip
from support_service.giving.codes import beginning
from support_service.ledger.accept.aliases import read_aliases
from support_service.ledger.columns import from_micros, to_micros
from support_service.ledger.engine import Database
from support_service.ledger.lines import TxLineBooks, line_accounts, read_pairs
from support_service.ledger.queries import LISTED_MAX, donations_with_people
from support_service.ledger.rows import histories, in_chunks, read_donation
from support_service.ledger.tables import (
    alias,
    donation,
    intent,
    known_line,
    line_key,
    report,
    support_code,
    waiting_claim,
)

# Of each kind so many are shown; what was judged makes room for the next.
ROWS_MAX = 50
CHOICES_MAX = 8
# Of the gifts in a payout so many are shown.
HELD_MAX = 100
# Of young lines that nothing matched so many are looked at, and so many earlier gifts of their payers.
UNMATCHED_MAX, EARLIER_MAX = 500, 2_000
INTENT_DAYS_MAX = 30
# A transfer takes three days at most, over a weekend.
OPEN_DAYS_MAX = 3
_STANDS = (State.CONFIRMED, State.PARTIALLY_REFUNDED)
_TAKEN = donation.alias("taken")


class Why(StrEnum):
    """Why a line wants a person, the gravest first."""

    REVERSAL = "reversal"
    SAME = "same"
    REVIEW = "review"
    SUGGESTED = "suggested"
    PAYER = "payer"
    CODE = "code"


@dataclass(frozen=True, slots=True)
class Choice:
    """What a person may say a line is about: other money, or the choice of a reader by its code."""

    value: str
    donation: Donation | None = None
    made_at: datetime | None = None
    article: str | None = None


@dataclass(frozen=True, slots=True)
class InboxLine:
    """A line that wants a person; words are what was read of a code."""

    why: Why
    donation: Donation
    choices: tuple[Choice, ...] = ()
    words: str = ""


@dataclass(frozen=True, slots=True)
class _OpenChoice:
    """A choice of a reader that no money has answered yet; code "": none was issued for it."""

    ref: str
    method: str
    made_at: datetime
    asset: str
    units: int
    article: str | None
    code: str


@dataclass(frozen=True, slots=True)
class LinesMoney:
    """What stands beside one piece of money.

    about: the money that it is about, or takes back. of_it: what was booked by hand and is the same.
    gifts: those it holds, of many the first; held is how many. choices: other money that it may be about.
    """

    about: Donation | None = None
    of_it: tuple[Donation, ...] = ()
    gifts: tuple[Donation, ...] = ()
    choices: tuple[Donation, ...] = ()
    held: int = 0


class Inbox:
    """The ledger's side of what waits for people; every method may raise LedgerError."""

    def __init__(self, database: Database, *, clock: Clock) -> None:
        self._database, self._clock = database, clock

    def lines(self) -> tuple[InboxLine, ...]:
        """List what wants a person."""
        with self._database.read() as tx:
            accounts = line_accounts(tx)
            if not accounts:
                return ()
            return (
                *_reversals(tx, accounts),
                *_same(tx, accounts),
                *_reviews(tx),
                *_suggested(tx, accounts, self._clock()),
                *_codes(tx),
                *_known_payers(tx, accounts, self._clock()),
            )

    def counts(self) -> Mapping[Why, int]:
        """Count what `lines` lists, by why it wants a person, as far as it lists it: which codes fit is not asked."""
        with self._database.read() as tx:
            accounts = line_accounts(tx)
            if not accounts:
                return {}
            found = {
                Why.REVERSAL: len(TxLineBooks(tx).open_reversals(accounts)),
                Why.SAME: len({pair.by_hand.identity.ref for pair in read_pairs(tx, accounts)}),
                Why.REVIEW: len(_reviews(tx)),
                Why.SUGGESTED: len(_suggested(tx, accounts, self._clock())),
                Why.PAYER: len(_known_payers(tx, accounts, self._clock())),
                Why.CODE: len(_hinted(tx)),
            }
        return {why: min(count, ROWS_MAX) for why, count in found.items()}

    def waiting(self, after: WaitingClaim | None = None, *, rail: str | None = None) -> tuple[WaitingClaim, ...]:
        """List claims that found no payment of their name and asset, oldest first; `after`: the last one seen."""
        with self._database.read() as tx:
            return read_inbox(tx, after, rail=rail)

    def suggested_codes(self, ref: str) -> Mapping[str, Why]:
        """Tell by which codes a line may be somebody's, and why: the only announced gift of its sum goes first."""
        with self._database.read() as tx:
            numbers = tx.execute(select(known_line.c.number).where(known_line.c.ref == ref)).scalars().all()
            by_payer = {one.value: Why.PAYER for found in _given_before(tx, numbers).values() for one in found}
            lines = _suggested(tx, line_accounts(tx), self._clock())
            by_sum = [one for one in lines if one.donation.identity.ref == ref]
            return by_payer | {choice.value: one.why for one in by_sum for choice in one.choices}

    def around(self, ref: str) -> LinesMoney:
        """Tell what stands beside one piece of money."""
        with self._database.read() as tx:
            found = _read(tx, [ref]).get(ref)
            return LinesMoney() if found is None else _around(tx, found)


def _read(tx: Connection, refs: Sequence[str]) -> dict[str, Donation]:
    """Read pieces of money with their people, by ref."""
    return {
        row["ref"]: read_donation(row, row["personal_body"])
        for chunk in in_chunks(sorted(set(refs)))
        for row in tx.execute(donations_with_people().where(donation.c.ref.in_(chunk))).mappings()
    }


def _reversals(tx: Connection, accounts: Sequence[str]) -> list[InboxLine]:
    books = TxLineBooks(tx)
    found = []
    for one in books.open_reversals(accounts)[:ROWS_MAX]:
        choices = books.opposite(one.donation)[-CHOICES_MAX:]
        told = tuple(Choice(other.identity.ref, other) for other in choices)
        found.append(InboxLine(Why.REVERSAL, one.donation, told))
    return found


def _same(tx: Connection, accounts: Sequence[str]) -> list[InboxLine]:
    found: dict[str, tuple[Donation, list[Choice]]] = {}
    for pair in read_pairs(tx, accounts):
        _, choices = found.setdefault(pair.by_hand.identity.ref, (pair.by_hand, []))
        choices.append(Choice(pair.line.identity.ref, pair.line))
    told = list(found.values())[:ROWS_MAX]
    return [InboxLine(Why.SAME, by_hand, tuple(choices[:CHOICES_MAX])) for by_hand, choices in told]


def _reviews(tx: Connection) -> list[InboxLine]:
    asked = donations_with_people().where(
        donation.c.kind == literal_column("'review'"),
        donation.c.state == State.CONFIRMED,
        donation.c.bank_class.is_not(None),
    )
    rows = tx.execute(asked.order_by(donation.c.id).limit(ROWS_MAX)).mappings()
    return [InboxLine(Why.REVIEW, read_donation(row, row["personal_body"])) for row in rows]


def _suggested(tx: Connection, accounts: Sequence[str], now: datetime) -> list[InboxLine]:
    """Find lines with exactly one open choice of a reader of their sum, and no second line that fits it."""
    intents = _open_intents(tx, to_micros(now - timedelta(days=INTENT_DAYS_MAX)))
    units = sorted({row.units for row in intents})
    fitting: list[tuple[Donation, _OpenChoice]] = []
    for chunk in in_chunks(units):
        asked = donations_with_people().where(
            donation.c.address.in_(accounts),
            donation.c.units.in_(chunk),
            donation.c.bank_class.is_not(None),
            donation.c.kind == Kind.DONATION,
            donation.c.state == State.CONFIRMED,
            donation.c.match.is_(None),
            donation.c.occurred_at >= to_micros(now - timedelta(days=INTENT_DAYS_MAX + OPEN_DAYS_MAX)),
        )
        lines = [read_donation(row, row["personal_body"]) for row in tx.execute(asked).mappings()]
        fitting += [(line, row) for line in lines for row in intents if _fits(line, row)]
    by_line = Counter(line.identity.ref for line, _ in fitting)
    by_intent = Counter(row.ref for _, row in fitting)
    return [
        InboxLine(Why.SUGGESTED, line, (Choice(row.code, None, row.made_at, row.article),))
        for line, row in fitting
        if by_line[line.identity.ref] == by_intent[row.ref] == 1 and row.code
    ][:ROWS_MAX]


def _open_intents(tx: Connection, since: int) -> list[_OpenChoice]:
    is_answered = exists().where(donation.c.intent == intent.c.ref)
    asked = select(intent.c.ref, intent.c.method, intent.c.made_at, intent.c.body, support_code.c.code)
    asked = asked.outerjoin(support_code, support_code.c.intent == intent.c.ref)
    asked = asked.where(intent.c.made_at >= since, ~is_answered).order_by(intent.c.made_at)
    found = []
    for row in tx.execute(asked):
        held = json.loads(row.body)
        money = (held["currency"], int(held["units"]))
        found.append(
            _OpenChoice(row.ref, row.method, from_micros(row.made_at), *money, held["article"], row.code or "")
        )
    return found


def _fits(line: Donation, row: _OpenChoice) -> bool:
    payment = line.payment
    # A booking day stands at its noon: of its own day it may be before the choice.
    after = payment.occurred_at - row.made_at
    is_near = timedelta(days=-1) < after <= timedelta(days=OPEN_DAYS_MAX + 1)
    money = (row.asset, row.units, row.method)
    return is_near and money == (line.identity.asset, payment.units, payment.method)


def _codes(tx: Connection) -> list[InboxLine]:
    lines = _hinted(tx)
    found = []
    for line in lines:
        words = line.match.reason if line.match else ""
        codes = [code for word in words.split() for code in _issued_from(tx, word)]
        found.append(InboxLine(Why.CODE, line, tuple(map(Choice, codes[:CHOICES_MAX])), words))
    return found


def _hinted(tx: Connection) -> list[Donation]:
    """Read the youngest gifts with words that may be a code."""
    asked = donations_with_people().where(
        donation.c.match.is_not(None),
        donation.c.support_code.is_(None),
        donation.c.match.like('%"by":"hint"%'),
        donation.c.state == State.CONFIRMED,
    )
    rows = tx.execute(asked.order_by(donation.c.id.desc()).limit(ROWS_MAX)).mappings().all()
    return [read_donation(row, row["personal_body"]) for row in rows]


def _issued_from(tx: Connection, word: str) -> Sequence[str]:
    """List the issued codes that a word is, or is the beginning of, for a person to choose from."""
    begun = word if "-" in word else beginning(word)
    asked = select(support_code.c.code).where(support_code.c.code.startswith(begun, autoescape=True))
    return tx.execute(asked.order_by(support_code.c.code).limit(CHOICES_MAX)).scalars().all()


def _known_payers(tx: Connection, accounts: Sequence[str], now: datetime) -> list[InboxLine]:
    """Find young gifts that nothing matched, from accounts that some reader's gifts came from before."""
    asked = select(known_line.c.number, donation.c.ref).join(donation, donation.c.ref == known_line.c.ref)
    asked = asked.where(
        donation.c.address.in_(accounts),
        donation.c.kind == Kind.DONATION,
        donation.c.state == State.CONFIRMED,
        donation.c.direction == Direction.IN,
        donation.c.match.is_(None),
        donation.c.support_code.is_(None),
        donation.c.occurred_at >= to_micros(now - timedelta(days=INTENT_DAYS_MAX + OPEN_DAYS_MAX)),
    )
    refs = {row.number: row.ref for row in tx.execute(asked.order_by(donation.c.id.desc()).limit(UNMATCHED_MAX))}
    given = list(_given_before(tx, list(refs)).items())[:ROWS_MAX]
    lines = _read(tx, [refs[number] for number, _ in given])
    return [InboxLine(Why.PAYER, lines[refs[number]], choices) for number, choices in given]


def _given_before(tx: Connection, numbers: Sequence[int]) -> dict[int, tuple[Choice, ...]]:
    """Find for lines (by number) the codes of earlier gifts of the same payer, the last gift first.

    Whoever's data were erased is known no more.
    """
    payers = [
        (row.key, row.number)
        for chunk in in_chunks(numbers)
        for row in tx.execute(
            select(line_key).where(line_key.c.number.in_(chunk), line_key.c.key.like(f"{PAYER_KEY}%"))
        )
    ]
    other = select(line_key.c.key, line_key.c.number, donation.c.ref)
    other = other.join(known_line, known_line.c.number == line_key.c.number)
    other = other.join(donation, donation.c.ref == known_line.c.ref)
    matched = other.where(donation.c.support_code.is_not(None), donation.c.state.in_(_STANDS))
    matched = matched.where(donation.c.kind == Kind.DONATION).order_by(
        donation.c.occurred_at.desc(), donation.c.id.desc()
    )
    found = [
        row
        for chunk in in_chunks(sorted({key for key, _ in payers}))
        for row in tx.execute(matched.where(line_key.c.key.in_(chunk)).limit(EARLIER_MAX))
    ]
    gifts = _read(tx, [row.ref for row in found])
    before: dict[str, dict[str, Choice]] = {}
    for row in found:
        gift = gifts[row.ref]
        code = gift.support_code
        if code is not None and gift.payment.personal.party is not None:
            choice = Choice(code, None, gift.payment.occurred_at, gift.article)
            before.setdefault(row.key, {}).setdefault(code, choice)
    return {number: tuple(before[key].values())[:CHOICES_MAX] for key, number in payers if key in before}


def _around(tx: Connection, found: Donation) -> LinesMoney:
    ref = found.identity.ref
    reverses = tx.execute(select(known_line.c.reverses).where(known_line.c.ref == ref)).scalar_one_or_none()
    about = found.linked_to or reverses
    of_it = tx.execute(select(donation.c.ref).where(donation.c.linked_to == ref).limit(CHOICES_MAX)).scalars().all()
    gifts: list[Identity] = []
    if found.split is not None and found.split.nonce is not None:
        numbers = range(1, len(found.split.units) + 1)
        gifts = [split_identity(found.identity, found.split.nonce, number) for number in numbers]
    holding = ref if found.payment.kind is Kind.PAYOUT and found.payment.bank is None else about
    gifts_of_payout, held = _inside(tx, holding) if holding else ([], 0)
    gifts += gifts_of_payout
    read = _read(tx, [*of_it, *(one.ref for one in gifts), *([about] if about else [])])
    return LinesMoney(
        about=read.get(about or ""),
        of_it=tuple(read[one] for one in of_it if one in read),
        gifts=tuple(read[one.ref] for one in gifts if one.ref in read),
        choices=() if about else tuple(_others(tx, found)),
        held=held or len(gifts),
    )


def _inside(tx: Connection, ref: str) -> tuple[list[Identity], int]:
    """Name the first gifts of a payout, and tell how many payments it holds."""
    rows = tx.execute(select(donation.c.id, donation.c.rail, donation.c.kind).where(donation.c.ref == ref)).all()
    for row in rows:
        if row.kind == Kind.PAYOUT:
            claim = live(one.observed for one in histories(tx, [row.id])[row.id]).get(HOLDS_PART)
            if claim is not None and isinstance(claim.claim, HoldsClaim):
                names = claim.claim.names or ()
                known = read_aliases(tx, row.rail, list(names[:HELD_MAX]))
                return list({one.ref: one for one in known.values()}.values()), len(names)
    return [], 0


def _others(tx: Connection, found: Donation) -> list[Donation]:
    """List other money that this may be about, nearest in time first."""
    identity, payment = found.identity, found.payment
    if found.state is not State.CONFIRMED or identity.network:
        return []
    asked = donations_with_people().where(
        donation.c.asset == identity.asset, donation.c.units == payment.units, donation.c.ref != identity.ref
    )
    if payment.bank is not None and identity.direction is Direction.OUT:
        asked = asked.where(
            donation.c.address == identity.address,
            donation.c.direction == Direction.IN,
            donation.c.state.in_(_STANDS),
            donation.c.bank_class.is_not(None),
        )
        if payment.bank.line_class != "reversal":
            asked = asked.where(donation.c.kind == Kind.DONATION)
    elif "manual" in payment.flags:
        is_taken = exists().where(_TAKEN.c.linked_to == donation.c.ref)
        asked = asked.where(
            donation.c.address.in_(line_accounts(tx)),
            donation.c.bank_class.is_not(None),
            donation.c.kind == Kind.DONATION,
            donation.c.method == payment.method,
            donation.c.state == State.CONFIRMED,
            ~is_taken,
        )
    else:
        return []
    near = func.abs(donation.c.occurred_at - to_micros(payment.occurred_at))
    rows = tx.execute(asked.order_by(near, donation.c.id).limit(CHOICES_MAX)).mappings()
    return [read_donation(row, row["personal_body"]) for row in rows]


def read_inbox(
    tx: Connection, after: WaitingClaim | None = None, *, rail: str | None = None
) -> tuple[WaitingClaim, ...]:
    """Read the claims whose name stands for nothing yet, or for money of another asset, from behind a place."""
    is_same = (alias.c.rail == waiting_claim.c.rail) & (alias.c.name == waiting_claim.c.name)
    joined = waiting_claim.outerjoin(alias, is_same)
    joined = joined.join(report, report.c.number == waiting_claim.c.report_number)
    place = (report.c.number, waiting_claim.c.name, waiting_claim.c.part)
    told = (waiting_claim.c.rail, waiting_claim.c.name, waiting_claim.c.part)
    asked = select(*told, report.c.accepted_at, report.c.number, alias.c.asset)
    is_left = or_(alias.c.name.is_(None), waiting_claim.c.asset != alias.c.asset)
    asked = asked.select_from(joined).where(is_left).order_by(*place).limit(LISTED_MAX)
    if rail is not None:
        asked = asked.where(waiting_claim.c.rail == rail)
    if after is not None:
        asked = asked.where(tuple_(*place) > tuple_(*map(literal, (after.report_number, after.name, after.part))))
    return tuple(
        WaitingClaim(row.rail, row.name, row.part, from_micros(row.accepted_at), row.number, row.asset is not None)
        for row in tx.execute(asked)
    )

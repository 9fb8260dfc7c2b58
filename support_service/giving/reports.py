"""Report: one message from one outside source, with the Observations it claims. Pure."""

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import TypeAlias

from support_service.giving.balances import HeldBalance
from support_service.giving.methods import Frequency
from support_service.giving.states import PAYMENT_STATES, Direction, Flag, Kind, Outcome, State

Rank: TypeAlias = tuple[int, int]


PAYMENT_PART = "payment"


# ASCII's unit separator: in no address, code or locator, so two identities never read alike.
_SEPARATOR = "\x1f"


@lru_cache(maxsize=4_096)
def _ref(*parts: str) -> str:
    """Read from the ledger or told again, the same identity is built a few times while its report is taken in."""
    return hashlib.sha256(_SEPARATOR.join(parts).encode()).hexdigest()[:24]


@dataclass(frozen=True, slots=True)
class Identity:
    """What makes two statements speak of the same piece of money (locators: contract, `locator`).

    network and address are "" off chain. ref is the stable public id: the same money gets the same id in every
    rebuild. It is worked out once, for it is asked a dozen times while a report is taken in.
    """

    network: str
    asset: str
    address: str
    direction: Direction
    locator: str
    ref: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        ref = _ref(self.network, self.asset, self.address, str(self.direction), self.locator)
        object.__setattr__(self, "ref", ref)


_NOTHING_TOLD = (None,) * 5


@dataclass(frozen=True, slots=True)
class Personal:
    """What points to a person; kept apart from the append-only rows so that it can be erased.

    salt is made where somebody types it and erased with it, so that the digest left behind confirms no guess.
    None: kept before there were salts, or public anyway, such as the address on a chain.
    party is what a bank tells of the other side beside its name, as JSON text; row is the statement's, as it came.
    """

    payer: str | None = None
    message: str | None = None
    note: str | None = None
    salt: str | None = field(default=None, compare=False)
    party: str | None = None
    row: str | None = None

    @property
    def is_empty(self) -> bool:
        """Tell whether there is nothing to keep."""
        told = (self.payer, self.message, self.note, self.party, self.row)
        return told == _NOTHING_TOLD


_NOBODY = Personal()


@dataclass(frozen=True, slots=True)
class Decline:
    """A declined card: by which rail, the message's key, the payment it was tried for, when; intent None: not named."""

    rail: str
    key: str
    payment: str
    at: datetime
    intent: str | None = None


@dataclass(frozen=True, slots=True)
class BankFacts:
    """What is said of a line of a bank account: its class, the rule that took it, the day as the bank names it."""

    line_class: str
    rule: str
    day: date | None


@dataclass(frozen=True, slots=True)
class PaymentClaim:
    """A source's statement about the payment itself; units are gross, positive also for outflows.

    intent is the reference of the reader's choice that it follows, where there is one.
    """

    state: State
    kind: Kind
    rail: str
    method: str
    units: int
    exponent: int
    occurred_at: datetime
    block_height: int | None = None
    block_hash: str | None = None
    tx: str | None = None
    article: str | None = None
    support_code: str | None = None
    fee_units: int | None = None
    flags: tuple[Flag, ...] = ()
    personal: Personal = field(default=Personal())
    intent: str | None = None
    bank: BankFacts | None = None

    def __post_init__(self) -> None:
        assert self.state in PAYMENT_STATES and self.units >= 0
        assert self.occurred_at.tzinfo is UTC, "times are aware UTC datetimes"
        assert not self.flags or self.flags == tuple(sorted(set(self.flags))), "flags are sorted and unique"

    def without_personal(self) -> "PaymentClaim":
        """Give the same claim of nobody; written out, for `replace` looks up each field at three times the cost."""
        return PaymentClaim(
            self.state, self.kind, self.rail, self.method, self.units, self.exponent, self.occurred_at,
            self.block_height, self.block_hash, self.tx, self.article, self.support_code, self.fee_units, self.flags,
            _NOBODY, self.intent, self.bank,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class RefundClaim:
    """Money given back: a refund or a bank reversal. Only a succeeded one lowers what counts."""

    units: int
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class DisputeClaim:
    """A payer's objection: SUCCEEDED means they won, FAILED that we did; it counts 0 until then.

    is_withdrawn tells whether the processor holds the money back meanwhile; a mere question does not.
    """

    units: int
    outcome: Outcome
    is_withdrawn: bool = False


@dataclass(frozen=True, slots=True)
class FeeClaim:
    """What one entry of the processor's books kept of this money, in the money's own units; negative: gave back."""

    units: int


@dataclass(frozen=True, slots=True)
class ValueClaim:
    """What a gift was worth when it came, in a currency's smallest units; it changes no state and no sum.

    rate is the exact price of one whole unit of the asset, as decimal text; at is the gift's own time.
    """

    currency: str
    exponent: int
    units: int
    rate: str
    source: str
    at: datetime

    def __post_init__(self) -> None:
        assert self.units >= 0 and self.at.tzinfo is UTC, "times are aware UTC datetimes"


def value_part(units: int) -> str:
    """Name the part that holds the value of so many units: another amount is valued anew, the same one once."""
    return f"value:{units}"


MATCH_PART = "match"


@dataclass(frozen=True, slots=True)
class MatchClaim:
    """Whose gift it is and how that was found out; it changes no state and no sum. support_code None: nobody's."""

    support_code: str | None
    by: str
    reason: str
    intent: str | None = None
    article: str | None = None


CLASS_PART = "class"


@dataclass(frozen=True, slots=True)
class ClassClaim:
    """What a person says a line of a bank account is; kind None: what its rule said before."""

    kind: Kind | None
    line_class: str


LINK_PART = "link"


@dataclass(frozen=True, slots=True)
class LinkClaim:
    """Says which other money (its ref) this is about; to None: a person says that it is about no other.

    Of money that came in: the same gift was told by the bank, and counts there. Of a line that went out:
    it gives that gift back.
    """

    to: str | None
    reason: str


# Why a join ended, where a person has not judged it: the line's file was taken back. It may be joined anew.
UNTOLD = "the file of its line was taken back"

SPLIT_PART = "split"


@dataclass(frozen=True, slots=True)
class SplitClaim:
    """Says that a line holds so many gifts, of so many units each; nonce None: it holds none any more.

    Each is money of its own, see `split_identity`; together they are the line, never more, never less.
    """

    nonce: str | None
    units: tuple[int, ...] = ()


_SPLIT = "split:"


def split_identity(line: Identity, nonce: str, number: int) -> Identity:
    """Name one of the gifts that a line holds, counted from 1."""
    return Identity("", line.asset, line.address, Direction.IN, f"{_SPLIT}{nonce}:{number}")


def is_split_off(identity: Identity) -> bool:
    """Tell whether this is a gift that a line of the bank holds among others."""
    return identity.locator.startswith(_SPLIT)


STAND_PART = "stand"


@dataclass(frozen=True, slots=True)
class StandClaim:
    """Says whether a line of the bank stands: a person took the file back that told it, or it is told again."""

    stands: bool
    reason: str


HOLDS_PART = "holds"


@dataclass(frozen=True, slots=True)
class HoldsClaim:
    """Says which payments, by their processor's own names, went into a payout; it changes no state and no sum.

    names None: not told yet; ask_again names what the processor is asked by, later.
    """

    names: tuple[str, ...] | None
    ask_again: str = ""


# Begins the part of a refund that a line of the bank's own gave back; the line's locator follows.
REVERSAL_PART = "reversal:"


Word: TypeAlias = MatchClaim | ClassClaim | LinkClaim | SplitClaim | StandClaim | HoldsClaim
Claim: TypeAlias = PaymentClaim | RefundClaim | DisputeClaim | FeeClaim | ValueClaim | Word


@dataclass(frozen=True, slots=True)
class Observation:
    """One claim about one part of one piece of money.

    part is `payment`, `value:<units>`, `match`, `class`, `link`, `split`, `stand`, `holds`, `fee:<entry>`, or the id of
    a refund, dispute or bank reversal. Per part the highest rank wins. rank None stands for the number of the report
    (chains: the newer statement is the better one); card processors give (position in the lifecycle, event time in
    microseconds).
    """

    identity: Identity
    claim: Claim
    part: str = PAYMENT_PART
    rank: Rank | None = None

    def __post_init__(self) -> None:
        assert (self.part == PAYMENT_PART) == isinstance(self.claim, PaymentClaim)


@dataclass(frozen=True, slots=True)
class Named:
    """A claim about money that the source calls by another name than its locator.

    The name is looked up among all aliases ever told. An unknown one waits, and the claim is folded
    as soon as a report tells what the name stands for. asset is what the claim's units are of: where
    the money turns out to be of another one, the claim waits for people, and is never subtracted.
    """

    name: str
    part: str
    rank: Rank
    claim: Claim
    asset: str | None = None

    def __post_init__(self) -> None:
        assert (self.part == PAYMENT_PART) == isinstance(self.claim, PaymentClaim)
        assert not (isinstance(self.claim, PaymentClaim) and not self.claim.personal.is_empty), "told with its identity"


@dataclass(frozen=True, slots=True)
class PlanTerms:
    """How a plan charges: every `count` intervals (day, week, month, year), until `ends_at` where that is told.

    next_at is when it charges next, as far as the processor told.
    """

    interval: str
    count: int
    ends_at: datetime | None = None
    is_paused: bool = False
    next_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class PlanClaim:
    """What a processor says about a gift that repeats; per name the highest rank counts.

    state is the processor's own word; intent is None where the plan was not begun on our page.
    """

    name: str
    intent: str | None
    units: int
    currency: str
    exponent: int
    frequency: Frequency
    state: str
    at: datetime
    rank: Rank
    terms: PlanTerms | None = None

    def __post_init__(self) -> None:
        assert self.units >= 0 and self.at.tzinfo is UTC


@dataclass(frozen=True, slots=True)
class SetAside:
    """One thing of a source that cannot be read; key names it for people, memo is the source's own."""

    source: str
    key: str
    reason: str
    since: datetime
    next_try_at: datetime | None  # None: it waits for people
    tries: int = 1
    memo: str = ""


@dataclass(frozen=True, slots=True)
class Statement:
    """Says that a report is complete for what one block did to one asset at one address.

    Canonical: what stands there in the ledger and is not among the report's observations becomes
    `replaced`. Not canonical: the block left the chain and all that stands there becomes
    `orphaned`. delta_units, where given, is the proven balance change of that block; the report's
    observations for it must sum to it.
    """

    network: str
    address: str
    asset: str
    block_hash: str
    is_canonical: bool = True
    delta_units: int | None = None


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a polled source has read. The step alone orders cursors; the rest is contents.

    memo is the source's own JSON text, opaque to everybody else.
    """

    step: int
    height: int | None
    block_hash: str | None
    checked_at: datetime
    memo: str = "{}"


def rail_of(source: str) -> str:
    """Name the rail of a source: what stands before the colon, or all of it."""
    return source.partition(":")[0]


@dataclass(frozen=True, slots=True)
class Report:
    """One message from one outside source.

    Pushed sources set `key` to the sender's id. Polled ones give the `cursor` that the ledger must
    hold afterwards; their key is its step, and the report follows step - 1.
    raw is the message as it came, kept in the erasable table. aliases say what money a name stands
    for; a name that has a meaning keeps it. balances are what the source says that we hold: money is compared with
    them, and never made of them.
    """

    source: str
    key: str
    observations: tuple[Observation, ...] = ()
    statements: tuple[Statement, ...] = ()
    cursor: Cursor | None = None
    raw: str | None = None
    aliases: tuple[tuple[str, Identity], ...] = ()
    waiting: tuple[Named, ...] = ()
    plans: tuple[PlanClaim, ...] = ()
    balances: tuple[HeldBalance, ...] = ()

    def __post_init__(self) -> None:
        assert self.cursor is None or self.key == str(self.cursor.step)
        assert self.cursor is not None or not self.statements, "only polled sources make statements"

    @property
    def rail(self) -> str:
        """Whose names it speaks of: two processors may use one name for two things."""
        return rail_of(self.source)

    @property
    def claims_nothing(self) -> bool:
        """Tell whether this is only a step of the cursor."""
        return not (self.observations or self.statements or self.aliases or self.waiting or self.plans)

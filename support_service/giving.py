"""The nouns of the house, and the fold that turns observations into what we believe. Pure.

PaymentMethod: what a reader sees. Report: one message from one outside source, with the
Observations it claims. Donation: what we believe now about one piece of money. (Postings, the
books' side of a donation, are in ledger/postings.py.) Money enters by one verb only,
`ledger.accept(report)`.
"""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import TypeAlias

from support_service.money import Asset

Clock: TypeAlias = Callable[[], datetime]
Rank: TypeAlias = tuple[int, int]

PAYMENT_PART = "payment"
# ASCII's unit separator: in no address, code or locator, so two identities never read alike.
_SEPARATOR = "\x1f"


def utc_now() -> datetime:
    """Tell the time; the default clock, passed in wherever time matters."""
    return datetime.now(UTC)


class Direction(StrEnum):
    """Which way the money went, as seen from our address."""

    IN = "in"
    OUT = "out"


class Kind(StrEnum):
    """What a piece of money is; the export's `kind`."""

    DONATION = "donation"
    OUTFLOW = "outflow"
    PROTOCOL = "protocol"
    UNATTRIBUTED = "unattributed"
    INTERNAL = "internal"
    OPENING = "opening"


COUNTED_KINDS = frozenset({Kind.DONATION, Kind.UNATTRIBUTED})
"""Kinds that totals sum: readers' money, also where a node could not tell which transaction paid it."""


class State(StrEnum):
    """What we believe about a donation; only confirmed money is counted, thanked and totalled."""

    SEEN = "seen"
    CONFIRMED = "confirmed"
    ORPHANED = "orphaned"
    REPLACED = "replaced"
    REFUNDED = "refunded"
    PARTIALLY_REFUNDED = "partially_refunded"
    DISPUTED = "disputed"
    QUARANTINED = "quarantined"


PAYMENT_STATES = frozenset({State.SEEN, State.CONFIRMED, State.ORPHANED, State.REPLACED, State.QUARANTINED})
"""States that one payment claim may hold; the others follow from refunds and disputes."""


class Flag(StrEnum):
    """A remark on a donation that people should see beside its amount."""

    OFF_ROUTE = "off_route"
    ESTIMATED = "estimated"
    MINT = "mint"
    CONFLICT = "conflict"
    MANUAL = "manual"


class Outcome(StrEnum):
    """How far a refund, a dispute or a bank reversal has come."""

    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Phrase:
    """Text for people in English, to be translated where it is shown; values fill %(name)s."""

    text: str
    values: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Row:
    """One line to read and copy: `shown` is grouped for eyes, `copied` is what the clipboard gets.

    is_typed is False for what nobody pastes anywhere, such as the name of a network: no copy button.
    """

    label: Phrase
    shown: str
    copied: str
    is_typed: bool = True


@dataclass(frozen=True, slots=True)
class QrText:
    """What a QR symbol holds and how it is drawn; `caption` says honestly what a scan does."""

    text: str
    caption: Phrase
    level: str = "M"
    version_min: int = 1
    has_hryvnia_sign: bool = False


@dataclass(frozen=True, slots=True)
class Link:
    """A link that opens a wallet or bank app on the reader's own device."""

    href: str
    label: Phrase


@dataclass(frozen=True, slots=True)
class Watch:
    """The unit of watching: one asset at one address of one network, and the method it belongs to.

    start_block is the first block whose credits count; None means the head at first sight.
    """

    network: str
    address: str
    asset: Asset
    method: str
    start_block: int | None = None
    is_off_route: bool = False

    @property
    def key(self) -> tuple[str, str, str]:
        """Network, address and asset code: two methods may not share it."""
        return (self.network, self.address, self.asset.code)


class Frequency(StrEnum):
    """How often a reader gives."""

    ONCE = "once"
    MONTHLY = "monthly"
    YEARLY = "yearly"


@dataclass(frozen=True, slots=True)
class CardCurrency:
    """A currency that cards may be charged in: bounds and offered sums, in units, by frequency.

    What a processor takes of each payment is fee_basis_points (hundredths of a percent) plus
    fee_fixed_units; both 0 where nobody estimated it. Sums are charged in whole steps of step_units.
    """

    asset: Asset
    minimum_units: int
    maximum_units: int
    presets: tuple[tuple[Frequency, tuple[int, ...]], ...]
    fee_basis_points: int = 0
    fee_fixed_units: int = 0
    step_units: int = 1

    def covering_fee(self, units: int) -> int:
        """Return what must be added so that units are left after the fee, rounded up; 0 without an estimate."""
        share = (10_000 - self.fee_basis_points) * self.step_units
        return -(-(units + self.fee_fixed_units) * 10_000 // share) * self.step_units - units


@dataclass(frozen=True, slots=True)
class CardChoice:
    """What a card form offers; checkout_origins are the only places a payment page may lie at."""

    currencies: tuple[CardCurrency, ...]
    checkout_origins: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PaymentMethod:
    """One way to give, as the page, the widget and the manifest show it. Built once, from settings.

    `card` stands where cards are charged through a processor; such a method has no code to scan.

    `facts` are the machine-readable truths for /.well-known/support-methods.json, in order.
    `books` are the assets staff may book by hand for this method (empty where a chain tells).
    `warnings` are for the publisher (`check`), not for readers: allowed, but worth a second look.
    """

    key: str
    rail: str
    title: Phrase
    rows: tuple[Row, ...]
    qr: QrText | None
    facts: tuple[tuple[str, str], ...]
    subtitle: Phrase | None = None
    notes: tuple[Phrase, ...] = ()
    link: Link | None = None
    watches: tuple[Watch, ...] = ()
    books: tuple[Asset, ...] = ()
    warnings: tuple[Phrase, ...] = ()
    card: CardChoice | None = None


@dataclass(frozen=True, slots=True)
class Identity:
    """What makes two statements speak of the same piece of money (locators: contract, `locator`).

    network and address are "" off chain.
    """

    network: str
    asset: str
    address: str
    direction: Direction
    locator: str

    @property
    def ref(self) -> str:
        """The stable public id: the same money gets the same id in every rebuild."""
        parts = (self.network, self.asset, self.address, str(self.direction), self.locator)
        text = _SEPARATOR.join(parts)
        return hashlib.sha256(text.encode()).hexdigest()[:24]


@dataclass(frozen=True, slots=True)
class Personal:
    """What points to a person; kept apart from the append-only rows so that it can be erased.

    salt is made where somebody types it and erased with it, so that the digest left behind confirms no guess.
    None: kept before there were salts, or public anyway, such as the address on a chain.
    """

    payer: str | None = None
    message: str | None = None
    note: str | None = None
    salt: str | None = field(default=None, compare=False)

    @property
    def is_empty(self) -> bool:
        """Tell whether there is nothing to keep."""
        return self.payer is None and self.message is None and self.note is None


@dataclass(frozen=True, slots=True)
class Decline:
    """A declined card: the message's key, the payment it was tried for, when; intent None where it names none."""

    key: str
    payment: str
    at: datetime
    intent: str | None = None


@dataclass(frozen=True, slots=True)
class Intent:
    """What a reader chose on our page, before any money moves.

    ref is 32 hex digits that nobody can guess. units is all that will be charged each time;
    covered_fee_units is the part of it that the reader added to cover the fee.
    """

    ref: str
    method: str
    currency: str
    exponent: int
    units: int
    frequency: Frequency
    lang: str
    made_at: datetime
    article: str | None = None
    support_code: str | None = None
    covered_fee_units: int = 0
    personal: Personal = field(default=Personal())

    def __post_init__(self) -> None:
        assert 0 <= self.covered_fee_units < self.units and self.made_at.tzinfo is UTC


@dataclass(frozen=True, slots=True)
class Checkout:
    """A processor's payment page: its name there, its address, and when it closes."""

    session: str
    url: str
    expires_at: datetime


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

    def __post_init__(self) -> None:
        assert self.state in PAYMENT_STATES and self.units >= 0
        assert self.occurred_at.tzinfo is UTC, "times are aware UTC datetimes"
        assert self.flags == tuple(sorted(set(self.flags))), "flags are sorted and unique"


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


Claim: TypeAlias = PaymentClaim | RefundClaim | DisputeClaim | FeeClaim | ValueClaim


@dataclass(frozen=True, slots=True)
class Observation:
    """One claim about one part of one piece of money.

    part is `payment`, `value:<units>`, `fee:<entry>`, or the id of a refund, dispute or bank reversal. Per part the
    highest rank wins. rank None stands for the number of the report (chains: the newer statement is the better
    one); Stripe gives (position in the lifecycle, event time in microseconds).
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
    """How a plan charges: every `count` intervals (day, week, month, year), until `ends_at` where that is told."""

    interval: str
    count: int
    ends_at: datetime | None = None
    is_paused: bool = False


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


@dataclass(frozen=True, slots=True)
class Report:
    """One message from one outside source.

    Pushed sources set `key` to the sender's id. Polled ones give the `cursor` that the ledger must
    hold afterwards; their key is its step, and the report follows step - 1.
    raw is the message as it came, kept in the erasable table. aliases say what money a name stands
    for; a name that has a meaning keeps it.
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

    def __post_init__(self) -> None:
        assert self.cursor is None or self.key == str(self.cursor.step)
        assert self.cursor is not None or not self.statements, "only polled sources make statements"

    @property
    def claims_nothing(self) -> bool:
        """Tell whether this is only a step of the cursor."""
        return not (self.observations or self.statements or self.aliases or self.waiting or self.plans)


@dataclass(frozen=True, slots=True)
class Observed:
    """An observation as the ledger keeps it: numbered, and with the time of its report."""

    report_number: int
    accepted_at: datetime
    part: str
    rank: Rank
    claim: Claim


@dataclass(frozen=True, slots=True)
class Donation:
    """What we believe now about one piece of money; field names are those of the export.

    refunded_units is what went back to the payer: refunds, and disputes that were lost.
    withheld_units is what the processor holds back while a dispute is open. open_parts counts
    refunds and disputes whose end is not known.
    """

    identity: Identity
    payment: PaymentClaim
    state: State
    refunded_units: int
    counted_units: int
    seen_at: datetime
    confirmed_at: datetime | None
    value: ValueClaim | None = None
    fee_units: int | None = None
    withheld_units: int = 0
    open_parts: int = 0

    @property
    def net_units(self) -> int | None:
        """What is left after the processor's fee; None where no fee is known."""
        return None if self.fee_units is None else self.payment.units - self.fee_units


class NoPayment(ValueError):
    """Observations of refunds or disputes without the payment they belong to."""


def live(observations: Iterable[Observed]) -> dict[str, Observed]:
    """Pick the observation that counts for each part: the highest rank, then the newest report."""
    best: dict[str, Observed] = {}
    for seen in observations:
        held = best.get(seen.part)
        if held is None or (held.rank, held.report_number) < (seen.rank, seen.report_number):
            best[seen.part] = seen
    return best


def fold(identity: Identity, observations: Iterable[Observed]) -> Donation:
    """Turn all observations of one piece of money into what we believe; their order does not matter."""
    history = list(observations)
    parts = live(history)
    if PAYMENT_PART not in parts:
        raise NoPayment(f"{identity.locator}: no payment among {sorted(parts)}")
    payment = parts[PAYMENT_PART].claim
    assert isinstance(payment, PaymentClaim)
    refunded = min(_refunded_units(parts), payment.units)
    withheld = min(_withheld_units(parts), payment.units - refunded)
    state = _state(payment, parts, refunded)
    is_gift = payment.kind in COUNTED_KINDS and identity.direction is Direction.IN
    counts = is_gift and state in {State.CONFIRMED, State.PARTIALLY_REFUNDED}
    return Donation(
        identity=identity,
        payment=payment,
        state=state,
        refunded_units=refunded,
        counted_units=payment.units - refunded if counts else 0,
        seen_at=min(seen.accepted_at for seen in history),
        confirmed_at=_confirmed_at(history),
        value=_value(parts, payment.units),
        fee_units=_fee_units(payment, parts),
        withheld_units=withheld,
        open_parts=sum(is_open(seen.claim) for seen in parts.values()),
    )


def is_open(claim: Claim) -> bool:
    """Tell whether the end of a refund or dispute is not known yet."""
    return isinstance(claim, RefundClaim | DisputeClaim) and claim.outcome is Outcome.PENDING


def _refunded_units(parts: dict[str, Observed]) -> int:
    """Sum what went back to the payer; a lost dispute did so for good, like a refund."""
    back = [seen.claim for seen in parts.values() if isinstance(seen.claim, RefundClaim | DisputeClaim)]
    return sum(claim.units for claim in back if claim.outcome is Outcome.SUCCEEDED)


def _withheld_units(parts: dict[str, Observed]) -> int:
    disputes = [seen.claim for seen in parts.values() if isinstance(seen.claim, DisputeClaim)]
    return sum(claim.units for claim in disputes if claim.is_withdrawn and claim.outcome is Outcome.PENDING)


def _fee_units(payment: PaymentClaim, parts: dict[str, Observed]) -> int | None:
    """Sum all fees; None where none is known."""
    fees = [seen.claim.units for seen in parts.values() if isinstance(seen.claim, FeeClaim)]
    fees += [] if payment.fee_units is None else [payment.fee_units]
    return sum(fees) if fees else None


def _value(parts: dict[str, Observed], units: int) -> ValueClaim | None:
    seen = parts.get(value_part(units))
    return seen.claim if seen is not None and isinstance(seen.claim, ValueClaim) else None


def _state(payment: PaymentClaim, parts: dict[str, Observed], refunded: int) -> State:
    """Disputed: while the payer objects, and for good where all that was left was lost that way.

    Where a lost dispute took only a part, the rest is ours and counts: partially_refunded.
    """
    if payment.state is not State.CONFIRMED:
        return payment.state
    outcomes = {seen.claim.outcome for seen in parts.values() if isinstance(seen.claim, DisputeClaim)}
    is_gone = bool(refunded) and refunded == payment.units
    if Outcome.PENDING in outcomes or (Outcome.SUCCEEDED in outcomes and is_gone):
        return State.DISPUTED
    if is_gone:
        return State.REFUNDED
    return State.PARTIALLY_REFUNDED if refunded else State.CONFIRMED


def _confirmed_at(history: list[Observed]) -> datetime | None:
    """The first moment of the unbroken run of confirmations that ends in the live payment claim."""
    run: list[datetime] = []
    payments = [seen for seen in history if isinstance(seen.claim, PaymentClaim)]
    for seen in sorted(payments, key=lambda seen: (seen.rank, seen.report_number)):
        assert isinstance(seen.claim, PaymentClaim)
        run = [*run, seen.accepted_at] if seen.claim.state is State.CONFIRMED else []
    return min(run, default=None)

"""Donation: what we believe now about one piece of money: a fold over its observations. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from support_service.giving.reports import (
    CLASS_PART,
    LINK_PART,
    MATCH_PART,
    PAYMENT_PART,
    REVERSAL_PART,
    SPLIT_PART,
    STAND_PART,
    Claim,
    ClassClaim,
    DisputeClaim,
    FeeClaim,
    HoldsClaim,
    Identity,
    LinkClaim,
    MatchClaim,
    PaymentClaim,
    Rank,
    RefundClaim,
    SplitClaim,
    StandClaim,
    ValueClaim,
    value_part,
)
from support_service.giving.states import COUNTED_KINDS, Direction, Kind, Outcome, State

# Stands for a rule's name where a person said what a bank line is.
PEOPLE = "staff"


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
    refunds and disputes whose end is not known. returned_units is what of the refunds a line of the bank's own
    gave back; it is known to the fold alone.
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
    match: MatchClaim | None = None
    link: LinkClaim | None = None
    split: SplitClaim | None = None
    stand: StandClaim | None = None
    returned_units: int = 0

    @property
    def linked_to(self) -> str | None:
        """The ref of the other money that this is about."""
        return self.link.to if self.link else None

    @property
    def is_taken_back(self) -> bool:
        """Tell whether a person took the file back that told this line, and nothing tells it since."""
        return self.stand is not None and not self.stand.stands

    @property
    def is_split(self) -> bool:
        """Tell whether this is a line whose gifts are booked one by one."""
        return self.split is not None and self.split.nonce is not None

    @property
    def support_code(self) -> str | None:
        """The code of the reader whose gift it is, told with the payment or found out later."""
        return self.payment.support_code or (self.match.support_code if self.match else None)

    @property
    def intent(self) -> str | None:
        """The reader's choice that it follows."""
        return self.payment.intent or (self.match.intent if self.match else None)

    @property
    def article(self) -> str | None:
        """What the reader had read."""
        return self.payment.article or (self.match.article if self.match else None)

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


def fold(identity: Identity, observations: Iterable[Observed], parts: dict[str, Observed] | None = None) -> Donation:
    """Turn all observations of one piece of money into what we believe; their order does not matter.

    parts: what is live of them, where the caller knows it already.
    """
    history = list(observations)
    parts = live(history) if parts is None else parts
    if PAYMENT_PART not in parts:
        raise NoPayment(f"{identity.locator}: no payment among {sorted(parts)}")
    payment = parts[PAYMENT_PART].claim
    assert isinstance(payment, PaymentClaim)
    if len(parts) == 1:
        return _alone(identity, payment, history)
    payment = _as_people_say(payment, parts)
    link = _link(parts)
    refunded = min(_refunded_units(parts), payment.units)
    withheld = min(_withheld_units(parts), payment.units - refunded)
    state = _state(payment, parts, refunded)
    stand = _stand(parts)
    if _is_joined(identity, payment, link) or (stand is not None and not stand.stands):
        state = State.REPLACED
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
        match=_match(parts),
        link=link,
        split=_split(parts),
        stand=stand,
        returned_units=min(_returned_units(parts), refunded),
    )


def _alone(identity: Identity, payment: PaymentClaim, history: list[Observed]) -> Donation:
    """Believe a payment that nothing else is said of, as of nearly all there is none."""
    counts = payment.state is State.CONFIRMED and payment.kind in COUNTED_KINDS and identity.direction is Direction.IN
    return Donation(
        identity=identity,
        payment=payment,
        state=payment.state,
        refunded_units=0,
        counted_units=payment.units if counts else 0,
        seen_at=min(seen.accepted_at for seen in history),
        confirmed_at=_confirmed_at(history),
        fee_units=payment.fee_units,
    )


def is_open(claim: Claim) -> bool:
    """Tell whether the end of a refund or dispute, or what a payout holds, is not known yet."""
    if isinstance(claim, HoldsClaim):
        return claim.names is None
    return isinstance(claim, RefundClaim | DisputeClaim) and claim.outcome is Outcome.PENDING


def _refunded_units(parts: dict[str, Observed]) -> int:
    """Sum what went back to the payer; a lost dispute did so for good, like a refund."""
    back = [seen.claim for seen in parts.values() if isinstance(seen.claim, RefundClaim | DisputeClaim)]
    return sum(claim.units for claim in back if claim.outcome is Outcome.SUCCEEDED)


def _returned_units(parts: dict[str, Observed]) -> int:
    back = [seen.claim for part, seen in parts.items() if part.startswith(REVERSAL_PART)]
    return sum(claim.units for claim in back if isinstance(claim, RefundClaim) and claim.outcome is Outcome.SUCCEEDED)


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


def _as_people_say(payment: PaymentClaim, parts: dict[str, Observed]) -> PaymentClaim:
    """A person's word about a bank line goes before the rule's, also where the bank tells of the line again."""
    if payment.bank is None:
        return payment
    seen, split = parts.get(CLASS_PART), _split(parts)
    if seen is not None and isinstance(seen.claim, ClassClaim) and seen.claim.kind is not None:
        bank = replace(payment.bank, line_class=seen.claim.line_class, rule=PEOPLE)
        payment = replace(payment, kind=seen.claim.kind, bank=bank)
    # The gifts that it holds count one by one.
    return payment if split is None or split.nonce is None else replace(payment, kind=Kind.OTHER)


def _match(parts: dict[str, Observed]) -> MatchClaim | None:
    seen = parts.get(MATCH_PART)
    return seen.claim if seen is not None and isinstance(seen.claim, MatchClaim) else None


def _link(parts: dict[str, Observed]) -> LinkClaim | None:
    seen = parts.get(LINK_PART)
    return seen.claim if seen is not None and isinstance(seen.claim, LinkClaim) else None


def _split(parts: dict[str, Observed]) -> SplitClaim | None:
    seen = parts.get(SPLIT_PART)
    return seen.claim if seen is not None and isinstance(seen.claim, SplitClaim) else None


def _stand(parts: dict[str, Observed]) -> StandClaim | None:
    seen = parts.get(STAND_PART)
    return seen.claim if seen is not None and isinstance(seen.claim, StandClaim) else None


def _is_joined(identity: Identity, payment: PaymentClaim, link: LinkClaim | None) -> bool:
    """Tell whether this was booked by hand, and the bank's own line of the same gift counts instead."""
    is_by_hand = payment.bank is None and identity.direction is Direction.IN
    return is_by_hand and link is not None and link.to is not None


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
    if len(history) == 1:
        (seen,) = history
        is_confirmed = isinstance(seen.claim, PaymentClaim) and seen.claim.state is State.CONFIRMED
        return seen.accepted_at if is_confirmed else None
    run: list[datetime] = []
    payments = [seen for seen in history if isinstance(seen.claim, PaymentClaim)]
    for seen in sorted(payments, key=lambda seen: (seen.rank, seen.report_number)):
        assert isinstance(seen.claim, PaymentClaim)
        run = [*run, seen.accepted_at] if seen.claim.state is State.CONFIRMED else []
    return min(run, default=None)

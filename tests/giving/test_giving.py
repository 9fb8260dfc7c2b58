"""The fold: many observations, one belief, whatever order they came in."""

from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support_service.giving import (
    PAYMENT_PART,
    Claim,
    Direction,
    DisputeClaim,
    Donation,
    Identity,
    Kind,
    NoPayment,
    Observed,
    Outcome,
    PaymentClaim,
    RefundClaim,
    State,
    fold,
)

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
GIFT = Identity("", "EUR", "", Direction.IN, "pi_1")


def payment(state: State, *, units: int = 1000, kind: Kind = Kind.DONATION) -> PaymentClaim:
    return PaymentClaim(state, kind, "stripe", "stripe", units, 2, NOON)


def observed(*said: tuple[str, int, Claim]) -> list[Observed]:
    """Number claims in order of arrival; each is (part, rank, claim)."""
    return [
        Observed(number, NOON + timedelta(minutes=number), part, (rank, 0), claim)
        for number, (part, rank, claim) in enumerate(said, 1)
    ]


def believed(*said: tuple[str, int, Claim], identity: Identity = GIFT) -> Donation:
    return fold(identity, observed(*said))


LIFE: list[tuple[str, int, Claim]] = [
    (PAYMENT_PART, 1, payment(State.SEEN)),
    (PAYMENT_PART, 2, payment(State.CONFIRMED)),
    ("refund:re_1", 1, RefundClaim(400, Outcome.PENDING)),
    ("refund:re_1", 2, RefundClaim(400, Outcome.SUCCEEDED)),
    ("dispute:dp_1", 1, DisputeClaim(1000, Outcome.PENDING)),
    ("dispute:dp_1", 2, DisputeClaim(1000, Outcome.FAILED)),
]


def test_the_events_of_a_payment_fold_alike_in_every_order() -> None:
    ends = {(d.state, d.refunded_units, d.counted_units) for d in (believed(*order) for order in permutations(LIFE))}
    assert ends == {(State.PARTIALLY_REFUNDED, 400, 600)}


@given(st.permutations(observed(*LIFE)))
def test_the_fold_does_not_mind_the_order_of_its_list(history: list[Observed]) -> None:
    assert fold(GIFT, history) == fold(GIFT, observed(*LIFE))


@pytest.mark.parametrize(
    ("outcome", "state", "counted_units"),
    [
        (Outcome.PENDING, State.DISPUTED, 0),
        (Outcome.SUCCEEDED, State.DISPUTED, 0),
        (Outcome.FAILED, State.CONFIRMED, 1000),
    ],
)
def test_disputed_money_counts_only_once_the_dispute_is_won(outcome: Outcome, state: State, counted_units: int) -> None:
    found = believed((PAYMENT_PART, 1, payment(State.CONFIRMED)), ("dispute:1", 1, DisputeClaim(1000, outcome)))
    assert (found.state, found.counted_units) == (state, counted_units)


@pytest.mark.parametrize(
    ("units", "outcome", "state", "counted_units"),
    [
        (1000, Outcome.SUCCEEDED, State.REFUNDED, 0),
        (1, Outcome.SUCCEEDED, State.PARTIALLY_REFUNDED, 999),
        (1000, Outcome.PENDING, State.CONFIRMED, 1000),
        (1000, Outcome.FAILED, State.CONFIRMED, 1000),
        (5000, Outcome.SUCCEEDED, State.REFUNDED, 0),
    ],
)
def test_only_a_refund_that_arrived_lowers_what_counts(
    units: int, outcome: Outcome, state: State, counted_units: int
) -> None:
    found = believed((PAYMENT_PART, 1, payment(State.CONFIRMED)), ("refund:1", 1, RefundClaim(units, outcome)))
    assert (found.state, found.counted_units) == (state, counted_units)


@pytest.mark.parametrize("state", [State.SEEN, State.ORPHANED, State.REPLACED, State.QUARANTINED])
def test_nothing_but_confirmed_money_counts(state: State) -> None:
    assert believed((PAYMENT_PART, 1, payment(state))).counted_units == 0


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind not in {Kind.DONATION, Kind.UNATTRIBUTED}])
def test_nothing_but_readers_money_counts(kind: Kind) -> None:
    assert believed((PAYMENT_PART, 1, payment(State.CONFIRMED, kind=kind))).counted_units == 0


def test_money_that_left_counts_nothing_whatever_its_kind() -> None:
    out = Identity("ethereum", "ETH", "0xa", Direction.OUT, "block:1:ETH:0xa:unexplained")
    said = (PAYMENT_PART, 1, payment(State.CONFIRMED, kind=Kind.UNATTRIBUTED))
    assert believed(said, identity=out).counted_units == 0


def test_a_confirmation_is_dated_from_the_run_it_stands_in() -> None:
    states = [State.SEEN, State.CONFIRMED, State.ORPHANED, State.CONFIRMED, State.CONFIRMED]
    found = believed(*((PAYMENT_PART, rank, payment(state)) for rank, state in enumerate(states, 1)))
    assert (found.seen_at, found.confirmed_at) == (NOON + timedelta(minutes=1), NOON + timedelta(minutes=4))


def test_a_refund_without_its_payment_is_no_donation() -> None:
    with pytest.raises(NoPayment, match="pi_1"):
        believed(("refund:1", 1, RefundClaim(1, Outcome.SUCCEEDED)))


def test_the_same_money_has_the_same_id_and_other_money_another() -> None:
    one = Identity("ethereum", "ETH", "0xa", Direction.IN, "0x1:value")
    others = [
        Identity("base", "ETH", "0xa", Direction.IN, "0x1:value"),
        Identity("ethereum", "DAI", "0xa", Direction.IN, "0x1:value"),
        Identity("ethereum", "ETH", "0xb", Direction.IN, "0x1:value"),
        Identity("ethereum", "ETH", "0xa", Direction.OUT, "0x1:value"),
        Identity("ethereum", "ETH", "0xa", Direction.IN, "0x2:value"),
    ]
    assert one.ref == Identity("ethereum", "ETH", "0xa", Direction.IN, "0x1:value").ref
    assert len({one.ref, *(other.ref for other in others)}) == 6

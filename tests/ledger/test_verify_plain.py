"""Verify's short way for plain gifts says what the fold of everything says, and holds every field that it holds."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from support_service.giving import (
    PAYMENT_PART,
    BankFacts,
    Claim,
    Direction,
    Flag,
    Identity,
    Kind,
    Observed,
    Outcome,
    PaymentClaim,
    Personal,
    RefundClaim,
    State,
    ValueClaim,
    value_part,
)
from support_service.ledger import canonical, tables
from support_service.ledger.columns import to_micros
from support_service.ledger.errors import BadRecord
from support_service.ledger.postings import postings_for
from support_service.ledger.rows import StoredObservation, believed, donation_values, identity_values, no_values
from support_service.ledger.verify.donations import check_donation, is_plain
from support_service.ledger.verify.parts import VerifyMoment
from support_service.ledger.verify.plain import CLAIMED, DERIVED, ClaimAsStored

NOON = datetime(2026, 3, 29, 0, 59, 59, 999_999, tzinfo=UTC)
NEWEST = 9
WORDS = st.sampled_from(["", "a", "Олена", '"personal":"' + "a" * 64 + '"', "=1"])
UNITS = st.sampled_from([0, 1, 12_50, 10**18 + 1])
IDENTITIES = st.builds(
    Identity,
    network=st.sampled_from(["", "ethereum"]),
    asset=st.sampled_from(["EUR", "ETH"]),
    address=st.sampled_from(["", "0xaa"]),
    direction=st.sampled_from(Direction),
    locator=st.sampled_from(["pi_1", "split:1", "0x1:gas"]),
)
PAYMENTS = st.builds(
    PaymentClaim,
    state=st.sampled_from([State.CONFIRMED, State.CONFIRMED, State.CONFIRMED, State.SEEN, State.QUARANTINED]),
    kind=st.sampled_from([Kind.DONATION, Kind.DONATION, Kind.DONATION, *Kind]),
    rail=st.sampled_from(["stripe", "bank"]),
    method=st.sampled_from(["stripe", "iban"]),
    units=UNITS,
    exponent=st.sampled_from([0, 2, 18]),
    occurred_at=st.sampled_from([NOON, NOON + timedelta(microseconds=1)]),
    block_height=st.sampled_from([None, 0, 7]),
    article=st.none() | WORDS,
    support_code=st.sampled_from([None, "2A3C-4E62"]),
    fee_units=st.none() | UNITS,
    flags=st.sampled_from([(), (Flag.MANUAL,), (Flag.ESTIMATED, Flag.OFF_ROUTE)]),
    personal=st.builds(Personal, payer=st.none() | WORDS),
    intent=st.sampled_from([None, "c" * 32]),
    bank=st.sampled_from([None, BankFacts("gift", "rule", NOON.date()), BankFacts("gift", "", None)]),
)


@st.composite
def histories(draw: st.DrawFn) -> tuple[Identity, list[StoredObservation]]:
    """A payment, and perhaps something else that is said of it, in one report or in two, in either order."""
    identity, payment = draw(IDENTITIES), draw(PAYMENTS)
    value = ValueClaim("UAH", 2, draw(UNITS), "41.6", "nbu", NOON)
    more = st.sampled_from([payment.units, payment.units, 5]).map(value_part)
    told: list[tuple[str, Claim]] = [(PAYMENT_PART, payment)]
    told += draw(
        st.lists(
            st.tuples(more, st.just(value))
            | st.just(("re_1", RefundClaim(1, Outcome.SUCCEEDED)))
            | st.tuples(st.just(PAYMENT_PART), PAYMENTS),
            max_size=2,
            unique_by=lambda one: (one[0], str(one[1])),
        )
    )
    numbers = st.integers(1, NEWEST + 1)
    return identity, [
        _stored(place, draw(numbers), identity, part, claim)
        for place, (part, claim) in enumerate(draw(st.permutations(told)), 1)
    ]


def _stored(place: int, number: int, identity: Identity, part: str, claim: Claim) -> StoredObservation:
    text = canonical.claim_text(identity, claim)
    bare = replace(claim, personal=Personal()) if isinstance(claim, PaymentClaim) else claim
    observed = Observed(number, NOON + timedelta(seconds=number), part, (1, place), bare)
    return StoredObservation(place, text, observed)


def _moment() -> VerifyMoment:
    return VerifyMoment(lambda _done, _of: None, NEWEST, "", 1, 0, {}, {}, {})


def _sums(moment: VerifyMoment) -> tuple[object, ...]:
    """What was counted on the way."""
    return {key: told for key, told in moment.counted.items() if told[1]}, moment.quarters, moment.articles


def _row(identity: Identity, kept: list[StoredObservation]) -> dict[str, Any]:
    """The row that accept would write, with amounts as verify reads them."""
    folded = believed(identity, kept)
    values = no_values() if folded is None else donation_values(*folded)
    values |= identity_values(identity) | {"last_report": max(one.observed.report_number for one in kept)}
    amounts = [name for name in values if name.endswith("_units") or name == "units"]
    return {"id": 1} | values | {name: None if values[name] is None else str(values[name]) for name in amounts}


def _legs(identity: Identity, kept: list[StoredObservation]) -> list[tuple[int, str, str, str, str]]:
    legs, before = [], None
    for number in sorted({one.observed.report_number for one in kept}):
        folded = believed(identity, [one for one in kept if one.observed.report_number <= number])
        if folded is not None:
            legs += [(number, leg) for leg in postings_for(before, folded[0])]
            before = folded[0]
    return [(number, leg.account, leg.network, leg.asset, str(leg.units)) for number, leg in legs]


def _said(kept: list[StoredObservation]) -> list[ClaimAsStored]:
    seen = [(one.text, one.observed) for one in kept]
    return [ClaimAsStored(one.part, text, one.report_number, to_micros(one.accepted_at)) for text, one in seen]


@given(told=histories())
@settings(max_examples=400, deadline=None)
def test_what_the_short_way_takes_is_what_the_fold_says(told: tuple[Identity, list[StoredObservation]]) -> None:
    identity, kept = told
    row, legs = _row(identity, kept), _legs(identity, kept)
    long, short = _moment(), _moment()
    assert list(check_donation("it", row, kept, legs, moment=long)) == []
    if is_plain(row, _said(kept), legs, short):
        assert _sums(short) == _sums(long)
        assert short.reached == long.reached
        _assert_each_change_is_noticed(row, kept, legs)
    else:
        assert _sums(short) == ({}, {}, {}) and short.reached == {}, "what it does not take, it does not count"


def test_a_gift_that_one_payment_tells_of_goes_the_short_way() -> None:
    identity = Identity("", "EUR", "", Direction.IN, "pi_1")
    claim = PaymentClaim(State.CONFIRMED, Kind.DONATION, "stripe", "stripe", 12_50, 2, NOON, fee_units=30, article="a")
    value = _stored(2, 2, identity, value_part(12_50), ValueClaim("UAH", 2, 500_00, "41.6", "nbu", NOON))
    for kept in ([_stored(1, 1, identity, PAYMENT_PART, claim)], [_stored(1, 1, identity, PAYMENT_PART, claim), value]):
        row, legs = _row(identity, kept), _legs(identity, kept)
        assert is_plain(row, _said(kept), legs, _moment())
        _assert_each_change_is_noticed(row, kept, legs)


def test_a_claim_that_is_written_in_another_way_does_not_go_the_short_way() -> None:
    identity = Identity("", "EUR", "", Direction.IN, "pi_1")
    claim = PaymentClaim(State.CONFIRMED, Kind.DONATION, "stripe", "stripe", 12_50, 2, NOON, fee_units=30, article="a")
    value = _stored(2, 2, identity, value_part(12_50), ValueClaim("UAH", 2, 500_00, "41.6", "nbu", NOON))
    kept = [_stored(1, 1, identity, PAYMENT_PART, claim), value]
    row, legs, said = _row(identity, kept), _legs(identity, kept), _said(kept)
    for place, one in enumerate(said):
        held = json.loads(one.claim)
        for other in (
            *(f"{one.claim} ", f" {one.claim}", one.claim.replace(":", ": ", 1), one.claim + one.claim, one.claim[:-1]),
            canonical.dumps({**held, "more": 1}),
            json.dumps(dict(reversed(held.items())), separators=(",", ":")),
            *(canonical.dumps({key: told for key, told in held.items() if key != left_out}) for left_out in held),
            *(canonical.dumps({**held, key: None}) for key in held if held[key] is not None),
            *(canonical.dumps({**held, key: str(held[key])}) for key in held if isinstance(held[key], int)),
            *(canonical.dumps({**held, key: f"0{held[key]}"}) for key in held),
            *(canonical.dumps({**held, key: [held[key]]}) for key in held),
        ):
            changed = [*said[:place], one._replace(claim=other), *said[place + 1 :]]
            assert not is_plain(row, changed, legs, _moment()), other
            # Nor where the row has taken over what was said of its value.
            worth = other if place == 1 else row["value"]
            assert not is_plain({**row, "value": worth}, changed, legs, _moment()) or _is_value(other), other


def _is_value(text: str) -> bool:
    """Tell whether this is, letter for letter, what a value would be stored as."""
    try:
        claim = canonical.read_claim(text)
    except BadRecord:
        return False
    return isinstance(claim, ValueClaim) and canonical.value_text(claim) == text


def test_every_column_of_a_gift_is_held_by_the_short_way() -> None:
    by_identity = {"id", "network", "asset", "address", "direction", "locator"}
    assert {*CLAIMED, *DERIVED} == set(tables.donation.c.keys()) - by_identity


def _assert_each_change_is_noticed(row: dict[str, Any], kept: list[StoredObservation], legs: list[Any]) -> None:
    said = _said(kept)
    for name in set(row) - {"id"}:
        for other in (None, "", "x", "7", 7, f"{row[name]}0", f"0{row[name]}"):
            changed = {**row, name: other}
            assert other == row[name] or not is_plain(changed, said, legs, _moment()), (name, other)
    for place, leg in enumerate(legs):
        for at in range(len(leg)):
            forged = (*leg[:at], f"{leg[at]}0", *leg[at + 1 :])
            assert not is_plain(row, said, [*legs[:place], forged, *legs[place + 1 :]], _moment())
        assert not is_plain(row, said, legs[:place] + legs[place + 1 :], _moment())
    assert not is_plain(row, said, [*legs, (1, "assets:x", "", "EUR", "1")], _moment())
    for place, one in enumerate(said):
        for changed_said in (
            one._replace(part="x"),
            one._replace(claim="{}"),
            one._replace(claim="["),
            said[place - 1],
        ):
            if changed_said != one:
                forged_said = [*said[:place], changed_said, *said[place + 1 :]]
                assert not is_plain(row, forged_said, legs, _moment())

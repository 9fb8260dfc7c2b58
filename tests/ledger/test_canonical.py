"""What is hashed is canonical JSON, to the letter, however it is put together."""

import json
from dataclasses import replace
from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from support_service.giving import BankFacts, Direction, Flag, Identity, PaymentClaim, Personal
from support_service.ledger import canonical
from tests.fixtures.reports import NOON, gift

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
MAYBE = st.none() | TEXTS | st.sampled_from(['"personal":"' + "a" * 64 + '"', "\\", '\\"', "\x1f\u2028\x7f", "дякую"])
PEOPLE = st.builds(Personal, *[MAYBE] * 6)


def is_canonical(text: str) -> bool:
    return json.dumps(json.loads(text), sort_keys=True, separators=(",", ":"), ensure_ascii=False) == text


@st.composite
def payments(draw: st.DrawFn) -> PaymentClaim:
    claim = gift("pi_1").claim
    assert isinstance(claim, PaymentClaim)
    bank = st.none() | st.builds(BankFacts, TEXTS, TEXTS, st.none() | st.dates(date(1990, 1, 1), date(2100, 1, 1)))
    return replace(
        claim,
        units=draw(st.integers(0, 10**78 - 1)),
        occurred_at=NOON + timedelta(microseconds=draw(st.integers(-(10**15), 10**15))),
        flags=tuple(sorted(draw(st.sets(st.sampled_from(Flag))))),
        fee_units=draw(st.none() | st.integers(0, 10**20)),
        block_height=draw(st.none() | st.integers(0, 10**9)),
        bank=draw(bank),
        personal=draw(PEOPLE),
        block_hash=draw(MAYBE),
        tx=draw(MAYBE),
        article=draw(MAYBE),
        support_code=draw(MAYBE),
        intent=draw(MAYBE),
    )


@given(payments(), st.builds(Identity, TEXTS, TEXTS, TEXTS, st.sampled_from(Direction), TEXTS), TEXTS)
def test_a_payment_is_written_canonically_and_read_back_as_it_was(
    claim: PaymentClaim, identity: Identity, part: str
) -> None:
    text = canonical.claim_text(identity, claim)
    assert is_canonical(text)
    assert canonical.read_claim(text, claim.personal) == claim
    observed = canonical.observation_text(canonical.identity_body(identity), part, (1, 2), text)
    assert is_canonical(observed)
    body = canonical.personal_body(identity.ref, claim.personal)
    assert canonical.personal_digest(text) == (None if body is None else canonical.sha256(body))


@given(PEOPLE, TEXTS)
def test_what_is_kept_of_people_is_written_canonically_and_read_back_as_it_was(told: Personal, of: str) -> None:
    body = canonical.personal_body(of, told)
    if body is None:
        assert told.is_empty
        return
    assert is_canonical(body)
    assert canonical.body_of(body) == of
    back = canonical.read_personal(body)
    assert (back, back.salt) == (canonical.tidied(told), told.salt)


def test_a_text_that_looks_like_the_name_of_personal_data_is_none() -> None:
    claim = gift("pi_1", article='x","personal":"' + "a" * 64 + '"').claim
    text = canonical.claim_text(Identity("", "UAH", "", Direction.IN, "x"), claim)
    assert canonical.personal_digest(text) is None

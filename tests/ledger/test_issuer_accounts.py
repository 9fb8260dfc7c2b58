"""Accounts at a provider: bound once, by the address; known ever after by their number, which nobody reads here."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from sqlalchemy import select

from support_service.ledger import Ledger
from support_service.ledger.engine import Database
from support_service.ledger.issuer_accounts import IssuerAccount
from support_service.ledger.staff import LoginRefused
from support_service.ledger.staff_tables import staff_issuer_account
from tests.fixtures.database import prepare
from tests.fixtures.staff import ANNA, BOB, PASSWORD, FrozenClock

ISSUER = "https://accounts.example"
HERS = IssuerAccount(ISSUER, "1090", ANNA)


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def ledger(database_url: str, clock: FrozenClock) -> Iterator[Ledger]:
    prepare(database_url)
    made = Ledger(database_url, clock=clock)
    made.people.add(ANNA, "admin", PASSWORD)
    made.people.add(BOB, "viewer", PASSWORD)
    yield made
    made.dispose()


def test_an_account_is_bound_by_the_address_once_and_known_by_its_number_then(
    ledger: Ledger, clock: FrozenClock
) -> None:
    first = ledger.people.enter_by_issuer(replace(HERS, email=" Anna@Example.ORG"))
    session = ledger.people.session(first.token)
    assert session is not None and session.person.email == ANNA
    assert ledger.factors.bound_since(ANNA, ISSUER) == clock.now
    renamed = ledger.people.session(ledger.people.enter_by_issuer(replace(HERS, email=BOB)).token)
    assert renamed is not None and renamed.person.email == ANNA, "the address is Bob's; the account is not"
    for other in (replace(HERS, subject="2048"), replace(HERS, subject="2048", email="eve@example.org")):
        with pytest.raises(LoginRefused):
            ledger.people.enter_by_issuer(other)
    assert [one.action for one in ledger.people.actions()] == ["bound"]


def test_the_same_number_elsewhere_is_another_account(ledger: Ledger) -> None:
    ledger.people.enter_by_issuer(HERS)
    elsewhere = ledger.people.enter_by_issuer(replace(HERS, issuer="https://evil.example", email=BOB))
    session = ledger.people.session(elsewhere.token)
    assert session is not None and session.person.email == BOB


def test_nobody_who_is_shut_out_is_let_in_or_bound(ledger: Ledger) -> None:
    ledger.people.disable(ANNA)
    with pytest.raises(LoginRefused):
        ledger.people.enter_by_issuer(HERS)
    assert ledger.factors.bound_since(ANNA, ISSUER) is None
    assert ledger.people.actions() == ()


@pytest.mark.parametrize("way", ["disable", "shut out", "reset", "unbind"])
def test_an_account_is_let_go(ledger: Ledger, way: str) -> None:
    ledger.people.enter_by_issuer(HERS)
    match way:
        case "disable":
            ledger.people.disable(ANNA)
        case "shut out":
            ledger.people.shut_out(ANNA, by=BOB)
        case "reset":
            ledger.factors.reset(ANNA, by=BOB)
        case _:
            assert ledger.factors.unbind(ANNA)
    assert ledger.factors.bound_since(ANNA, ISSUER) is None
    assert not ledger.factors.unbind(ANNA), "there is nothing any more"


def test_a_session_of_it_is_not_proved_and_ends_the_one_that_the_browser_brought(
    ledger: Ledger, clock: FrozenClock
) -> None:
    first = ledger.people.enter_by_issuer(HERS)
    second = ledger.people.enter_by_issuer(HERS, old_token=first.token)
    assert ledger.people.session(first.token) is None
    session = ledger.people.session(second.token)
    assert session is not None and session.proved_at.year == 1970
    clock.advance(minutes=30)
    assert ledger.people.session(second.token) is None


def test_what_serves_once_serves_once_until_it_is_over(ledger: Ledger, clock: FrozenClock) -> None:
    until = clock.now
    clock.advance(minutes=-10)
    assert ledger.factors.spend("0" * 64, until)
    assert not ledger.factors.spend("0" * 64, until)
    assert ledger.factors.spend("1" * 64, until)


def test_the_number_of_an_account_stands_nowhere(ledger: Ledger, database_url: str) -> None:
    ledger.people.enter_by_issuer(replace(HERS, subject="a number that tells"))
    with Database(database_url).read() as tx:
        (row,) = tx.execute(select(staff_issuer_account)).mappings()
    assert "a number" not in str(dict(row)) and len(row["account_digest"]) == 64

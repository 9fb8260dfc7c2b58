"""The books: what stands in them for a donation, and that undoing posts the reverse."""

import pytest

from support_service.giving import Direction, Kind, Outcome, State
from support_service.ledger import Ledger
from tests.fixtures.reports import OURS, Chain, dispute, gift, pushed, refund, statement, transfer

ASSETS = f"assets:evm:ethereum:{OURS}"


def books(ledger: Ledger, ref: str) -> dict[str, int]:
    history = ledger.donation(ref)
    assert history is not None
    balances: dict[str, int] = {}
    for _, leg in history.postings:
        balances[leg.account] = balances.get(leg.account, 0) + leg.units
    return {account: units for account, units in balances.items() if units}


@pytest.mark.parametrize(
    ("fields", "counterpart"),
    [
        ({"kind": Kind.DONATION}, "income:donations:eth"),
        ({"kind": Kind.PROTOCOL}, "income:protocol:eth"),
        ({"kind": Kind.UNATTRIBUTED}, "suspense:unattributed:eth"),
        ({"kind": Kind.INTERNAL}, "transfers:internal"),
        ({"kind": Kind.OPENING}, "equity:opening"),
    ],
)
def test_confirmed_money_is_booked_against_what_it_is(chain: Chain, fields: dict[str, Kind], counterpart: str) -> None:
    one = transfer(state=State.CONFIRMED, units=5, **fields)
    chain.says(one)
    assert books(chain.ledger, one.identity.ref) == {ASSETS: 5, counterpart: -5}


@pytest.mark.parametrize(
    ("locator", "account"), [("0x1:gas", "expenses:gas:eth"), ("0x1:value", "expenses:outflow:eth")]
)
def test_what_leaves_is_an_expense(chain: Chain, locator: str, account: str) -> None:
    one = transfer(locator=locator, direction=Direction.OUT, kind=Kind.OUTFLOW, state=State.CONFIRMED, units=5)
    chain.says(one)
    assert books(chain.ledger, one.identity.ref) == {ASSETS: -5, account: 5}


@pytest.mark.parametrize("state", [State.SEEN, State.ORPHANED, State.REPLACED, State.QUARANTINED])
def test_nothing_is_booked_that_is_not_confirmed(chain: Chain, state: State) -> None:
    chain.says(transfer(state=state))
    history = chain.ledger.donation(transfer().identity.ref)
    assert history is not None and history.postings == ()


def test_undoing_a_confirmation_posts_the_reverse(chain: Chain) -> None:
    chain.says(transfer(state=State.CONFIRMED, units=5))
    chain.says(statement("A", is_canonical=False))
    history = chain.ledger.donation(transfer().identity.ref)
    assert history is not None
    assert [(number, leg.account, leg.units) for number, leg in history.postings] == [
        (1, ASSETS, 5),
        (1, "income:donations:eth", -5),
        (2, ASSETS, -5),
        (2, "income:donations:eth", 5),
    ]
    assert chain.ledger.totals() == ()


def test_confirmed_again_in_another_block_posts_nothing(chain: Chain) -> None:
    chain.says(transfer(state=State.CONFIRMED))
    chain.says(transfer(state=State.CONFIRMED, block="B"))
    history = chain.ledger.donation(transfer().identity.ref)
    assert history is not None and len(history.postings) == 2


def test_a_fee_and_a_refund_leave_what_is_left(ledger: Ledger) -> None:
    ledger.accept(pushed("1", gift(units=10_00, fee_units=30, rank=(1, 0))))
    ledger.accept(pushed("2", refund(units=4_00, rank=(2, 0))))
    assert books(ledger, gift().identity.ref) == {
        "assets:stripe:stripe": 5_70,
        "expenses:fees:stripe": 30,
        "income:donations:stripe": -6_00,
    }


def test_the_fee_of_a_gift_given_back_whole_stays_an_expense(ledger: Ledger) -> None:
    ledger.accept(pushed("1", gift(units=10_00, fee_units=30, rank=(1, 0))))
    ledger.accept(pushed("2", refund(units=10_00, rank=(2, 0))))
    assert books(ledger, gift().identity.ref) == {"assets:stripe:stripe": -30, "expenses:fees:stripe": 30}


def test_disputed_money_waits_in_suspense(ledger: Ledger) -> None:
    ledger.accept(pushed("1", gift(units=10_00, rank=(1, 0))))
    ledger.accept(pushed("2", dispute(rank=(1, 0))))
    assert books(ledger, gift().identity.ref) == {"assets:stripe:stripe": 10_00, "suspense:disputed:stripe": -10_00}
    ledger.accept(pushed("3", dispute(outcome=Outcome.FAILED, rank=(2, 0))))
    assert books(ledger, gift().identity.ref) == {"assets:stripe:stripe": 10_00, "income:donations:stripe": -10_00}

"""The rules of accept: what a report changes, and what it must never change."""

from typing import Any

import pytest

from support_service.giving import Direction, Flag, Kind, Outcome, Personal, State
from support_service.ledger import CursorMoved, Ledger, SourceContradiction
from tests.fixtures.reports import (
    OURS,
    Chain,
    dispute,
    gift,
    polled,
    pushed,
    refund,
    statement,
    transfer,
    transfer_report,
)

ETHER = 10**18


def states(ledger: Ledger) -> list[State]:
    return [listed.donation.state for listed in reversed(ledger.donations())]


def sums(ledger: Ledger) -> dict[str, tuple[int, int]]:
    return {total.asset: (total.units, total.count) for total in ledger.totals()}


# 1. The key is the lock.


def test_a_pushed_report_that_is_known_changes_nothing(ledger: Ledger) -> None:
    ledger.accept(pushed("evt_1", gift()))
    before = list(ledger.export())
    again = ledger.accept(pushed("evt_1", gift(units=99_00), gift("pi_2")))
    assert again.is_empty and again.report_number is None
    assert list(ledger.export()) == before


def test_a_pushed_report_with_nothing_new_is_remembered_by_its_key(ledger: Ledger) -> None:
    ledger.accept(pushed("evt_1", gift()))
    second = ledger.accept(pushed("evt_2", gift()))
    assert second.is_empty and second.report_number == 2
    assert ledger.accept(pushed("evt_2", gift("pi_2"))).report_number is None


def test_one_key_means_two_things_at_two_sources(ledger: Ledger) -> None:
    ledger.accept(pushed("1", gift("a"), source="stripe"))
    assert ledger.accept(pushed("1", gift("b"), source="bank:UA")).report_number == 2


def test_a_polled_report_must_follow_the_stored_step(ledger: Ledger) -> None:
    with pytest.raises(CursorMoved, match="step 0"):
        ledger.accept(transfer_report(2))
    ledger.accept(transfer_report(1))
    for step in (1, 3):
        with pytest.raises(CursorMoved, match="step 1"):
            ledger.accept(transfer_report(step, "0x02"))
    assert states(ledger) == [State.SEEN]


def test_a_refused_report_leaves_cursor_and_chain_alone(ledger: Ledger) -> None:
    ledger.accept(transfer_report(1))
    before = (ledger.cursors(), ledger.head(), list(ledger.export()))
    with pytest.raises(SourceContradiction):
        ledger.accept(polled(2, transfer("0x02", block="B"), statement("B", delta_units=1)))
    assert (ledger.cursors(), ledger.head(), list(ledger.export())) == before


# 2. A poll that claims nothing stores no report.


def test_an_empty_poll_moves_the_cursor_and_stores_no_report(ledger: Ledger) -> None:
    change = ledger.accept(polled(1))
    assert change.is_empty and change.report_number is None
    cursor = ledger.cursor("evm:ethereum")
    assert cursor == polled(1).cursor
    assert ledger.head().number == 0
    with pytest.raises(CursorMoved):
        ledger.accept(polled(1))


def test_a_rescan_of_what_is_known_stores_no_report_and_never_moves_the_live_cursor(chain: Chain) -> None:
    chain.says(transfer(), statement())
    before = chain.ledger.head()
    rescan = chain.ledger.accept(polled(1, transfer(), statement(), source="rescan:evm:ethereum"))
    assert rescan.is_empty and chain.ledger.head() == before
    live = chain.ledger.cursor("evm:ethereum")
    assert live is not None and live.step == 1


# 4. A chain report is complete for what it touches.


def test_what_a_newer_statement_no_longer_names_is_replaced(chain: Chain) -> None:
    lump = transfer("block", locator="block:101:ETH:ours:unexplained", kind=Kind.UNATTRIBUTED, units=3 * ETHER)
    chain.says(lump, statement("A", delta_units=3 * ETHER))
    chain.says(transfer("0x01", units=ETHER), transfer("0x02", units=2 * ETHER), statement("A", delta_units=3 * ETHER))
    assert states(chain.ledger) == [State.REPLACED, State.SEEN, State.SEEN]
    assert chain.ledger.verify() == []


def test_a_statement_speaks_of_one_address_asset_and_block_only(chain: Chain) -> None:
    others = (transfer("0x02", asset="DAI"), transfer("0x03", block="B"), transfer("0x04", address="0xother"))
    chain.says(transfer("0x01"), *others)
    chain.says(statement("A"))
    assert states(chain.ledger) == [State.REPLACED, State.SEEN, State.SEEN, State.SEEN]


def test_a_block_that_left_the_chain_orphans_all_that_stands_in_it(chain: Chain) -> None:
    chain.says(transfer("0x01"), transfer("0x02"), transfer("0x03", block="B"))
    change = chain.says(statement("A", is_canonical=False))
    assert [donation.state for donation in change.donations] == [State.ORPHANED] * 2
    assert states(chain.ledger) == [State.ORPHANED, State.ORPHANED, State.SEEN]


@pytest.mark.parametrize("is_orphan_first", [True, False])
def test_a_transfer_that_moves_to_another_block_within_one_report_is_seen_there(
    chain: Chain, is_orphan_first: bool
) -> None:
    chain.says(transfer("0x01"), statement("A"))
    told = [statement("A", is_canonical=False), statement("B", delta_units=ETHER)]
    chain.says(transfer("0x01", block="B"), *(told if is_orphan_first else told[::-1]))
    (listed,) = chain.ledger.donations()
    assert (listed.donation.state, listed.donation.payment.block_hash) == (State.SEEN, "B")
    history = chain.ledger.donation(listed.donation.identity.ref)
    assert history is not None and len(history.observations) == 2


def test_an_old_block_cannot_orphan_what_has_moved_on(chain: Chain) -> None:
    chain.says(transfer("0x01"), statement("A"))
    chain.says(transfer("0x01", block="B"), statement("B"))
    assert chain.says(statement("A", is_canonical=False)).is_empty
    assert states(chain.ledger) == [State.SEEN]


def test_a_block_seen_orphaned_and_seen_again_keeps_one_live_donation_with_its_whole_history(chain: Chain) -> None:
    chain.says(transfer("0x01"), statement("A"))
    chain.says(statement("A", is_canonical=False), transfer("0x01", block="B"), statement("B"))
    chain.says(statement("B", is_canonical=False))
    chain.says(transfer("0x01"), statement("A"))
    chain.says(transfer("0x01", state=State.CONFIRMED), statement("A"))
    (listed,) = chain.ledger.donations()
    history = chain.ledger.donation(listed.donation.identity.ref)
    assert history is not None
    told = [(one.claim.state, one.claim.block_hash) for one in history.observations]  # type: ignore[union-attr]
    assert [f"{state} {block}" for state, block in told] == [
        "seen A",
        "seen B",
        "orphaned B",
        "seen A",
        "confirmed A",
    ]
    assert sums(chain.ledger) == {"ETH": (ETHER, 1)}
    assert chain.ledger.verify() == []


@pytest.mark.parametrize("is_canonical", [True, False])
def test_what_is_gone_already_is_not_told_to_be_gone_again(chain: Chain, is_canonical: bool) -> None:
    chain.says(transfer("0x01"), statement("A"))
    chain.says(statement("A", is_canonical=False))
    before = chain.ledger.head()
    assert chain.says(statement("A", is_canonical=is_canonical)).is_empty
    assert chain.ledger.head() == before and states(chain.ledger) == [State.ORPHANED]


@pytest.mark.parametrize("delta_units", [ETHER, 3 * ETHER, -2 * ETHER])
def test_claims_that_do_not_sum_to_the_proven_change_are_a_contradiction(ledger: Ledger, delta_units: int) -> None:
    with pytest.raises(SourceContradiction, match="2000000000000000000"):
        ledger.accept(polled(1, transfer(units=2 * ETHER), statement(delta_units=delta_units)))
    assert ledger.cursors() == {}


def test_outflows_and_gas_lower_the_sum_of_a_block(ledger: Ledger) -> None:
    spent = transfer("0x02", direction=Direction.OUT, kind=Kind.OUTFLOW, units=7)
    gas = transfer("0x02", locator="0x02:gas", direction=Direction.OUT, kind=Kind.OUTFLOW, units=3)
    gone = transfer("0x03", state=State.REPLACED, units=99)
    ledger.accept(polled(1, transfer(units=5), spent, gas, gone, statement(delta_units=5 - 7 - 3)))
    assert ledger.verify() == []


# 5. Identity of money.


def test_a_transfer_between_our_own_addresses_is_two_rows_in_no_total(chain: Chain) -> None:
    fields: dict[str, Any] = {"kind": Kind.INTERNAL, "state": State.CONFIRMED}
    chain.says(
        transfer("0x01", direction=Direction.OUT, address=OURS, **fields),
        transfer("0x01", address="0xsecond", **fields),
    )
    assert [row["kind"] for row in chain.ledger.export()] == ["internal", "internal"]
    assert chain.ledger.totals() == ()


def test_one_locator_in_both_directions_is_two_pieces_of_money(chain: Chain) -> None:
    chain.says(transfer("0x01"), transfer("0x01", direction=Direction.OUT, kind=Kind.OUTFLOW))
    assert len(chain.ledger.donations()) == 2


# 6. Observation = (donation, part, rank, claim).


def test_a_claim_equal_to_the_live_one_is_not_stored_again(chain: Chain) -> None:
    chain.says(transfer("0x01"))
    chain.says(transfer("0x01"), transfer("0x02"))
    (_, first) = chain.ledger.donations()
    history = chain.ledger.donation(first.donation.identity.ref)
    assert history is not None and len(history.observations) == 1


def test_what_was_orphaned_and_is_claimed_anew_lives_again(chain: Chain) -> None:
    chain.says(transfer("0x01"))
    chain.says(statement("A", is_canonical=False))
    chain.says(transfer("0x01"))
    assert states(chain.ledger) == [State.SEEN]


def test_a_refund_may_be_heard_of_before_its_payment(ledger: Ledger) -> None:
    early = ledger.accept(pushed("evt_2", refund(units=4_00, rank=(2, 0))))
    assert (early.is_empty, early.report_number) == (True, 1)
    assert ledger.donations() == () and list(ledger.export()) == [] and ledger.verify() == []
    ledger.accept(pushed("evt_1", gift(units=10_00, rank=(1, 0))))
    assert states(ledger) == [State.PARTIALLY_REFUNDED]
    assert sums(ledger) == {"EUR": (6_00, 1)} and ledger.verify() == []


def test_an_equal_claim_of_a_higher_rank_shields_against_a_late_one_between(ledger: Ledger) -> None:
    ledger.accept(pushed("1", gift(rank=(1, 0))))
    ledger.accept(pushed("2", gift(rank=(3, 0))))
    ledger.accept(pushed("3", gift(state=State.SEEN, rank=(2, 0))))
    assert states(ledger) == [State.CONFIRMED]


def test_of_two_claims_about_one_part_in_one_report_the_higher_rank_wins(ledger: Ledger) -> None:
    ledger.accept(pushed("1", gift(rank=(2, 0)), gift(state=State.SEEN, rank=(1, 0))))
    assert states(ledger) == [State.CONFIRMED] and ledger.verify() == []


def test_a_dispute_counts_nothing_until_it_is_won(ledger: Ledger) -> None:
    ledger.accept(pushed("1", gift(rank=(1, 0))))
    ledger.accept(pushed("2", dispute(rank=(1, 0))))
    assert states(ledger) == [State.DISPUTED] and sums(ledger) == {}
    ledger.accept(pushed("3", dispute(outcome=Outcome.FAILED, rank=(2, 0))))
    assert sums(ledger) == {"EUR": (10_00, 1)}


def test_a_mistake_of_staff_is_withdrawn_by_a_second_report(ledger: Ledger) -> None:
    entry = gift("staff:0123", flags=(Flag.MANUAL,), personal=Personal(note="by hand"))
    gone = gift("staff:0123", flags=(Flag.MANUAL,), state=State.REPLACED, personal=Personal(note="typed twice"))
    ledger.accept(pushed("0123", entry, source="staff:anna@example.org"))
    ledger.accept(pushed("4567", gone, source="staff:anna@example.org"))
    assert states(ledger) == [State.REPLACED] and sums(ledger) == {}
    history = ledger.donation(entry.identity.ref)
    assert history is not None
    assert [one.claim.personal.note for one in history.observations] == ["by hand", "typed twice"]  # type: ignore[union-attr]

"""What changed since a report: each donation before and after it, the same however often it is asked."""

from support_service.giving import Kind, State
from support_service.ledger import ChangeKind, ChangePlace, DonationChange, Ledger
from tests.fixtures.books import bank_line, keep, valued
from tests.fixtures.reports import Chain, dispute, gift, pushed, refund, statement, transfer


def everything(ledger: Ledger, limit: int = 200) -> list[DonationChange]:
    found: list[DonationChange] = []
    place = ChangePlace(0)
    while page := ledger.changes(place, limit):
        assert len(page) <= limit
        found += page
        place = page[-1].place
    return found


def kinds(ledger: Ledger, after: int = 0) -> list[tuple[str, ...]]:
    return [tuple(str(kind) for kind in one.kinds) for one in ledger.changes(after)]


def test_a_gift_is_told_step_by_step(chain: Chain) -> None:
    ether = transfer(state=State.CONFIRMED)
    chain.says(transfer(), statement())
    chain.says(ether, statement())
    chain.ledger.accept(pushed("v", valued(ether, 100, "1"), source="rates"))
    chain.says(statement(is_canonical=False))
    assert kinds(chain.ledger) == [("seen",), ("confirmed",), ("valued",), ("withdrawn",)]
    told = everything(chain.ledger)
    assert [(one.before and one.before.state, one.after.state) for one in told] == [
        (None, State.SEEN),
        (State.SEEN, State.CONFIRMED),
        (State.CONFIRMED, State.CONFIRMED),
        (State.CONFIRMED, State.ORPHANED),
    ]
    assert [one.place.report for one in told] == [1, 2, 3, 4]
    assert all(one.after.payment.personal.is_empty for one in told)


def test_refunds_disputes_and_lines_to_look_at_are_told_as_such(ledger: Ledger) -> None:
    ledger.accept(pushed("1", gift(rank=(1, 0))))
    ledger.accept(pushed("2", refund(units=4_00, rank=(2, 0))))
    ledger.accept(pushed("3", dispute(rank=(2, 0))))
    ledger.accept(pushed("4", bank_line("r1", kind=Kind.REVIEW), source="bank:iban"))
    assert kinds(ledger) == [("confirmed",), ("refunded",), ("disputed",), ("confirmed", "to_review")]
    assert kinds(ledger, after=2) == [("disputed",), ("confirmed", "to_review")]


def test_a_refund_told_before_its_payment_is_told_with_it(ledger: Ledger) -> None:
    ledger.accept(pushed("1", refund(units=4_00, rank=(2, 0))))
    assert ledger.changes(0) == ()
    ledger.accept(pushed("2", gift(rank=(1, 0))))
    (told,) = ledger.changes(0)
    assert ledger.changes(0, limit=1) == (told,), "a page of what is not known yet is no end"
    assert set(told.kinds) == {ChangeKind.CONFIRMED, ChangeKind.REFUNDED}


def test_pages_of_any_size_tell_the_same_each_thing_once(ledger: Ledger) -> None:
    keep(ledger)
    whole = everything(ledger)
    assert everything(ledger, limit=1) == everything(ledger, limit=3) == whole
    assert [one.place for one in whole] == sorted({one.place for one in whole})
    assert ledger.changes(ledger.head().number) == ()


def test_what_came_since_changes_nothing_that_was_told(ledger: Ledger) -> None:
    keep(ledger)
    before = everything(ledger)
    ledger.accept(pushed("late", refund(part="re_late", units=1, rank=(9, 0))))
    assert everything(ledger)[: len(before)] == before
    assert len(everything(ledger)) == len(before) + 1


def test_the_newest_change_of_each_donation_is_what_the_ledger_believes(ledger: Ledger) -> None:
    keep(ledger)
    last = {one.after.identity.ref: one.after for one in everything(ledger)}
    assert {ref: (one.state, one.counted_units) for ref, one in last.items()} == {
        str(row["id"]): (row["state"], int(str(row["counted_units"]))) for row in ledger.export()
    }

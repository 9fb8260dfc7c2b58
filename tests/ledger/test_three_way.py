"""A month against those who tell of money: payouts of processors, lines of the bank, chains; each difference named."""

import sqlite3
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, event

from support_service.giving import (
    CLASS_PART,
    HOLDS_PART,
    LINK_PART,
    BankFacts,
    ClassClaim,
    Direction,
    Flag,
    HeldBalance,
    HoldsClaim,
    Identity,
    Kind,
    LinkClaim,
    Observation,
    PaymentClaim,
    Report,
    State,
)
from support_service.ledger import DifferenceKind, Ledger, ThreeWay
from tests.fixtures.books import ACCOUNT, bank_line
from tests.fixtures.reports import NOON, OURS, gift, polled, pushed, transfer

MAY, JUNE = datetime(2026, 5, 1, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC)


def of_may(ledger: Ledger) -> ThreeWay:
    return ledger.months.three_way(MAY, JUNE)


def differences(ledger: Ledger) -> list[tuple[DifferenceKind, int]]:
    return [(one.kind, one.units) for one in of_may(ledger).differences]


def payout(units: int = 19_00, name: str = "po_1", **fields: Any) -> Observation:
    identity = Identity("", "EUR", "", Direction.OUT, name)
    claim = PaymentClaim(State.CONFIRMED, Kind.PAYOUT, "stripe", "stripe", units, 2, fields.pop("occurred_at", NOON))
    return Observation(identity, claim)


def holds(of: Observation, *names: str) -> Observation:
    return Observation(of.identity, HoldsClaim(names), HOLDS_PART, (1, 0))


def line_of(name: str, units: int, day: date = date(2026, 5, 2), **fields: Any) -> Observation:
    said = {
        "bank": BankFacts("gift", "rule", day),
        "occurred_at": datetime(day.year, day.month, day.day, 12, tzinfo=UTC),
    }
    return bank_line(name, units, **said | fields)


def in_euro(line: Observation) -> Observation:
    seen = line.identity
    return Observation(Identity("", "EUR", ACCOUNT, seen.direction, seen.locator), line.claim)


def book_payout(ledger: Ledger, units: int = 19_00) -> Observation:
    """Book two gifts of 10 euro, half a euro of fee each, and their payout."""
    paid = payout(units)
    gifts = [gift(name, fee_units=50) for name in ("pi_1", "pi_2")]
    names = tuple((seen.identity.locator, seen.identity) for seen in gifts)
    ledger.accept(Report("stripe", "1", (*gifts, paid, holds(paid, "pi_1", "pi_2")), aliases=names))
    return paid


def arrival(units: int = 19_00, *, of: Observation | None = None) -> Report:
    facts = BankFacts("payout_stripe", "rule", date(2026, 5, 3))
    line = in_euro(line_of("r9", units, bank=facts, kind=Kind.PAYOUT))
    link = [] if of is None else [Observation(line.identity, LinkClaim(of.identity.ref, "sum and day"), LINK_PART)]
    return pushed("line", line, *link, source=f"bank:{ACCOUNT}")


# Processors


def test_a_payout_that_is_its_gifts_after_fees_and_that_a_line_brought_is_no_difference(ledger: Ledger) -> None:
    paid = book_payout(ledger)
    ledger.accept(arrival(of=paid))
    found = of_may(ledger)
    (told,) = found.payouts
    assert (told.gifts, told.inside_units, told.units, bool(told.arrival)) == (2, 19_00, 19_00, True)
    assert found.differences == ()


def test_a_payout_of_another_sum_than_its_gifts_is_told_with_the_sum(ledger: Ledger) -> None:
    ledger.accept(arrival(17_00, of=book_payout(ledger, 17_00)))
    assert differences(ledger) == [(DifferenceKind.OTHER_SUM, -2_00)]


def test_a_payout_that_no_line_brought_and_a_line_that_no_processor_told_are_told_each(ledger: Ledger) -> None:
    book_payout(ledger)
    assert differences(ledger) == [], "no account of that currency is heard: nobody can say"
    ledger.accept(arrival(21_00))
    assert differences(ledger) == [(DifferenceKind.NO_ARRIVAL, -19_00), (DifferenceKind.NO_PAYOUT, 21_00)]
    refs = [one.ref for one in of_may(ledger).differences]
    assert all(ref is not None and ledger.donation(ref) for ref in refs), "each leads to its money"


# The bank


def balance(units: int, day: int, *, month: int = 5, **place: Any) -> HeldBalance:
    at = datetime(2026, month, day, 12, tzinfo=UTC)
    where: dict[str, Any] = {"network": "", "address": ACCOUNT, "asset": "UAH", "exponent": 2} | place
    return HeldBalance(**where, units=units, mark=at.date().toordinal(), at=at)


def test_lines_between_two_balances_make_their_difference(ledger: Ledger) -> None:
    out = line_of("r2", 20_00, date(2026, 5, 9), direction=Direction.OUT, kind=Kind.OTHER)
    ledger.accept(pushed("1", line_of("r1", 100_00, date(2026, 5, 2)), out, source="bank:iban"))
    ledger.balances.tell("bank:iban", [balance(500_00, 30, month=4), balance(580_00, 31)])
    found = of_may(ledger)
    (place,) = found.places
    assert (place.told_units, place.booked_units, found.differences) == (80_00, 80_00, ())
    assert found.not_compared == () and found.unmatched == 1


def test_the_days_of_a_missing_line_are_named(ledger: Ledger) -> None:
    ledger.accept(pushed("1", line_of("r1", 100_00, date(2026, 5, 2)), source="bank:iban"))
    told = [balance(0, 30, month=4), balance(100_00, 5), balance(130_00, 20), balance(130_00, 31)]
    ledger.balances.tell("bank:iban", told)
    (difference,) = of_may(ledger).differences
    assert (difference.kind, difference.units) == (DifferenceKind.BANK_BALANCE, 30_00)
    assert (difference.since, difference.until) == (told[1].at, told[2].at)
    ledger.accept(pushed("2", line_of("r2", 30_00, date(2026, 5, 12)), source="bank:iban"))
    assert of_may(ledger).differences == (), "found, and all is well"


def test_a_balance_that_is_told_anew_of_one_day_takes_the_place_of_the_old_one(ledger: Ledger) -> None:
    ledger.accept(pushed("1", line_of("r1", 100_00), source="bank:iban"))
    ledger.balances.tell("bank:iban", [balance(0, 1), balance(90_00, 9)])
    assert differences(ledger) == [(DifferenceKind.BANK_BALANCE, -10_00)]
    ledger.balances.tell("bank:iban", [balance(100_00, 9)])
    assert differences(ledger) == []


def test_an_account_of_which_the_bank_told_no_balance_is_named(ledger: Ledger) -> None:
    ledger.accept(pushed("1", line_of("r1", 100_00), source="bank:iban"))
    assert of_may(ledger).not_compared == (ACCOUNT,)


def test_a_gift_booked_by_hand_without_a_line_is_told_where_the_account_is_heard(ledger: Ledger) -> None:
    identity = Identity("", "UAH", "", Direction.IN, "staff:n1")
    claim = PaymentClaim(State.CONFIRMED, Kind.DONATION, "bank", "iban", 50_00, 2, NOON, flags=(Flag.MANUAL,))
    ledger.accept(pushed("n1", Observation(identity, claim), source="staff:a@example.com"))
    assert differences(ledger) == [], "this account is not heard: people book by hand"
    ledger.accept(pushed("1", line_of("r1", 100_00), source="bank:iban"))
    assert differences(ledger) == [(DifferenceKind.NO_LINE, -50_00)]


# Chains


def wei(units: int, height: int, at: datetime = NOON) -> HeldBalance:
    return HeldBalance("ethereum", OURS, "ETH", 18, units, height, at)


def test_a_chain_balance_is_held_against_what_is_confirmed_up_to_its_block(ledger: Ledger) -> None:
    opening = transfer("0x06", block="A", kind=Kind.OPENING, units=5, state=State.CONFIRMED)
    outflow = transfer("0x07", block="C", kind=Kind.OUTFLOW, direction=Direction.OUT, units=3, state=State.CONFIRMED)
    ledger.accept(polled(1, opening, transfer("0x01", block="B", units=10, state=State.CONFIRMED)))
    ledger.accept(polled(2, outflow, transfer("0x02", block="D", units=7)))
    ledger.balances.tell("evm:ethereum", [wei(5, 100, NOON - timedelta(days=40))])
    ledger.balances.tell("evm:ethereum", [wei(15, 101), wei(12, 102, NOON + timedelta(days=1))])
    (place,) = of_may(ledger).places
    assert [span.difference_units for span in place.spans] == [0, 0]
    ledger.balances.tell("evm:ethereum", [wei(19, 103, NOON + timedelta(days=2))])
    assert differences(ledger) == [(DifferenceKind.CHAIN_BALANCE, 7)], "what is only seen is not in the books yet"


def test_what_a_chain_told_of_blocks_that_are_gone_is_void(ledger: Ledger) -> None:
    ledger.accept(polled(1, transfer("0x01", block="A", units=10, state=State.CONFIRMED)))
    ledger.balances.tell("evm:ethereum", [wei(10, 100), wei(99, 105, NOON + timedelta(hours=2))])
    assert differences(ledger) == [(DifferenceKind.CHAIN_BALANCE, 89)]
    ledger.balances.tell("evm:ethereum", [wei(10, 104, NOON + timedelta(hours=3))])
    assert differences(ledger) == []


@pytest.mark.parametrize(
    ("later", "units", "is_kept"),
    [
        (timedelta(minutes=10), 2, False),
        (timedelta(minutes=70), 2, True),
        (timedelta(minutes=70), 1, False),
        (timedelta(hours=13), 1, True),
    ],
)
def test_a_balance_is_kept_daily_and_when_it_changed_hourly(
    ledger: Ledger, later: timedelta, units: int, is_kept: bool
) -> None:
    ledger.balances.note("evm:ethereum", [wei(1, 100)])
    before = ledger.head().number
    ledger.balances.note("evm:ethereum", [wei(units, 200, NOON + later)])
    assert (ledger.head().number > before) is is_kept
    assert ledger.verify() == []


def test_the_same_balances_told_again_change_nothing(ledger: Ledger) -> None:
    for _ in range(2):
        ledger.balances.tell("bank:iban", [balance(1, 2)])
        ledger.balances.note("bank:iban", [balance(1, 2)])
    assert ledger.head().number == 1


def test_a_line_that_waits_for_people_is_no_difference_of_sums(ledger: Ledger) -> None:
    line = line_of("r1", 100_00, kind=Kind.REVIEW)
    word = Observation(line.identity, ClassClaim(Kind.DONATION, "gift"), CLASS_PART, (1, 0))
    ledger.accept(pushed("1", line, source="bank:iban"))
    ledger.balances.tell("bank:iban", [balance(0, 1), balance(100_00, 9)])
    assert differences(ledger) == [] and of_may(ledger).unmatched == 0
    ledger.accept(pushed("2", word, source="staff:a@example.org"))
    assert differences(ledger) == [] and of_may(ledger).unmatched == 1


def test_gifts_by_bank_that_are_nobodys_are_those_of_the_month_alone(ledger: Ledger) -> None:
    edges = (MAY - timedelta(microseconds=1), MAY, JUNE - timedelta(microseconds=1), JUNE)
    lines = [line_of(f"r{place}", 100_00, occurred_at=moment) for place, moment in enumerate(edges)]
    named = line_of("r9", 100_00, support_code="2A3C-4E62")
    ledger.accept(pushed("1", *lines, named, in_euro(line_of("r8", 5_00)), source="bank:iban"))
    assert of_may(ledger).unmatched == 3


def test_gifts_by_bank_that_are_nobodys_are_counted_by_an_index_alone(sqlite_url: str) -> None:
    ledger = Ledger(sqlite_url)
    ledger.accept(pushed("1", line_of("r1", 100_00), source="bank:iban"))
    asked: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, values: Any, _context: Any, _many: bool) -> None:
        if "count(" in statement and "support_code IS NULL" in statement:
            asked.append((statement, values))

    event.listen(Engine, "before_cursor_execute", note)
    assert of_may(ledger).unmatched == 1
    event.remove(Engine, "before_cursor_execute", note)
    ledger.dispose()
    ((statement, values),) = asked
    with closing(sqlite3.connect(sqlite_url.removeprefix("sqlite:///"))) as connection:
        plan = connection.execute(f"EXPLAIN QUERY PLAN {statement}", values).fetchall()
    assert [row[-1].partition(" (")[0] for row in plan] == ["SEARCH donation USING COVERING INDEX donation_nobodys"]

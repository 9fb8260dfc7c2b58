"""Random histories: whatever reports come, in whatever order, the ledger is sound and agrees with a simple model."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from itertools import count, permutations
from pathlib import Path
from typing import TypeAlias

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support_service.giving import Direction, Donation, Kind, Observation, Outcome, Report, State
from support_service.ledger import Ledger
from tests.fixtures.database import SteppingClock, prepare
from tests.fixtures.reports import Chain, dispute, gift, polled, pushed, refund, statement, transfer

Fresh: TypeAlias = Callable[[], Ledger]
Turn: TypeAlias = tuple[str, tuple[str, ...], bool, tuple[str, ...]]

BLOCKS = "ABCD"
TRANSFERS = ("0x01", "0x02", "0x03", "0x04")
# Each example writes a database file: few, and no hurry.
CAREFUL = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def fresh(tmp_path: Path) -> Fresh:
    """Make an empty ledger, as often as asked."""
    numbers = count()

    def make() -> Ledger:
        prepare(url := f"sqlite:///{tmp_path}/{next(numbers)}.db")
        return Ledger(url, clock=SteppingClock())

    return make


@dataclass
class Model:
    """What must be true of a chain, told without reports: where each transfer stands, and whether that is final."""

    standing: dict[str, tuple[str, bool]] = field(default_factory=dict)

    def includes(self, block: str, names: Iterable[str], *, is_final: bool) -> None:
        """A canonical block holds exactly these transfers of ours."""
        held = {name: place for name, place in self.standing.items() if place[0] != block}
        self.standing = held | dict.fromkeys(names, (block, is_final))

    def loses(self, block: str) -> None:
        """A block has left the chain."""
        self.standing = {name: place for name, place in self.standing.items() if place[0] != block}

    @property
    def confirmed(self) -> dict[str, int]:
        """Units of each confirmed transfer."""
        return {name: units_of(name) for name, (_, is_final) in self.standing.items() if is_final}


def units_of(name: str) -> int:
    return 10**18 * int(name, 16) + 1


def seen_in(block: str, names: Iterable[str], *, is_final: bool) -> list[Observation]:
    state = State.CONFIRMED if is_final else State.SEEN
    return [transfer(name, units=units_of(name), block=block, state=state) for name in names]


@st.composite
def turns(draw: st.DrawFn) -> list[Turn]:
    """Draw what a chain does: (block, its transfers, whether final, blocks that left the chain in the same report)."""
    block = st.sampled_from(BLOCKS)
    names = st.lists(st.sampled_from(TRANSFERS), unique=True).map(tuple)
    gone = st.lists(block, unique=True, max_size=2).map(tuple)
    turn = st.tuples(block, names, st.booleans(), gone)
    return [one for one in draw(st.lists(turn, max_size=12)) if one[0] not in one[3]]


@given(told=turns())
@CAREFUL
def test_any_walk_of_a_chain_ends_as_a_simple_model_says(told: list[Turn], fresh: Fresh) -> None:
    ledger, model = fresh(), Model()
    chain = Chain(ledger)
    for block, names, is_final, gone in told:
        observations = seen_in(block, names, is_final=is_final)
        proven = statement(block, delta_units=sum(map(units_of, names)))
        chain.says(*observations, proven, *(statement(one, is_canonical=False) for one in gone))
        for one in gone:
            model.loses(one)
        model.includes(block, names, is_final=is_final)
    live = {d.identity.locator.partition(":")[0]: d for d in donations(ledger) if d.counted_units}
    assert {name: one.counted_units for name, one in live.items()} == model.confirmed
    standing = {row["tx"] for row in ledger.export() if row["state"] in {"seen", "confirmed"}}
    assert standing == set(model.standing)
    assert sum(total.units for total in ledger.totals()) == sum(model.confirmed.values())
    assert ledger.verify() == []


# What a processor says of one gift of 10 euro in its life; the rank is the place in the lifecycle.
LIFE = (
    pushed("paid", gift(rank=(2, 0), fee_units=30)),
    pushed("begun", gift(rank=(1, 0), state=State.SEEN)),
    pushed("refund begun", refund(part="re_1", units=2_00, outcome=Outcome.PENDING, rank=(1, 0))),
    pushed("refunded", refund(part="re_1", units=2_00, rank=(2, 0))),
    pushed("refunded again", refund(part="re_2", units=3_00, rank=(2, 0))),
    pushed("disputed", dispute(rank=(1, 0))),
    pushed("dispute won", dispute(outcome=Outcome.FAILED, rank=(2, 0))),
)


def test_every_order_of_a_gifts_life_ends_alike(fresh: Fresh) -> None:
    ends = set()
    for order in list(permutations(LIFE))[:: len(LIFE) * 20 + 1]:
        ledger = fresh()
        for report in order:
            ledger.accept(report)
        (one,) = donations(ledger)
        assert ledger.verify() == []
        ends.add((one.state, one.counted_units, one.refunded_units, one.fee_units))
    assert ends == {(State.PARTIALLY_REFUNDED, 5_00, 5_00, 30)}


@given(st.lists(st.sampled_from(LIFE), max_size=20))
@CAREFUL
def test_any_deliveries_in_any_order_any_number_of_times_leave_sound_books(
    fresh: Fresh, delivered: list[Report]
) -> None:
    ledger = fresh()
    for number, report in enumerate(delivered):
        # Some come under their own key again, some were swept up under another.
        ledger.accept(report if number % 3 else replace(report, key=f"{report.key} {number}"))
    assert ledger.verify() == []
    expected = expected_cents({report.key for report in delivered})
    assert sum(total.units for total in ledger.totals()) == expected


def expected_cents(said: set[str]) -> int:
    """Count by hand what is left of ten euro."""
    is_disputed = "disputed" in said and "dispute won" not in said
    if "paid" not in said or is_disputed:
        return 0
    return 10_00 - 2_00 * ("refunded" in said) - 3_00 * ("refunded again" in said)


def a_long_story() -> list[Report]:
    """Tell a bit of everything, in one order."""
    out = transfer("0x09", direction=Direction.OUT, kind=Kind.OUTFLOW, block="D", state=State.CONFIRMED, units=2**255)
    return [
        polled(1, *seen_in("A", TRANSFERS[:2], is_final=False), statement("A"), raw='{"дякую": 1}'),
        LIFE[3],
        polled(2, statement("A", is_canonical=False), *seen_in("B", TRANSFERS[1:], is_final=False), statement("B")),
        *LIFE[:3],
        polled(3, *seen_in("A", TRANSFERS[:2], is_final=True), statement("A"), out),
        polled(4),
        *LIFE[4:],
    ]


def test_sqlite_and_postgresql_end_equal_for_the_same_reports(sqlite_url: str, postgresql_url: str) -> None:
    ledgers = [Ledger(url, clock=SteppingClock()) for url in (sqlite_url, postgresql_url)]
    for ledger in ledgers:
        for report in a_long_story():
            ledger.accept(report)
    one, two = ledgers
    assert list(one.export()) == list(two.export()) and one.totals() == two.totals()
    assert one.head() == two.head() and one.cursors() == two.cursors()
    for ref in [str(row["id"]) for row in one.export()]:
        assert one.donation(ref) == two.donation(ref)
    assert [ledger.verify() for ledger in ledgers] == [[], []]


def test_a_story_told_twice_changes_nothing_the_second_time(ledger: Ledger) -> None:
    for report in a_long_story():
        ledger.accept(report)
    before = (list(ledger.export()), ledger.head())
    for report in a_long_story():
        if report.cursor is None:
            ledger.accept(report)
    last = ledger.accept(polled(5, *seen_in("A", TRANSFERS[:2], is_final=True), statement("A")))
    assert last.is_empty and (list(ledger.export()), ledger.head()) == before


def donations(ledger: Ledger) -> list[Donation]:
    return [listed.donation for listed in ledger.donations()]

"""Any order of gifts, blocks, refunds, reversals, erasures and closings, on both databases at once.

After each step: money by its place once (I3); balanced postings, a right fold and an unbroken chain (I4, I8, I9, by
`verify` from the step before, and of everything at the end); what is confirmed is what truly came, on its chain and
in all (I1, I2, I5); states that moved along an edge (I6); a cursor that never went back (I7); all that was
acknowledged (I10); amounts that read back exactly (I12); the same bytes from both databases (I13). That only signed
addresses are shown (I11) is no word of a ledger.

BOOKS_HISTORIES says how many histories are tried: a few here, hundreds in `make campaign`.
"""

import os
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import count
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from support_service.giving import (
    Clock,
    Direction,
    Flag,
    HeldBalance,
    Identity,
    KeptLine,
    Kind,
    LineWork,
    Observation,
    Outcome,
    PaymentClaim,
    Personal,
    RefundClaim,
    Report,
    State,
    Statement,
)
from support_service.ledger import FORMATS, ForPeople, Head, Ledger, MonthBusy, MonthRow, QuarterSums, is_closed
from support_service.ledger.months import MonthKey
from support_service.money import Asset, parse_plain
from support_service.web.staff.month_sums import ends_of
from tests.fixtures.books import ACCOUNT, bank_line
from tests.fixtures.database import Cluster, prepare
from tests.fixtures.reports import NOON, OURS, dispute, gift, polled, pushed, refund, statement, transfer

HISTORIES = int(os.environ.get("BOOKS_HISTORIES", "5"))
STEPS = 25
MONTHS = ("2026-04", "2026-05")
BLOCKS, TRANSFERS = "ABCD", ("0x01", "0x02", "0x03")
NAMES = ("Олена Коваль", "Іван Мельник", "Mary Shaw")
FINAL = {State.CONFIRMED, State.PARTIALLY_REFUNDED, State.REFUNDED, State.DISPUTED}
# From what to what the state of money may move; what stands is left out.
EDGES = {
    State.SEEN: {*FINAL, State.ORPHANED, State.REPLACED},
    State.ORPHANED: {State.SEEN, State.CONFIRMED, State.REPLACED},
    State.REPLACED: {State.SEEN, State.CONFIRMED, State.ORPHANED},
    # What was booked by hand is withdrawn; a chain takes nothing back that is final.
    State.CONFIRMED: FINAL | {State.REPLACED},
    **dict.fromkeys(FINAL - {State.CONFIRMED}, FINAL),
}


def ends(name: str) -> tuple[datetime, datetime]:
    return ends_of(date.fromisoformat(f"{name}-01"), ZoneInfo("UTC"))


@dataclass
class Truth:
    """What really happened, told without reports: units that count, by asset, and where each transfer stands."""

    cards: dict[str, int] = field(default_factory=dict)
    disputed: set[str] = field(default_factory=set)
    by_hand: dict[str, int] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    chain: dict[str, tuple[str, bool]] = field(default_factory=dict)

    @property
    def counted(self) -> Counter[str]:
        """What must count, by asset."""
        counted = Counter[str]()
        counted["EUR"] = sum(units for name, units in self.cards.items() if name not in self.disputed)
        counted["UAH"] = sum(self.by_hand.values()) + sum(self.lines.values())
        counted["ETH"] = self.on_chain
        return +counted

    @property
    def on_chain(self) -> int:
        """What is final there."""
        return sum(wei(name) for name, (_, is_final) in self.chain.items() if is_final)


def wei(name: str) -> int:
    return 10**18 * int(name, 16) + 1


@dataclass
class Room:
    """Makes a ledger on each database, as often as asked."""

    folder: Path
    cluster: Cluster
    template: str
    made: list[str] = field(default_factory=list)

    def make(self, clock: Clock) -> list[Ledger]:
        name = self.cluster.create(template=self.template)
        prepare(url := f"sqlite:///{self.folder}/{name}.db")
        self.made.append(name)
        return [Ledger(url, clock=clock), Ledger(self.cluster.url(name), clock=clock)]

    def drop(self, ledgers: list[Ledger]) -> None:
        for one in ledgers:
            one.dispose()
        self.cluster.drop(self.made.pop())


class Books(RuleBasedStateMachine):
    """Two ledgers that are told the same, and the truth beside them."""

    room: Room

    def __init__(self) -> None:
        super().__init__()
        self.now = NOON
        self.ledgers = self.room.make(lambda: self.now)
        self.truth, self.numbers, self.steps = Truth(), count(1), 0
        self.told: list[Report] = []
        self.states: dict[str, State] = {}
        self.head = Head(0, "0" * 64)

    def teardown(self) -> None:
        for one in self.ledgers:
            assert one.verify() == []
        self.room.drop(self.ledgers)

    def tell(self, report: Report) -> None:
        """Tell both, which change alike."""
        self.now += timedelta(seconds=1)
        first, second = (one.accept(report) for one in self.ledgers)
        assert first == second
        self.told.append(report)

    def say(self, *said: Observation, source: str = "stripe") -> None:
        self.tell(pushed(f"k{next(self.numbers)}", *said, source=source))

    def both(self, do: Callable[[Ledger], object]) -> None:
        """Let both do something that is no report of ours; what one refuses, the other refuses."""
        self.now += timedelta(seconds=1)
        refused = []
        for one in self.ledgers:
            try:
                do(one)
            except MonthBusy:
                refused.append(one)
        assert len(refused) in (0, len(self.ledgers))

    def moment(self, month: str) -> datetime:
        return datetime.fromisoformat(f"{month}-10T12:00:00+00:00").astimezone(UTC)

    # What happens

    @rule(units=st.integers(1, 10**9), month=st.sampled_from(MONTHS), who=st.sampled_from(NAMES))
    def a_card_gift(self, units: int, month: str, who: str) -> None:
        name = f"pi_{next(self.numbers)}"
        personal = Personal(payer=who, message="дякую", salt=name)
        article = f"https://example.com/{who[:3]}" if units % 2 else None
        seen = gift(name, units=units, occurred_at=self.moment(month), personal=personal, article=article, rank=(1, 0))
        self.say(seen)
        self.truth.cards[name] = units

    @precondition(lambda self: bool(self.truth.cards))
    @rule(data=st.data(), outcome=st.sampled_from(Outcome))
    def a_refund(self, data: st.DataObject, outcome: Outcome) -> None:
        name = data.draw(st.sampled_from(sorted(self.truth.cards)))
        units = data.draw(st.integers(0, self.truth.cards[name]))
        self.say(refund(name, part=f"re_{next(self.numbers)}", units=units, outcome=outcome, rank=(2, 0)))
        if outcome is Outcome.SUCCEEDED:
            self.truth.cards[name] -= units

    @precondition(lambda self: bool(self.truth.cards))
    @rule(data=st.data(), is_won=st.booleans())
    def a_dispute_and_its_end(self, data: st.DataObject, is_won: bool) -> None:
        name = data.draw(st.sampled_from(sorted(self.truth.cards)))
        part = f"dp_{name}"
        if name in self.truth.disputed and is_won:
            self.say(dispute(name, part=part, outcome=Outcome.FAILED, rank=(3, next(self.numbers))))
            self.truth.disputed.discard(name)
        else:
            self.say(dispute(name, part=part, rank=(3, next(self.numbers))))
            self.truth.disputed.add(name)

    @rule(units=st.integers(1, 10**9), month=st.sampled_from(MONTHS), who=st.sampled_from(NAMES))
    def a_gift_by_hand(self, units: int, month: str, who: str) -> None:
        name = f"staff:n{next(self.numbers)}"
        self.say(self.hand(name, units, self.moment(month), who), source="staff:anna@example.org")
        self.truth.by_hand[name] = units

    def hand(self, name: str, units: int, at: datetime, who: str, state: State = State.CONFIRMED) -> Observation:
        personal = Personal(payer=who, salt=name)
        claim = PaymentClaim(
            state, Kind.DONATION, "card", "card", units, 2, at, flags=(Flag.MANUAL,), personal=personal
        )
        return Observation(Identity("", "UAH", "", Direction.IN, name), claim)

    @precondition(lambda self: bool(self.truth.by_hand))
    @rule(data=st.data())
    def it_was_a_mistake(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.truth.by_hand)))
        units = self.truth.by_hand.pop(name)
        seen = self.hand(name, units, self.moment(MONTHS[0]), "", State.REPLACED)
        self.say(seen, source="staff:anna@example.org")

    @rule(units=st.integers(1, 10**9))
    def a_bank_line(self, units: int) -> None:
        name = f"r{next(self.numbers)}"
        line = bank_line(name, units)
        report = pushed(name, line, source="bank:iban")
        kept = KeptLine(line.identity.locator, ACCOUNT, line.identity.ref, "{}", (name,), is_new=True)
        self.both(lambda one: one.lines.take(lambda _books: LineWork((report,), (kept,))))
        self.told.append(report)
        self.truth.lines[name] = units

    @precondition(lambda self: bool(self.truth.lines))
    @rule(data=st.data(), is_lifted=st.booleans())
    def the_bank_reverses(self, data: st.DataObject, is_lifted: bool) -> None:
        name = data.draw(st.sampled_from(sorted(self.truth.lines)))
        line = bank_line(name, 1)
        units = self.truth.lines[name]
        outcome = Outcome.FAILED if is_lifted else Outcome.SUCCEEDED
        part = f"reversal:x{name}:{next(self.numbers)}"
        self.say(Observation(line.identity, RefundClaim(units, outcome), part), source="bank:iban")
        self.truth.lines[name] = units if is_lifted else 0

    @rule(
        block=st.sampled_from(BLOCKS), names=st.sets(st.sampled_from(("0x01", "0x02", "0x03"))), is_final=st.booleans()
    )
    def a_block(self, block: str, names: set[str], is_final: bool) -> None:
        chain = self.truth.chain
        if any(place == block and final for place, final in chain.values()):
            return  # what is final stays
        names = {name for name in names if not chain.get(name, ("", False))[1]}
        state = State.CONFIRMED if is_final else State.SEEN
        seen = [transfer(name, units=wei(name), block=block, state=state) for name in sorted(names)]
        self.polled(*seen, statement(block))
        kept = {name: place for name, place in chain.items() if place[0] != block and name not in names}
        self.truth.chain = kept | dict.fromkeys(names, (block, is_final))

    @rule(block=st.sampled_from(BLOCKS))
    def a_block_leaves_the_chain(self, block: str) -> None:
        chain = self.truth.chain
        if not any(place == block and final for place, final in chain.values()):
            self.polled(statement(block, is_canonical=False))
            self.truth.chain = {name: place for name, place in chain.items() if place[0] != block}

    def polled(self, *said: Observation | Statement) -> None:
        self.steps += 1
        self.tell(polled(self.steps, *said))

    @rule()
    def the_chain_tells_what_we_hold(self) -> None:
        told = HeldBalance("ethereum", OURS, "ETH", 18, self.truth.on_chain, 200 + next(self.numbers), self.now)
        self.both(lambda one: one.balances.tell("evm:ethereum", [told]))

    # What people do

    @precondition(lambda self: any(one.cursor is None for one in self.told))
    @rule(data=st.data())
    def it_is_told_again(self, data: st.DataObject) -> None:
        report = data.draw(st.sampled_from([one for one in self.told if one.cursor is None]))
        assert all(one.accept(report).is_empty for one in self.ledgers)

    @rule(who=st.sampled_from(NAMES))
    def a_person_is_erased(self, who: str) -> None:
        self.both(lambda one: one.donors.erase(who, by="anna@example.org"))
        assert all(who not in str(row["payer"]) for one in self.ledgers for row in one.export())

    @rule(month=st.sampled_from(MONTHS))
    def a_month_is_closed(self, month: str) -> None:
        closed = [MONTHS[0]] if month == MONTHS[1] and self.is_closed(MONTHS[0]) else []
        self.both(lambda one: one.months.close(month, closed, ends, by="anna", note="n"))

    @rule(month=st.sampled_from(MONTHS))
    def a_month_is_opened_again(self, month: str) -> None:
        self.both(lambda one: one.months.reopen(month, by="anna", note="n"))

    def is_closed(self, month: str) -> bool:
        return is_closed(self.ledgers[0].months.closings([month])[month])

    # What holds after each step

    @invariant()
    def both_tell_the_same_bytes(self) -> None:
        form = next(one for one in FORMATS if one.name == "jsonl")
        first, second = (b"".join(form.write(one.exported(), ForPeople())) for one in self.ledgers)
        assert first == second
        assert self.ledgers[0].head() == self.ledgers[1].head()

    @invariant()
    def the_chain_of_reports_only_grows_and_all_follows_from_it(self) -> None:
        ledger = self.ledgers[0]
        assert ledger.head().number >= self.head.number
        if self.head.number:
            assert ledger.verify(since=self.head) == []
        self.head = ledger.head()

    @invariant()
    def what_counts_is_what_came(self) -> None:
        counted = Counter[str]()
        for total in self.ledgers[0].totals():
            counted[total.asset] += total.units
        assert counted == self.truth.counted
        assert self.ledgers[0].held(("ethereum", OURS, "ETH"), 10**6) == self.truth.on_chain

    @invariant()
    def money_stands_once_and_its_state_moved_along_an_edge(self) -> None:
        rows = list(self.ledgers[0].export())
        places = [tuple(row[name] for name in ("network", "asset", "address", "direction", "locator")) for row in rows]
        assert len(set(places)) == len(places)
        acknowledged = {seen.identity.ref for one in self.told for seen in one.observations}
        assert acknowledged <= {str(row["id"]) for row in rows}
        for row in rows:
            ref, state = str(row["id"]), State(str(row["state"]))
            before = self.states.get(ref, state)
            assert before is state or state in EDGES[before], f"{row['locator']}: {before} -> {state}"
            self.states[ref] = state
            exponent = 18 if row["asset"] == "ETH" else 2
            money = parse_plain(str(row["amount"]), Asset(str(row["asset"]), exponent))
            assert money.units == int(str(row["units"]))

    @invariant()
    def a_closed_month_and_what_is_late_are_what_the_ledger_says(self) -> None:
        ledger = self.ledgers[0]
        held = ledger.months.closings(MONTHS)
        closed = [month for month in MONTHS if is_closed(held[month])]
        late = {one.month: one.rows for one in ledger.months.late(closed, ends)}
        for month in closed:
            rows = [*held[month][-1].rows, *late.get(month, ())]
            rows += [row for other in closed for row in held[other][-1].carried.get(month, ())]
            assert summed(rows) == summed(ledger.months.rows(*ends(month)))

    @invariant()
    def sums_that_are_kept_are_those_of_the_gifts(self) -> None:
        ledger = self.ledgers[0]
        since, until = (datetime.fromisoformat(f"{month}-01T00:00:00+00:00") for month in ("2026-03", "2026-07"))
        counted, by_article = Counter[tuple[object, ...]](), Counter[str]()
        for row in ledger.export():
            if row["counted_units"] != "0":
                counted[str(row["occurred_at"])[:10], row["asset"]] += int(str(row["counted_units"]))
                by_article[str(row["article"])] += row["article"] is not None
        starts = [since + timedelta(days=number) for number in range((until - since).days)]
        told = Counter[tuple[object, ...]]()
        for total in ledger.quarters(since.astimezone(UTC), until.astimezone(UTC), starts):
            told[total.begin.date().isoformat(), total.asset] += total.sums.units
        assert +told == counted
        summed_up = ledger.overviews.article_sums(since.astimezone(UTC), until.astimezone(UTC))
        assert {one.article: one.gifts for one in summed_up} == +by_article

    @invariant()
    def the_cursor_never_goes_back(self) -> None:
        cursor = self.ledgers[0].cursor("evm:ethereum")
        assert (cursor.step if cursor else 0) == self.steps


def summed(rows: Iterable[MonthRow]) -> dict[MonthKey, QuarterSums]:
    total: dict[MonthKey, QuarterSums] = {}
    for row in rows:
        total[row.key] = total.get(row.key, QuarterSums()).plus(row.sums)
    return {key: sums for key, sums in total.items() if sums != QuarterSums()}


@pytest.mark.postgres
def test_whatever_happens_both_ledgers_are_sound_and_tell_the_same(
    tmp_path: Path, cluster: Cluster, postgresql_template: str
) -> None:
    class OnBoth(Books):
        """Books of this test."""

        room = Room(tmp_path, cluster, postgresql_template)

    careful = settings(
        max_examples=HISTORIES,
        stateful_step_count=STEPS,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(OnBoth, settings=careful)

"""Any order of files, polls, reversals and words of people, on both databases at once: nothing is lost or doubled.

The bank is the stand-in of PrivatBank: its API is asked by the real source, its statements are brought on the staff
page as camt.053 and MT940 with their balances, and as CSV. After each step: a line stands once (I3); balanced
postings, a right fold and an unbroken chain (I4, I8, I9); states that moved along an edge (I6); a cursor that goes one
step with each whole poll (I7); every line that was told (I10); amounts that read back exactly (I12); the same bytes
from both databases (I13). And the lines that are booked make the closing balance of every statement that still is what
was told, day by day; where they do not, what the bank took back or people set aside makes the difference.

A payment that equals one taken back on its day is left out: a file without the bank's own references cannot tell
which of the two it names, and the API, which does, is asked again the same day.

The first history takes every step in turn; BANK_HISTORIES says how many more are tried, in any order: a few here,
thousands in `make campaign`, where whatever may come of a step must have come.
"""

import csv
import io
import json
import os
import random
import re
import secrets
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from support_service import watcher
from support_service.demo.bank import BankFakes, BankTrouble, DemoBankAccount, Payment
from support_service.demo.bank.account import BOOKED, ON_ITS_WAY, TAKEN_BACK
from support_service.giving import (
    Direction,
    Frequency,
    Identity,
    Intent,
    Kind,
    Observation,
    PaymentClaim,
    Report,
    State,
)
from support_service.ledger import FORMATS, ForPeople, Head, Why
from support_service.money import Asset, parse_plain
from support_service.rails.bank.live.connection import Timing
from support_service.rails.bank.settling import settle
from support_service.rails.bank.source import build_sources
from support_service.rails.source import Source
from tests.fixtures.database import Cluster
from tests.fixtures.staff import FrozenClock, House, Visitor, build_house, forms
from tests.fixtures.statements import Json
from tests.rails.bank.written import camt, mt940, privatbank_csv, written

HISTORIES = int(os.environ.get("BANK_HISTORIES", "2"))
STEPS = 12
# So many histories draw whatever may come of a step.
MANY = 500
ACCOUNT = "UA043052990000026007015028783"
CODE = "2A3C-4E62"
# The bank's days: the API tells ten of them again each day, so that nothing is too old for it.
MORNING, DAYS_MAX = datetime(2026, 5, 10, 7, tzinfo=UTC), 9
SINCE, UNTIL = datetime(2026, 5, 1, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC)
ON_THE_BOOKS = {State.CONFIRMED, State.REFUNDED, State.PARTIALLY_REFUNDED}
# What was booked may be taken back and come again; it is never on its way again.
EDGES = {
    State.SEEN: {*ON_THE_BOOKS, State.REPLACED},
    State.REPLACED: {*ON_THE_BOOKS, State.SEEN},
    **{one: {*ON_THE_BOOKS, State.REPLACED} for one in ON_THE_BOOKS},
}
# Every step with the luck of the draw: each statement is of all days and is brought, and the bank answers.
TURNS = (
    ("the_bank_has_payments", 0), ("a_statement_comes", 332), ("the_bank_is_asked", 0), ("a_processor_pays_out", 0),
    ("the_bank_has_payments", 1), ("a_statement_comes", 244), ("people_book", 0), ("the_bank_takes_back", 0),
    ("an_old_file_comes", 0), ("people_say", 0), ("people_take_a_file_back", 0), ("the_bank_is_asked", 0),
    ("a_statement_comes", 187), ("people_agree", 0),
)  # fmt: skip
# What happens in many histories: the words that people may say of a line, and what must come of them.
EFFECTS = {
    "payments", "payout", "poll", "camt", "mt940", "csv", "old file", "reversal", "by hand", "undo", "say",
    "class", "match", "join", "gives-back", "split", "withdraw", "put back", "fault", "agreed", "let go",
    "closing balance", "other balance",
}  # fmt: skip


@dataclass(frozen=True)
class BroughtFile:
    """A file as it was written, which payments it tells of, and what its balances say of which days."""

    form: str
    data: bytes
    numbers: frozenset[int]
    days: tuple[date, date]
    change_units: int | None = None


@dataclass
class Side:
    """One of both databases: its house, who works there, and the source that asks the bank."""

    house: House
    visitor: Visitor
    source: Source

    def bring(self, file: BroughtFile) -> int:
        """Bring a file on the staff page and book it; return the number of the import."""
        form = self.visitor.form("/staff/imports", "/imports")
        sent = {**form.fields, "form": file.form, "profile": "", "account": ACCOUNT}
        answer = self.visitor.client.post(
            form.action, data={**sent, "file": (io.BytesIO(file.data), "s")}, content_type="multipart/form-data"
        )
        assert answer.status_code == 303, answer.text
        page = answer.headers["Location"]
        assert self.visitor.fill(page, form="/book").status_code == 303
        found = re.search(r"/imports/(\d+)", page)
        assert found
        return int(found[1])


@dataclass
class Bank:
    """The bank's account, what it told us so far, and what people said; the ledgers must agree with the sums of it."""

    account: DemoBankAccount
    clock: FrozenClock
    fakes: BankFakes
    draw: random.Random
    files: list[BroughtFile] = field(default_factory=list)
    # Import -> the payments it told as booked; None where the bank was asked.
    told_by: dict[int | None, set[int]] = field(default_factory=dict)
    taken_back: set[int] = field(default_factory=set)
    # What the API told to be taken back.
    heard_back: set[int] = field(default_factory=set)
    reversals: set[int] = field(default_factory=set)
    polls: int = 0
    asked_on: date | None = None

    @property
    def today(self) -> date:
        return self.fakes.autoclient.today

    @property
    def told(self) -> set[int]:
        return {one for numbers in self.told_by.values() for one in numbers}

    @property
    def stand(self) -> list[Payment]:
        """The payments that some file or answer tells, and that we did not hear to be taken back."""
        numbers = {one for number, some in self.told_by.items() if number not in self.taken_back for one in some}
        return [one for one in self.account.payments if one.number in numbers - self.heard_back]

    def units(self, first: date, last: date) -> int:
        """What must be booked of some days."""
        return sum(one.units for one in self.stand if first <= one.booking_day <= last)

    def may_come(self, units: int) -> bool:
        """Tell whether no payment that was taken back today equals it."""
        mine = (one for one in self.account.payments if one.standing == TAKEN_BACK)
        return all((one.booking_day, one.units) != (self.today, units) for one in mine)

    def pay(self, units: int, purpose: str, **more: object) -> Payment | None:
        return self.account.pay(units, purpose, **more) if self.may_come(units) else None


def write_file(bank: Bank, form: str) -> BroughtFile | None:
    """Write some days of the account as the bank's own file; None where nothing was booked on them."""
    ago = bank.draw.choice([0, 1, 3, DAYS_MAX])
    first = bank.today - timedelta(ago)
    last = first + timedelta(bank.draw.randrange(ago + 1))
    told = written(bank.account, first, last, frozenset(bank.reversals))
    numbers = frozenset(one.number for one in told.payments)
    if not numbers:
        return None
    if form == "privatbank":
        return BroughtFile(form, privatbank_csv(ACCOUNT, told.payments), numbers, (first, last))
    data = camt(told) if form == "camt053" else mt940(told)
    return BroughtFile(form, data, numbers, (first, last), told.closing_units - told.opening_units)


@contextmanager
def dice(seed: int) -> Iterator[None]:
    """Let both databases draw the same nonces and salts."""
    drawn = random.Random(seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(secrets, "token_hex", lambda count=32: drawn.randbytes(count).hex())
        yield


@dataclass
class Room:
    """Opens the same house on each database, as often as asked, and the bank beside them."""

    folder: Path
    cluster: Cluster
    template: str
    fakes: BankFakes
    clock: FrozenClock
    seen: Counter[str] = field(default_factory=Counter)
    made: list[str] = field(default_factory=list)

    def make(self) -> list[Side]:
        self.made.append(name := self.cluster.create(template=self.template))
        return [
            self.side(f"sqlite:///{self.folder}/{name}.db", is_migrated=True),
            self.side(self.cluster.url(name), is_migrated=False),
        ]

    def side(self, url: str, *, is_migrated: bool) -> Side:
        tables = self.fakes.settings(self.folder, "privat", "privatbank", ACCOUNT, method="iban")
        house = build_house(self.folder, url, is_migrated=is_migrated, tables=tables)
        intent = Intent("a" * 32, "iban", "UAH", 2, 90_000, Frequency.ONCE, "uk", house.clock())
        house.ledger.intents.open(intent, nonce="b" * 32, draw_code=iter([CODE]).__next__)
        return Side(house, house.person(), self.source(house))

    def source(self, house: House) -> Source:
        own = house.app.extensions["support"].configured.own["bank"]
        timing = Timing(lambda: 0.0, lambda _: None)
        (source,) = build_sources(own, house.ledger, clock=house.clock, timing=timing)
        return source

    def drop(self, sides: list[Side]) -> None:
        for one in sides:
            one.house.ledger.dispose()
        self.cluster.drop(self.made.pop())


class Histories(RuleBasedStateMachine):
    """What may happen, in any order that hypothesis thinks of; after each step everything is held against the bank."""

    room: Room

    def __init__(self) -> None:
        super().__init__()
        self.room.clock.now = MORNING
        self.room.fakes.accounts.clear()
        self.room.fakes.faults.clear()
        account = self.room.fakes.open(ACCOUNT, opening_units=1_000_000)
        self.bank = Bank(account, self.room.clock, self.room.fakes, random.Random(0))
        with dice(0):
            self.sides = self.room.make()
        self.head, self.states, self.steps = Head(0, "0" * 64), dict[str, State](), 0

    def both(self, do: Callable[[Side], object]) -> object:
        """Let both houses do the same with the same luck; what comes of it is the same."""
        self.steps += 1
        luck, came = self.bank.draw.getrandbits(64), []
        for one in self.sides:
            self.bank.draw = random.Random(luck)
            one.house.clock.advance(seconds=1)
            with dice(self.steps):
                came.append(do(one))
        assert came[0] == came[1]
        return came[0]

    def note(self, what: str) -> None:
        self.room.seen[what] += 1

    # What the bank does

    @rule(luck=st.integers(0, 2**64))
    def the_bank_has_payments(self, luck: int) -> None:
        """Gifts, twins, registries, payments out, what is on its way or arrives; mostly another day is over."""
        bank = self.bank
        bank.draw = random.Random(luck)
        self.note("payments")
        if (bank.today - MORNING.date()).days < DAYS_MAX and bank.draw.random() < 0.6:
            bank.clock.advance(days=1)
        for one in [one for one in bank.account.payments if one.standing == ON_ITS_WAY]:
            if bank.draw.random() < 0.5 and bank.may_come(one.units):
                bank.account.book(one)
            elif bank.draw.random() < 0.3:
                bank.account.drop(one)
                self.note("let go")
        for _ in range(bank.draw.randrange(1, 4)):
            self.payment(bank)

    def payment(self, bank: Bank) -> None:
        purpose = bank.draw.choice(["help", "", CODE, "Оплата згідно реєстру № 7", "за рекламні послуги, рахунок № 5"])
        units = bank.draw.choice([10_000, 10_000, 25_000, -4_000, -10_000])
        is_waiting = bank.draw.random() < 0.15
        past = [one for one in bank.account.payments if one.standing == BOOKED]
        if is_waiting:
            has_reference = bank.draw.random() < 0.5
            bank.pay(units, purpose, standing=ON_ITS_WAY, has_reference=has_reference)
        elif past and bank.draw.random() < 0.2:
            made = bank.pay(-bank.draw.choice(past).units, "повернення внеску")
            bank.reversals |= {made.number} if made else set()
        else:
            bank.pay(units, purpose if units > 0 else "повернення внеску")

    @rule(luck=st.integers(0, 2**64))
    def a_processor_pays_out(self, luck: int) -> None:
        """A payout leaves a processor, and mostly its line comes to the bank."""
        self.bank.draw = draw = random.Random(luck)
        self.note("payout")
        name, units = f"po_{draw.getrandbits(64)}", draw.choice([25_000, 60_000])
        at = datetime.combine(self.bank.today, MORNING.timetz())
        claim = PaymentClaim(State.CONFIRMED, Kind.PAYOUT, "toypay", "toypay", units, 2, at)
        told = Report("toypay", name, (Observation(Identity("", "UAH", "", Direction.OUT, name), claim, rank=(1, 0)),))
        self.both(lambda side: side.house.ledger.accept(told))
        if draw.random() < 0.8:
            self.bank.pay(units, "STRIPE PAYOUT", name="STRIPE")

    @rule(luck=st.integers(0, 2**64))
    def the_bank_takes_back(self, luck: int) -> None:
        """Take a payment back that has no twin on its day; files that are written from now on tell nothing of it."""
        self.bank.draw = random.Random(luck)
        self.note("reversal")
        booked = [one for one in self.bank.account.payments if one.standing == BOOKED]
        alike = Counter((one.booking_day, one.units) for one in booked)
        alone = [one for one in booked if alike[one.booking_day, one.units] == 1]
        if alone:
            self.bank.account.take_back(self.bank.draw.choice(alone))

    # What we hear of it

    @rule(luck=st.integers(0, 2**64))
    def a_statement_comes(self, luck: int) -> None:
        self.bank.draw = random.Random(luck)
        form = self.bank.draw.choice(["camt053", "camt053", "mt940", "privatbank"])
        self.note({"camt053": "camt", "privatbank": "csv"}.get(form, form))
        if file := write_file(self.bank, form):
            self.bank.files.append(file)
            if self.bank.draw.random() < 0.8:  # else it lies there until later
                self.bring(file)

    @rule(luck=st.integers(0, 2**64))
    def an_old_file_comes(self, luck: int) -> None:
        self.bank.draw = random.Random(luck)
        self.note("old file")
        if self.bank.files:
            self.bring(self.bank.draw.choice(self.bank.files))

    def bring(self, file: BroughtFile) -> None:
        number = self.both(lambda side: side.bring(file))
        assert isinstance(number, int)
        self.bank.told_by[number] = set(file.numbers)

    @rule(luck=st.integers(0, 2**64))
    def the_bank_is_asked(self, luck: int) -> None:
        """Ask the API; sometimes by a watcher that was started anew, sometimes it does not answer."""
        self.bank.draw = random.Random(luck)
        self.note("poll")
        is_down, is_anew = self.bank.draw.random() < 0.15, self.bank.draw.random() < 0.2
        if is_down:
            self.note("fault")
        assert self.both(lambda side: self.ask(side, is_down=is_down, is_anew=is_anew)) is not is_down
        if not is_down:
            self.heard()

    def ask(self, side: Side, *, is_down: bool, is_anew: bool) -> bool:
        if is_anew:
            side.source = self.room.source(side.house)
        if is_down:
            self.room.fakes.faults.order(BankTrouble.BROKEN, path="settings")
        (outcome,) = watcher.run_once([side.source], side.house.ledger)
        return outcome.is_good

    def heard(self) -> None:
        """Once a day the bank tells all days, else yesterday and today."""
        bank = self.bank
        bank.polls += 1
        first = date.min if bank.asked_on != bank.today else bank.today - timedelta(1)
        bank.asked_on = bank.today
        told = [one for one in bank.account.payments if one.booking_day >= first]
        bank.told_by.setdefault(None, set()).update(one.number for one in told if one.standing == BOOKED)
        bank.heard_back |= {one.number for one in told if one.standing == TAKEN_BACK}

    # What people do

    @rule(luck=st.integers(0, 2**64))
    def people_book(self, luck: int) -> None:
        self.bank.draw = random.Random(luck)
        self.note("by hand")
        payments = self.bank.account.payments
        is_known = payments and self.bank.draw.random() < 0.5
        known = {"known_as": f"D{self.bank.draw.choice(payments).number:012}P"} if is_known else {}
        typed = {"amount": self.bank.draw.choice(["100", "250"]), "date": self.bank.today.isoformat(), **known}
        self.both(lambda side: side.visitor.book(method="iban", **typed))

    @rule(luck=st.integers(0, 2**64))
    def people_take_a_file_back(self, luck: int) -> None:
        self.bank.draw = random.Random(luck)
        self.note("undo")
        numbers = [number for number in self.bank.told_by if number is not None]
        if not numbers:
            return
        number, nonce = self.bank.draw.choice(numbers), f"{self.bank.draw.getrandbits(128):032x}"
        is_back = number in self.bank.taken_back
        self.note("put back" if is_back else "undo")
        self.both(lambda side: stand(side, number, nonce, is_back=is_back))
        self.bank.taken_back ^= {number}

    @rule(luck=st.integers(0, 2**64))
    def people_agree(self, luck: int) -> None:
        """Take the first suggestion of the inbox."""
        self.bank.draw = random.Random(luck)
        if self.both(agree):
            self.note("agreed")

    @rule(luck=st.integers(0, 2**64))
    def people_say(self, luck: int) -> None:
        """Press one button of one page, whichever it has."""
        self.bank.draw = random.Random(luck)
        self.note("say")
        if pressed := self.both(lambda side: say(side, self.bank.draw)):
            self.note(str(pressed))

    # What holds after each step

    @invariant()
    def both_tell_the_same_and_all_follows_from_the_reports(self) -> None:
        texts = [[exported(side, name) for name in ("jsonl", "csv")] for side in self.sides]
        assert texts[0] == texts[1]
        ledger = self.sides[0].house.ledger
        assert ledger.head() == self.sides[1].house.ledger.head()
        assert ledger.head().number >= self.head.number
        if self.head.number:
            assert ledger.verify(since=self.head) == []
        self.head = ledger.head()
        read = [json.loads(line) for line in texts[0][0].splitlines()]
        table = list(csv.DictReader(io.StringIO(texts[0][1].decode("utf-8-sig"))))
        rows: list[Json] = list(ledger.export())
        units = [int(row["units"]) for row in rows]
        for told in (read, table, rows):
            assert [parse_plain(row["amount"], Asset("UAH", 2)).units for row in told] == units

    @invariant()
    def every_sum_is_right(self) -> None:
        ledger, bank = self.sides[0].house.ledger, self.bank
        rows: list[Json] = list(ledger.export())
        lines = [one for one in rows if one["bank_class"]]
        assert len(lines) == len({one["locator"] for one in lines})
        booked = sum(signed(one) for one in lines if one["state"] in ON_THE_BOOKS)
        assert booked == sum(one.units for one in bank.stand), "booked lines are the bank's balance"
        told = Counter(one.units for one in bank.account.payments if one.number in bank.told)
        assert told <= Counter(map(signed, lines)), "every line that was told is kept"
        counted = sum(int(one["counted_units"]) for one in rows)
        assert sum(one.units for one in ledger.totals()) == counted
        hands = [one for one in rows if one["locator"].startswith("staff:") and one["counted_units"] != "0"]
        assert all(one["counted_units"] == "0" for one in rows if one["kind"] == "payout"), "a payout is no second gift"
        came = sum(one.units for one in bank.stand if one.units > 0)
        assert counted <= came + sum(int(one["counted_units"]) for one in hands), "nothing is doubled"

    @invariant()
    def booked_lines_are_the_closing_balance_of_every_statement(self) -> None:
        bank, ledger = self.bank, self.sides[0].house.ledger
        for file in bank.files:
            if file.change_units is not None and bank.units(*file.days) == file.change_units:
                assert ledger.lines.units(ACCOUNT, "UAH", file.days) == file.change_units
                self.note("closing balance")
        for place in ledger.months.three_way(SINCE, UNTIL).places:
            for span in place.spans:
                assert span.first
                days = date.fromordinal(span.first.mark + 1), date.fromordinal(span.last.mark)
                assert span.difference_units == span.told_units - bank.units(*days)
                self.note("other balance" if span.difference_units else "same balance")

    @invariant()
    def states_and_the_cursor_only_go_on(self) -> None:
        for row in self.sides[0].house.ledger.export():
            ref, state = str(row["id"]), State(str(row["state"]))
            before = self.states.get(ref, state)
            assert before is state or state in EDGES[before], f"{row['locator']}: {before} -> {state}"
            self.states[ref] = state
        assert len(self.states) == sum(1 for _ in self.sides[0].house.ledger.export()), "no row is gone"
        cursor = self.sides[0].house.ledger.cursor("bank:privat")
        assert (cursor.step if cursor else 0) == self.bank.polls

    def teardown(self) -> None:
        """At last the bank is asked and the whole of it brought: then our books are the bank's, to the unit."""
        bank, balance = self.bank, self.bank.account.balance_units()
        for _ in range(2):
            assert self.both(lambda side: self.ask(side, is_down=False, is_anew=True))
            self.heard()
            self.every_sum_is_right()
        last = bank.today
        whole = written(bank.account, MORNING.date(), last, frozenset(bank.reversals))
        before = [exported(side, "jsonl") for side in self.sides]
        if whole.payments:
            self.bring(
                BroughtFile("camt053", camt(whole), frozenset(one.number for one in whole.payments), (last, last))
            )
        assert [exported(side, "jsonl") for side in self.sides] == before, "what is said again changes nothing"
        for side in self.sides:
            assert side.house.ledger.verify() == []
            assert side.house.ledger.lines.units(ACCOUNT, "UAH", (date.min, date.max)) == balance - 1_000_000
        self.room.drop(self.sides)


def signed(row: Json) -> int:
    return int(row["units"]) * (1 if row["direction"] == "in" else -1)


def exported(side: Side, name: str) -> bytes:
    form = next(one for one in FORMATS if one.name == name)
    return b"".join(form.write(side.house.ledger.exported(), ForPeople()))


def stand(side: Side, number: int, nonce: str, *, is_back: bool) -> None:
    """Take a file back, or put it back."""
    imports = side.house.ledger.imports
    (imports.put_back if is_back else imports.take_back)(number, "staff:a@example.org", nonce)
    settle({ACCOUNT}, side.house.ledger.lines)


def agree(side: Side) -> bool:
    suggested = [one for one in side.house.ledger.inbox.lines() if one.why is Why.PAYER]
    if not suggested:
        return False
    ref = suggested[0].donation.identity.ref
    form = next(one for one in forms(side.visitor.get("/staff/inbox").text) if f"/{ref}/match" in one.action)
    assert side.visitor.send(form, code=suggested[0].choices[0].value).status_code == 303
    return True


def say(side: Side, draw: random.Random) -> str:
    """Press a button, and tell which it was."""
    rows: list[Json] = list(side.house.ledger.export())
    if not rows:
        return ""
    page = f"/staff/donations/{draw.choice(rows)['id']}"
    found = [one for one in forms(side.visitor.get(page).text) if "/donations/" in one.action]
    if not found:
        return ""
    form = draw.choice(found)
    others = [str(one["id"]) for one in rows]
    said = {
        "class": {"class": draw.choice(["gift", "review", "other_out", "own_transfer", ""])},
        "match": {"code": draw.choice(["", CODE])},
        "join": {"line": draw.choice(["", *others])},
        "gives-back": {"gift": draw.choice(["", *others])},
        "split": {"gifts": draw.choice(["", "40;A\n60;B", "100;A\n150;B"])},
        "withdraw": {"note": "x", "sure": "yes"},
    }
    what = form.action.split("?")[0].rsplit("/", 1)[1]
    answer = side.visitor.send(form, **said.get(what, {}))
    assert answer.status_code < 500
    return what if answer.status_code == 303 else ""


def in_turn(histories: Histories) -> None:
    """Take every step once or more; after each all must hold, as hypothesis asks it of its own."""
    for name, luck in TURNS:
        getattr(histories, name)(luck=luck)
        histories.both_tell_the_same_and_all_follows_from_the_reports()
        histories.every_sum_is_right()
        histories.booked_lines_are_the_closing_balance_of_every_statement()
        histories.states_and_the_cursor_only_go_on()
    histories.teardown()


@pytest.mark.postgres
def test_whatever_happens_the_books_are_the_banks_on_both_databases(
    tmp_path: Path, cluster: Cluster, postgresql_template: str
) -> None:
    clock = FrozenClock(MORNING)
    with BankFakes(clock=clock) as fakes:

        class OnBoth(Histories):
            """Histories of this test."""

            room = Room(tmp_path, cluster, postgresql_template, fakes, clock)

        in_turn(OnBoth())
        seen = OnBoth.room.seen
        assert {"poll", "camt", "mt940", "csv", "closing balance", "old file", "reversal", "undo"} <= set(seen), seen
        if HISTORIES >= MANY:
            seen.clear()
        careful = settings(
            max_examples=HISTORIES,
            stateful_step_count=STEPS,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        )
        run_state_machine_as_test(OnBoth, settings=careful)
    assert HISTORIES < MANY or set(+seen) >= EFFECTS, EFFECTS - set(seen)

"""Any order of files, polls, reversals and words of people: nothing is lost, doubled or invented, at any step.

BANK_HISTORIES says how many histories are tried: a few here, thousands in `make campaign`.
"""

import os
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

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
    utc_now,
)  # fmt: skip
from support_service.ledger import FileBrought, Why
from support_service.rails.bank.booking import import_lines
from support_service.rails.bank.line import Line, LineStanding, Party
from support_service.rails.bank.settling import settle
from tests.fixtures.staff import House, Visitor, build_house, forms
from tests.fixtures.statements import Json
from tests.rails.bank.test_settling import ACCOUNT, CHOICES, line

HISTORIES = int(os.environ.get("BANK_HISTORIES", "4"))
STEPS = 14
CODE = "2A3C-4E62"
BOOKED = {"confirmed", "refunded", "partially_refunded"}


@dataclass
class Bank:
    """What the bank and the people did; the ledger must agree with the sums of it."""

    house: House
    visitor: Visitor
    draw: random.Random
    lines: dict[str, Line] = field(default_factory=dict)
    # Import -> the lines it told; None where the bank was asked.
    told_by: dict[int | None, set[str]] = field(default_factory=dict)
    taken_back: set[int] = field(default_factory=set)
    by_hand: int = 0

    @property
    def stand(self) -> dict[str, Line]:
        """The lines that some file or answer tells, and that the bank did not take back."""
        told = {one for number, names in self.told_by.items() if number not in self.taken_back for one in names}
        return {name: one for name, one in self.lines.items() if name in told and one.books_money}

    def bring(self, names: list[str], *, is_live: bool) -> None:
        lines = [self.lines[name] for name in names]
        ledger, number = self.house.ledger, None
        if not is_live:
            nonce = f"{len(self.told_by):032x}"
            number = ledger.imports.open(FileBrought(nonce, "test", "x", nonce))
        list(import_lines(lines, ledger.lines, CHOICES, now=utc_now(), importing=number))
        self.told_by.setdefault(number, set()).update(names)
        settle({ACCOUNT}, ledger.lines)

    def rows(self) -> list[Json]:
        return list(self.house.ledger.export())


def new_lines(bank: Bank) -> None:
    """Gifts, twins, registries and payments out; and lines that take another one back."""
    for _ in range(bank.draw.randrange(1, 4)):
        new_line(bank)


def new_line(bank: Bank) -> None:
    name, day = f"R{len(bank.lines)}", 1 + len(bank.lines) % 28
    purpose = bank.draw.choice(["help", "", CODE, "Оплата згідно реєстру № 7", "за рекламні послуги, рахунок № 5"])
    units = bank.draw.choice([10_000, 10_000, 25_000, -4_000, -10_000])
    made = line(name, units, day, purpose=purpose if units > 0 else "повернення внеску")
    if bank.lines and bank.draw.random() < 0.3:
        made = line(name, -bank.draw.choice(list(bank.lines.values())).money.units, day, is_reversal=True)
    bank.lines[name] = made


def a_processor_pays_out(bank: Bank) -> None:
    """A payout leaves a processor, and mostly its line comes to the bank."""
    name, day, units = f"po_{bank.draw.getrandbits(64)}", 1 + len(bank.lines) % 28, bank.draw.choice([25_000, 60_000])
    claim = PaymentClaim(
        State.CONFIRMED, Kind.PAYOUT, "toypay", "toypay", units, 2, datetime(2026, 5, day, 12, tzinfo=UTC)
    )
    identity = Identity("", "UAH", "", Direction.OUT, name)
    bank.house.ledger.accept(Report("toypay", name, (Observation(identity, claim, rank=(1, 0)),)))
    if bank.draw.random() < 0.8:
        reference = f"R{len(bank.lines)}"
        bank.lines[reference] = line(reference, units, day, purpose="STRIPE PAYOUT", counterparty=Party("STRIPE"))


def people_agree(bank: Bank) -> None:
    """Take the first suggestion of the inbox."""
    suggested = [one for one in bank.house.ledger.inbox.lines(lambda *_: ()) if one.why is Why.PAYER]
    if suggested:
        ref = suggested[0].donation.identity.ref
        form = next(one for one in forms(bank.visitor.get("/staff/inbox").text) if f"/{ref}/match" in one.action)
        assert bank.visitor.send(form, code=suggested[0].choices[0].value).status_code == 303


def a_file(bank: Bank) -> None:
    some = [name for name in bank.lines if bank.draw.random() < 0.6]
    bank.draw.shuffle(some)
    bank.bring(some, is_live=bank.draw.random() < 0.4)


def bank_takes_back(bank: Bank) -> None:
    if bank.lines:
        name = bank.draw.choice(list(bank.lines))
        before = bank.lines[name]
        bank.lines[name] = replace(before, standing=LineStanding.TAKEN_BACK)
        bank.bring([name], is_live=True)
        # An older file comes after it.
        list(import_lines([before], bank.house.ledger.lines, CHOICES, now=utc_now()))
        settle({ACCOUNT}, bank.house.ledger.lines)


def people_book(bank: Bank) -> None:
    known = {"known_as": bank.draw.choice(list(bank.lines))} if bank.lines and bank.draw.random() < 0.5 else {}
    bank.visitor.book(method="iban", amount=bank.draw.choice(["100", "250"]), date="2026-05-18", **known)
    bank.by_hand += 1


def people_take_a_file_back(bank: Bank) -> None:
    numbers = [number for number in bank.told_by if number is not None]
    if not numbers:
        return
    number, nonce = bank.draw.choice(numbers), f"{bank.draw.getrandbits(128):032x}"
    if number in bank.taken_back:
        bank.house.ledger.imports.put_back(number, "staff:a@example.org", nonce)
        bank.taken_back.discard(number)
    else:
        bank.house.ledger.imports.take_back(number, "staff:a@example.org", nonce)
        bank.taken_back.add(number)
    settle({ACCOUNT}, bank.house.ledger.lines)


def people_say(bank: Bank) -> None:
    """Press one button of one page, whichever it has."""
    rows = bank.rows()
    if not rows:
        return
    page = f"/staff/donations/{bank.draw.choice(rows)['id']}"
    found = [one for one in forms(bank.visitor.get(page).text) if "/donations/" in one.action]
    if not found:
        return
    form = bank.draw.choice(found)
    others = [str(one["id"]) for one in rows]
    said = {
        "class": {"class": bank.draw.choice(["gift", "review", "other_out", "own_transfer", ""])},
        "match": {"code": ""},
        "join": {"line": bank.draw.choice(["", *others])},
        "gives-back": {"gift": bank.draw.choice(["", *others])},
        "split": {"gifts": bank.draw.choice(["", "40;A\n60;B", "100;A\n150;B"])},
        "withdraw": {"note": "x", "sure": "yes"},
    }
    answer = bank.visitor.send(form, **said.get(form.action.split("?")[0].rsplit("/", 1)[1], {}))
    assert answer.status_code < 500


def check(bank: Bank) -> None:
    ledger, rows = bank.house.ledger, bank.rows()
    assert ledger.verify() == []
    lines = [one for one in rows if one["bank_class"]]
    assert len(lines) == len({one["locator"] for one in lines}) <= len(bank.lines)
    booked = sum(int(one["units"]) * (1 if one["direction"] == "in" else -1) for one in lines if one["state"] in BOOKED)
    assert booked == sum(one.money.units for one in bank.stand.values()), "booked lines are the bank's balance"
    counted = sum(int(one["counted_units"]) for one in rows)
    assert sum(one.units for one in ledger.totals()) == counted
    hands = [one for one in rows if one["locator"].startswith("staff:") and one["counted_units"] != "0"]
    assert all(one["counted_units"] == "0" for one in rows if one["kind"] == "payout"), "a payout is no second gift"
    came = sum(one.money.units for one in bank.stand.values() if one.money.units > 0)
    assert counted <= came + sum(int(one["counted_units"]) for one in hands), "nothing is doubled"


DRAWS = st.randoms(use_true_random=False)


class Histories(RuleBasedStateMachine):
    """What may happen, in any order that hypothesis thinks of; after each step everything is held against the bank."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()
        house = build_house(Path(self.folder.name), f"sqlite:///{self.folder.name}/books.db")
        chosen = Intent("a" * 32, "iban", "UAH", 2, 90_000, Frequency.ONCE, "uk", utc_now())
        house.ledger.intents.open(chosen, nonce="b" * 32, draw_code=iter([CODE]).__next__)
        self.bank = Bank(house, house.person(), random.Random(0))

    def _do(self, step: Callable[[Bank], None], draw: random.Random) -> None:
        self.bank.draw = draw
        step(self.bank)

    @rule(draw=DRAWS)
    def the_bank_has_new_lines(self, draw: random.Random) -> None:
        self._do(new_lines, draw)

    @rule(draw=DRAWS)
    def a_file_comes(self, draw: random.Random) -> None:
        self._do(a_file, draw)

    @rule(draw=DRAWS)
    def a_processor_pays_out(self, draw: random.Random) -> None:
        self._do(a_processor_pays_out, draw)

    @rule(draw=DRAWS)
    def the_bank_takes_back(self, draw: random.Random) -> None:
        self._do(bank_takes_back, draw)

    @rule(draw=DRAWS)
    def people_book(self, draw: random.Random) -> None:
        self._do(people_book, draw)

    @rule(draw=DRAWS)
    def people_take_a_file_back(self, draw: random.Random) -> None:
        self._do(people_take_a_file_back, draw)

    @rule()
    def people_agree(self) -> None:
        people_agree(self.bank)

    @rule(draw=DRAWS)
    def people_say(self, draw: random.Random) -> None:
        self._do(people_say, draw)

    @invariant()
    def every_sum_is_right(self) -> None:
        check(self.bank)

    def teardown(self) -> None:
        bank = self.bank
        before = bank.rows()
        bank.bring([name for name in bank.lines if name in bank.told_by.get(None, set())], is_live=True)
        assert bank.rows() == before, "what is said again changes nothing"
        bank.house.ledger.dispose()
        self.folder.cleanup()


Histories.TestCase.settings = settings(
    max_examples=HISTORIES, stateful_step_count=STEPS, deadline=None, suppress_health_check=list(HealthCheck)
)
TestHistories = Histories.TestCase

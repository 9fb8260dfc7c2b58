"""The sources of bank accounts that are asked: one for each account of [[banks]] that has a token.

What the bank tells goes the same way as a file's lines: known ones are known again, new ones are booked by their
class. Booking and cursor are two transactions, so a watcher that dies between them reads again what is known.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TypeAlias

from support_service.giving import Clock, Cursor, HeldBalance, Report, SourceWarning, WarningKind
from support_service.rails.asides import Asides
from support_service.rails.bank.booking import LineCounts, drop_pending, import_lines
from support_service.rails.bank.calls import counter
from support_service.rails.bank.live import BankApi, Marks, Read, autoclient, monobank, row_key
from support_service.rails.bank.live.connection import BankConnection, Timing
from support_service.rails.bank.settings import Bank, BankChoices
from support_service.rails.bank.settling import settle
from support_service.rails.books import Books
from support_service.rails.rail import RailSettings
from support_service.rails.source import Source

# Asks how often a bank called because of one of its accounts: the name of a source -> a number that grows.
Calls: TypeAlias = Callable[[str], int]

# A payout takes days over a weekend; one that was never tied to its line is not told for ever.
PAYOUT_LATE_AFTER, PAYOUT_FORGOTTEN_AFTER = timedelta(days=5), timedelta(days=30)


def build_rail_sources(given: RailSettings, books: Books, *, clock: Clock) -> list[Source]:
    """Build the sources that the settings ask for; they book their lines in the ledger by themselves."""
    choices = given.own
    assert isinstance(choices, BankChoices)

    def calls(source: str) -> int:
        held = books.cursor(counter(source))
        return held.step if held else 0

    return build_sources(choices, books, clock=clock, calls=calls)


def build_sources(
    choices: BankChoices, ledger: Books, *, clock: Clock, calls: Calls = lambda _: 0, timing: Timing | None = None
) -> list[Source]:
    """Build a source for each account that is asked; nobody is asked yet."""
    booking = Booking(ledger, choices, clock)
    return [
        CalledSource(bank, api, booking, calls) if bank.can_call else BankSource(bank, api, booking)
        for bank, api in build_apis(choices, clock=clock, timing=timing or Timing())
    ]


def build_apis(choices: BankChoices, *, clock: Clock, timing: Timing) -> list[tuple[Bank, BankApi]]:
    """Build how each account is asked; accounts of one monobank token share its one question a minute."""
    tokens: dict[tuple[str, str], monobank.TokenAccounts] = {}
    return [(bank, _api(bank, choices, tokens, clock=clock, timing=timing)) for bank in choices.live]


def _api(
    bank: Bank,
    choices: BankChoices,
    tokens: dict[tuple[str, str], monobank.TokenAccounts],
    *,
    clock: Clock,
    timing: Timing,
) -> BankApi:
    assert bank.token_file, "a bank that is asked has a token"
    match bank.kind:
        case "privatbank":
            base, manners = bank.api_base or autoclient.API_BASE, autoclient.MANNERS
            connection = BankConnection(base, bank.token_file, manners, timing)
            return autoclient.Autoclient(bank.account, connection, choices.wanted(bank.account, ""))
        case "monobank":
            base = bank.api_base or monobank.API_BASE
            manners = replace(monobank.MANNERS, pace_seconds=bank.pace_seconds)
            connection = BankConnection(base, bank.token_file, manners, timing)
            accounts = tokens.setdefault((base, str(bank.token_file)), monobank.TokenAccounts(connection))
            return monobank.Monobank(
                bank.account, monobank.PersonalApi(bank.account, accounts), accounts.connection, clock
            )
        case "monobank_business":
            base = bank.api_base or monobank.BUSINESS_API_BASE
            connection = BankConnection(base, bank.token_file, monobank.BUSINESS_MANNERS, timing)
            return monobank.Monobank(bank.account, monobank.Business(bank.account, connection), connection, clock)
        case _:
            raise AssertionError(f"{bank.kind} is not asked")


@dataclass(frozen=True, slots=True)
class Booking:
    """What lines are booked with."""

    ledger: Books
    choices: BankChoices
    clock: Clock


class BankSource(Source):
    """The Source `bank:<key>`."""

    asides: Asides

    def __init__(self, bank: Bank, api: BankApi, booking: Booking) -> None:
        self.name = bank.source
        self.poll_seconds: float = bank.rest_seconds
        self.account = bank.account
        self._notice = self._late = ""
        self.asides = Asides(self.name, booking.clock)
        self._api, self._booking = api, booking
        self._booked = 0
        self._balances: tuple[HeldBalance, ...] = ()

    def reports(self, after: Cursor | None) -> Iterator[Report]:
        """Book what is new, then let the cursor follow; raise SourceDown, SourceRefused or SourceLied."""
        marks, step = _read_marks(after), after.step if after else 0
        named: set[str] = set()
        for read in self._api.reads(marks):
            named |= self._book(read)
            if read.whole_from is None:
                continue
            at = self._booking
            self._booked += drop_pending(self.account, named, at.ledger.lines, since=read.whole_from)
            settle([self.account], at.ledger.lines)
            step += 1
            memo = json.dumps(dict(read.marks), sort_keys=True)
            self._balances = read.balances
            yield Report(self.name, str(step), cursor=Cursor(step, None, None, at.clock(), memo))
        self._notice, self._late = self._api.notice, self._late_payouts()

    def balances(self, after: Cursor) -> tuple[HeldBalance, ...]:
        """Tell what the bank said with the last look that the account held, once its lines are booked."""
        del after
        return self._balances

    def warnings(self) -> tuple[SourceWarning, ...]:
        """Say what the bank itself wants people to know."""
        return tuple(SourceWarning(WarningKind.DEGRADED, text) for text in (self._notice, self._late) if text)

    def _late_payouts(self) -> str:
        now = self._booking.clock()
        since, until = now - PAYOUT_FORGOTTEN_AFTER, now - PAYOUT_LATE_AFTER
        late = self._booking.ledger.lines.late_payouts(self.account, since=since, until=until)
        days = PAYOUT_LATE_AFTER.days
        return f"no line of the bank is the arrival of {', '.join(late)}, due more than {days} days ago" if late else ""

    def booked(self) -> int:
        """Tell how many lines were new or went further since this was asked last."""
        counted, self._booked = self._booked, 0
        return counted

    def _book(self, read: Read) -> set[str]:
        at, counts, named = self._booking, LineCounts(), set[str]()
        for told in import_lines(read.lines, at.ledger.lines, at.choices, now=at.clock()):
            counts.add(told)
            named |= {one.locator for one in told}
        self._booked += counts.new + counts.changed
        for key, reason in read.bad_rows.items():
            self.asides.note(key, reason)
        held = {item.key for item in self.asides.items}
        for key in held & {row_key(line.reference) for line in read.lines if line.reference}:
            self.asides.solve(key)
        return named


class CalledSource(BankSource):
    """A bank that calls us when something happens: we believe nothing of it, and look sooner."""

    can_be_woken = True

    def __init__(self, bank: Bank, api: BankApi, booking: Booking, calls: Calls) -> None:
        super().__init__(bank, api, booking)
        self._calls, self._answered = calls, 0

    def reports(self, after: Cursor | None) -> Iterator[Report]:
        """Answer every call so far with one look."""
        heard = self._calls(self.name)
        yield from super().reports(after)
        self._answered = heard

    def is_woken(self) -> bool:
        """Tell whether the bank called since the last look."""
        return self._calls(self.name) > self._answered


def _read_marks(after: Cursor | None) -> Marks:
    told: object = json.loads(after.memo) if after else {}
    assert isinstance(told, Mapping), "written by us"
    return {str(key): str(value) for key, value in told.items()}

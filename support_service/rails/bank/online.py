"""What is asked of banks on request: whether token and account are right, and whether the books are."""

from collections.abc import Iterator
from datetime import timedelta
from zoneinfo import ZoneInfo

from support_service.giving import Clock
from support_service.money import Money, plain
from support_service.rails.bank.booking import import_lines
from support_service.rails.bank.identity import Recognition
from support_service.rails.bank.line import Line
from support_service.rails.bank.live import DAYS_READ_AGAIN, BankApi
from support_service.rails.bank.live.connection import Timing
from support_service.rails.bank.settings import Bank, BankChoices
from support_service.rails.bank.source import build_apis
from support_service.rails.books import Books
from support_service.rails.options import Mistake
from support_service.rails.rail import Compared, RailSettings
from support_service.rails.source import SourceError

# What a bank booked just now may not have been read yet.
YOUNG = timedelta(minutes=15)
KYIV = ZoneInfo("Europe/Kyiv")


def ask(given: RailSettings, *, clock: Clock) -> list[str | Mistake]:
    """Ask every bank whether it lets us in."""
    assert isinstance(given.own, BankChoices)
    return ask_banks(given.own, clock=clock)


def compare_all(given: RailSettings, books: Books, *, clock: Clock) -> Iterator[Compared]:
    """Hold every account that is asked against the books."""
    assert isinstance(given.own, BankChoices)
    return compare(given.own, books, clock=clock)


def ask_banks(choices: BankChoices, *, clock: Clock, timing: Timing | None = None) -> list[str | Mistake]:
    """Ask for each account that has a token; a text is what a right one said, a Mistake what is wrong."""
    found: list[str | Mistake] = []
    for bank, api in build_apis(choices, clock=clock, timing=timing or Timing()):
        try:
            found.append(f"{bank.source}: {api.greet()}")
        except SourceError as error:
            found.append(Mistake(f"banks.{bank.key}", str(error)))
    return found


def compare(choices: BankChoices, ledger: Books, *, clock: Clock, timing: Timing | None = None) -> Iterator[Compared]:
    """Hold the last days of each account against the books: line by line, and by its balance where that is told."""
    for bank, api in build_apis(choices, clock=clock, timing=timing or Timing()):
        about = f"{bank.source}: {bank.account}"
        try:
            yield from _lines(bank, _settled(api, clock), ledger, choices, clock=clock)
            yield _balance(bank, api, ledger)
        except SourceError as error:
            yield Compared(f"{about}: could not be compared: {error}", is_equal=False)


def _settled(api: BankApi, clock: Clock) -> Iterator[list[Line]]:
    """Ask for what is booked, but for what is so young that nobody may have read it."""
    young = (clock() - YOUNG).astimezone(KYIV).strftime("%Y-%m-%dT%H:%M")
    for read in api.reads({}):
        yield [line for line in read.lines if line.books_money and (line.clock or f"{line.day}T00:00") < young]


def _lines(
    bank: Bank, reads: Iterator[list[Line]], ledger: Books, choices: BankChoices, *, clock: Clock
) -> Iterator[Compared]:
    missing: dict[str, Line] = {}
    for lines in reads:
        for told in import_lines(lines, ledger.lines, choices, now=clock(), is_dry=True):
            missing |= {one.locator: one.line for one in told if one.outcome is not Recognition.KNOWN}
    for locator, line in missing.items():
        shown = f"{plain(Money(abs(line.money.units), line.money.asset))} {line.money.asset.code}"
        way = "came in" if line.is_credit else "went out"
        text = f"{bank.source}: {locator}: at the bank {shown} {way} on {line.day}, the ledger does not know it so"
        yield Compared(text, is_equal=False)
    if not missing:
        yield Compared(f"{bank.source}: {bank.account}: the lines of {DAYS_READ_AGAIN} days are those of the bank")


def _balance(bank: Bank, api: BankApi, ledger: Books) -> Compared:
    told = api.balance()
    if told is None:
        return Compared(f"{bank.source}: {bank.account}: the bank tells no balance to compare")
    held = ledger.lines.units(bank.account, told.asset.code, (told.first, told.last))
    about = f"{bank.source}: {bank.account}, {told.first} to {told.last}"
    ours, theirs = (f"{_signed(units, told.asset.exponent)} {told.asset.code}" for units in (held, told.change_units))
    if held == told.change_units:
        return Compared(f"{about}: {ours}, as the bank's balance")
    return Compared(f"{about}: the ledger says {ours}, the bank's balance {theirs}", is_equal=False)


def _signed(units: int, exponent: int) -> str:
    whole, part = divmod(abs(units), 10**exponent)
    return f"{'-' if units < 0 else '+'}{whole}" + (f".{part:0{exponent}}" if exponent else "")

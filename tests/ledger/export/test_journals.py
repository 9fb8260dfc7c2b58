"""Journals, held against the programs they are for: every balance is ours to the unit, hostile words do nothing."""

import csv
import decimal
import io
import subprocess
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from beancount import loader
from beancount.core import data, realization

from support_service.giving import State
from support_service.ledger import ForPeople, Ledger, Wanted
from support_service.ledger.export import beancount, hledger
from support_service.ledger.export.journal import ProgramNames, one_line
from support_service.ledger.postings import book
from support_service.money import plain_units
from tests.fixtures.books import HOSTILE, bank_line, keep
from tests.fixtures.reports import gift, pushed, transfer_report

KYIV = ForPeople(ZoneInfo("Europe/Kyiv"), {"iban": "Рахунок; IBAN | UAH"})


@pytest.fixture
def books(ledger: Ledger) -> Ledger:
    keep(ledger)
    return ledger


@pytest.fixture(autouse=True)
def many_digits() -> Iterator[None]:
    """Python counts with 28 digits unless told otherwise; one gift of these books has 78."""
    with decimal.localcontext(prec=120):
        yield


def ours(ledger: Ledger) -> dict[tuple[str, str], Decimal]:
    """Sum what the ledger's postings hold for each account and asset."""
    sums: Counter[tuple[str, str]] = Counter()
    for one in ledger.exported():
        found = one.donation
        history = ledger.donation(found.identity.ref)
        assert history is not None
        for _report, leg in history.postings:
            sums[leg.account, leg.asset] += Decimal(plain_units(leg.units, found.payment.exponent))  # type: ignore[assignment]
    return {key: Decimal(total) for key, total in sums.items() if total}


def hledger_says(file: Path, *words: str) -> str:
    run = subprocess.run(["hledger", "-f", file, *words], capture_output=True, text=True, check=False, timeout=60)
    assert run.returncode == 0, run.stderr
    return run.stdout


def write_hledger(ledger: Ledger, folder: Path, wanted: Wanted | None = None) -> Path:
    file = folder / "books.journal"
    file.write_bytes(b"".join(hledger.write(ledger.exported(wanted or Wanted()), KYIV)))
    return file


def write_beancount(ledger: Ledger, folder: Path) -> Path:
    file = folder / "books.beancount"
    file.write_bytes(b"".join(beancount.write(ledger.exported(), KYIV)))
    return file


def test_every_balance_of_hledger_is_ours_to_the_unit(books: Ledger, tmp_path: Path) -> None:
    words = ("balance", "--flat", "--no-total", "--layout=bare", "--output-format=csv")
    told = csv.DictReader(io.StringIO(hledger_says(write_hledger(books, tmp_path), *words)))
    balances = {(row["account"], row["commodity"]): Decimal(row["balance"]) for row in told}
    assert balances == ours(books)


def test_every_balance_of_beancount_is_ours_to_the_unit(books: Ledger, tmp_path: Path) -> None:
    entries, errors, _options = loader.load_file(str(write_beancount(books, tmp_path)))
    assert errors == []
    names = {entry.account: entry.meta["name"] for entry in entries if isinstance(entry, data.Open)}
    balances = {}
    for account in realization.iter_children(realization.realize(entries)):  # type: ignore[no-untyped-call]
        for position in account.balance:
            balances[names[account.account], position.units.currency] = position.units.number
    assert balances == ours(books)


def test_the_programs_accept_the_books_and_hold_as_many_transactions(books: Ledger, tmp_path: Path) -> None:
    hledger_says(write_hledger(books, tmp_path), "check")
    booked = sum(any(book(one.donation).values()) for one in books.exported())
    printed = hledger_says(write_hledger(books, tmp_path), "print", "--output-format=csv")
    assert len({row["txnidx"] for row in csv.DictReader(io.StringIO(printed))}) == booked
    entries, _errors, _options = loader.load_file(str(write_beancount(books, tmp_path)))
    assert sum(isinstance(entry, data.Transaction) for entry in entries) == booked


def test_the_words_of_strangers_are_words_to_beancount(books: Ledger, tmp_path: Path) -> None:
    entries, errors, _options = loader.load_file(str(write_beancount(books, tmp_path)))
    assert errors == []
    told = {entry.payee for entry in entries if isinstance(entry, data.Transaction)}
    assert {one_line(text) for text in HOSTILE} <= told
    assert not any(entry.tags or entry.links for entry in entries if isinstance(entry, data.Transaction))
    assert {type(entry) for entry in entries} == {data.Open, data.Price, data.Transaction}


def test_the_words_of_strangers_are_words_to_hledger(books: Ledger, tmp_path: Path) -> None:
    file = write_hledger(books, tmp_path)
    accounts = {account for account, _asset in ours(books)}
    assert set(hledger_says(file, "accounts", "--used").split()) >= accounts
    assert {name.split(":")[0] for name in hledger_says(file, "accounts").split()} == {
        account.split(":")[0] for account in accounts
    } | {"suspense"}
    tags = set(hledger_says(file, "tags").split())
    assert tags <= {"locator", "article", "support-code", "message"}
    assert len(hledger_says(file, "prices").splitlines()) == 3


def test_values_are_prices_on_the_publishers_day(books: Ledger, tmp_path: Path) -> None:
    prices = hledger_says(write_hledger(books, tmp_path), "prices").splitlines()
    # 22:00 UTC is the next day in Kyiv.
    assert any(line.startswith("P 2026-05-02") and "44.58" in line for line in prices), prices
    entries, _errors, _options = loader.load_file(str(write_beancount(books, tmp_path)))
    told = {(entry.currency, str(entry.amount)) for entry in entries if isinstance(entry, data.Price)}
    assert told == {("ETH", "4160000 UAH"), ("BTC", "4150000.125 UAH"), ("EUR", "44.58 UAH")}


def test_what_is_not_confirmed_stands_in_no_journal(ledger: Ledger, tmp_path: Path) -> None:
    ledger.accept(transfer_report(state=State.SEEN))
    assert hledger_says(write_hledger(ledger, tmp_path), "accounts") == ""
    assert loader.load_file(str(write_beancount(ledger, tmp_path)))[0] == []


def test_a_bank_line_stands_on_the_day_that_the_bank_names(ledger: Ledger, tmp_path: Path) -> None:
    ledger.accept(pushed("1", bank_line("r1"), source="bank:iban"))
    assert hledger_says(write_hledger(ledger, tmp_path), "print").startswith("2026-05-01 *")


def test_methods_that_read_alike_keep_accounts_of_their_own(ledger: Ledger, tmp_path: Path) -> None:
    for number, method in enumerate(("my_card", "my-card", "My-card")):
        ledger.accept(pushed(str(number), gift(f"pi_{number}", method=method)))
    entries, errors, _options = loader.load_file(str(write_beancount(ledger, tmp_path)))
    assert errors == []
    income = {entry.meta["name"] for entry in entries if isinstance(entry, data.Open) and "Income" in entry.account}
    assert income == {"income:donations:my_card", "income:donations:my-card", "income:donations:My-card"}


def test_two_names_never_become_one() -> None:
    names = ProgramNames()
    given = [names.give(ours, "Same") for ours in ("a", "b", "c", "a")]
    assert len(set(given)) == 3
    assert given[0] == given[3] == "Same"

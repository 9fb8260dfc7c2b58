"""What a long statement costs: so much SQL for each pass, so many calls and bytes for each line, however long it is.

Seconds are measured by `python -m tests.bench.bank_import`, never here.
"""

import gc
import sys
import tracemalloc
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, event

from support_service.commands.import_ import rare_collections
from support_service.giving import KeptLine, utc_now
from support_service.ledger import FileBrought, Ledger, migrate
from support_service.ledger.lines import TxLineBooks
from support_service.money import Asset, Money
from support_service.rails.bank import booking
from support_service.rails.bank.booking import PASSES_PER_TRANSACTION, import_lines
from support_service.rails.bank.identity import LINES_PER_QUESTION, KnownLine, Recognition, identify
from support_service.rails.bank.line import Line, Party
from support_service.rails.bank.settling import settle
from support_service.rails.bank.statements import StatementFile, WantedStatement, read_statements
from tests.bench.bank_import import ACCOUNT as BENCH_ACCOUNT
from tests.bench.bank_import import WRITERS
from tests.rails.bank.test_settling import ACCOUNT, CHOICES

# A pass asks what is known, what is believed and where everything goes, and writes each table once.
SQL_PER_PASS_MAX = 30
LINES_PER_TRANSACTION = PASSES_PER_TRANSACTION * LINES_PER_QUESTION
SQL_TO_SETTLE_MAX = 20
# Calls of Python and of C while a line is read, and while it is booked: twice as many before they were looked at.
CALLS_PER_LINE_MAX = {"csv": (130, 500), "camt053": (700, 520)}
# Looking for cycles took a seventh of the time: some hundred looks for so many lines, most of them in vain.
COLLECTIONS_MAX = 40
# A locator that is taken, and no more: 200,000 of them are some 50 MB.
BYTES_PER_LINE_MAX = 300


def lines(count: int, *, is_named: bool) -> Iterator[Line]:
    for number in range(count):
        payer = Party(f"Payer {number}", f"UA{number:027}")
        reference = {"reference": f"R{number}", "is_reference_unique": False} if is_named else {}
        day = date(2026, 5, 1) + timedelta(number % 28)
        money = Money(100 + number % 997, Asset("UAH", 2))
        yield Line(ACCOUNT, day, money, "csv", counterparty=payer, purpose=f"help {number}", **reference)  # type: ignore[arg-type]


@contextmanager
def counted() -> Iterator[list[str]]:
    """Note every statement that any engine sends; rows that one statement carries count once."""
    sent: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_others: object) -> None:
        sent.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        event.remove(Engine, "before_cursor_execute", note)


@pytest.mark.parametrize("is_named", [True, False], ids=["with references", "without"])
def test_each_pass_over_a_long_statement_sends_as_many_statements_as_the_first(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch, *, is_named: bool
) -> None:
    # However slow the machine is that this runs on.
    monkeypatch.setattr(booking, "TRANSACTION_SECONDS_MAX", 600)
    ledger = Ledger(sqlite_url)
    importing = ledger.imports.open(FileBrought("a" * 32, "test", "x", "b" * 64))
    costs: list[float] = []
    with counted() as sent:
        told = import_lines(
            lines(2 * LINES_PER_TRANSACTION, is_named=is_named),
            ledger.lines,
            CHOICES,
            now=utc_now(),
            importing=importing,
        )
        passes = 0
        for _ in told:
            passes += 1
            if sent:
                # All passes of a transaction were made when the first of them is told.
                costs.append(len(sent) / PASSES_PER_TRANSACTION)
                sent.clear()
        settle({ACCOUNT}, ledger.lines)
    assert (passes, len(costs)) == (2 * PASSES_PER_TRANSACTION, 2)
    assert max(costs) <= SQL_PER_PASS_MAX, costs
    assert costs[1] <= costs[0], "no pass costs more for what came before"
    assert len(sent) <= SQL_TO_SETTLE_MAX
    ledger.dispose()


@pytest.mark.parametrize(("seconds", "transactions"), [(600, 2), (0, 5)], ids=["a quick machine", "a slow one"])
def test_passes_share_a_transaction_for_as_long_as_others_can_wait(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch, seconds: float, transactions: int
) -> None:
    monkeypatch.setattr(booking, "TRANSACTION_SECONDS_MAX", seconds)
    ledger = Ledger(sqlite_url)
    with counted() as sent:
        count = (PASSES_PER_TRANSACTION + 1) * LINES_PER_QUESTION
        told = list(import_lines(lines(count, is_named=True), ledger.lines, CHOICES, now=utc_now()))
    assert [len(one) for one in told] == [LINES_PER_QUESTION] * (PASSES_PER_TRANSACTION + 1)
    assert sent.count("BEGIN IMMEDIATE") == transactions
    ledger.dispose()


def test_lines_are_read_while_others_may_write(sqlite_url: str) -> None:
    ledger, others = Ledger(sqlite_url), Ledger(sqlite_url)

    def read() -> Iterator[Line]:
        for number, line in enumerate(lines(2 * LINES_PER_TRANSACTION, is_named=True)):
            if number % LINES_PER_QUESTION == 0:
                others.imports.open(FileBrought(f"{number:032}", "test", "x", "b" * 64))
            yield line

    assert len(list(import_lines(read(), ledger.lines, CHOICES, now=utc_now()))) == 2 * PASSES_PER_TRANSACTION
    for one in (ledger, others):
        one.dispose()


def test_of_a_transaction_that_is_broken_off_nothing_stays_and_the_file_brought_again_completes_it(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(booking, "TRANSACTION_SECONDS_MAX", 600)
    ledger = Ledger(sqlite_url)

    def bring() -> list[Recognition]:
        some = lines(2 * LINES_PER_TRANSACTION, is_named=True)
        told = import_lines(some, ledger.lines, CHOICES, now=utc_now())
        return [one.outcome for chunk in told for one in chunk]

    calls, real = [0], TxLineBooks.find

    def find(books: TxLineBooks, keys: Collection[str]) -> Mapping[str, Sequence[KeptLine]]:
        calls[0] += 1
        if calls[0] == 2 * PASSES_PER_TRANSACTION + 3:
            raise RuntimeError("killed in the second pass of the second transaction")
        return real(books, keys)

    monkeypatch.setattr(TxLineBooks, "find", find)
    with pytest.raises(RuntimeError, match="killed"):
        bring()
    assert sum(1 for _ in ledger.export()) == LINES_PER_TRANSACTION, "the first transaction, whole"
    outcomes = bring()
    assert outcomes == [Recognition.KNOWN] * LINES_PER_TRANSACTION + [Recognition.NEW] * LINES_PER_TRANSACTION
    assert sum(1 for _ in ledger.export()) == 2 * LINES_PER_TRANSACTION
    assert ledger.verify() == []
    ledger.dispose()


def test_cycles_are_looked_for_rarely_while_a_statement_is_read_and_as_ever_behind_it(sqlite_url: str) -> None:
    usual, looked = gc.get_threshold(), [0]

    def note(phase: str, _facts: dict[str, int]) -> None:
        looked[0] += phase == "start"

    ledger = Ledger(sqlite_url)
    gc.callbacks.append(note)
    try:
        with rare_collections():
            list(import_lines(lines(2 * LINES_PER_QUESTION, is_named=True), ledger.lines, CHOICES, now=utc_now()))
    finally:
        gc.callbacks.remove(note)
        ledger.dispose()
    assert looked[0] <= COLLECTIONS_MAX
    assert (gc.get_threshold(), gc.get_freeze_count()) == (usual, 0)


@contextmanager
def called() -> Iterator[list[int]]:
    """Count calls: unlike seconds they are the same on every machine, however busy it is."""
    count = [0]

    def note(_frame: object, what: str, _argument: object) -> None:
        count[0] += what in {"call", "c_call"}

    sys.setprofile(note)
    try:
        yield count
    finally:
        sys.setprofile(None)


@pytest.mark.parametrize(("key", "write"), WRITERS.items())
def test_a_line_takes_no_more_calls_than_it_did(
    key: str, write: Callable[[Path, int], None], tmp_path: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(booking, "PASSES_PER_TRANSACTION", 1)
    rows = 2 * LINES_PER_QUESTION
    write(tmp_path / key, rows)
    with called() as to_read:
        read = read_statements(StatementFile(key, tmp_path / key), key, WantedStatement(account=BENCH_ACCOUNT))
    ledger = Ledger(sqlite_url)
    importing = ledger.imports.open(FileBrought("a" * 32, "test", "x", read.digest))
    told = import_lines(read.lines, ledger.lines, CHOICES, now=utc_now(), importing=importing)
    # The first pass builds its statements and rules.
    assert len(next(told)) == LINES_PER_QUESTION
    with called() as to_book:
        assert len(next(told)) == LINES_PER_QUESTION
    ledger.dispose()
    most = CALLS_PER_LINE_MAX[key]
    assert to_read[0] / rows <= most[0], to_read[0] / rows
    assert to_book[0] / LINES_PER_QUESTION <= most[1], to_book[0] / LINES_PER_QUESTION


def test_a_statement_that_is_known_is_only_asked_about(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/books.db"
    migrate(url)
    ledger = Ledger(url)
    for _ in range(2):
        with counted() as sent:
            list(import_lines(lines(2 * LINES_PER_QUESTION, is_named=True), ledger.lines, CHOICES, now=utc_now()))
    assert not [one for one in sent if one.startswith(("INSERT", "UPDATE", "DELETE"))]
    assert len(sent) <= 2 * SQL_PER_PASS_MAX
    ledger.dispose()


class _NothingKnown:
    def find(self, keys: Collection[str]) -> Mapping[str, Sequence[KnownLine]]:
        del keys
        return {}


@pytest.mark.parametrize("is_named", [True, False], ids=["with references", "without"])
def test_little_is_kept_of_each_line_while_a_statement_is_read(*, is_named: bool) -> None:
    count = 20 * LINES_PER_QUESTION
    tracemalloc.start()
    try:
        for _ in identify(lines(count, is_named=is_named), _NothingKnown()):
            pass
        del _
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    chunk = 4_000 * LINES_PER_QUESTION
    assert peak < count * BYTES_PER_LINE_MAX + chunk


def test_equal_lines_under_one_reference_are_numbered_on_over_passes() -> None:
    party = Party("Payer", "UA1")
    twins = [
        Line(ACCOUNT, date(2026, 5, 1), Money(100, Asset("UAH", 2)), "csv", counterparty=party, reference="R")
        for _ in range(LINES_PER_QUESTION + 3)
    ]
    found = [one.locator for one in identify(twins, _NothingKnown())]
    assert found == [f"{ACCOUNT}:R:{number}" for number in range(1, len(twins) + 1)]

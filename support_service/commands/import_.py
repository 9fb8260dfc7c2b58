"""`import`: a bank statement becomes lines of the ledger; known ones stay as they are."""

import gc
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click

from support_service.assembly import Assembly
from support_service.giving import utc_now
from support_service.ledger import FileBrought, Ledger
from support_service.rails.bank import BANK
from support_service.rails.bank.balances import tell_balances
from support_service.rails.bank.booking import LineCounts, import_lines
from support_service.rails.bank.settings import UNNAMED, BankChoices, read_account
from support_service.rails.bank.settling import settle
from support_service.rails.bank.statements import (
    FORMATS,
    StatementFile,
    StatementRefused,
    StatementsRead,
    WantedStatement,
    read_statements,
)
from support_service.rails.bank.statements.proof import PROBLEMS_MAX
from support_service.rails.options import BadOption

# The words of --format.
STATEMENTS = tuple(one.key for one in FORMATS)
PROGRESS_SECONDS = 2
NAME_CHARACTERS_MAX = 200
# So many objects more than were let go of since the last look; usual are 700, and a line makes some hundred.
COLLECTION_OBJECTS = 50_000


@dataclass(frozen=True, slots=True)
class ImportCommand:
    """A command line of `import`."""

    file: Path
    form: str
    account: str = ""
    profile: str = ""
    is_dry: bool = False


@contextmanager
def rare_collections() -> Iterator[None]:
    """Look for cycles rarely while a long file is read: lines make none, and looking takes a seventh of the time."""
    usual = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(COLLECTION_OBJECTS, *usual[1:])
    try:
        yield
    finally:
        gc.set_threshold(*usual)
        gc.unfreeze()


def import_file(assembly: Assembly, ledger: Ledger, asked: ImportCommand) -> int:
    """Import one file; the last line printed is its sum, the exit code 1 where anything was refused."""
    with rare_collections():
        return _import(assembly, ledger, asked)


def _import(assembly: Assembly, ledger: Ledger, asked: ImportCommand) -> int:
    wanted = _wanted(assembly, asked)
    progress = _FileProgress()
    try:
        read = read_statements(StatementFile(asked.file.name, asked.file), asked.form, wanted, progress=progress.read)
    except StatementRefused as error:
        for problem in error.problems[:PROBLEMS_MAX]:
            click.echo(f"{asked.file}: {problem}", err=True)
        click.echo(f"{asked.file}: {error}", err=True)
        click.echo(_summed(LineCounts(), max(1, len(error.problems))))
        return 1
    return _book(assembly, ledger, asked, read, progress=progress)


def _book(
    assembly: Assembly, ledger: Ledger, asked: ImportCommand, read: StatementsRead, *, progress: "_FileProgress"
) -> int:
    for note in read.notes:
        click.echo(f"{asked.file}: {note}", err=True)
    counts = LineCounts()
    banks = _banks(assembly)
    number = None if asked.is_dry else ledger.imports.open(_brought(asked, read))
    lines = import_lines(read.lines, ledger.lines, banks, now=utc_now(), is_dry=asked.is_dry, importing=number)
    for told in lines:
        counts.add(told)
        progress.booked(counts)
    if number is not None:
        ledger.imports.end(number, _summed(counts, len(read.problems)))
    accounts = {statement.account for statement in read.statements}
    if not asked.is_dry:
        tell_balances(read.statements, ledger.balances)
    left = 0 if asked.is_dry else settle(accounts, ledger.lines)
    for account in sorted(accounts):
        if banks.place_of(account).method == UNNAMED:
            click.echo(f"{account}: no method has this account, so its lines are booked under {UNNAMED!r}", err=True)
    if left:
        click.echo(f"{left} reversals take back a line that is not known: look at them on the staff pages", err=True)
    for text in (*counts.conflicts[:PROBLEMS_MAX], *(f"{asked.file}: {problem}" for problem in read.problems)):
        click.echo(text, err=True)
    if counts.classes:
        click.echo(", ".join(f"{name} {number}" for name, number in sorted(counts.classes.items())))
    click.echo(_summed(counts, len(read.problems)))
    return 1 if read.problems else 0


def _brought(asked: ImportCommand, read: StatementsRead) -> FileBrought:
    name = asked.file.name[:NAME_CHARACTERS_MAX]
    return FileBrought(secrets.token_hex(16), "command", name, read.digest, read.format, asked.account, asked.profile)


def _wanted(assembly: Assembly, asked: ImportCommand) -> WantedStatement:
    try:
        account = read_account(asked.account) if asked.account else ""
    except BadOption as error:
        raise click.UsageError(f"--account {error}.") from error
    try:
        return _banks(assembly).wanted(account, asked.profile)
    except BadOption as error:
        raise click.UsageError(f"--profile {error}.") from error


def _banks(assembly: Assembly) -> BankChoices:
    banks = assembly.own[BANK.name]
    assert isinstance(banks, BankChoices)
    return banks


def _summed(counts: LineCounts, refused: int) -> str:
    return f"new {counts.new}, known {counts.known}, changed {counts.changed}, refused {refused}"


class _FileProgress:
    """Tells how far a long file is, every other second."""

    def __init__(self) -> None:
        self._next = time.monotonic() + PROGRESS_SECONDS

    def read(self, rows: int) -> None:
        """Tell how many rows were read."""
        self._tell(f"read {rows} rows")

    def booked(self, counts: LineCounts) -> None:
        """Tell how many lines were booked."""
        self._tell(f"booked {counts.new + counts.known + counts.changed} lines")

    def _tell(self, text: str) -> None:
        if time.monotonic() >= self._next:
            click.echo(text, err=True)
            self._next = time.monotonic() + PROGRESS_SECONDS

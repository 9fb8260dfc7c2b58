"""Statements: one file per format, one table of them. README.md says how to add one.

    read = read_statements(StatementFile("september.xml", path), "camt053", Wanted())

Nothing is written here and nothing is asked: bytes become proved statements, or Refused says why not.
"""

from support_service.rails.bank.statements import camt053, csv_columns, monobank, mt940, privatbank
from support_service.rails.bank.statements.format import StatementFormat
from support_service.rails.bank.statements.intake import StatementFile, refuse_wrong_kinds
from support_service.rails.bank.statements.proof import Collector
from support_service.rails.bank.statements.statement import (
    BadField,
    Progress,
    StatementRefused,
    StatementsRead,
    WantedStatement,
)

__all__ = [
    "FORMATS",
    "StatementFile",
    "StatementFormat",
    "StatementRefused",
    "StatementsRead",
    "WantedStatement",
    "read_statements",
]

# The order of looking where nobody names the format: CSV fits any table, so it stands last.
FORMATS: tuple[StatementFormat, ...] = (
    camt053.FORMAT,
    mt940.FORMAT,
    monobank.FORMAT,
    privatbank.FORMAT,
    csv_columns.FORMAT,
)


def read_statements(
    file: StatementFile,
    key: str,
    wanted: WantedStatement,
    *,
    progress: Progress = lambda _rows: None,
    formats: tuple[StatementFormat, ...] | None = None,
) -> StatementsRead:
    """Read a file of the named format ("" finds it out) and prove it; Refused where nothing may be written.

    formats are those that are looked through: FORMATS where nothing else is said.
    """
    refuse_wrong_kinds(file)
    statement_format = _format(file, key, FORMATS if formats is None else formats)
    collector = Collector(progress)
    try:
        collector.collect(statement_format.read(file, wanted))
    except BadField as error:
        # A field that stands outside any row: an account's currency, a table's header.
        raise StatementRefused(f"the statement cannot be read: {error.name}: {error}") from error
    notes = (*collector.notes, *(note for statement in collector.done for note in statement.notes))
    return StatementsRead(
        statement_format.key, file.digest, tuple(collector.done), tuple(collector.problems), tuple(dict.fromkeys(notes))
    )


def _format(file: StatementFile, key: str, formats: tuple[StatementFormat, ...]) -> StatementFormat:
    named = {one.key: one for one in formats}
    if key and key not in named:
        raise StatementRefused(f"{key!r} is no format; known are {', '.join(sorted(named))}")
    if key and named[key].sniff(file):
        return named[key]
    fitting = next((one for one in formats if one.sniff(file)), None)
    if fitting is None:
        wanted = named[key].title if key else "any format that is known"
        raise StatementRefused(f"this is not a statement in {wanted}")
    if key:
        raise StatementRefused(f"this is {fitting.title}, not {named[key].title}: use --format {fitting.key}")
    return fitting

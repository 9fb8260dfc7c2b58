"""What a statement format is: its word, its title, how it is known and how it is read."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from support_service.rails.bank.statements.intake import StatementFile
from support_service.rails.bank.statements.statement import Part, WantedStatement


@dataclass(frozen=True, slots=True)
class StatementFormat:
    """One way in which banks write statements; one file each, one entry in FORMATS.

    key is the word of --format. sniff tells by the content, never by the name, whether a file is of
    this format. read yields its parts in the file's order, raises Refused for the whole file, and
    yields a Problem for a row that cannot be read.
    """

    key: str
    title: str
    sniff: Callable[[StatementFile], bool]
    read: Callable[[StatementFile, WantedStatement], Iterator[Part]]

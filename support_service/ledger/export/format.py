"""What an export format is, and what one for people knows beside the rows."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, tzinfo

from support_service.giving import Phrase
from support_service.ledger.export.rows import Exported


def in_english(phrase: Phrase) -> str:
    """Say a phrase as it stands in the code."""
    return phrase.text % dict(phrase.values)


@dataclass(frozen=True, slots=True)
class ForPeople:
    """Whose eyes a file is for: the publisher's clocks, the titles of the methods by key, and the words.

    classes: what rails call the classes of their lines.

    Formats for machines leave it alone: they are the same for everybody.
    """

    zone: tzinfo = UTC
    titles: Mapping[str, str] = field(default_factory=dict)
    say: Callable[[Phrase], str] = in_english
    classes: Mapping[str, Phrase] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ExportFormat:
    """One way to write the ledger: `write` takes what is wanted, oldest first, and yields the file's bytes.

    name is the word of `export --format`, label what staff press, suffix the ending of the file's name.
    """

    name: str
    label: Phrase
    suffix: str
    media_type: str
    write: Callable[[Iterable[Exported], ForPeople], Iterator[bytes]]

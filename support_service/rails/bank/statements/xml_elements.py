"""XML as a stream of small trees, with every bound that a hostile file needs: no DTD, no entities, no network."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import BinaryIO
from xml.parsers import expat  # nosec: DTDs are refused before any entity can be declared
from xml.sax.saxutils import escape, quoteattr

from support_service.rails.bank.statements.statement import StatementRefused

CHUNK_BYTES = 2**16
DEPTH_MAX = 60
# One batch entry may carry thousands of payments; more than this is no statement.
ELEMENTS_PER_TREE_MAX = 1_000_000
TEXT_CHARACTERS_MAX = 100_000
NAMES_MAX = 2_000
START_BYTES_MAX = 2**20
_SEPARATOR = "\x1f"


_MARKED = frozenset("&<>")


@cache
def _steps(path: str) -> tuple[str, ...]:
    """Cut a path of our own; there are few of them."""
    return tuple(path.split("/"))


@dataclass(slots=True)
class Element:
    """One element: its name without namespace, attributes, text and children."""

    name: str
    attributes: dict[str, str] = field(default_factory=dict)
    text: str = ""
    children: list["Element"] = field(default_factory=list)
    by_name: dict[str, list["Element"]] = field(default_factory=dict)

    def each(self, path: str) -> Sequence["Element"]:
        """Every element at a path such as "NtryDtls/TxDtls"."""
        first, *rest = _steps(path)
        found: Sequence[Element] = self.by_name.get(first, ())
        for name in rest:
            if not found:
                break
            found = [child for one in found for child in one.by_name.get(name, ())]
        return found

    def first(self, *paths: str) -> "Element | None":
        """The first element at the first path that has one."""
        for path in paths:
            if found := self.each(path):
                return found[0]
        return None

    def said(self, *paths: str) -> str:
        """The text at the first path that holds any; "" where none does."""
        for path in paths:
            for element in self.each(path):
                if text := element.text.strip():
                    return text
        return ""

    def as_text(self) -> str:
        """Write the tree as XML, for keeping what the bank said."""
        written: list[str] = []
        self._write(written)
        return "".join(written)

    def _write(self, written: list[str]) -> None:
        attributes = ""
        if self.attributes:
            attributes = "".join(f" {name}={quoteattr(value)}" for name, value in self.attributes.items())
        if not self.children:
            text = self.text.strip()
            text = text if _MARKED.isdisjoint(text) else escape(text)
            written.append(f"<{self.name}{attributes}>{text}</{self.name}>")
            return
        written.append(f"<{self.name}{attributes}>")
        for child in self.children:
            child._write(written)
        written.append(f"</{self.name}>")


@dataclass(frozen=True, slots=True)
class Began:
    """An element on the way down to the trees began."""

    name: str
    namespace: str


@dataclass(frozen=True, slots=True)
class Ended:
    """An element on the way down ended."""

    name: str


def read_trees(stream: BinaryIO, parents: frozenset[str]) -> Iterator[Began | Element | Ended]:
    """Yield each child tree of the named parents whole, and the beginning and end of what leads to them."""
    reader = _Reader(parents)
    try:
        while chunk := stream.read(CHUNK_BYTES):
            reader.parser.Parse(chunk, False)  # noqa: FBT003  expat knows no names
            reader.bound_pending(len(chunk))
            yield from reader.taken()
        reader.parser.Parse(b"", True)  # noqa: FBT003
    except expat.ExpatError as error:
        raise StatementRefused(f"the XML is damaged or cut off (line {error.lineno}): download it again") from error
    except (LookupError, ValueError, UnicodeError) as error:
        if isinstance(error, StatementRefused):
            raise
        raise StatementRefused("the XML names an encoding that is not known") from error
    yield from reader.taken()


class _Reader:
    def __init__(self, parents: frozenset[str]) -> None:
        self._parents = parents
        self._way: list[str] = []
        self._tree: list[Element] = []
        self._text: list[str] = []
        self._local: dict[str, str] = {}
        self._depth = self._text_size = self._elements = self._silent_bytes = 0
        self._events: list[Began | Element | Ended] = []
        self.parser = expat.ParserCreate(namespace_separator=_SEPARATOR)
        self.parser.buffer_text = True
        self.parser.StartDoctypeDeclHandler = self._refuse_doctype
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._characters

    def taken(self) -> list[Began | Element | Ended]:
        """Give and forget what was read since the last time."""
        events, self._events = self._events, []
        return events

    def bound_pending(self, read_bytes: int) -> None:
        """Refuse one endless tag: expat would hold all of it."""
        self._silent_bytes += read_bytes
        if self._silent_bytes > START_BYTES_MAX:
            raise StatementRefused("the XML holds a tag or text of more than a megabyte: this is no statement")

    def _refuse_doctype(self, *_: object) -> None:
        raise StatementRefused("the XML holds a DTD: no bank's statement has one, and entities are never read")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._silent_bytes = 0
        local = self._local.get(name)
        if local is None:
            local = self._local[name] = name.rpartition(_SEPARATOR)[2]
            if len(self._local) > NAMES_MAX:
                raise StatementRefused("the XML holds more kinds of elements than any statement")
        if self._depth > DEPTH_MAX:
            raise StatementRefused("the XML is nested too deeply: this is no statement")
        self._depth += 1
        if self._tree or (self._way and self._way[-1] in self._parents and local not in self._parents):
            self._elements += 1
            if self._elements > ELEMENTS_PER_TREE_MAX:
                raise StatementRefused("one entry of the XML is larger than any statement's")
            self._tree.append(Element(local, attributes))
            self._text, self._text_size = [], 0
            return
        self._way.append(local)
        self._events.append(Began(local, name.rpartition(_SEPARATOR)[0]))

    def _end(self, _name: str) -> None:
        self._silent_bytes = 0
        self._depth -= 1
        if not self._tree:
            self._events.append(Ended(self._way.pop()))
            return
        element = self._tree.pop()
        # Text counts in elements without children alone: between children stands nothing but layout.
        element.text = "".join(self._text) if self._text and not element.children else ""
        self._text = []
        if self._tree:
            parent = self._tree[-1]
            parent.children.append(element)
            parent.by_name.setdefault(element.name, []).append(element)
        else:
            self._elements = 0
            self._events.append(element)

    def _characters(self, text: str) -> None:
        self._silent_bytes = 0
        if not self._tree:
            return
        self._text_size += len(text)
        if self._text_size > TEXT_CHARACTERS_MAX:
            raise StatementRefused(
                f"one field of the XML is longer than {TEXT_CHARACTERS_MAX} characters: this is no statement"
            )
        self._text.append(text)

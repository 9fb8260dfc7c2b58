"""A page cut where a reader's values are written into it: made once, joined for all values.

Pure but for the marks that it is cut by, which are drawn.
"""

import hashlib
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest
from string import ascii_lowercase
from typing import NamedTuple
from urllib.parse import urlencode

from support_service.door.finished import Captured, Finished
from support_service.door.rsgi import HeaderList


@dataclass(frozen=True, slots=True)
class Slot:
    """A parameter whose value is written into a page.

    read gives the value as it may be written, None where it may not. base is a value that read lets pass, to which
    words of small letters may be added. writers: every way in which the page may write a value.
    """

    name: str
    base: str
    read: Callable[[str], str | None]
    writers: tuple[Callable[[str], str], ...]


class WrittenValue(NamedTuple):
    """What stands between two pieces: which of the values, and how it is written there."""

    value: int
    writer: Callable[[str], str]


@dataclass(frozen=True, slots=True)
class CutPage:
    """Pieces of a page, and between each two of them the value that stands there."""

    headers: HeaderList
    pieces: tuple[bytes, ...]
    written: tuple[WrittenValue, ...]
    seed: bytes

    @classmethod
    def of(cls, slots: Sequence[Slot], ask: Callable[[str], Captured]) -> "CutPage | None":
        """Cut the page at markers; None where its joining with other values is not what the app itself answers."""
        markers = {slot.name: f"{slot.base}{_word()}-{_word()}" for slot in slots}
        proofs = {slot.name: f"{slot.base}Є-a'b/?x=1&y=(2)+~;%20#c/" for slot in slots}
        values = tuple(slot.read(proofs[slot.name]) for slot in slots)
        if None in values or any(
            slot.read(marker) != marker for slot, marker in zip(slots, markers.values(), strict=True)
        ):
            return None
        page = _cut(ask(urlencode(markers)), slots, tuple(markers.values()))
        proved = ask(urlencode(proofs))
        joined = page.joined(tuple(value or "" for value in values))
        return page if page.written and joined.body == proved.body else None

    def joined(self, values: Sequence[str]) -> Finished:
        """Write the values into the page."""
        written = [one.writer(values[one.value]).encode() for one in self.written]
        body = b"".join(chain.from_iterable(zip_longest(self.pieces, written, fillvalue=b"")))
        seed = self.seed + "\0".join(values).encode()
        return Finished(Captured(200, self.headers, body), seed=seed, is_hasty=True)


def _word() -> str:
    return "".join(secrets.choice(ascii_lowercase) for _ in range(16))


def _cut(answer: Captured, slots: Sequence[Slot], markers: Sequence[str]) -> CutPage:
    pieces: list[bytes] = []
    found: list[WrittenValue] = []
    ways = [WrittenValue(number, writer) for number, slot in enumerate(slots) for writer in slot.writers]
    marks = [way.writer(markers[way.value]).encode() for way in ways]
    rest = answer.body
    while places := [(at, -len(mark), number) for number, mark in enumerate(marks) if (at := rest.find(mark)) >= 0]:
        # One writing may stand inside another: of those that begin first, the longest is meant.
        at, _, number = min(places)
        pieces.append(rest[:at])
        found.append(ways[number])
        rest = rest[at + len(marks[number]) :]
    pieces.append(rest)
    seed = hashlib.sha256(b"\0".join(pieces)).digest()
    return CutPage(answer.headers, tuple(pieces), tuple(found), seed)

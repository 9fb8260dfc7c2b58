"""A page cut where a reader's value is written into it: made once, joined for every value. Pure."""

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain, zip_longest
from urllib.parse import urlencode

from support_service.door.finished import Captured, Finished
from support_service.door.rsgi import HeaderList


@dataclass(frozen=True, slots=True)
class Slot:
    """A parameter whose value is written into a page.

    read gives the value as it may be written, None where it may not. base is an address that read lets pass,
    to which anything may be added. writers: every way in which the page may write a value.
    """

    name: str
    base: str
    read: Callable[[str], str | None]
    writers: tuple[Callable[[str], str], ...]


@dataclass(frozen=True, slots=True)
class CutPage:
    """Pieces of a page, and between each two of them the writer of the value that stands there."""

    headers: HeaderList
    pieces: tuple[bytes, ...]
    writers: tuple[Callable[[str], str], ...]
    seed: bytes

    @classmethod
    def of(cls, slot: Slot, ask: Callable[[str], Captured]) -> "CutPage | None":
        """Cut the page at a marker; None where its joining with another value is not what the app itself answers."""
        marker, proof = f"{slot.base}{secrets.token_hex(16)}", f"{slot.base}Є-a'b/?x=1&y=(2)+~;%20#c/"
        if slot.read(marker) != marker or slot.read(proof) is None:
            return None
        page = _cut(ask(urlencode({slot.name: marker})), marker, slot.writers)
        proved = ask(urlencode({slot.name: proof}))
        value = slot.read(proof) or ""
        return page if page.writers and page.joined(value).body == proved.body else None

    def joined(self, value: str) -> Finished:
        """Write a value into the page."""
        written = [writer(value).encode() for writer in self.writers]
        body = b"".join(chain.from_iterable(zip_longest(self.pieces, written, fillvalue=b"")))
        return Finished(Captured(200, self.headers, body), seed=self.seed + value.encode(), is_hasty=True)


def _cut(answer: Captured, marker: str, writers: tuple[Callable[[str], str], ...]) -> CutPage:
    pieces: list[bytes] = []
    found: list[Callable[[str], str]] = []
    marks = [writer(marker).encode() for writer in writers]
    rest = answer.body
    while places := [(at, -len(mark), number) for number, mark in enumerate(marks) if (at := rest.find(mark)) >= 0]:
        # One writing may stand inside another: of those that begin first, the longest is meant.
        at, _, number = min(places)
        pieces.append(rest[:at])
        found.append(writers[number])
        rest = rest[at + len(marks[number]) :]
    pieces.append(rest)
    seed = hashlib.sha256(b"\0".join(pieces)).digest()
    return CutPage(answer.headers, tuple(pieces), tuple(found), seed)

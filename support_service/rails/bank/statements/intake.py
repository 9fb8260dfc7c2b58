"""A statement file: bounded bytes, their text, and the kinds that are no statement, each by its name."""

import codecs
import hashlib
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from support_service.rails.bank.statements.statement import StatementRefused

# 200,000 entries of CAMT are some 200 MB and are read as a stream; whole in memory comes far less.
FILE_BYTES_MAX = 400 * 2**20
WHOLE_BYTES_MAX = 20 * 2**20
HEAD_BYTES = 16 * 2**10
# A row has 25 fields of at most some hundred letters; a longer one is no statement.
LINE_CHARACTERS_MAX = 200_000
CHUNK_BYTES = 2**16

# What a file begins with -> what it is, and what to ask for instead.
_KINDS = (
    (b"%PDF", "a PDF", "PDF statements are for people: export CSV, XLSX, MT940 or camt.053"),
    (b"\xd0\xcf\x11\xe0", "an old Excel file (.xls)", "save it as .xlsx or CSV"),
    (b"\x1f\x8b", "a gzip archive", "unpack it first"),
    (b"Rar!", "a RAR archive", "unpack it first"),
    (b"7z\xbc\xaf", "a 7z archive", "unpack it first"),
    (b"\x89PNG", "a picture", "export the statement as a table"),
    (b"\xff\xd8\xff", "a picture", "export the statement as a table"),
    (b"{\\rtf", "an RTF document", "export the statement as a table"),
    (b"1CClientBankExchange", "a 1C exchange file (1CClientBankExchange)", "export the statement as CSV"),
    (b"OFXHEADER", "an OFX file", "export CSV, MT940 or camt.053"),
)
_HTML = re.compile(r"\s*(<!--.*?-->\s*)?<(!doctype\s+html|html|head|body)\b", re.IGNORECASE | re.DOTALL)
_MT942 = re.compile(r"^:(34F|13D|90D|90C):", re.MULTILINE)
_CAMT = re.compile(r"urn:iso:std:iso:20022:tech:xsd:([a-z]{4}\.\d{3})")
_OTHER_ISO = {
    "camt.052": "camt.052 is an intraday report, not a statement: ask the bank for camt.053",
    "camt.054": "camt.054 repeats entries that the camt.053 books, importing both doubles them: ask for camt.053",
}
_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


class StatementFile:
    """A statement's bytes, from memory or from a path, opened as often as needed."""

    def __init__(self, name: str, source: bytes | Path) -> None:
        self.name = name
        self._source = source
        self.size = len(source) if isinstance(source, bytes) else source.stat().st_size
        with self.open() as stream:
            self.head = stream.read(HEAD_BYTES)
        self._encoding = ""

    def open(self) -> BinaryIO:
        """Open the bytes at their beginning."""
        return io.BytesIO(self._source) if isinstance(self._source, bytes) else self._source.open("rb")

    def whole(self) -> bytes:
        """Give all bytes of a file that is small enough to be held at once."""
        if self.size > WHOLE_BYTES_MAX:
            raise StatementRefused(f"the file is larger than {WHOLE_BYTES_MAX // 2**20} MB: export a shorter time")
        with self.open() as stream:
            return stream.read(WHOLE_BYTES_MAX + 1)

    @property
    def digest(self) -> str:
        """SHA-256 of the bytes."""
        digest = hashlib.sha256()
        with self.open() as stream:
            while chunk := stream.read(CHUNK_BYTES):
                digest.update(chunk)
        return digest.hexdigest()

    @property
    def encoding(self) -> str:
        """Byte-order mark, else strict UTF-8, else Windows-1251: decides almost surely for Cyrillic."""
        if not self._encoding:
            marked = (name for mark, name in _BOMS if self.head.startswith(mark))
            self._encoding = next(marked, "") or ("utf-8" if self._is_utf8() else "cp1251")
        return self._encoding

    @property
    def head_text(self) -> str:
        """The beginning as text, for `sniff`; bytes that cannot be read are left out."""
        return self.head.decode(self.encoding, "ignore")

    @property
    def is_zip(self) -> bool:
        """An XLSX is a zip archive."""
        return self.head.startswith(b"PK\x03\x04")

    @property
    def is_json(self) -> bool:
        """JSON of an object or a list."""
        return self.head_text.lstrip().startswith(("{", "["))

    def lines(self) -> Iterator[str]:
        """Yield lines with their ends, none longer than LINE_CHARACTERS_MAX."""
        with self.open() as stream, io.TextIOWrapper(stream, self.encoding, newline="", errors="replace") as text:
            try:
                while line := text.readline(LINE_CHARACTERS_MAX):
                    if len(line) >= LINE_CHARACTERS_MAX:
                        raise StatementRefused(
                            f"a line is longer than {LINE_CHARACTERS_MAX} characters: this is no statement"
                        )
                    yield line
            except UnicodeError as error:
                raise StatementRefused(
                    f"the file is not readable as {self.encoding}: it is damaged or cut off"
                ) from error

    def _is_utf8(self) -> bool:
        decoder = codecs.getincrementaldecoder("utf-8")()
        with self.open() as stream:
            try:
                while chunk := stream.read(CHUNK_BYTES):
                    decoder.decode(chunk)
            except UnicodeDecodeError:
                return False
        # A file that is cut inside its last letter is still UTF-8.
        return True


def refuse_wrong_kinds(file: StatementFile) -> None:
    """Refuse what is no statement at all, by its name; a statement with zero lines must never come of it."""
    if not file.head.strip(b"\x00 \t\r\n\xef\xbb\xbf"):
        raise StatementRefused("the file is empty")
    if file.size > FILE_BYTES_MAX:
        raise StatementRefused(f"the file is larger than {FILE_BYTES_MAX // 2**20} MB: export a shorter time")
    bare = file.head.removeprefix(codecs.BOM_UTF8).lstrip()
    for start, what, advice in _KINDS:
        if bare.startswith(start):
            raise StatementRefused(f"this is {what}, not a statement: {advice}")
    if file.is_zip:
        return
    text = file.head_text.lstrip("\ufeff")
    if text.startswith("1CClientBankExchange"):
        raise StatementRefused(f"this is {_KINDS[8][1]}, not a statement: {_KINDS[8][2]}")
    if _HTML.match(text):
        raise StatementRefused(
            "this is an HTML page (perhaps the bank's sign-in page), not a statement: download it again"
        )
    if "\x00" in text:
        raise StatementRefused("this is a binary file, not a statement: export CSV, XLSX, MT940 or camt.053")
    _refuse_other_iso(text)
    if ":61:" in text and ":60F:" not in text and ":60M:" not in text and _MT942.search(text):
        raise StatementRefused("MT942 is an interim report without balances: ask the bank for MT940 (STA)")


def _refuse_other_iso(text: str) -> None:
    named = _CAMT.search(text)
    if text.lstrip().startswith("<") and named and named[1] != "camt.053":
        raise StatementRefused(
            _OTHER_ISO.get(named[1], f"this is {named[1]}, not a statement: ask the bank for camt.053")
        )

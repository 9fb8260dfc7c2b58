"""An answer that is finished: its bytes, its headers and its packed forms, made once and sent to everybody."""

import gzip
import hashlib
from dataclasses import dataclass

import brotli

from support_service.door.rsgi import HeaderList

# Below this a packed form is hardly smaller.
PACK_BYTES_MIN = 256
GZIP_LEVEL, BROTLI_QUALITY = 6, 5
# For what may be asked for once and never again.
GZIP_LEVEL_HASTY, BROTLI_QUALITY_HASTY = 1, 1

_PACKABLE = ("text/", "application/json", "image/svg+xml")
_FOR_EVER = "public, max-age=31536000, immutable"
# The door says these itself.
_OWN = frozenset({"content-length", "content-encoding", "etag", "vary"})


@dataclass(frozen=True, slots=True)
class Captured:
    """What the app answered: status, headers as it wrote them, the whole body."""

    status: int
    headers: HeaderList
    body: bytes


def fingerprint(body: bytes) -> str:
    """Name a body by its contents, short enough for a URL."""
    return hashlib.sha256(body).hexdigest()[:16]


class Finished:
    """An answer as it goes out. Forms are made when they are first asked for, and kept.

    seed stands for the body in the fingerprint where it says as much in fewer bytes; is_hasty packs quickly,
    for an answer that may never be asked for again.
    """

    __slots__ = ("_answer", "_forms", "_is_hasty", "_mimetype", "_packed", "fingerprint")

    def __init__(self, answer: Captured, *, seed: bytes = b"", is_hasty: bool = False) -> None:
        kept = [(name.lower(), value) for name, value in answer.headers if name.lower() not in _OWN]
        self._answer = Captured(answer.status, kept, answer.body)
        self._is_hasty = is_hasty
        self._mimetype = dict(kept).get("content-type", "")
        self._packed: dict[str, bytes] = {}
        self._forms: dict[tuple[str, bool], Captured] = {}
        self.fingerprint = fingerprint(seed or answer.body)

    @property
    def body(self) -> bytes:
        """The plain bytes."""
        return self._answer.body

    def form(self, coding: str, *, is_named: bool) -> Captured:
        """Return the answer in a content coding ("" for plain).

        is_named: the address carries the fingerprint, so what it names never changes and may be kept for ever.
        """
        held = self._forms.get((coding, is_named))
        if held is None:
            held = self._forms[coding, is_named] = self._make(coding, is_named=is_named)
        return held

    def unchanged(self, *, is_named: bool) -> HeaderList:
        """Return the headers of "304 Not Modified" (RFC 9110, section 15.4.5)."""
        return [item for item in self.form("", is_named=is_named).headers if not item[0].startswith("content-t")]

    def _make(self, coding: str, *, is_named: bool) -> Captured:
        headers = list(self._answer.headers)
        if is_named:
            headers = [item for item in headers if item[0] != "cache-control"] + [("cache-control", _FOR_EVER)]
        # One tag for all forms must be weak: their bytes differ (RFC 9110, section 8.8.3.3).
        headers += [("etag", f'W/"{self.fingerprint}"'), ("vary", "Accept-Encoding")]
        body = self._answer.body
        if coding and len(body) >= PACK_BYTES_MIN and self._mimetype.startswith(_PACKABLE):
            body = self._pack(coding)
            headers.append(("content-encoding", coding))
        return Captured(self._answer.status, headers, body)

    def _pack(self, coding: str) -> bytes:
        if coding not in self._packed:
            self._packed[coding] = _packed(coding, self._answer.body, is_hasty=self._is_hasty)
        return self._packed[coding]


def _packed(coding: str, body: bytes, *, is_hasty: bool) -> bytes:
    if coding == "br":
        return bytes(brotli.compress(body, quality=BROTLI_QUALITY_HASTY if is_hasty else BROTLI_QUALITY))
    assert coding == "gzip"
    return gzip.compress(body, GZIP_LEVEL_HASTY if is_hasty else GZIP_LEVEL, mtime=0)

"""Answers that are the same for every reader: bytes made once, kept, and revalidated by ETag."""

import gzip
import hashlib
from dataclasses import dataclass

from flask import Response, request

# A page may be a minute old: an address is changed rarely, and then soon everywhere.
PAGE_SECONDS = 60
_FOR_EVER = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class Answer:
    """A finished body, plain and packed, with its fingerprint."""

    body: bytes
    packed: bytes
    mimetype: str
    fingerprint: str

    @classmethod
    def of(cls, text: str | bytes, mimetype: str) -> "Answer":
        """Finish an answer; packing takes about a millisecond, so callers keep what they made."""
        body = text.encode() if isinstance(text, str) else text
        packed = gzip.compress(body, 6, mtime=0)
        return cls(body, packed, mimetype, fingerprint(body))


def fingerprint(body: bytes) -> str:
    """Name a body by its contents, short enough for a URL."""
    return hashlib.sha256(body).hexdigest()[:16]


def respond(answer: Answer, *, seconds: int = PAGE_SECONDS, is_versioned: bool = False) -> Response:
    """Send an answer, packed where the reader takes gzip; 304 where they hold it already.

    is_versioned: the URL carries the fingerprint, so what it names never changes.
    """
    is_packed = "gzip" in request.headers.get("Accept-Encoding", "")
    headers = [
        ("Cache-Control", _FOR_EVER if is_versioned else f"public, max-age={seconds}"),
        # One tag for both forms must be weak: their bytes differ (RFC 9110, section 8.8.3.3).
        ("ETag", f'W/"{answer.fingerprint}"'),
        ("Vary", "Accept-Encoding"),
    ]
    if is_packed:
        headers.append(("Content-Encoding", "gzip"))
    response = Response(answer.packed if is_packed else answer.body, mimetype=answer.mimetype, headers=headers)
    if "If-None-Match" in request.headers:
        response.make_conditional(request)
    return response

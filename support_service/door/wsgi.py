"""The way from a request to the WSGI app and back, in a thread of its kind (PEP 3333)."""

import asyncio
import io
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from support_service.door.finished import Captured
from support_service.door.rsgi import Exchange, HeaderList
from support_service.origin import BaseUrl

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

# An answer up to here is sent whole; a longer one (an export) goes out in pieces as it is made.
WHOLE_BYTES_MAX = 512_000
# A reader of a long answer who takes no piece for so long is let go, for they hold a thread.
PIECE_SECONDS_MAX = 30

# What proxies say of the outside is ours to know, from the settings.
_NOT_FOR_THE_APP = ("x-forwarded-", "forwarded", "x-real-ip", "x-original-", "x-rewrite-", "content-length")


@dataclass(frozen=True, slots=True)
class Request:
    """One request, whole. `path` lies below our prefix; `address` is the client's, without a port."""

    method: str
    path: str
    query: str = ""
    headers: HeaderList = field(default_factory=list)
    address: str = "127.0.0.1"
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Piecewise:
    """An answer too long to be held: its head, what was made of it so far, and the rest."""

    status: int
    headers: HeaderList
    begun: bytes
    rest: Iterator[bytes]


def call(app: "WSGIApplication", base: BaseUrl, request: Request) -> Captured:
    """Let the app answer, whole."""
    answer = _begin(app, base, request, sys.maxsize)
    assert isinstance(answer, Captured)
    return answer


def begin(app: "WSGIApplication", base: BaseUrl, request: Request) -> Captured | Piecewise:
    """Let the app answer; a long answer is returned begun, and `send_rest` must follow in this thread."""
    return _begin(app, base, request, WHOLE_BYTES_MAX)


def _begin(app: "WSGIApplication", base: BaseUrl, request: Request, bytes_max: int) -> Captured | Piecewise:
    heads: list[tuple[int, HeaderList]] = []

    def start(status: str, headers: HeaderList, _fault: Any = None) -> Callable[[bytes], object]:
        heads.append((int(status[:3]), headers))
        return lambda _data: None

    made = app(environment(base, request), start)
    pieces = _closing(made)
    begun = bytearray()
    for piece in pieces:
        begun += piece
        if len(begun) > bytes_max:
            return Piecewise(*heads[-1], bytes(begun), pieces)
    return Captured(*heads[-1], bytes(begun))


def send_rest(answer: Piecewise, exchange: Exchange, loop: asyncio.AbstractEventLoop) -> None:
    """Send a long answer piece by piece, as fast as the reader takes it; a reader who takes none is let go."""
    with_length = [item for item in answer.headers if item[0].lower() != "content-length"]

    async def begin() -> Any:
        return exchange.response_stream(answer.status, with_length)

    transport = asyncio.run_coroutine_threadsafe(begin(), loop).result(PIECE_SECONDS_MAX)
    try:
        for piece in _chain(answer.begun, answer.rest):
            asyncio.run_coroutine_threadsafe(transport.send_bytes(piece), loop).result(PIECE_SECONDS_MAX)
    finally:
        answer.rest.close()  # type: ignore[attr-defined]


def environment(base: BaseUrl, request: Request) -> "WSGIEnvironment":
    """Write what WSGI apps read. Scheme, prefix and server are those of the settings, whatever a request says."""
    own = base.site.host
    environ: WSGIEnvironment = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": _latin(base.script_name),
        "PATH_INFO": _latin(request.path),
        "QUERY_STRING": request.query,
        "SERVER_NAME": own.name,
        "SERVER_PORT": str(own.port or {"http": 80, "https": 443}[base.site.scheme]),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": request.address,
        "CONTENT_LENGTH": str(len(request.body)),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": base.site.scheme,
        "wsgi.input": io.BytesIO(request.body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    environ.update(_fields(request.headers))
    environ.setdefault("HTTP_HOST", str(own))
    return environ


def _fields(headers: HeaderList) -> Mapping[str, str]:
    """Name header fields as CGI does. A name with an underscore would take the place of another's: it is left out."""
    fields: dict[str, str] = {}
    for name, value in headers:
        if "_" in name or name.startswith(_NOT_FOR_THE_APP):
            continue
        key = "CONTENT_TYPE" if name == "content-type" else f"HTTP_{name.upper().replace('-', '_')}"
        between = "; " if name == "cookie" else ","
        fields[key] = f"{fields[key]}{between}{value}" if key in fields else value
    return fields


def _latin(text: str) -> str:
    """Write text as WSGI holds it: each byte of its UTF-8 as one character."""
    return text.encode("utf-8", "surrogateescape").decode("latin-1")


def _closing(made: Iterable[bytes]) -> Iterator[bytes]:
    try:
        yield from made
    finally:
        if hasattr(made, "close"):
            made.close()


def _chain(begun: bytes, rest: Iterable[bytes]) -> Iterator[bytes]:
    yield begun
    yield from rest

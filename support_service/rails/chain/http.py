"""One HTTP request, bounded in time and bytes; and a server that answers questions by JSON, numbers exact.

A server's address may carry a key or a password in path, query or userinfo. So nothing here logs or raises more
than the host, and errors of the libraries below, which quote the address, are not chained.
"""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import HTTPError

from support_service.rails.chain import bounded_json
from support_service.rails.chain.node_address import read_node_address
from support_service.rails.source import SourceDown, refuse_if_left

CONNECT_SECONDS_MAX = 3.0
READ_SECONDS_MAX = 10.0
# A drip of one byte a second never breaks READ_SECONDS_MAX, so the whole answer has its own bound.
TOTAL_SECONDS_MAX = 60.0
# The largest honest answers, traces of full blocks and blocks with all earlier outputs, are some 20 MB.
ANSWER_BYTES_MAX = 64 * 1024 * 1024
CHUNK_BYTES = 64 * 1024
RETRY_AFTER_SECONDS_MAX = 300.0
# What asks for little is waited for less long.
PLACE_SECONDS_MAX = 20.0


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """The body of an HTTP answer, its status, and what its head said about waiting."""

    status: int
    body: bytes
    retry_after_seconds: float | None


class HttpConnection:
    """Sends requests to one server, called `host` in messages; counts them. A header may follow its url.

    Raises SourceLeft, and sends nothing, once it is another watcher's turn.
    """

    def __init__(
        self,
        url: str,
        *,
        host: str = "",
        bytes_max: int | None = None,
        total_seconds: float = TOTAL_SECONDS_MAX,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        address = read_node_address(url)
        self.url, self.host = address.url, host or address.host
        self.http_requests = 0
        self._bytes_max = ANSWER_BYTES_MAX if bytes_max is None else bytes_max
        self._total_seconds, self._monotonic = total_seconds, monotonic
        self.session = requests.Session()
        # Settings alone say how a server is reached: no proxy or .netrc from the environment.
        self.session.trust_env = False
        self.session.headers.update(address.headers)
        # Its debug lines quote the request's path, which may be the publisher's key.
        logging.getLogger("urllib3.connectionpool").setLevel(logging.INFO)

    def get(self, url: str, asked: Mapping[str, str] | None = None) -> HttpAnswer:
        """Ask for an address of this server; SourceDown where there is no answer within the bounds."""
        return self._send(requests.Request("GET", url, params=dict(asked or {})), READ_SECONDS_MAX)

    def post(
        self, url: str, body: bytes, headers: Mapping[str, str], *, read_seconds: float = READ_SECONDS_MAX
    ) -> HttpAnswer:
        """Send a body; read_seconds is longer for what a server must search for."""
        return self._send(requests.Request("POST", url, data=body, headers=dict(headers)), read_seconds)

    def _send(self, request: requests.Request, read_seconds: float) -> HttpAnswer:
        refuse_if_left()
        started = self._monotonic()
        self.http_requests += 1
        try:
            with self.session.request(
                request.method or "",
                request.url or "",
                params=request.params,
                data=request.data,
                headers=request.headers,
                timeout=(CONNECT_SECONDS_MAX, read_seconds),
                stream=True,
                allow_redirects=False,
            ) as response:
                content = self._read(response, started + max(self._total_seconds, read_seconds))
                return HttpAnswer(response.status_code, content, _retry_after(response))
        except requests.Timeout:
            raise SourceDown(f"{self.host}: no answer in {read_seconds:.0f} s") from None
        except (requests.RequestException, HTTPError, ValueError) as error:
            raise SourceDown(f"{self.host}: cannot be reached ({type(error).__name__})") from None

    def _read(self, response: requests.Response, until: float) -> bytes:
        parts: list[bytes] = []
        size = 0
        # read1 gives what has arrived instead of waiting for a full chunk: else a drip outlives the deadline.
        while chunk := response.raw.read1(CHUNK_BYTES, decode_content=True):
            parts.append(chunk)
            size += len(chunk)
            if size > self._bytes_max:
                raise SourceDown(f"{self.host}: the answer is larger than {self._bytes_max} bytes")
            if self._monotonic() > until:
                raise SourceDown(f"{self.host}: the answer took longer than {self._total_seconds:.0f} s")
        return b"".join(parts)


def _retry_after(response: requests.Response) -> float | None:
    # The other form, a date, would need the server's clock to be right; a plain back-off serves as well.
    text = response.headers.get("Retry-After", "").strip()
    return min(float(text), RETRY_AFTER_SECONDS_MAX) if text.isascii() and text.isdigit() else None


class JsonServer:
    """A server that answers by JSON, called `host` in messages; an answer above brackets_max is refused unread."""

    def __init__(
        self,
        url: str,
        host: str = "",
        *,
        bytes_max: int,
        brackets_max: int,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._http = HttpConnection(
            url, host=host, bytes_max=bytes_max, total_seconds=PLACE_SECONDS_MAX, monotonic=monotonic
        )
        self._base, self._query = self._http.url.partition("?")[0].rstrip("/"), urlsplit(self._http.url).query
        self.host, self._brackets_max = self._http.host, brackets_max

    def get(self, path: str, asked: Mapping[str, str]) -> object:
        """Ask below the address; SourceDown where there is no JSON answer within the bounds."""
        answer = self._http.get(f"{self._base}{path}" + (f"?{self._query}" if self._query else ""), asked)
        if answer.status != requests.codes.ok:
            raise SourceDown(f"{self.host}: HTTP {answer.status}")
        return self._parse(answer.body)

    def _parse(self, body: bytes) -> object:
        if body.count(b"[") + body.count(b"{") > self._brackets_max:
            raise SourceDown(f"{self.host}: an answer of another form than agreed")
        try:
            return bounded_json.parse(body, depth_max=self._brackets_max, read_fraction=Decimal)
        except bounded_json.BadJson:
            raise SourceDown(f"{self.host}: something that is not JSON") from None

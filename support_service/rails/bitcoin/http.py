"""One HTTP request to a node, bounded in time and bytes.

A node's address may carry a password in it. So nothing here logs or raises more than the host, and
errors of the libraries below, which quote the address, are not chained.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import HTTPError

from support_service.rails.chain import bounded_json
from support_service.rails.source import SourceDown

CONNECT_SECONDS_MAX = 3.0
READ_SECONDS_MAX = 10.0
# A drip of one byte a second never breaks READ_SECONDS_MAX, so the whole answer has its own bound.
TOTAL_SECONDS_MAX = 60.0
# The largest honest answer is a full block with all earlier outputs, some 20 MB.
ANSWER_BYTES_MAX = 64 * 1024 * 1024
CHUNK_BYTES = 64 * 1024
# The deepest honest answer, a block with its transactions and their earlier outputs, nests nine levels.
DEPTH_MAX = 64
RETRY_AFTER_SECONDS_MAX = 300.0
# What a server answers when it is overloaded or still starting.
STATUS_BUSY = frozenset({429, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Answer:
    """The body of an HTTP answer and its status."""

    status: int
    body: bytes


def parse(body: bytes) -> object:
    """Read JSON; raise BadJson.

    Amounts are numbers such as 0.1 on this wire: as floats, one in thirteen would be off by a satoshi.
    """
    return bounded_json.parse(body, depth_max=DEPTH_MAX, read_fraction=Decimal)


def host_of(url: str) -> str:
    """Name a node for logs: host and port, nothing that may hold a key."""
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port}" if parts.port else str(parts.hostname)


class Wire:
    """Sends requests to one server; counts them."""

    def __init__(self, url: str, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.host = host_of(url)
        self.http_requests = 0
        self._url, self._monotonic = url.rstrip("/"), monotonic
        self._session = requests.Session()
        # Settings alone say how a node is reached: no proxy or .netrc from the environment.
        self._session.trust_env = False
        # Its debug lines quote the request's path, which may be the publisher's key.
        logging.getLogger("urllib3.connectionpool").setLevel(logging.INFO)

    def get(self, path: str) -> Answer:
        """Ask for a path below the server's address; SourceDown where there is no answer within the bounds."""
        return self._send("GET", f"{self._url}{path}", None, READ_SECONDS_MAX)

    def post(self, body: bytes, *, read_seconds: float = READ_SECONDS_MAX) -> Answer:
        """Send JSON to the server's own address; read_seconds is longer for what a node must search for."""
        return self._send("POST", self._url, body, read_seconds)

    def _send(self, method: str, url: str, body: bytes | None, read_seconds: float) -> Answer:
        started = self._monotonic()
        self.http_requests += 1
        try:
            with self._session.request(
                method,
                url,
                data=body,
                headers={"Content-Type": "application/json"} if body is not None else None,
                timeout=(CONNECT_SECONDS_MAX, read_seconds),
                stream=True,
                allow_redirects=False,
            ) as response:
                content = self._read(response, started + max(TOTAL_SECONDS_MAX, read_seconds))
                self._refuse_busy(response)
                return Answer(response.status_code, content)
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
            if size > ANSWER_BYTES_MAX:
                raise SourceDown(f"{self.host}: the answer is larger than {ANSWER_BYTES_MAX} bytes")
            if self._monotonic() > until:
                raise SourceDown(f"{self.host}: the answer took longer than {TOTAL_SECONDS_MAX:.0f} s")
        return b"".join(parts)

    def _refuse_busy(self, response: requests.Response) -> None:
        # The other form of Retry-After, a date, would need the server's clock to be right.
        text = response.headers.get("Retry-After", "").strip()
        seconds = min(float(text), RETRY_AFTER_SECONDS_MAX) if text.isascii() and text.isdigit() else 0.0
        if response.status_code in STATUS_BUSY:
            what = "too many requests" if response.status_code == 429 else "busy or failing"
            raise SourceDown(f"{self.host}: {what} (HTTP {response.status_code})", retry_after_seconds=seconds)
        if response.status_code in (401, 403):
            raise SourceDown(f"{self.host}: refuses us (HTTP {response.status_code})")

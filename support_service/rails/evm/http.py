"""One HTTP request to a node, bounded in time and bytes, on web3's HTTPProvider.

A node's address may carry its key in path, query or userinfo. So nothing here logs or raises more
than the host, and errors of the libraries below, which quote the address, are not chained.
"""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import HTTPError
from web3 import HTTPProvider
from web3.types import RPCEndpoint

from support_service.rails.source import SourceDown

CONNECT_SECONDS_MAX = 3.0
READ_SECONDS_MAX = 10.0
# A drip of one byte a second never breaks READ_SECONDS_MAX, so the whole answer has its own bound.
TOTAL_SECONDS_MAX = 60.0
# The largest honest answers are traces of full blocks, some 20 MB; java-tron's own cap is 25 MiB.
ANSWER_BYTES_MAX = 64 * 1024 * 1024
CHUNK_BYTES = 64 * 1024
RETRY_AFTER_SECONDS_MAX = 300.0

Question = tuple[str, Sequence[object]]


@dataclass(frozen=True, slots=True)
class Answer:
    """The body of an HTTP answer, and what its head said about waiting."""

    status: int
    body: bytes
    retry_after_seconds: float | None


def host_of(url: str) -> str:
    """Name a node for logs: host and port, nothing that may hold a key."""
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port}" if parts.port else str(parts.hostname)


class Wire:
    """Sends JSON-RPC bodies to one node."""

    def __init__(self, url: str, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.host = host_of(url)
        self._monotonic = monotonic
        self._session = requests.Session()
        # Settings alone say how a node is reached: no proxy or .netrc from the environment.
        self._session.trust_env = False
        self._provider = HTTPProvider(
            url,
            request_kwargs={
                "timeout": (CONNECT_SECONDS_MAX, READ_SECONDS_MAX),
                "stream": True,
                "allow_redirects": False,
            },
            session=self._session,
            exception_retry_configuration=None,
        )
        self._url = url
        # Its debug lines quote the request's path, which may be the publisher's key.
        logging.getLogger("urllib3.connectionpool").setLevel(logging.INFO)

    def encode(self, questions: Sequence[Question]) -> bytes:
        """Write a JSON-RPC body: an object for one question, else a list; web3 numbers them."""
        calls = [(RPCEndpoint(method), params) for method, params in questions]
        if len(calls) == 1:
            return bytes(self._provider.encode_rpc_request(*calls[0]))
        return bytes(self._provider.encode_batch_rpc_request(calls))

    def post(self, body: bytes) -> Answer:
        """Send a body and read the whole answer; SourceDown where there is none within the bounds."""
        started = self._monotonic()
        try:
            with self._session.post(self._url, data=body, **self._provider.get_request_kwargs()) as response:
                content = self._read(response, started)
                return Answer(response.status_code, content, _retry_after(response))
        except requests.Timeout:
            raise SourceDown(f"{self.host}: no answer in {READ_SECONDS_MAX:.0f} s") from None
        except (requests.RequestException, HTTPError) as error:
            raise SourceDown(f"{self.host}: cannot be reached ({type(error).__name__})") from None

    def _read(self, response: requests.Response, started: float) -> bytes:
        parts: list[bytes] = []
        size = 0
        # read1 gives what has arrived instead of waiting for a full chunk: else a drip outlives the deadline.
        while chunk := response.raw.read1(CHUNK_BYTES, decode_content=True):
            parts.append(chunk)
            size += len(chunk)
            if size > ANSWER_BYTES_MAX:
                raise SourceDown(f"{self.host}: the answer is larger than {ANSWER_BYTES_MAX} bytes")
            if self._monotonic() - started > TOTAL_SECONDS_MAX:
                raise SourceDown(f"{self.host}: the answer took longer than {TOTAL_SECONDS_MAX:.0f} s")
        return b"".join(parts)


def _retry_after(response: requests.Response) -> float | None:
    # The other form, a date, would need the node's clock to be right; a plain back-off serves as well.
    text = response.headers.get("Retry-After", "").strip()
    return min(float(text), RETRY_AFTER_SECONDS_MAX) if text.isascii() and text.isdigit() else None

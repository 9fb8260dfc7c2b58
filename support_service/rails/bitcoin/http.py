"""Requests to a Bitcoin Core node or an Esplora server, and JSON with exact amounts in the answers."""

import time
from collections.abc import Callable
from decimal import Decimal

from support_service.rails.chain import bounded_json
from support_service.rails.chain.http import READ_SECONDS_MAX, HttpAnswer, HttpConnection
from support_service.rails.source import SourceDown

# The deepest honest answer, a block with its transactions and their earlier outputs, nests nine levels.
DEPTH_MAX = 64
# What a server answers when it is overloaded or still starting.
STATUS_BUSY = frozenset({429, 502, 503, 504})


def parse(body: bytes) -> object:
    """Read JSON; raise BadJson.

    Amounts are numbers such as 0.1 on this wire: as floats, one in thirteen would be off by a satoshi.
    """
    return bounded_json.parse(body, depth_max=DEPTH_MAX, read_fraction=Decimal)


class BitcoinHttp:
    """Sends requests to one server; counts them."""

    def __init__(self, url: str, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._http = HttpConnection(url, monotonic=monotonic)
        self._url, self.host = self._http.url.rstrip("/"), self._http.host

    @property
    def http_requests(self) -> int:
        """How many were sent."""
        return self._http.http_requests

    def get(self, path: str) -> HttpAnswer:
        """Ask for a path below the server's address; SourceDown where there is no answer within the bounds."""
        return self._useful(self._http.get(f"{self._url}{path}"))

    def post(self, body: bytes, *, read_seconds: float = READ_SECONDS_MAX) -> HttpAnswer:
        """Send JSON to the server's own address; read_seconds is longer for what a node must search for."""
        headers = {"Content-Type": "application/json"}
        return self._useful(self._http.post(self._url, body, headers, read_seconds=read_seconds))

    def _useful(self, answer: HttpAnswer) -> HttpAnswer:
        if answer.status in STATUS_BUSY:
            what = "too many requests" if answer.status == 429 else "busy or failing"
            seconds = answer.retry_after_seconds or 0.0
            raise SourceDown(f"{self.host}: {what} (HTTP {answer.status})", retry_after_seconds=seconds)
        if answer.status in (401, 403):
            raise SourceDown(f"{self.host}: refuses us (HTTP {answer.status})")
        return answer

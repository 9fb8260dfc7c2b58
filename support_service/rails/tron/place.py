"""One HTTP question with a JSON answer, bounded in time and bytes; for what TRON's JSON-RPC does not tell.

An address may carry its key in path or query, so nothing here raises more than the host.
"""

import json
import time
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import HTTPError

from support_service.rails import SourceDown
from support_service.rails.evm.wire import host_of

CONNECT_SECONDS_MAX, READ_SECONDS_MAX, TOTAL_SECONDS_MAX = 3.0, 10.0, 20.0
# A page of 200 transfers is some 100 kB.
ANSWER_BYTES_MAX = 2 * 1024 * 1024
CHUNK_BYTES = 16 * 1024
# web3 lifts Python's recursion limit, so deep nesting would crash instead of raising.
BRACKETS_MAX = 20_000


class Place:
    """A server at one address; `get` appends a path and asks."""

    def __init__(self, url: str, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        parts = urlsplit(url)
        self._base, self._query = url.partition("?")[0].rstrip("/"), parts.query
        self.host, self._monotonic = host_of(url), monotonic
        self._session = requests.Session()
        # Settings alone say how a place is reached: no proxy or .netrc from the environment.
        self._session.trust_env = False

    def get(self, path: str, asked: Mapping[str, str]) -> object:
        """Ask; SourceDown where there is no JSON answer within the bounds."""
        url = f"{self._base}{path}" + (f"?{self._query}" if self._query else "")
        try:
            with self._session.get(
                url,
                params=dict(asked),
                timeout=(CONNECT_SECONDS_MAX, READ_SECONDS_MAX),
                stream=True,
                allow_redirects=False,
            ) as response:
                body = self._read(response)
        except requests.Timeout:
            raise SourceDown(f"{self.host}: no answer in {READ_SECONDS_MAX:.0f} s") from None
        except (requests.RequestException, HTTPError) as error:
            raise SourceDown(f"{self.host}: cannot be reached ({type(error).__name__})") from None
        if response.status_code != requests.codes.ok:
            raise SourceDown(f"{self.host}: HTTP {response.status_code}")
        return self._parse(body)

    def _read(self, response: requests.Response) -> bytes:
        started, parts, size = self._monotonic(), list[bytes](), 0
        while chunk := response.raw.read1(CHUNK_BYTES, decode_content=True):
            parts.append(chunk)
            size += len(chunk)
            if size > ANSWER_BYTES_MAX:
                raise SourceDown(f"{self.host}: the answer is larger than {ANSWER_BYTES_MAX} bytes")
            if self._monotonic() - started > TOTAL_SECONDS_MAX:
                raise SourceDown(f"{self.host}: the answer took longer than {TOTAL_SECONDS_MAX:.0f} s")
        return b"".join(parts)

    def _parse(self, body: bytes) -> object:
        if body.count(b"[") + body.count(b"{") > BRACKETS_MAX:
            raise SourceDown(f"{self.host}: an answer of another form than agreed")
        try:
            told: object = json.loads(body)
        except (ValueError, RecursionError):
            raise SourceDown(f"{self.host}: something that is not JSON") from None
        return told

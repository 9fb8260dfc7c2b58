"""One HTTP question with a JSON answer, bounded in time and bytes; numbers come back exact.

An address may carry its key in path or query, so nothing here raises more than the host.
"""

import json
import time
from collections.abc import Callable, Mapping
from decimal import Decimal
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import HTTPError

from support_service.rails.source import SourceDown

CONNECT_SECONDS_MAX, READ_SECONDS_MAX, TOTAL_SECONDS_MAX = 3.0, 10.0, 20.0
CHUNK_BYTES = 16 * 1024


class Place:
    """A server, called `host` in messages; an answer above bytes_max or brackets_max is refused unread."""

    def __init__(
        self,
        url: str,
        host: str,
        *,
        bytes_max: int,
        brackets_max: int,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._base, self._query = url.partition("?")[0].rstrip("/"), urlsplit(url).query
        self.host, self._monotonic = host, monotonic
        self._bytes_max, self._brackets_max = bytes_max, brackets_max
        self._session = requests.Session()
        # Settings alone say how a place is reached: no proxy or .netrc from the environment.
        self._session.trust_env = False

    def get(self, path: str, asked: Mapping[str, str]) -> object:
        """Ask below the address; SourceDown where there is no JSON answer within the bounds."""
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
            if size > self._bytes_max:
                raise SourceDown(f"{self.host}: the answer is larger than {self._bytes_max} bytes")
            if self._monotonic() - started > TOTAL_SECONDS_MAX:
                raise SourceDown(f"{self.host}: the answer took longer than {TOTAL_SECONDS_MAX:.0f} s")
        return b"".join(parts)

    def _parse(self, body: bytes) -> object:
        if body.count(b"[") + body.count(b"{") > self._brackets_max:
            # web3 lifts Python's recursion limit, so that deep nesting would crash instead of raising.
            raise SourceDown(f"{self.host}: an answer of another form than agreed")
        try:
            told: object = json.loads(body, parse_float=Decimal, parse_constant=_no_constant)
        except (ValueError, RecursionError):
            raise SourceDown(f"{self.host}: something that is not JSON") from None
        return told


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is no number")

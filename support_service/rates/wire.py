"""One HTTPS request for a few numbers, bounded in time, bytes and tries; numbers come back exact."""

import json
import time
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import TypeAlias
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import HTTPError

from support_service.rails import SourceDown

CONNECT_SECONDS_MAX = 3.0
READ_SECONDS_MAX = 10.0
TOTAL_SECONDS_MAX = 20.0
# The largest honest answer is a market's 720 candles, some 60 kB and 723 brackets.
ANSWER_BYTES_MAX = 512 * 1024
BRACKETS_MAX = 2_000
CHUNK_BYTES = 16 * 1024
ATTEMPTS_MAX = 2
PAUSE_SECONDS = 0.5

Pause: TypeAlias = Callable[[float], object]


class JsonPlace:
    """Answers questions at one address with JSON; SourceDown where it does not."""

    def __init__(
        self,
        url: str,
        *,
        pause: Pause = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url, self._pause, self._monotonic = url, pause, monotonic
        self.host = urlsplit(url).hostname or ""
        self._session = requests.Session()
        # Settings alone say how a place is reached: no proxy or .netrc from the environment.
        self._session.trust_env = False

    def get(self, questions: Mapping[str, str]) -> object:
        """Ask once more after a passing fault, then raise SourceDown."""
        for attempt in range(ATTEMPTS_MAX):
            try:
                return self._get(questions)
            except SourceDown:
                if attempt == ATTEMPTS_MAX - 1:
                    raise
                self._pause(PAUSE_SECONDS)
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _get(self, questions: Mapping[str, str]) -> object:
        try:
            with self._session.get(
                self._url,
                params=dict(questions),
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
            # web3 lifts Python's recursion limit, so that deep nesting would crash instead of raising.
            raise SourceDown(f"{self.host}: an answer of another form than agreed")
        try:
            told: object = json.loads(body, parse_float=Decimal, parse_constant=_no_constant)
        except (ValueError, RecursionError):
            raise SourceDown(f"{self.host}: something that is not JSON") from None
        return told


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is no number")

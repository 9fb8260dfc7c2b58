"""How mono is asked: JSON over HTTPS with the merchant's token, bounded in time and bytes, and its errors as ours.

Nothing that is raised or logged holds the token, what was sent, or what mono wrote beside its error's code.
"""

import json
import time
from collections.abc import Mapping
from http import HTTPStatus
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import HTTPError

from support_service.rails.mono.fields import ID, BadMessage, MonoJson, read_object
from support_service.rails.processor import CheckoutDown, CheckoutRefused, CheckoutSilent
from support_service.rails.source import refuse_if_left

CONNECT_SECONDS, ANSWER_SECONDS, TOTAL_SECONDS = 3.0, 10.0, 30.0
# Connecting and answering together stay under what web/card/checkouts.py gives a reader's request.
PROMPT_CONNECT_SECONDS, PROMPT_ANSWER_SECONDS, PROMPT_TOTAL_SECONDS = 2.0, 6.0, 7.0
# A statement of a month with tens of thousands of rows.
ANSWER_BYTES_MAX = 16 * 2**20
CHUNK_BYTES = 64 * 1024
BUSY_SECONDS_MAX = 600.0

# Answers that say nothing about the request itself. A wrong token passes, too, once somebody has mended it.
_PASSING = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS})


class NotThere(CheckoutRefused):
    """Mono knows nothing of that name."""


class TooOften(CheckoutDown):
    """We asked too often; retry_after_seconds where mono says how long to wait."""

    def __init__(self, text: str, retry_after_seconds: float) -> None:
        super().__init__(text)
        self.retry_after_seconds = retry_after_seconds


class MonoClient:
    """Asks one merchant's account. is_prompt: somebody waits for its answers."""

    def __init__(self, token: str, api_base: str, *, is_prompt: bool = False) -> None:
        self._base, self._host = api_base.rstrip("/"), urlsplit(api_base).netloc
        self._headers = {"X-Token": token, "Accept": "application/json"}
        self._timeout = (
            (PROMPT_CONNECT_SECONDS, PROMPT_ANSWER_SECONDS) if is_prompt else (CONNECT_SECONDS, ANSWER_SECONDS)
        )
        self._total = PROMPT_TOTAL_SECONDS if is_prompt else TOTAL_SECONDS

    def get(self, path: str, asked: Mapping[str, str] | None = None) -> MonoJson:
        """Ask; raise CheckoutDown (may pass; CheckoutSilent: no answer) or CheckoutRefused (a no; NotThere: 404)."""
        return self._told("GET", path, dict(asked or {}), None)

    def post(self, path: str, order: Mapping[str, object]) -> MonoJson:
        """Order something; raises the same."""
        return self._told("POST", path, {}, json.dumps(order, ensure_ascii=False).encode())

    def _told(self, method: str, path: str, asked: dict[str, str], body: bytes | None) -> MonoJson:
        refuse_if_left()
        headers = self._headers | ({} if body is None else {"Content-Type": "application/json"})
        where, until = f"{self._host}{path}", time.monotonic() + self._total
        try:
            # A session of its own: several threads ask at once, and settings alone say how a server is reached.
            with (
                _session() as session,
                session.request(
                    method,
                    f"{self._base}{path}",
                    params=asked,
                    data=body,
                    headers=headers,
                    timeout=self._timeout,
                    stream=True,
                    allow_redirects=False,
                ) as response,
            ):
                return _judged(response, _read(response, where, until), where)
        except requests.Timeout:
            raise CheckoutSilent(f"{where}: no answer in {self._timeout[1]:.0f} s") from None
        except (requests.RequestException, HTTPError) as error:
            raise CheckoutSilent(f"{where}: no answer ({type(error).__name__})") from None


def _session() -> requests.Session:
    session = requests.Session()
    # No proxy, and no .netrc, from the environment.
    session.trust_env = False
    return session


def _read(response: requests.Response, where: str, until: float) -> bytes:
    parts: list[bytes] = []
    size = 0
    while chunk := response.raw.read1(CHUNK_BYTES, decode_content=True):
        parts.append(chunk)
        size += len(chunk)
        if size > ANSWER_BYTES_MAX:
            raise CheckoutDown(f"{where}: the answer is larger than {ANSWER_BYTES_MAX} bytes")
        if time.monotonic() > until:
            raise CheckoutSilent(f"{where}: the answer took too long")
    return b"".join(parts)


def _judged(response: requests.Response, body: bytes, where: str) -> MonoJson:
    """Read an answer; without an error's code in it a no is that of something in between, or garbled."""
    status = response.status_code
    try:
        told = read_object(body) if body.strip() else {}
    except BadMessage as error:
        raise CheckoutDown(f"{where}: HTTP {status}, the answer {error}") from None
    if status == HTTPStatus.OK:
        return told
    code = told.get("errCode")
    is_theirs = isinstance(code, str) and ID.fullmatch(code) is not None
    text = f"{where}: HTTP {status}{f' {code}' if is_theirs else ''}"
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        raise TooOften(text, _rest(response))
    if status in _PASSING or status >= HTTPStatus.INTERNAL_SERVER_ERROR or not is_theirs:
        raise CheckoutDown(text)
    raise (NotThere if status == HTTPStatus.NOT_FOUND else CheckoutRefused)(text)


def _rest(response: requests.Response) -> float:
    said = response.headers.get("Retry-After", "").strip()
    return min(float(said), BUSY_SECONDS_MAX) if said.isascii() and said.isdigit() and len(said) <= 6 else 0.0

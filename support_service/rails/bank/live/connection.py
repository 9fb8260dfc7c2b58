"""One question to a bank: GET alone, with a token out of a file, bounded, at the bank's pace; each fault by its name.

Texts that are raised name the bank and never the token.
"""

import hashlib
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import HTTPError

from support_service.rails.bank.statements.intake import StatementFile, refuse_wrong_kinds
from support_service.rails.bank.statements.json_answers import Json, read_json
from support_service.rails.bank.statements.statement import StatementRefused
from support_service.rails.source import SourceDown, SourceRefused, refuse_if_left

CONNECT_SECONDS_MAX, READ_SECONDS_MAX, TOTAL_SECONDS_MAX = 5.0, 30.0, 60.0
# 500 rows are some 700 kB.
ANSWER_BYTES_MAX = 8 * 2**20
CHUNK_BYTES = 16 * 1024
TOKEN_BYTES_MAX = 8 * 1024
# A bank that says "too many" and not until when; and the longest rest that we take its word for.
BUSY_SECONDS, BUSY_SECONDS_MAX = 60.0, 3_600.0
# A page instead of an answer with 403 is a wall, not a word about the token; monobank puts it up for a day.
WALLED_SECONDS = 24 * 3_600.0

_TOKEN = re.compile(r"[\x21-\x7e]+")
_RESTS = ("Retry-After", "x-rate-limit-retry-after-seconds")


@dataclass(frozen=True, slots=True)
class Timing:
    """How a connection knows time, and how it waits."""

    monotonic: Callable[[], float] = time.monotonic
    pause: Callable[[float], object] = time.sleep


@dataclass(frozen=True, slots=True)
class Manners:
    """How one kind of API wants to be asked: the header of the token, others beside it, seconds between questions."""

    token_header: str
    headers: Mapping[str, str]
    pace_seconds: float = 0.0


class BankConnection:
    """An API and our token for it. A refused token is asked with no more until another one is in its file."""

    def __init__(self, base: str, token_file: Path, manners: Manners, timing: Timing) -> None:
        self._base, self._token_file, self._manners, self._timing = base.rstrip("/"), token_file, manners, timing
        self.host = urlsplit(base).netloc.rpartition("@")[2]
        self._session = requests.Session()
        # Settings alone say how a bank is reached: no proxy or .netrc from the environment.
        self._session.trust_env = False
        self._lock = threading.Lock()
        self._asked_at: float | None = None
        self._refused = ""

    def get(self, path: str, asked: Mapping[str, str]) -> Json:
        """Ask; several accounts of one token ask one after the other."""
        with self._lock:
            token = self._token()
            self._keep_pace()
            try:
                return self._answer(path, asked, token)
            finally:
                # Counted from the answer on: a question may have been long on its way to the bank's own clock.
                self._asked_at = self._timing.monotonic()

    def _token(self) -> str:
        token = read_token(self._token_file)
        if _digest(token) == self._refused:
            raise SourceRefused(self._refusal)
        return token

    @property
    def _refusal(self) -> str:
        return (
            f"{self.host}: refuses the token of {self._token_file} and is not asked again; put a new one into the file,"
            f" or start the watcher again once the bank takes this one"
        )

    def _keep_pace(self) -> None:
        pace, now = self._manners.pace_seconds, self._timing.monotonic()
        if pace and self._asked_at is not None and (rest := pace - (now - self._asked_at)) > 0:
            self._timing.pause(rest)

    def _answer(self, path: str, asked: Mapping[str, str], token: str) -> Json:
        refuse_if_left()
        headers = {**self._manners.headers, self._manners.token_header: token}
        try:
            with self._session.get(
                f"{self._base}{path}",
                params=dict(asked),
                headers=headers,
                timeout=(CONNECT_SECONDS_MAX, READ_SECONDS_MAX),
                stream=True,
                # A redirect would carry the token to wherever it leads.
                allow_redirects=False,
            ) as response:
                body = self._read(response)
        except requests.Timeout:
            raise SourceDown(f"{self.host}: no answer in {READ_SECONDS_MAX:.0f} s") from None
        except (requests.RequestException, HTTPError) as error:
            raise SourceDown(f"{self.host}: cannot be reached ({type(error).__name__})") from None
        self._refuse_status(response, body, token)
        return self._parse(body)

    def _read(self, response: requests.Response) -> bytes:
        started, parts, size = self._timing.monotonic(), list[bytes](), 0
        while chunk := response.raw.read1(CHUNK_BYTES, decode_content=True):
            parts.append(chunk)
            size += len(chunk)
            if size > ANSWER_BYTES_MAX:
                raise SourceDown(f"{self.host}: the answer is larger than {ANSWER_BYTES_MAX} bytes")
            if self._timing.monotonic() - started > TOTAL_SECONDS_MAX:
                raise SourceDown(f"{self.host}: the answer took longer than {TOTAL_SECONDS_MAX:.0f} s")
        return b"".join(parts)

    def _refuse_status(self, response: requests.Response, body: bytes, token: str) -> None:
        status = response.status_code
        if status == requests.codes.ok:
            return
        if status == requests.codes.unauthorized or (status == requests.codes.forbidden and _is_json(body)):
            raise self.refuse(token)
        if status == requests.codes.forbidden:
            text = f"{self.host}: HTTP 403 with a page instead of an answer: it keeps us out for now"
            raise SourceDown(text, retry_after_seconds=WALLED_SECONDS)
        if status == requests.codes.too_many_requests:
            raise SourceDown(f"{self.host}: was asked too often (HTTP 429)", retry_after_seconds=_rest(response))
        raise SourceDown(f"{self.host}: HTTP {status}", retry_after_seconds=_rest(response, 0))

    def refuse(self, token: str = "") -> SourceRefused:
        """Ask with this token no more; return what to raise."""
        self._refused = _digest(token or read_token(self._token_file))
        return SourceRefused(self._refusal)

    def _parse(self, body: bytes) -> Json:
        """Read UTF-8, else Windows-1251, whatever the header says: that is how banks' answers really come."""
        file = StatementFile("answer", body)
        try:
            refuse_wrong_kinds(file)
            return read_json(file)
        except StatementRefused as error:
            raise SourceDown(f"{self.host}: {error}") from None


def read_token(file: Path) -> str:
    """Read a token; SourceRefused where there is none, for only a person can put one there."""
    try:
        with file.open("rb") as opened:
            text = opened.read(TOKEN_BYTES_MAX).decode("utf-8-sig").strip()
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise SourceRefused(f"token_file {file} cannot be read: {reason}") from None
    except UnicodeDecodeError:
        raise SourceRefused(f"token_file {file} holds no token: it is no text") from None
    if not _TOKEN.fullmatch(text):
        raise SourceRefused(f"token_file {file} must hold the token alone, on one line")
    return text


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _is_json(body: bytes) -> bool:
    return body.lstrip().startswith((b"{", b"["))


def _rest(response: requests.Response, default: float = BUSY_SECONDS) -> float:
    """Read how long to rest; a date or nonsense is no number of seconds."""
    said = next((text for name in _RESTS if (text := response.headers.get(name, "").strip())), "")
    return min(float(said), BUSY_SECONDS_MAX) if re.fullmatch(r"[0-9]{1,6}", said) else default

"""Looks from outside at what readers get, and says what of it is not signed: for cron on another machine.

It fetches the addresses that it is given, and of their own sites the codes and frames that they show; nothing else.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from urllib.parse import urljoin, urlsplit

import requests
from urllib3.exceptions import HTTPError

from support_service.manifest.answers import Judgement, Truth, judge

CONNECT_SECONDS_MAX, READ_SECONDS_MAX, TOTAL_SECONDS_MAX = 5.0, 10.0, 30.0
# A page of ours has some kilobytes, an article of a newspaper some hundred.
ANSWER_BYTES_MAX = 8 << 20
CHUNK_BYTES = 64 * 1024
FETCHES_MAX = 200
_USER_AGENT = "support-service attest"


class Unreachable(Exception):
    """An address gave no answer that could be judged; the text says why."""


@dataclass(frozen=True, slots=True)
class LivePage:
    """What was fetched."""

    mimetype: str
    body: bytes


@dataclass(slots=True)
class Attestation:
    """What was seen at all addresses: lines for people, and the differences."""

    lines: list[str] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)


def attest(urls: tuple[str, ...], truth: Truth, fetch: Callable[[str], LivePage] | None = None) -> Attestation:
    """Judge every address, and what it shows of its own site."""
    found, fetch = Attestation(), fetch or fetch_answer
    waiting, seen = list(dict.fromkeys(urls)), set[str]()
    sites = {_site(url) for url in urls}
    while waiting and len(seen) < FETCHES_MAX:
        url = waiting.pop(0)
        seen.add(url)
        try:
            answer = fetch(url)
        except Unreachable as error:
            found.differences.append(f"{url}: {error}")
            continue
        judged = judge(answer.mimetype, answer.body, truth)
        found.differences += [f"{url}: {problem}" for problem in judged.problems]
        if url in urls:
            found.lines.append(f"{url}: {_told(judged)}")
        waiting += [more for more in _more(url, judged, sites) if more not in seen and more not in waiting]
    if waiting:
        found.differences.append(f"more than {FETCHES_MAX} pages and codes: give fewer addresses at once")
    return found


def fetch_answer(url: str) -> LivePage:
    """Fetch one address, bounded in time and bytes; a redirect is not followed. Raises Unreachable."""
    if urlsplit(url).scheme not in {"http", "https"}:
        raise Unreachable("is no address of a page: it must begin with https:// or http://")
    ends_at = time.monotonic() + TOTAL_SECONDS_MAX
    try:
        with requests.Session() as session:
            session.trust_env = False
            session.headers["User-Agent"] = _USER_AGENT
            limits = (CONNECT_SECONDS_MAX, READ_SECONDS_MAX)
            with session.get(url, timeout=limits, stream=True, allow_redirects=False) as response:
                if response.is_redirect:
                    raise Unreachable(f"leads on to {response.headers['Location'][:300]!r}: give that address")
                if response.status_code != 200:
                    raise Unreachable(f"answers {response.status_code}")
                body = bytearray()
                for chunk in response.iter_content(CHUNK_BYTES):
                    body += chunk
                    if len(body) > ANSWER_BYTES_MAX or time.monotonic() > ends_at:
                        raise Unreachable("its answer is too long or too slow")
                mimetype = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    except (requests.RequestException, HTTPError, ValueError, OSError) as error:
        raise Unreachable(f"gives no answer ({type(error).__name__})") from error
    return LivePage(mimetype, bytes(body))


def _more(url: str, judged: Judgement, sites: set[str]) -> Iterator[str]:
    """Name the codes and frames of our own sites that a page shows; a code from anywhere else is left to people."""
    for image in judged.images:
        target = _joined(url, image)
        if _site(target) in sites and "/qr/" in urlsplit(target).path:
            yield target
    for frame in judged.frames:
        target = _joined(url, frame)
        if _site(target) in sites:
            yield target


def _joined(url: str, link: str) -> str:
    try:
        return urljoin(url, link).partition("#")[0]
    except ValueError:
        return ""


def _site(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return f"{parts.scheme}://{parts.netloc}".lower()


def _told(judged: Judgement) -> str:
    if judged.problems:
        return f"{len(judged.problems)} differences"
    if not judged.codes and not judged.places:
        return "shows no address"
    return f"{len(judged.places)} addresses and {judged.codes} codes, all as signed"

"""A node behind one verb: `ask_all` sends typed questions in batches and answers each for itself.

web3's own batch loses all good answers with one bad one and is never tried again, so batches are
taken apart here: an answer counts if its id, and exactly one of result and error, are right; what
is missing, malformed or refused for haste is asked again, a few times.
"""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar, cast

from support_service.rails.chain import bounded_json
from support_service.rails.chain.bounded_json import BadJson
from support_service.rails.chain.http import HttpAnswer
from support_service.rails.chain.strict_fields import BadAnswer
from support_service.rails.evm.http import EvmHttp, RpcQuestion
from support_service.rails.evm.rpc_errors import Refusal, TooFast, UnreadableItem, refusal
from support_service.rails.evm.rpc_schema import Unplaced
from support_service.rails.source import SourceDown

# Providers' smallest usual limit is higher, with one known exception (3), which the halving finds.
BATCH_CALLS_MAX = 10
ATTEMPTS_MAX = 4
BACKOFF_SECONDS = 0.25
# A longer wait is the watcher's business: it can be interrupted there.
WAIT_SECONDS_MAX = 5.0
# A call trace nests an object and a list per level of the EVM's 1,024 levels.
DEPTH_MAX = 2_200
# What a node may answer to a list when it only takes single questions, or shorter lists.
_STATUS_BATCH_REFUSED = frozenset({400, 405, 413, 415, 422, 501})
# Passing troubles of the node or of what stands before it.
_STATUS_BUSY = frozenset({429, 502, 503, 504})

T_co = TypeVar("T_co", covariant=True)
T = TypeVar("T")
# One member of a node's answer, not looked at yet.
Item = dict[str, object]


@dataclass(frozen=True, slots=True)
class Call(Generic[T_co]):
    """A question and how to read its answer; `read` raises BadAnswer.

    is_item: about one thing of many, so that an answer which nobody can read is Unreadable and not the node's fault.
    """

    method: str
    params: tuple[object, ...]
    read: Callable[[object], T_co]
    is_item: bool = False

    @property
    def key(self) -> str:
        """The same question has the same key."""
        return json.dumps([self.method, self.params])


class Askable(Protocol):
    """Whom a cache asks: one node, or several that must agree."""

    @property
    def host(self) -> str:
        """Who is asked, for messages; holds no key."""
        ...

    def ask_all(self, calls: Sequence[Call[T]], /) -> list[T | Refusal]:
        """Ask many questions; each answer is its value or a Refusal. SourceDown if some stay open."""
        ...


class _Again(Exception):
    """This question was not answered usably; the text says why. Asked again, then SourceDown."""


class _Odd(_Again):
    """This question was answered, in a form that cannot be read."""


@dataclass(slots=True)
class _Got(Generic[T]):
    """What rounds of asking have brought, by the question's place; odd: what was answered in no readable form."""

    answers: dict[int, T | Refusal] = field(default_factory=dict)
    odd: dict[int, str] = field(default_factory=dict)


class Node:
    """One JSON-RPC node. Counts what it costs: http_requests and calls."""

    def __init__(self, url: str, *, pause: Callable[[float], object] = time.sleep) -> None:
        self._http, self._pause = EvmHttp(url), pause
        self.host = self._http.host
        self.batch_calls_max = BATCH_CALLS_MAX
        self.http_requests = self.calls = 0

    def ask(self, call: Call[T]) -> T:
        """Ask one question; raise its Refusal, or SourceDown."""
        answer = self.ask_all([call])[0]
        if isinstance(answer, Refusal):
            raise answer
        return answer

    def ask_all(self, calls: Sequence[Call[T]]) -> list[T | Refusal]:
        """Ask many questions; each answer is its value or the node's Refusal. SourceDown if some stay open."""
        got = _Got[T]()
        for attempt in range(ATTEMPTS_MAX):
            still_open = [place for place in range(len(calls)) if place not in got.answers]
            wait_seconds, trouble = self._round(calls, still_open, got)
            if attempt == ATTEMPTS_MAX - 1:
                got.answers |= {place: UnreadableItem(calls[place].method, 0, why) for place, why in got.odd.items()}
            if len(got.answers) == len(calls):
                return [got.answers[place] for place in range(len(calls))]
            if wait_seconds > WAIT_SECONDS_MAX or attempt == ATTEMPTS_MAX - 1:
                raise SourceDown(f"{self.host}: {trouble}", retry_after_seconds=wait_seconds)
            self._pause(max(wait_seconds, BACKOFF_SECONDS * 2**attempt))
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _round(self, calls: Sequence[Call[T]], still_open: list[int], got: "_Got[T]") -> tuple[float, str]:
        """Ask every open question once; return how long to wait before the next round, and why."""
        wait_seconds, trouble = 0.0, "no answer"
        while still_open:
            size = self.batch_calls_max
            batch, still_open = still_open[:size], still_open[size:]
            answer, items = self._post([calls[place] for place in batch])
            if answer.status in _STATUS_BUSY:
                return answer.retry_after_seconds or 0.0, _busy(answer.status)
            if items is None and len(batch) > 1:
                # This node does not take lists this long; it will not tomorrow either.
                self.batch_calls_max = max(1, len(batch) // 2)
                still_open = batch + still_open
                continue
            for place, item in zip(batch, items or [None] * len(batch), strict=True):
                got.odd.pop(place, None)
                try:
                    got.answers[place] = _read(calls[place], item)
                except _Odd as error:
                    trouble = str(error)
                    got.odd |= {place: trouble} if calls[place].is_item else {}
                except (_Again, TooFast) as error:
                    trouble = str(error)
                    wait_seconds = max(wait_seconds, answer.retry_after_seconds or 0.0)
                except Refusal as refused:
                    got.answers[place] = refused
        return wait_seconds, trouble

    def _post(self, calls: Sequence[Call[T]]) -> tuple[HttpAnswer, list[Item | None] | None]:
        """Send one HTTP request; items are in the order of calls, None where one is missing.

        Items are None altogether where the node answered a list with something that is not one.
        """
        body = self._http.encode([RpcQuestion(call.method, call.params) for call in calls])
        sent = json.loads(body)
        ids = [item["id"] for item in sent] if isinstance(sent, list) else [sent["id"]]
        self.http_requests += 1
        self.calls += len(calls)
        answer = self._http.post(body)
        if answer.status in _STATUS_BUSY:
            return answer, None
        told = self._decode(answer, is_batch=len(calls) > 1)
        if len(calls) == 1:
            told = [told]
        return answer, _by_id(told, ids) if isinstance(told, list) else None

    def _decode(self, answer: HttpAnswer, *, is_batch: bool) -> object:
        """Read JSON; None stands for "this batch was refused", and anything that is no JSON is SourceDown."""
        is_refused_batch = is_batch and answer.status in _STATUS_BATCH_REFUSED
        try:
            told = bounded_json.parse(answer.body, depth_max=DEPTH_MAX)
        except BadJson:
            if is_refused_batch:
                return None
            raise SourceDown(f"{self.host}: {_not_json(answer)}") from None
        if answer.status != 200 and not _has_error(told) and not is_refused_batch:
            raise SourceDown(f"{self.host}: HTTP {answer.status}")
        return told


def _busy(status: int) -> str:
    return "too many requests (HTTP 429)" if status == 429 else f"busy or failing (HTTP {status})"


def _not_json(answer: HttpAnswer) -> str:
    start = answer.body[:200].lstrip().lower()
    what = "a web page (HTML)" if start.startswith((b"<!doctype", b"<html")) else "something that is not JSON"
    return f"HTTP {answer.status} with {what} where a JSON-RPC answer is owed; is this address a node?"


def _has_error(told: object) -> bool:
    return isinstance(told, list) or (isinstance(told, dict) and "error" in told)


def _by_id(told: list[object], ids: list[int]) -> list[Item | None]:
    """Put items into the order asked; strangers are ignored, and an id that comes twice counts as missing."""
    found: dict[int, Item | None] = {}
    for item in told:
        number = item.get("id") if isinstance(item, dict) else None
        if isinstance(item, dict) and isinstance(number, int) and not isinstance(number, bool):
            found[number] = None if number in found else item
    if len(ids) == 1 and not found:
        # An error about the whole request has no id to give (JSON-RPC 2.0 section 5).
        only = told[0]
        return [cast("Item", only) if isinstance(only, dict) and only.get("id") is None and "error" in only else None]
    return [found.get(number) for number in ids]


def _read(call: Call[T], item: Item | None) -> T:
    """Judge one item: return its value, raise the node's Refusal, or _Again where it is no answer."""
    if item is None:
        raise _Again(f"{call.method} was not answered, or under another id")
    if ("result" in item) == (item.get("error") is not None):
        raise _Again(f"{call.method} was answered with both or neither of result and error")
    if "result" not in item:
        raise _refusal(call.method, item["error"])
    try:
        return call.read(item["result"])
    except Unplaced as error:
        raise _Again(f"{call.method}: {error}") from None
    except BadAnswer as error:
        raise _Odd(f"{call.method}: {error}") from None


def _refusal(method: str, error: object) -> Refusal:
    told = error if isinstance(error, dict) else {}
    code, words = told.get("code"), told.get("message")
    return refusal(method, code if isinstance(code, int) else 0, words if isinstance(words, str) else str(error))

"""Nodes that refuse to name a block by its hash (EIP-1898): asked by height, with the block's hash before and after."""

import re
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Final, TypeVar

from support_service.rails.evm import rpc_requests
from support_service.rails.evm.rpc import Call, Node
from support_service.rails.evm.rpc_errors import Behind, Refusal
from support_service.rails.evm.rpc_schema import Header
from support_service.rails.source import SourceDown

# Where each question names its block.
_PLACE: Final = {"eth_getBalance": 1, "eth_getTransactionCount": 1, "eth_getCode": 1, "eth_call": 1}
INVALID_PARAMS = -32602  # JSON-RPC 2.0 section 5.1
_WRONG_FORM = re.compile(r"unmarshal|invalid (?:argument|param|type|input)|expected .{0,40}string|blockhash")
# Heights of blocks met lately; a turn names a few, and an unknown one costs a question.
KNOWN_MAX = 1_024

T = TypeVar("T")


class HashlessNode(Node):
    """A node that may not take block hashes; it finds that out by the first refusal."""

    takes_hashes = True

    def __init__(self, url: str, *, pause: Callable[[float], object] = time.sleep) -> None:
        super().__init__(url, pause=pause)
        self._heights: dict[str, int] = {}

    def ask_all(self, questions: Sequence[Call[T]]) -> list[T | Refusal]:
        """Ask many questions. SourceDown also where a block asked by height was another one before or after."""
        hashed = [place for place, call in enumerate(questions) if _hash(call) is not None]
        direct = [place for place in range(len(questions)) if self.takes_hashes or place not in hashed]
        told = dict(zip(direct, super().ask_all([questions[place] for place in direct]), strict=True))
        self._learn(told.values())
        left = [place for place in hashed if place not in told or _is_refused(told[place])]
        if left:
            answers = self._by_height([questions[place] for place in left])
            told |= dict(zip(left, answers, strict=True))
            self.takes_hashes = self.takes_hashes and all(isinstance(answer, Refusal) for answer in answers)
        return [told[place] for place in range(len(questions))]

    def _learn(self, answers: Iterable[object]) -> None:
        for answer in answers:
            if isinstance(answer, Header):
                self._heights[answer.block_hash] = answer.height
        while len(self._heights) > KNOWN_MAX:
            del self._heights[next(iter(self._heights))]

    def _by_height(self, questions: Sequence[Call[T]]) -> list[T | Refusal]:
        """Each in a request of its own, one after another: within one a node may answer in any order."""
        hashes = list(dict.fromkeys(digest for call in questions if (digest := _hash(call)) is not None))
        missing = [digest for digest in hashes if digest not in self._heights]
        self._learn(super().ask_all([rpc_requests.header_of(digest) for digest in missing]) if missing else [])
        known = {digest: self._heights[digest] for digest in hashes if digest in self._heights}
        asked = [call for call in questions if _hash(call) in known]
        self._check(known)
        values = super().ask_all([_named(call, known) for call in asked]) if asked else []
        self._check(known)
        told = dict(zip((call.key for call in asked), values, strict=True))
        return [told[call.key] if call.key in told else _unknown(call) for call in questions]

    def _check(self, known: dict[str, int]) -> None:
        headers = super().ask_all([rpc_requests.header(height) for height in known.values()]) if known else []
        for digest, header in zip(known, headers, strict=True):
            if not isinstance(header, Header) or header.block_hash != digest:
                raise SourceDown(f"{self.host}: the chain moved while it was read; reading again")


def _hash(call: Call[T]) -> str | None:
    place = call.params[_PLACE[call.method]] if call.method in _PLACE else None
    return str(place["blockHash"]) if isinstance(place, dict) else None


def _is_refused(answer: object) -> bool:
    """Tell whether a node did not understand the question, and not its block."""
    if not isinstance(answer, Refusal) or type(answer) is not Refusal:
        return False
    return answer.code == INVALID_PARAMS or _WRONG_FORM.search(answer.text.lower()) is not None


def _named(call: Call[T], heights: dict[str, int]) -> Call[T]:
    place, digest = _PLACE[call.method], _hash(call)
    assert digest is not None
    return replace(call, params=(*call.params[:place], hex(heights[digest]), *call.params[place + 1 :]))


def _unknown(call: Call[T]) -> Refusal:
    return Behind(call.method, 0, "unknown block")

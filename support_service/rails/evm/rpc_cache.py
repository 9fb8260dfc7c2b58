"""The facts of one turn: what the node said, asked once.

A turn first fetches everything that it will most likely need, in as few requests as batches allow;
the passes then ask as if nothing had been fetched. Without the fetching all is the same, but slower.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TypeVar, cast

from support_service.rails.chain.search import RangeSize, ranges
from support_service.rails.evm import rpc_requests
from support_service.rails.evm.rpc import BATCH_CALLS_MAX, Askable, Call
from support_service.rails.evm.rpc_errors import NoState, RangeTooBig, Refusal, TokenSilent, UnreadableItem
from support_service.rails.evm.rpc_schema import NO_HEIGHT, NO_UNITS, Log, token_units
from support_service.rails.source import SourceDown

T = TypeVar("T")


class RpcCache:
    """Answers questions from memory, else from the node (or nodes); a Refusal is remembered and raised as well."""

    def __init__(self, node: Askable, *, goes_on: bool = True) -> None:
        # goes_on: what cannot be read is set aside here; else it is a reason to ask another node.
        self.node, self.goes_on = node, goes_on
        self._known: dict[str, object] = {}

    def fetch(self, questions: Iterable[Call[object]]) -> None:
        """Ask all questions that are not known yet, together."""
        unknown = {call.key: call for call in questions if call.key not in self._known}
        self._known.update(zip(unknown, self.node.ask_all(list(unknown.values())), strict=True))

    def get(self, call: Call[T]) -> T:
        """The answer to one question; raises its Refusal."""
        self.fetch([call])
        answer = self._known[call.key]
        contract = _token_of(call)
        if contract and (type(answer) in (Refusal, UnreadableItem)):
            raise TokenSilent(contract, call.method, 0, f"{contract} does not tell a balance: {answer}")
        if isinstance(answer, Refusal):
            raise answer
        if contract and answer == NO_UNITS:
            return cast("T", self._units_of_nothing(contract))
        return cast("T", answer)

    def _units_of_nothing(self, contract: str) -> int:
        """What is held of a token whose contract did not stand at a block: nothing, if it only came later."""
        if self.get(rpc_requests.code(contract, "latest")):
            return 0
        raise TokenSilent(contract, "eth_call", 0, f"no contract stands at {contract} any more")

    def each(self, questions: Sequence[Call[T]]) -> list[T | UnreadableItem]:
        """The answers to many questions; where we go on without it, what nobody can read is Unreadable."""
        self.fetch(questions)
        told = [self._known[call.key] for call in questions]
        return [
            answer if self.goes_on and isinstance(answer, UnreadableItem) else self.get(call)
            for call, answer in zip(questions, told, strict=True)
        ]

    def each_in_part(self, questions: Sequence[Call[T]], in_part: Sequence[Call[T]]) -> list[T]:
        """The answers to many questions; where we go on, one that nobody can read is read again as far as it can be.

        in_part are the same questions, read so.
        """
        told = self.each(questions)
        odd = [place for place, answer in enumerate(told) if isinstance(answer, UnreadableItem)]
        parts = dict(zip(odd, self.ask_all([in_part[place] for place in odd]) if odd else [], strict=True))
        return [parts[place] if place in parts else cast("T", answer) for place, answer in enumerate(told)]

    def get_all(self, questions: Sequence[Call[T]]) -> list[T]:
        """The answers to many questions, asked together; raises the first Refusal among them."""
        self.fetch(questions)
        return [self.get(call) for call in questions]

    def learn(self, call: Call[T], answer: T) -> None:
        """Keep an answer that another question has brought."""
        self._known.setdefault(call.key, answer)

    def ask_each(self, questions: Sequence[Call[T]]) -> list[T | UnreadableItem]:
        """Ask without remembering, as `each` does."""
        told = self.node.ask_all(questions)
        for answer in told:
            if isinstance(answer, Refusal) and not (self.goes_on and isinstance(answer, UnreadableItem)):
                raise answer
        return cast("list[T | UnreadableItem]", told)

    def ask_all(self, questions: Sequence[Call[T]]) -> list[T]:
        """Ask without remembering, for what is large and needed once; raises the first Refusal."""
        told = self.node.ask_all(questions)
        for answer in told:
            if isinstance(answer, Refusal):
                raise answer
        return cast("list[T]", told)

    def remind(self, call: Call[T], answer: T) -> None:
        """Give the answer that we were told when the node still had it; what it says itself goes first."""
        self.fetch([call])
        if isinstance(self._known[call.key], NoState):
            self._known[call.key] = answer

    def forget(self) -> None:
        """Drop everything known, to hear what the chain says now or to free memory."""
        self._known.clear()


def _token_of(call: Call[T]) -> str:
    """Name the contract that a question about a token's balance is put to; "" for any other question."""
    if not (call.method == "eth_call" and call.read is token_units):
        return ""
    return str(cast("dict[str, object]", call.params[0])["to"])


def logs_of(cache: RpcCache, questions: Sequence[Call[tuple[Log, ...]]]) -> list[Log]:
    """The logs that some questions find; where we go on, with what is left of those that cannot be read."""
    told = cache.each_in_part(questions, [rpc_requests.logs_in_part(question) for question in questions])
    return [log for logs in told for log in logs]


class LogSearch:
    """Transfer logs over any number of blocks, in ranges as large as the node takes; it learns that size."""

    def __init__(self, contracts: Iterable[str], addresses: Iterable[str]) -> None:
        self._contracts, self._addresses = sorted(contracts), sorted(addresses)
        self.size = RangeSize()

    @property
    def is_idle(self) -> bool:
        """Tell whether there is no token to ask about."""
        return not self._contracts

    def questions(self, first: int, last: int) -> list[Call[tuple[Log, ...]]]:
        """Both directions of one range; none for an empty one."""
        if self.is_idle or last < first:
            return []
        return [
            rpc_requests.transfers_to(self._contracts, self._addresses, rpc_requests.blocks(first, last)),
            rpc_requests.transfers_from(self._contracts, self._addresses, rpc_requests.blocks(first, last)),
        ]

    def read(self, cache: RpcCache, first: int, last: int) -> list[Log]:
        """All transfers of first..last. Several ranges go in one batch; refused ones are cut smaller."""
        found: list[Log] = []
        while first <= last and not self.is_idle:
            ahead = list(ranges(first, last, self.size))[: BATCH_CALLS_MAX // 2]
            questions = [self.questions(*span) for span in ahead]
            cache.fetch(call for pair in questions for call in pair)
            for span, pair in zip(ahead, questions, strict=True):
                try:
                    told = logs_of(cache, pair)
                except RangeTooBig as error:
                    self._shrink(error, cache)
                    break
                if any(log.height == NO_HEIGHT for log in told) and span[0] < span[1]:
                    # It is of one of these blocks: asked for one by one they say of which.
                    self.size = self.size.shrunk(1)
                    break
                found += [replace(log, height=span[0]) if log.height == NO_HEIGHT else log for log in told]
                first = span[1] + 1
                self.size = self.size.grown()
        return found

    def _shrink(self, error: RangeTooBig, cache: RpcCache) -> None:
        if self.size.is_smallest:
            raise SourceDown(f"{cache.node.host}: not even one block of logs is given: {error}") from error
        self.size = self.size.shrunk(error.suggested)

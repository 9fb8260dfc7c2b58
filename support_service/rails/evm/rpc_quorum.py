"""Several nodes that must agree, behind the one verb of a node: `ask_all`. Lives for one turn.

Amounts (headers, balances, nonces, logs, receipts) need a quorum of equal answers, and not one that
differs at the same block. Attribution (traces) may come from one node: it names the transaction that
paid, while how much was paid is proven by balances. It fails closed; see rails/chain/quorum.py.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Any, TypeVar, cast

from support_service.rails.chain.quorum import votes
from support_service.rails.evm import rpc_requests
from support_service.rails.evm.common_head import CommonHead, Tips, find_common_head
from support_service.rails.evm.rpc import Call, Node
from support_service.rails.evm.rpc_errors import RangeTooBig, Refusal
from support_service.rails.evm.rpc_schema import Block, Header, Log, Receipt
from support_service.rails.source import MustFreeze, SourceDown, SourceLied

ATTRIBUTION = frozenset({"debug_traceBlockByHash", "debug_traceTransaction", "trace_block"})
# Where in a question the block stands that it is about.
_PLACE_OF_BLOCK = {
    "eth_getBlockByNumber": 0,
    "eth_getBalance": 1,
    "eth_getTransactionCount": 1,
    "eth_getCode": 1,
    "eth_call": 1,
}
# How much of an answer is kept as evidence.
EVIDENCE_CHARS_MAX = 2_000

T = TypeVar("T")


class RpcQuorum:
    """Asks every node and compares. `on_failure` hears of each node that did not answer."""

    def __init__(self, nodes: Sequence[Node], quorum: int, on_failure: Callable[[Node, SourceDown], None]) -> None:
        self._members, self._quorum, self._on_failure = tuple(nodes), quorum, on_failure
        self._common_head: CommonHead | None = None

    @property
    def host(self) -> str:
        """The hosts of all that are asked."""
        return ", ".join(node.host for node in self._members)

    def ask_all(self, questions: Sequence[Call[T]], /) -> list[T | Refusal]:
        """Ask every node all questions, and answer what they agree on.

        SourceDown where too few answer or they are on different forks, MustFreeze where two answers
        about one block cannot both be true, SourceLied where they are not on one chain.
        """
        facts = [call for call in questions if call.method not in ATTRIBUTION]
        told = self._ask_each(facts) if facts else {}
        by_key = {call.key: {node: said[place] for node, said in told.items()} for place, call in enumerate(facts)}
        self._check_chain(by_key)
        self._meet(by_key)
        return [
            self._one(call) if call.method in ATTRIBUTION else self._tally(call, by_key[call.key]) for call in questions
        ]

    def _ask_each(self, questions: Sequence[Call[T]]) -> dict[Node, list[T | Refusal]]:
        told: dict[Node, list[T | Refusal]] = {}
        troubles: list[SourceDown] = []
        for node in self._members:
            try:
                told[node] = node.ask_all(questions)
            except SourceDown as error:
                self._on_failure(node, error)
                troubles.append(error)
        self._keep(told, troubles)
        return told

    def _keep(self, nodes: Mapping[Node, object], troubles: Iterable[Exception]) -> None:
        """Go on with these nodes alone, if they are enough."""
        if len(nodes) < self._quorum:
            raise too_few(len(nodes), self._quorum, troubles)
        self._members = tuple(node for node in self._members if node in nodes)

    def _check_chain(self, by_key: Mapping[str, Mapping[Node, object]]) -> None:
        told = by_key.get(rpc_requests.chain_id().key, {})
        if len(votes(told)) > 1:
            said = "; ".join(f"{node.host} says {chain}" for node, chain in told.items())
            raise SourceLied(f"nodes of one network are on different chains: {said}")

    def _meet(self, by_key: Mapping[str, Mapping[Node, object]]) -> None:
        """Where heads were asked for: find the one head and finality that the answers speak of."""
        heads = by_key.get(rpc_requests.tip("latest").key)
        if heads is None:
            return
        finals = by_key.get(rpc_requests.tip("finalized").key, {})
        tips = {
            node: Tips(head, final if isinstance(final := finals.get(node), Header) else None)
            for node, head in heads.items()
            if isinstance(head, Header)
        }
        self._common_head = find_common_head(tips, self._quorum)
        self._members = self._common_head.members

    def _tally(self, call: Call[T], told: Mapping[Node, T | Refusal]) -> T | Refusal:
        tip = self._tip(call, told)
        if tip is not None:
            return cast("T", tip[0])
        height = _height(call)
        if (
            call.method == "eth_getBlockByNumber"
            and self._common_head
            and height
            and height > self._common_head.head.height
        ):
            # Some nodes may be further. What the panel says ends at the head that they have in common.
            return cast("T", None)
        values = {node: answer for node, answer in told.items() if not isinstance(answer, Refusal)}
        values = {node: answer for node, answer in values.items() if node in self._members}
        if len(values) < self._quorum:
            return _refusal_to_pass_on([answer for answer in told.values() if isinstance(answer, Refusal)])
        found = votes(values)
        return found[0].value if len(found) == 1 else self._second_look(call, tuple(values))

    def _tip(self, call: Call[T], told: Mapping[Node, T | Refusal]) -> tuple[Header | None] | None:
        """The answer to a question about head or finality, from the common head; None for any other question."""
        if self._common_head is None or call.key not in (
            rpc_requests.tip("latest").key,
            rpc_requests.tip("finalized").key,
        ):
            return None
        if call.key == rpc_requests.tip("latest").key:
            return (self._common_head.head,)
        refused = [answer for answer in told.values() if isinstance(answer, Refusal)]
        if self._common_head.final is None and len(told) - len(refused) < self._quorum:
            return None
        return (self._common_head.final,)

    def _second_look(self, call: Call[T], nodes: Sequence[Node]) -> T:
        """Nodes differ. Ask once more, with the block's hash before and after: they may be on different forks."""
        height = _height(call)
        anchor = [] if height is None else [rpc_requests.header(height)]
        asked = cast("list[Call[object]]", [*anchor, call, *anchor])
        again: dict[Node, list[object]] = {}
        refused: list[Refusal] = []
        for node in nodes:
            answers = node.ask_all(asked)
            errors = [answer for answer in answers if isinstance(answer, Refusal)]
            if errors:
                refused += errors
            else:
                again[node] = answers
        self._keep(again, refused)
        told = {node: answers[len(anchor)] for node, answers in again.items()}
        found = votes(told)
        if len(found) == 1:
            return cast("T", found[0].value)
        places = {_place(answer, told[node]) for node, answers in again.items() for answer in (answers[0], answers[-1])}
        if len(places) > 1 and not self._is_final(height):
            raise SourceDown(f"{self.host}: are on different forks; reading again")
        where = f"block {height}" if height is not None else "one block"
        said = {node.host: _brief(value) for node, value in told.items()}
        raise MustFreeze(
            f"nodes differ about {call.method} at {where}: "
            + "; ".join(f"{host} says {text[:160]}" for host, text in said.items())
            + "; nothing is booked from this network until a person has looked",
            {"question": call.key[:EVIDENCE_CHARS_MAX], **said},
        )

    def _is_final(self, height: int | None) -> bool:
        final = self._common_head.final if self._common_head else None
        return height is not None and final is not None and height <= final.height

    def _one(self, call: Call[T]) -> T | Refusal:
        """Ask one node after the other until one answers."""
        refused: list[Refusal] = []
        down: SourceDown | None = None
        for node in self._members:
            try:
                answer = node.ask_all([call])[0]
            except SourceDown as error:
                down = error
                continue
            if not isinstance(answer, Refusal):
                return answer
            refused.append(answer)
        if refused:
            return refused[0]
        raise down or SourceDown("no node was asked")


def too_few(answered: int, quorum: int, troubles: Iterable[Exception]) -> SourceDown:
    """Say that a quorum did not answer: then nothing is known."""
    why = "; ".join(str(trouble) for trouble in troubles)
    return SourceDown(f"{answered} nodes answered where {quorum} must agree: {why}")


def _refusal_to_pass_on(refused: Sequence[Refusal]) -> Refusal:
    """Choose the refusal to pass on: first the one that somebody knows a remedy for."""
    return next((error for error in refused if isinstance(error, RangeTooBig)), refused[0])


def _height(call: Call[Any]) -> int | None:
    """The highest block that a question is about, where it names a height; None where a hash says it."""
    if call.method == "eth_getLogs":
        where = cast("Mapping[str, object]", call.params[0]).get("toBlock")
    else:
        place = _PLACE_OF_BLOCK.get(call.method)
        where = None if place is None else call.params[place]
    return int(where, 16) if isinstance(where, str) and where.startswith("0x") else None


def _place(anchor: object, value: object) -> str:
    """The block that an answer is about, as far as the answer tells."""
    if isinstance(value, Receipt):
        return value.block_hash
    return anchor.block_hash if isinstance(anchor, Header) else "-"


def _brief(value: object) -> str:
    """Write an answer down as evidence."""
    match value:
        case Header():
            text = f"hash {value.block_hash}"
        case Block():
            told = ", ".join(f"{each.hash}={each.units}" for each in value.transactions)
            text = f"hash {value.header.block_hash} with {len(value.transactions)} transactions: {told}"
        case Receipt():
            text = f"success={value.is_success} gas={value.gas_units} with {len(value.logs or ())} logs"
        case bytes():
            text = f"0x{value.hex()}"
        case tuple():
            logs = [item for item in value if isinstance(item, Log)]
            text = f"{len(logs)} logs: {', '.join(f'{log.tx}:{log.index}=0x{log.data.hex()}' for log in logs)}"
        case _:
            text = str(value)
    if len(text) <= EVIDENCE_CHARS_MAX:
        return text
    # Two long answers may differ beyond the cut.
    return f"{text[:EVIDENCE_CHARS_MAX]}... (sha256 {sha256(text.encode()).hexdigest()})"

"""Taking samples: what our addresses hold in a node's newest state, and which block that was.

The solidified port's newest state is final. Without that port the full node's is taken, which becomes
final a minute later, or never: a sample names its block by hash, and only counts if that block stayed.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

from support_service.rails.chain.quorum import agreed
from support_service.rails.evm import rpc_requests as evm_requests
from support_service.rails.evm.multicall import TokenHolder
from support_service.rails.evm.rpc import Call, Node
from support_service.rails.evm.rpc_cache import RpcCache
from support_service.rails.evm.rpc_errors import Refusal
from support_service.rails.evm.rpc_schema import Header
from support_service.rails.source import SourceDown
from support_service.rails.tron import rpc_requests as tron_requests
from support_service.rails.tron.balance_samples import BalanceSample


class Sampler(Protocol):
    """Tells samples of token balances."""

    def questions(self, pairs: Sequence[TokenHolder]) -> list[Call[object]]:
        """What to ask together with the questions that open a turn; none if others are asked."""
        ...

    def take(self, cache: RpcCache, pairs: Sequence[TokenHolder]) -> dict[TokenHolder, BalanceSample]:
        """Samples of the pairs; those that cannot be told now are left out."""
        ...


class Within:
    """Asks the node that is read anyway, in the request that opens the turn."""

    def questions(self, pairs: Sequence[TokenHolder]) -> list[Call[object]]:
        """The head, then the balances, then the height: if that has not moved, the balances are of the head."""
        return list(_asked(pairs))

    def take(self, cache: RpcCache, pairs: Sequence[TokenHolder]) -> dict[TokenHolder, BalanceSample]:
        """What the turn's first request told."""
        asked = _asked(pairs)
        try:
            head, height = cache.get_all([asked[0], asked[-1]])
        except Refusal:
            return {}
        return _samples([head, *(_told(cache, question) for question in asked[1:-1]), height], pairs)


class Beside:
    """Asks nodes of its own (their solidified ports, or all nodes of a quorum); `quorum` of them must say the same."""

    def __init__(self, nodes: Sequence[Node], quorum: int, on_failure: Callable[[SourceDown], object]) -> None:
        self._nodes, self._quorum, self._on_failure = nodes, quorum, on_failure

    def questions(self, pairs: Sequence[TokenHolder]) -> list[Call[object]]:  # noqa: ARG002 - others are asked
        """Nothing: the node that is read is not asked."""
        return []

    def take(self, cache: RpcCache, pairs: Sequence[TokenHolder]) -> dict[TokenHolder, BalanceSample]:  # noqa: ARG002 - the protocol gives it
        """What a quorum of the nodes said of one and the same block; nothing where they do not agree."""
        told: dict[Node, dict[TokenHolder, BalanceSample]] = {}
        for node in self._nodes:
            try:
                found = node.ask_all(_asked(pairs))
            except SourceDown as error:
                self._on_failure(error)
                continue
            told[node] = _samples(found, pairs)
            if self._quorum == 1 and told[node]:
                break
        vote = agreed({node: samples for node, samples in told.items() if samples}, self._quorum)
        return {} if vote is None else vote.value


def _asked(pairs: Sequence[TokenHolder]) -> list[Call[object]]:
    return [evm_requests.tip("latest"), *(tron_requests.balance(*pair) for pair in pairs), tron_requests.height()]


def _samples(told: Sequence[object], pairs: Sequence[TokenHolder]) -> dict[TokenHolder, BalanceSample]:
    head, *balances, height = told
    if not isinstance(head, Header) or head.height != height:
        return {}
    return {
        pair: BalanceSample(head.height, head.block_hash, units)
        for pair, units in zip(pairs, balances, strict=True)
        if isinstance(units, int) and units >= 0
    }


def _told(cache: RpcCache, question: Call[object]) -> object:
    """A balance, or why it is not told: a token that is silent leaves the others theirs."""
    try:
        return cache.get(question)
    except Refusal as error:
        return error

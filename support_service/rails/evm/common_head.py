"""Where several nodes stand together: the highest head that a quorum has, and what a quorum calls final."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from support_service.rails.chain.quorum import agreed, common_height
from support_service.rails.evm import rpc_requests
from support_service.rails.evm.rpc import BATCH_CALLS_MAX, Node
from support_service.rails.evm.rpc_schema import Header
from support_service.rails.source import MustFreeze, SourceDown

# A node that calls blocks final so long before the others do is worth a look: two of Ethereum's epochs.
FINALITY_APART_MAX = 64

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Tips:
    """What one node said of itself; final is None while it calls nothing final."""

    head: Header
    final: Header | None


@dataclass(frozen=True, slots=True)
class CommonHead:
    """The common head, what is final there, and the nodes that are on that chain: at least a quorum."""

    head: Header
    final: Header | None
    members: tuple[Node, ...]


def find_common_head(tips: Mapping[Node, Tips], quorum: int) -> CommonHead:
    """Find where a quorum stands together.

    SourceDown while the nodes are on different forks. MustFreeze where one calls a block final that
    is not in the chain of the quorum.
    """
    height = common_height([told.head.height for told in tips.values()], quorum)
    if height is None:
        raise SourceDown(f"{len(tips)} nodes told their head, quorum is {quorum}")
    head, members = _common_head(tips, height, quorum)
    claims = {node: told.final for node, told in tips.items() if told.final is not None}
    final_height = common_height([final.height for node, final in claims.items() if node in members], quorum)
    if final_height is None:
        return CommonHead(head, None, members)
    if final_height > head.height:
        raise SourceDown(f"{_hosts(tips)}: what is final is above the head they have in common")
    final = _common_final(claims, members, head, final_height=final_height, quorum=quorum)
    return CommonHead(head, final, members)


def _common_head(tips: Mapping[Node, Tips], height: int, quorum: int) -> tuple[Header, tuple[Node, ...]]:
    """The block at `height`, or the highest one some blocks below it that a quorum has."""
    high = {node: told.head for node, told in tips.items() if told.head.height >= height}
    known: dict[Node, Mapping[int, Header]] = {node: {head.height: head} for node, head in high.items()}
    lower = [height - depth for depth in range(1, BATCH_CALLS_MAX) if height >= depth]
    for heights in ([height], lower):
        known = _with_headers(known, heights)
        for place in heights:
            vote = agreed({node: told[place].block_hash for node, told in known.items() if place in told}, quorum)
            if vote is not None:
                return known[vote.names[0]][place], vote.names
    raise SourceDown(f"{_hosts(tips)}: are on different forks at block {height}; reading again")


def _with_headers(
    known: Mapping[Node, Mapping[int, Header]], heights: Sequence[int]
) -> dict[Node, Mapping[int, Header]]:
    """Ask every node for the headers it has not told yet; one that does not answer now is left out."""
    found: dict[Node, Mapping[int, Header]] = {}
    for node, told in known.items():
        missing = [height for height in heights if height not in told]
        try:
            answers = node.ask_all([rpc_requests.header(height) for height in missing]) if missing else []
        except SourceDown:
            continue
        found[node] = {**told, **{answer.height: answer for answer in answers if isinstance(answer, Header)}}
    return found


def _common_final(
    claims: Mapping[Node, Header], members: Iterable[Node], head: Header, *, final_height: int, quorum: int
) -> Header:
    """The block at the agreed final height, after every node's own claim was held against the common chain."""
    for node, claim in claims.items():
        if claim.height > final_height + FINALITY_APART_MAX:
            facts = {"says": claim.height, "quorum_says": final_height}
            log.warning("finality_differs", extra={"node": node.host, **facts})
    checkable = {node: claim for node, claim in claims.items() if claim.height <= head.height}
    told_already = {node: {claims[node].height: claims[node]} if node in claims else {} for node in members}
    known = _with_headers(told_already, sorted({final_height, *(claim.height for claim in checkable.values())}))
    for claim in checkable.values():
        said = {node: told[claim.height].block_hash for node, told in known.items() if claim.height in told}
        said |= {node: other.block_hash for node, other in checkable.items() if other.height == claim.height}
        if len(set(said.values())) > 1:
            raise _broken(claim.height, said)
    finals = {node: told[final_height] for node, told in known.items() if final_height in told}
    vote = agreed({node: header.block_hash for node, header in finals.items()}, quorum)
    if vote is None:
        raise SourceDown(f"{_hosts(known)}: fewer than {quorum} nodes agree on the final block {final_height}")
    return finals[vote.names[0]]


def _broken(height: int, said: Mapping[Node, str]) -> MustFreeze:
    each = "; ".join(f"{node.host} says {digest}" for node, digest in said.items())
    return MustFreeze(
        f"nodes differ about block {height}, which one of them calls final: {each};"
        " nothing is booked from this network until a person has looked",
        {node.host: digest for node, digest in said.items()},
    )


def _hosts(nodes: Iterable[Node]) -> str:
    return ", ".join(node.host for node in nodes)

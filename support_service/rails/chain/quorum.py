"""Several nodes of one network as one: what they agree on. Pure, and for every chain.

Nodes are compared by facts about one block (its hash, a balance, a nonce, the logs, a receipt), never
by Reports: they differ in ranges, in traces and in how far they are. It fails closed: what fewer than
`quorum` nodes say is not known, and two answers about one block that cannot both be true are a lie of
one of them; which one, only a person can tell. It tolerates quorum - 1 liars, not more.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

Name = TypeVar("Name", bound=Hashable)
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Vote(Generic[Name, Value]):
    """The nodes that gave one and the same answer."""

    value: Value
    names: tuple[Name, ...]


def votes(answers: Mapping[Name, Value]) -> list[Vote[Name, Value]]:
    """Sort answers into votes, the largest first; values need only be comparable."""
    found: list[Vote[Name, Value]] = []
    for name, value in answers.items():
        for place, vote in enumerate(found):
            if vote.value == value:
                found[place] = Vote(value, (*vote.names, name))
                break
        else:
            found.append(Vote(value, (name,)))
    return sorted(found, key=lambda vote: -len(vote.names))


def agreed(answers: Mapping[Name, Value], quorum: int) -> Vote[Name, Value] | None:
    """Find the one vote that has a quorum; None if there is none, or more than one of them."""
    strong = [vote for vote in votes(answers) if len(vote.names) >= quorum]
    return strong[0] if len(strong) == 1 else None


def common_height(heights: Sequence[int], quorum: int) -> int | None:
    """The highest block that `quorum` nodes have reached; None where fewer nodes told.

    A node that claims more than the others say cannot raise it, one that lags cannot hold it down.
    """
    ranked = sorted(heights, reverse=True)
    return ranked[quorum - 1] if len(ranked) >= quorum else None

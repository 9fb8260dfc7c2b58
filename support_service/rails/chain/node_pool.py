"""The nodes of one network in the order of the settings; one that fails rests, longer each time."""

import logging
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, Protocol, TypeVar

from support_service.giving import Clock

# About one turn on Ethereum; after that a node may well be back.
REST_SECONDS_FIRST = 10.0
REST_SECONDS_MAX = 300.0

log = logging.getLogger(__name__)


class HasHost(Hashable, Protocol):
    """A node, as far as it is chosen."""

    @property
    def host(self) -> str:
        """Host and port, for messages."""
        ...


N = TypeVar("N", bound=HasHost)


@dataclass(slots=True)
class _Rest:
    """How often in a row a node failed, and until when it is left alone."""

    failures: int
    until: datetime


class NodePool(Generic[N]):
    """Says whom to ask. A node is asked before its rest is over only where too few others are left."""

    def __init__(self, nodes: Sequence[N], clock: Clock) -> None:
        self.nodes, self._clock = tuple(nodes), clock
        self._rests: dict[N, _Rest] = {}

    def ready(self, at_least: int = 1) -> list[N]:
        """Nodes to ask, in the order of the settings; of those that rest only as many as are needed."""
        now = self._clock()
        resting = [node for node in self.nodes if node in self._rests and self._rests[node].until > now]
        awake = [node for node in self.nodes if node not in resting]
        resting.sort(key=lambda node: self._rests[node].until)
        return awake + resting[: max(0, at_least - len(awake))]

    def failed(self, node: N, reason: str, retry_after_seconds: float = 0) -> None:
        """Let a node rest: twice as long each time, and not shorter than it asked for."""
        failures = self._rests[node].failures + 1 if node in self._rests else 1
        growing = min(REST_SECONDS_MAX, REST_SECONDS_FIRST * (1 << min(failures - 1, 8)))
        seconds = max(growing, retry_after_seconds)
        self._rests[node] = _Rest(failures, self._clock() + timedelta(seconds=seconds))
        if len(self.nodes) > 1:
            log.warning("node_rests", extra={"node": node.host, "seconds": int(seconds), "reason": reason})

    def worked(self, node: N) -> None:
        """Forget a node's failures."""
        if self._rests.pop(node, None) is not None and len(self.nodes) > 1:
            log.info("node_restored", extra={"node": node.host})

"""Proving that a node's log index is alive before an empty answer is believed.

A TRON node whose log index was off while it synced answers [] for ever to every search by contract
or topic, and knows the logs all the same. So a search that must find something is tried first.
"""

from collections.abc import Iterable

from support_service.rails.evm import rpc_requests as evm_requests
from support_service.rails.evm.rpc_cache import RpcCache
from support_service.rails.evm.rpc_errors import RangeTooBig
from support_service.rails.evm.rpc_schema import Log
from support_service.rails.source import SourceDown
from support_service.rails.tron import rpc_requests as tron_requests

# A token that is in use moves in every block or two; blocks of all logs are large, so few are asked for first.
BLOCKS_FIRST = 3
# java-tron takes 5,000 blocks at once.
LOOK_BACK = (BLOCKS_FIRST, 50, 500, 5_000)


def is_alive(cache: RpcCache, contracts: Iterable[str], height: int) -> bool:
    """Tell whether a search by contract finds logs near block `height`; False where there are none to be found.

    SourceDown where there are logs and the search misses them.
    """
    if cache.get(tron_requests.transfers(contracts, _first(height, BLOCKS_FIRST), height)):
        return True
    log = _any_log(cache, height)
    if log is None:
        return False
    if log.tx not in {found.tx for found in cache.get(tron_requests.logs_like(log))}:
        raise SourceDown(
            f"{cache.node.host}: its log index is off at block {log.height}: a search by contract does not find a log "
            "that is there; switch the Ethereum-like interface on and let the node sync anew"
        )
    return True


def check(cache: RpcCache, contracts: Iterable[str], height: int) -> None:
    """See that the index is alive; SourceDown also where nothing proves it: then no empty answer is believed."""
    if not is_alive(cache, contracts, height):
        raise SourceDown(
            f"{cache.node.host}: there is no log at all in the {LOOK_BACK[-1]} blocks up to {height}, so nothing "
            "proves that its log index is alive; its empty answers are not believed"
        )


def check_head(cache: RpcCache, contracts: Iterable[str]) -> None:
    """See that the index is alive at the node's head."""
    head = cache.get(evm_requests.tip("latest"))
    if head is None:
        raise SourceDown(f"{cache.node.host}: has no blocks yet")
    check(cache, contracts, head.height)


def _any_log(cache: RpcCache, height: int) -> Log | None:
    for blocks in LOOK_BACK:
        try:
            found = cache.get(tron_requests.every_log(_first(height, blocks), height))
        except RangeTooBig:
            # Too many logs to be told at once, in blocks that had none nearer by: a few of them will do.
            continue
        with_topics = [log for log in found if log.topics]
        if with_topics:
            return with_topics[-1]
    return None


def _first(height: int, blocks: int) -> int:
    return max(0, height - blocks + 1)

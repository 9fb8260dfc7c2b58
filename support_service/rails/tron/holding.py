"""What our addresses hold at the last block read as final, though a node tells its newest state alone."""

from collections.abc import Mapping

from support_service.rails.chain.cursor_state import WatchKey
from support_service.rails.evm import rpc_requests as evm_requests
from support_service.rails.evm.cursor_state import WatchState
from support_service.rails.evm.movements import net
from support_service.rails.evm.range_reader import Watched
from support_service.rails.evm.rpc_cache import RpcCache
from support_service.rails.source import Holding
from support_service.rails.tron import reconcile
from support_service.rails.tron.balance_samples import BalanceSample
from support_service.rails.tron.balance_sampling import Sampler


def holdings(
    cache: RpcCache, watched: Watched, watch_states: Mapping[WatchKey, WatchState], sampler: Sampler
) -> list[Holding]:
    """The newest balance of every watch that is read up to finality, less what logs tell since then."""
    finals = {
        key: item.final.height for key, item in watch_states.items() if key in watched.all and item.final is not None
    }
    pairs = {key: (watched.all[key].asset.contract, key[0]) for key in finals}
    told = sampler.take(cache, list(pairs.values())) if pairs else {}
    return [_holding(cache, watched, key, height, sample=told.get(pairs[key])) for key, height in finals.items()]


def _holding(cache: RpcCache, watched: Watched, key: WatchKey, height: int, *, sample: BalanceSample | None) -> Holding:
    watch = watched.all[key]
    if sample is None:
        return Holding(watch, height, None, "no node told its balance")
    header = cache.get(evm_requests.header(sample.height))
    if header is None or header.block_hash != sample.block_hash:
        return Holding(watch, height, None, "its balance was told of another block than the chain's")
    low, high = sorted((height, sample.height))
    between = reconcile.look_again(cache, watch, watched.own, low=low, high=high)
    moved = sum(net(block_movements.movements) for block_movements in between)
    return Holding(watch, height, sample.units - moved if high == sample.height else sample.units + moved)

"""Holding a balance that was told once against all that the logs told: what they miss is found or named.

A node tells no balance of an old block, so what no log explains cannot be placed in its block. It is
booked, as `unexplained`, in the block whose balance showed it, and a later reading may still find it.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from support_service.giving import Watch
from support_service.rails.chain.search import RangeSize
from support_service.rails.evm import movements, tokens
from support_service.rails.evm import rpc_requests as evm_requests
from support_service.rails.evm.cursor_state import BalanceAt, WatchState
from support_service.rails.evm.movements import BlockMovements, net
from support_service.rails.evm.rpc_cache import LogSearch, RpcCache
from support_service.rails.evm.rpc_schema import Header, Log
from support_service.rails.source import SourceDown
from support_service.rails.tron import rpc_requests as tron_requests
from support_service.rails.tron.balance_samples import BalanceSample, BalanceSamples, Gap

# Up to here blocks are read with all their logs, which needs no index: some 200 kB each.
WHOLE_BLOCKS_MAX = 60
# java-tron refuses more.
RANGE_BLOCKS_MAX = 5_000


@dataclass(frozen=True, slots=True)
class SampleVerdict:
    """What became of a sample: how far the watch is proven now, and the blocks' movements that are new or better."""

    watch_state: WatchState
    samples: BalanceSamples
    movements_by_block: tuple[BlockMovements, ...] = ()


@dataclass(frozen=True, slots=True)
class Case:
    """One watch, how far it has come, and the sample that is to be held against it.

    again takes another sample now; None where none can be had.
    """

    watch: Watch
    watch_state: WatchState
    samples: BalanceSamples
    sample: BalanceSample
    again: Callable[[], BalanceSample | None]


def judge(cache: RpcCache, case: Case, own: frozenset[str]) -> SampleVerdict:
    """Hold a sample against the logs; its block is final. Raises SourceDown and Refusal."""
    watch_state, sample = case.watch_state, case.sample
    settled = replace(case.samples, sample=None)
    if sample.height < watch_state.start or (watch_state.proof is not None and sample.height <= watch_state.proof):
        return SampleVerdict(watch_state, settled)
    header = block(cache, sample.height)
    if header.block_hash != sample.block_hash:
        return SampleVerdict(watch_state, settled)
    if sample.units == _said(watch_state, sample.height):
        return SampleVerdict(_proven(watch_state, sample), replace(settled, doubt=None, first=settled.first or sample))
    found = look_again(cache, case.watch, own, low=_low(watch_state), high=sample.height)
    watch_state, movements_by_block = _corrected(watch_state, found)
    rest = sample.units - _said(watch_state, sample.height)
    if rest == 0:
        first = settled.first or sample
        return SampleVerdict(
            _proven(watch_state, sample), replace(settled, doubt=None, first=first), tuple(movements_by_block)
        )
    if case.samples.doubt != rest and case.again() != sample:
        # One balance alone may have been told of another block than it says.
        return SampleVerdict(watch_state, replace(settled, doubt=rest), tuple(movements_by_block))
    return _named(cache, replace(case, watch_state=watch_state), header, found, movements_by_block=movements_by_block)


def look_again(cache: RpcCache, watch: Watch, own: frozenset[str], *, low: int, high: int) -> list[BlockMovements]:
    """Read the logs of blocks above `low` up to `high` anew: few blocks without the index, many with it."""
    cache.forget()
    if high - low > WHOLE_BLOCKS_MAX:
        search = LogSearch([watch.asset.contract], [watch.address])
        search.size = RangeSize(most=RANGE_BLOCKS_MAX)
        logs = search.read(cache, low + 1, high)
    else:
        cache.fetch([evm_requests.header(height) for height in range(low + 1, high + 1)])
        digests = [block(cache, height).block_hash for height in range(low + 1, high + 1)]
        told = cache.get_all([tron_requests.logs_of_block(digest) for digest in digests])
        logs = [log for found in told for log in found]
    return movements_by_block_of(cache, watch, logs, own)


def movements_by_block_of(
    cache: RpcCache, watch: Watch, logs: Iterable[Log], own: frozenset[str]
) -> list[BlockMovements]:
    """The movements that logs of any kind tell of one watch."""
    mine = [log for log in logs if tokens.touches([log], [watch])]
    return tokens.movements_by_block(cache, tokens.touches(mine, [watch]), mine, own)


def opening(cache: RpcCache, watch: Watch, start: int, units: int) -> BlockMovements:
    """As movements of its block: what lay there at the end of block `start`."""
    return movements.opening(watch, block(cache, start), units)


def with_unexplained(watch: Watch, header: Header, known: Iterable[BlockMovements], units: int) -> BlockMovements:
    """A block's movements with what nothing explains; known are those that logs told."""
    told = next(
        (block_movements for block_movements in known if block_movements.header == header),
        BlockMovements(watch, header, (), None),
    )
    return replace(told, movements=(*told.movements, *movements.unexplained(watch, header.height, units)))


def block(cache: RpcCache, height: int) -> Header:
    """A block below one that the node has; null for it is no answer."""
    header = cache.get(evm_requests.header(height))
    if header is None:
        raise SourceDown(f"{cache.node.host}: does not know its own block {height}; reading again")
    return header


def _low(watch_state: WatchState) -> int:
    return watch_state.start if watch_state.proof is None else watch_state.proof


def _said(watch_state: WatchState, height: int) -> int:
    """What logs say the balance was at the end of a block; without an opening, what it changed since the start."""
    assert watch_state.final is not None
    return watch_state.final.units - sum(units for at, units in watch_state.booked if at > height)


def _proven(watch_state: WatchState, sample: BalanceSample) -> WatchState:
    assert watch_state.final is not None
    later = tuple(item for item in watch_state.booked if item[0] > sample.height)
    units = sample.units + sum(units for _, units in later)
    return replace(watch_state, final=BalanceAt(watch_state.final.height, units), proof=sample.height, booked=later)


def _corrected(watch_state: WatchState, found: Iterable[BlockMovements]) -> tuple[WatchState, list[BlockMovements]]:
    """Take in what a second reading found; the movements that say something new."""
    assert watch_state.final is not None
    booked, news = dict(watch_state.booked), list[BlockMovements]()
    for block_movements in found:
        height, units = block_movements.header.height, net(block_movements.movements)
        if booked.get(height) != units:
            news.append(block_movements)
            booked[height] = units
    gained = sum(booked.values()) - sum(units for _, units in watch_state.booked)
    final = BalanceAt(watch_state.final.height, watch_state.final.units + gained)
    return replace(watch_state, final=final, booked=tuple(sorted(booked.items()))), news


def _named(
    cache: RpcCache,
    case: Case,
    header: Header,
    found: list[BlockMovements],
    *,
    movements_by_block: list[BlockMovements],
) -> SampleVerdict:
    """Book what no log tells: as the opening where there is none yet, else as unexplained in the sample's block."""
    watch_state, sample = case.watch_state, case.sample
    said = _said(watch_state, sample.height)
    rest, low = sample.units - said, _low(watch_state)
    samples = replace(case.samples, sample=None, doubt=None, first=case.samples.first or sample)
    if watch_state.proof is None and rest > 0:
        block_movements = opening(cache, case.watch, watch_state.start, rest)
    else:
        block_movements = with_unexplained(case.watch, header, found, rest)
        before = 0 if watch_state.proof is None else said - _gained(watch_state, sample.height)
        samples = replace(samples, gaps=(*samples.gaps, Gap(low, sample.height, sample.units - before)))
    return SampleVerdict(_proven(watch_state, sample), samples, (*movements_by_block, block_movements))


def _gained(watch_state: WatchState, height: int) -> int:
    return sum(units for at, units in watch_state.booked if at <= height)

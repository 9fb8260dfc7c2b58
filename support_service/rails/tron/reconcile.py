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
    """What became of a sample: how far the watch is proven now, and the stories that are new or better."""

    progress: WatchState
    book: BalanceSamples
    stories: tuple[BlockMovements, ...] = ()


@dataclass(frozen=True, slots=True)
class Case:
    """One watch, how far it has come, and the sample that is to be held against it.

    again takes another sample now; None where none can be had.
    """

    watch: Watch
    progress: WatchState
    book: BalanceSamples
    sample: BalanceSample
    again: Callable[[], BalanceSample | None]


def judge(reader: RpcCache, case: Case, own: frozenset[str]) -> SampleVerdict:
    """Hold a sample against the logs; its block is final. Raises SourceDown and Refusal."""
    progress, sample = case.progress, case.sample
    settled = replace(case.book, sample=None)
    if sample.height < progress.start or (progress.proof is not None and sample.height <= progress.proof):
        return SampleVerdict(progress, settled)
    header = block(reader, sample.height)
    if header.block_hash != sample.block_hash:
        return SampleVerdict(progress, settled)
    if sample.units == _said(progress, sample.height):
        return SampleVerdict(_proven(progress, sample), replace(settled, doubt=None, first=settled.first or sample))
    found = look_again(reader, case.watch, own, low=_low(progress), high=sample.height)
    progress, stories = _corrected(progress, found)
    rest = sample.units - _said(progress, sample.height)
    if rest == 0:
        first = settled.first or sample
        return SampleVerdict(_proven(progress, sample), replace(settled, doubt=None, first=first), tuple(stories))
    if case.book.doubt != rest and case.again() != sample:
        # One balance alone may have been told of another block than it says.
        return SampleVerdict(progress, replace(settled, doubt=rest), tuple(stories))
    return _named(reader, replace(case, progress=progress), header, found, stories=stories)


def look_again(reader: RpcCache, watch: Watch, own: frozenset[str], *, low: int, high: int) -> list[BlockMovements]:
    """Read the logs of blocks above `low` up to `high` anew: few blocks without the index, many with it."""
    reader.forget()
    if high - low > WHOLE_BLOCKS_MAX:
        search = LogSearch([watch.asset.contract], [watch.address])
        search.size = RangeSize(most=RANGE_BLOCKS_MAX)
        logs = search.read(reader, low + 1, high)
    else:
        reader.fetch([evm_requests.header(height) for height in range(low + 1, high + 1)])
        digests = [block(reader, height).block_hash for height in range(low + 1, high + 1)]
        told = reader.get_all([tron_requests.logs_of_block(digest) for digest in digests])
        logs = [log for found in told for log in found]
    return stories_of(reader, watch, logs, own)


def stories_of(reader: RpcCache, watch: Watch, logs: Iterable[Log], own: frozenset[str]) -> list[BlockMovements]:
    """The stories that logs of any kind tell of one watch."""
    mine = [log for log in logs if tokens.touches([log], [watch])]
    return tokens.stories(reader, tokens.touches(mine, [watch]), mine, own)


def opening(reader: RpcCache, watch: Watch, start: int, units: int) -> BlockMovements:
    """The story of what lay there at the end of block `start`."""
    return movements.opening(watch, block(reader, start), units)


def with_unexplained(watch: Watch, header: Header, known: Iterable[BlockMovements], units: int) -> BlockMovements:
    """The story of a block with what nothing explains; known are the stories that logs told."""
    told = next((story for story in known if story.header == header), BlockMovements(watch, header, (), None))
    return replace(told, rows=(*told.rows, *movements.unexplained(watch, header.height, units)))


def block(reader: RpcCache, height: int) -> Header:
    """A block below one that the node has; null for it is no answer."""
    header = reader.get(evm_requests.header(height))
    if header is None:
        raise SourceDown(f"{reader.node.host}: does not know its own block {height}; reading again")
    return header


def _low(progress: WatchState) -> int:
    return progress.start if progress.proof is None else progress.proof


def _said(progress: WatchState, height: int) -> int:
    """What logs say the balance was at the end of a block; without an opening, what it changed since the start."""
    assert progress.final is not None
    return progress.final.units - sum(units for at, units in progress.booked if at > height)


def _proven(progress: WatchState, sample: BalanceSample) -> WatchState:
    assert progress.final is not None
    later = tuple(item for item in progress.booked if item[0] > sample.height)
    units = sample.units + sum(units for _, units in later)
    return replace(progress, final=BalanceAt(progress.final.height, units), proof=sample.height, booked=later)


def _corrected(progress: WatchState, found: Iterable[BlockMovements]) -> tuple[WatchState, list[BlockMovements]]:
    """Take in what a second reading found; the stories that say something new."""
    assert progress.final is not None
    booked, news = dict(progress.booked), list[BlockMovements]()
    for story in found:
        height, units = story.header.height, net(story.rows)
        if booked.get(height) != units:
            news.append(story)
            booked[height] = units
    gained = sum(booked.values()) - sum(units for _, units in progress.booked)
    final = BalanceAt(progress.final.height, progress.final.units + gained)
    return replace(progress, final=final, booked=tuple(sorted(booked.items()))), news


def _named(
    reader: RpcCache, case: Case, header: Header, found: list[BlockMovements], *, stories: list[BlockMovements]
) -> SampleVerdict:
    """Book what no log tells: as the opening where there is none yet, else as unexplained in the sample's block."""
    progress, sample = case.progress, case.sample
    said = _said(progress, sample.height)
    rest, low = sample.units - said, _low(progress)
    book = replace(case.book, sample=None, doubt=None, first=case.book.first or sample)
    if progress.proof is None and rest > 0:
        story = opening(reader, case.watch, progress.start, rest)
    else:
        story = with_unexplained(case.watch, header, found, rest)
        before = 0 if progress.proof is None else said - _gained(progress, sample.height)
        book = replace(book, gaps=(*book.gaps, Gap(low, sample.height, sample.units - before)))
    return SampleVerdict(_proven(progress, sample), book, (*stories, story))


def _gained(progress: WatchState, height: int) -> int:
    return sum(units for at, units in progress.booked if at <= height)

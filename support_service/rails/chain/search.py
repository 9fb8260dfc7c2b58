"""Block ranges, reorg rewind and the search for changes: planning for every chain.

Nothing here asks a node. The planners say which blocks to ask about; the answers come back as values. Pure.
"""

from collections.abc import Callable, Generator, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeAlias, TypeVar

from support_service.giving import Cursor

# Any node we know answers 500 blocks of logs; most answer more, which the growth finds out.
RANGE_BLOCKS_START = 500
# Beyond this a bigger range saves nothing that one would notice.
RANGE_BLOCKS_MAX = 20_000
# Blocks kept by hash between finality and head. On Ethereum these are 64 to 96; beyond the bound the older half thins.
MARKS_MAX = 64

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True, order=True)
class BlockRef:
    """A block as we met it: height alone does not name a block, height and hash do."""

    height: int
    block_hash: str


def placed(cursor: Cursor | None) -> BlockRef | None:
    """The block that a cursor stands at; None before the first."""
    if cursor is None or cursor.height is None or cursor.block_hash is None:
        return None
    return BlockRef(cursor.height, cursor.block_hash)


@dataclass(frozen=True, slots=True)
class RangeSize:
    """How many blocks one question may span; it learns from what the node takes and refuses."""

    blocks: int = RANGE_BLOCKS_START
    most: int = RANGE_BLOCKS_MAX

    def grown(self) -> "RangeSize":
        """Go 5 % further after an answer, by at least one block."""
        return replace(self, blocks=min(self.most, max(self.blocks + 1, self.blocks * 105 // 100)))

    def shrunk(self, suggested: int | None = None) -> "RangeSize":
        """Take the size the node suggests, if that is smaller; else half. Never below one block."""
        half = max(1, self.blocks // 2)
        blocks = max(1, min(suggested, self.blocks - 1)) if suggested and self.blocks > 1 else half
        return replace(self, blocks=blocks)

    @property
    def is_smallest(self) -> bool:
        """Tell whether nothing smaller can be asked."""
        return self.blocks == 1


def ranges(first: int, last: int, size: RangeSize) -> Iterator[tuple[int, int]]:
    """Cut first..last, both included, into ranges of at most size.blocks; none if last < first."""
    for low in range(first, last + 1, size.blocks):
        yield low, min(last, low + size.blocks - 1)


def remember(blocks: Iterable[BlockRef], new: BlockRef, *, above: int) -> tuple[BlockRef, ...]:
    """Add a block, forget those not above the final height, and thin the older half when there are too many."""
    kept = sorted({block for block in blocks if above < block.height < new.height})
    kept += [new] if new.height > above else []
    if len(kept) > MARKS_MAX:
        middle = len(kept) // 2
        kept = kept[:middle:2] + kept[middle:]
    return tuple(kept)


def highest_canonical(blocks: Iterable[BlockRef], hashes: Mapping[int, str | None]) -> BlockRef | None:
    """Find where a rewind ends: the highest block that the chain still has; None if it has none of them.

    hashes are those of the chain now, by height; None for a height it has not reached.
    """
    canonical = [block for block in blocks if hashes.get(block.height) == block.block_hash]
    return max(canonical, default=None)


@dataclass(frozen=True, slots=True)
class Span(Generic[Key, Value]):
    """What is proven of one key at two heights. Unequal values at neighbouring heights are a change."""

    key: Key
    low: int
    high: int
    before: Value
    after: Value

    def __post_init__(self) -> None:
        assert self.low < self.high

    @property
    def is_one_block(self) -> bool:
        """Tell whether the change, if any, happened in block `high`."""
        return self.high - self.low == 1

    def points(self, count: int) -> list[int]:
        """Up to `count` heights that cut the span into parts of nearly equal length."""
        length = self.high - self.low
        parts = min(count + 1, length)
        return [self.low + length * part // parts for part in range(1, parts)]

    def cut(self, values: Mapping[int, Value]) -> Iterator["Span[Key, Value]"]:
        """Split at heights whose values are known now, lowest first."""
        low, before = self.low, self.before
        for height in sorted(values):
            yield Span(self.key, low, height, before, values[height])
            low, before = height, values[height]
        yield Span(self.key, low, self.high, before, self.after)


Question: TypeAlias = tuple[Key, int]
Search: TypeAlias = Generator[list[Question[Key]], Mapping[Question[Key], Value], list[Span[Key, Value]]]


def bisect(spans: Sequence[Span[Key, Value]], points_max: int = 1) -> Search[Key, Value]:
    """Find every block in which a key's value changed, asking only where the ends differ.

    Works level by level: each step yields points of ALL open spans, so that they travel together,
    and is sent their values. A few spans are cut into more than halves, with up to points_max
    points in all: a request that is sent anyway is filled. Equal ends are taken as "nothing
    happened"; the caller answers for that (for an account without code: balance AND nonce).
    Returns one-block spans, lowest first.
    """
    found: list[Span[Key, Value]] = []
    unequal = [span for span in spans if span.before != span.after]
    while unequal:
        found += [span for span in unequal if span.is_one_block]
        wide = [span for span in unequal if not span.is_one_block]
        if not wide:
            break
        cuts = [(span, span.points(max(1, points_max // len(wide)))) for span in wide]
        values = yield list(dict.fromkeys((span.key, height) for span, heights in cuts for height in heights))
        parts = [part for span, heights in cuts for part in span.cut({h: values[span.key, h] for h in heights})]
        unequal = [part for part in parts if part.before != part.after]
    return sorted(found, key=lambda span: span.high)


def every_block(spans: Sequence[Span[Key, Value]]) -> Search[Key, Value]:
    """Find the changes by asking at every height: for keys where equal ends prove nothing."""
    wide = [span for span in spans if not span.is_one_block]
    questions = list(dict.fromkeys((span.key, height) for span in wide for height in range(span.low + 1, span.high)))
    values = (yield questions) if questions else {}
    steps = [step for span in spans for step in _steps(span, values)]
    return sorted((step for step in steps if step.before != step.after), key=lambda span: span.high)


def _steps(span: Span[Key, Value], values: Mapping[Question[Key], Value]) -> Iterator[Span[Key, Value]]:
    before = span.before
    for height in range(span.low + 1, span.high + 1):
        after = span.after if height == span.high else values[span.key, height]
        yield Span(span.key, height - 1, height, before, after)
        before = after


def run(
    search: Search[Key, Value], ask: Callable[[list[Question[Key]]], Mapping[Question[Key], Value]]
) -> list[Span[Key, Value]]:
    """Drive a search with a function that answers one level of questions at a time."""
    try:
        questions = next(search)
        while True:
            questions = search.send(ask(questions))
    except StopIteration as end:
        found: list[Span[Key, Value]] = end.value
        return found

"""Planning along a chain: ranges, marks, rewinds and the search for changed blocks."""

from collections.abc import Callable, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support_service.rails.chain import search as scan
from support_service.rails.chain.search import BlockRef, RangeSize, Search, Span

histories = st.lists(st.integers(min_value=0, max_value=2), min_size=2, max_size=80)


def search(values: list[int], plan: Callable[[list[Span[str, int]]], Search[str, int]]) -> tuple[list[int], int, int]:
    """Search a history whose value at each height is known; return changed heights, questions, levels."""
    asked: list[int] = []

    def ask(questions: list[tuple[str, int]]) -> Mapping[tuple[str, int], int]:
        asked.append(len(questions))
        return {(key, height): values[height] for key, height in questions}

    span = Span("us", 0, len(values) - 1, values[0], values[-1])
    found = scan.run(plan([span]), ask)
    assert all(step.is_one_block and step.after == values[step.high] for step in found)
    return [step.high for step in found], sum(asked), len(asked)


@given(histories)
def test_bisecting_a_growing_value_finds_every_change(steps: list[int]) -> None:
    values = [sum(steps[: i + 1]) for i in range(len(steps))]
    changed = [i for i in range(1, len(values)) if values[i] != values[i - 1]]
    assert search(values, scan.bisect)[0] == changed


@given(histories, st.integers(1, 9))
def test_wider_cuts_find_the_same(steps: list[int], points: int) -> None:
    values = [sum(steps[: i + 1]) for i in range(len(steps))]
    changed = [i for i in range(1, len(values)) if values[i] != values[i - 1]]
    assert search(values, lambda spans: scan.bisect(spans, points))[0] == changed


def test_a_lone_change_fills_the_requests_that_are_sent_anyway() -> None:
    values = [0] * 700_000 + [1] * 300_000
    found, questions, levels = search(values, lambda spans: scan.bisect(spans, 5))
    assert (found, levels) == ([700_000], 8)
    assert questions <= 8 * 5


@given(histories)
def test_what_bisecting_finds_explains_the_whole_difference(values: list[int]) -> None:
    found, _, _ = search(values, scan.bisect)
    assert sum(values[i] - values[i - 1] for i in found) == values[-1] - values[0]


@given(histories)
def test_reading_every_block_misses_nothing(values: list[int]) -> None:
    changed = [i for i in range(1, len(values)) if values[i] != values[i - 1]]
    assert search(values, scan.every_block)[0] == changed


def test_equal_ends_ask_nothing() -> None:
    assert search([7] * 1_000, scan.bisect) == ([], 0, 0)


def test_one_change_among_a_million_blocks_costs_twenty_questions() -> None:
    values = [0] * 700_000 + [1] * 300_000
    found, questions, levels = search(values, scan.bisect)
    assert found == [700_000]
    assert questions == levels <= 20


def test_all_midpoints_of_a_level_travel_together() -> None:
    plan = scan.bisect([Span("a", 0, 8, 0, 1), Span("b", 0, 8, 0, 1), Span("c", 0, 8, 5, 5)])
    assert next(plan) == [("a", 4), ("b", 4)]
    assert plan.send({("a", 4): 1, ("b", 4): 0}) == [("a", 2), ("b", 6)]


@given(st.integers(0, 500), st.integers(-1, 2_000), st.integers(1, 700))
def test_ranges_cover_every_block_once(first: int, length: int, blocks: int) -> None:
    cut = list(scan.ranges(first, first + length, RangeSize(blocks)))
    assert [h for low, high in cut for h in range(low, high + 1)] == list(range(first, first + length + 1))
    assert all(high - low < blocks for low, high in cut)


def test_a_range_grows_by_five_percent_and_halves() -> None:
    assert RangeSize().grown() == RangeSize(525)
    assert RangeSize(525).shrunk() == RangeSize(262)
    assert RangeSize(1).shrunk() == RangeSize(1)
    assert RangeSize(1).grown() == RangeSize(2)


def test_a_range_obeys_a_suggestion_only_if_that_helps() -> None:
    assert RangeSize(500).shrunk(99) == RangeSize(99)
    assert RangeSize(500).shrunk(2_000) == RangeSize(499)
    assert RangeSize(scan.RANGE_BLOCKS_MAX).grown() == RangeSize(scan.RANGE_BLOCKS_MAX)


@given(st.lists(st.integers(1, 3), min_size=1, max_size=400))
def test_marks_stay_few_and_keep_the_newest_and_the_oldest(steps: list[int]) -> None:
    marks: tuple[BlockRef, ...] = ()
    height = 100
    for step in steps:
        height += step
        marks = scan.remember(marks, BlockRef(height, f"0x{height}"), above=100)
    assert len(marks) <= scan.MARKS_MAX + 1
    assert marks[-1].height == height
    assert marks[0].height == 100 + steps[0]
    newest = marks[-scan.MARKS_MAX // 4 :]
    assert len(newest) == min(len(steps), scan.MARKS_MAX // 4)


def test_marks_below_finality_are_forgotten() -> None:
    marks = (BlockRef(5, "a"), BlockRef(8, "b"))
    assert scan.remember(marks, BlockRef(9, "c"), above=5) == (BlockRef(8, "b"), BlockRef(9, "c"))
    assert scan.remember(marks, BlockRef(9, "c"), above=9) == ()


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ({5: "a", 8: "b"}, BlockRef(8, "b")),
        ({5: "a", 8: "x"}, BlockRef(5, "a")),
        ({5: "a", 8: None}, BlockRef(5, "a")),
        ({5: "x", 8: "y"}, None),
        ({}, None),
    ],
)
def test_a_rewind_ends_at_the_highest_block_the_chain_still_has(
    now: dict[int, str | None], expected: BlockRef | None
) -> None:
    assert scan.highest_canonical((BlockRef(5, "a"), BlockRef(8, "b")), now) == expected

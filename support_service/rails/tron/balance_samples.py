"""What is known of a watch's balance, kept in the cursor beside the memo. Pure.

A TRON node tells balances of its newest state alone, so they cannot be asked for a block. What was
told once is kept until the blocks below it are final and can be held against it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from support_service.rails.evm.cursor_state import WatchKey


@dataclass(frozen=True, slots=True)
class BalanceSample:
    """A balance in the token's smallest units, as it was told at the end of one block."""

    height: int
    block_hash: str
    units: int


@dataclass(frozen=True, slots=True)
class Gap:
    """Blocks above `low` up to `high` whose logs did not bear out what the balance changed in them: delta units."""

    low: int
    high: int
    delta: int


@dataclass(frozen=True, slots=True)
class BalanceSamples:
    """What balances have proven of one watch.

    sample waits for finality. doubt is what the last one could not explain; only when another says
    the same is it booked. first is the sample that the opening was derived from. gaps are the
    unexplained rows in the ledger, for whoever reads these blocks again.
    """

    sample: BalanceSample | None = None
    doubt: int | None = None
    first: BalanceSample | None = None
    gaps: tuple[Gap, ...] = ()


def write(held: Mapping[WatchKey, BalanceSamples]) -> list[object]:
    """Write books as JSON values; units go as text, for other readers of JSON would round them."""
    return [[*key, _book(book)] for key, book in sorted(held.items())]


def read(told: Iterable[Any]) -> dict[WatchKey, BalanceSamples]:
    """Read what `write` wrote."""
    return {(address, asset): _read_book(book) for address, asset, book in told}


def _book(book: BalanceSamples) -> dict[str, object]:
    told: dict[str, object] = {}
    if book.sample is not None:
        told["sample"] = _sample(book.sample)
    if book.doubt is not None:
        told["doubt"] = str(book.doubt)
    if book.first is not None:
        told["first"] = _sample(book.first)
    if book.gaps:
        told["gaps"] = [[gap.low, gap.high, str(gap.delta)] for gap in book.gaps]
    return told


def _read_book(told: dict[str, Any]) -> BalanceSamples:
    return BalanceSamples(
        sample=_read_sample(told.get("sample")),
        doubt=int(told["doubt"]) if "doubt" in told else None,
        first=_read_sample(told.get("first")),
        gaps=tuple(Gap(low, high, int(delta)) for low, high, delta in told.get("gaps", ())),
    )


def _sample(sample: BalanceSample) -> list[object]:
    return [sample.height, sample.block_hash, str(sample.units)]


def _read_sample(told: list[Any] | None) -> BalanceSample | None:
    return None if told is None else BalanceSample(told[0], told[1], int(told[2]))

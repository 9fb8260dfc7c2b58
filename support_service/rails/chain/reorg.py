"""What a chain has now, held against what was read of it: which blocks stand, and how far to go back. Pure.

`now` are the hashes that the chain has at the heights of the blocks asked about; None above its head.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar

from support_service.giving import MoneyBlock
from support_service.rails.chain.report_builder import ReportBuilder
from support_service.rails.chain.search import BlockRef, highest_canonical
from support_service.rails.source import MustFreeze, SourceDown

Now: TypeAlias = Mapping[int, str | None]

Gone = TypeVar("Gone")
Remembered = TypeVar("Remembered")


@dataclass(frozen=True, slots=True)
class Rewind(Generic[Gone, Remembered]):
    """Where a reorg takes us: the highest block that we read and the chain still has, the blocks it lost, our state."""

    base: BlockRef | None
    gone: tuple[Gone, ...]
    state: Remembered


def stands(block: BlockRef, now: Now) -> bool:
    """Tell whether a block is in the chain still."""
    return now[block.height] == block.block_hash


def check_one_chain(host: str, blocks: Iterable[BlockRef], now: Now) -> None:
    """See that blocks that were read one after another are on one chain still; SourceDown if not."""
    if not all(stands(block, now) for block in blocks):
        raise SourceDown(f"{host}: the chain moved while it was read; reading again")


def check_is_fork(host: str, below: Iterable[BlockRef], now: Now, *, head: int, last: int) -> None:
    """A head below ours is a shorter fork, or only a node that lags: then wait, nothing has changed."""
    if all(stands(block, now) for block in below):
        raise SourceDown(f"{host}: its head went back to {head}, we have read {last}")


def common_block(
    host: str, network: str, known: Iterable[BlockRef], now: Now, *, final: BlockRef | None
) -> BlockRef | None:
    """Find the highest block that we read and the chain still has.

    MustFreeze where a block is gone that was final: only a person can judge that. SourceDown where the node has not
    got to it.
    """
    base = highest_canonical([*known, *([final] if final else [])], now)
    if base is None and final is not None and has_left(host, final, now):
        raise MustFreeze(
            f"{host}: block {final.height} of {network} was final as {final.block_hash} and is"
            f" {now[final.height]} now; nothing is booked from this network until a person has looked",
            {"height": str(final.height), "final_before": final.block_hash, host: str(now[final.height])},
        )
    return base


def has_left(host: str, final: BlockRef, now: Now) -> bool:
    """Tell whether a block that was final has left the chain; SourceDown where the node has not got to it yet."""
    if now[final.height] is None:
        raise SourceDown(f"{host}: has not got to block {final.height} yet, which was final")
    return not stands(final, now)


def orphan_money(builder: ReportBuilder, blocks: Iterable[MoneyBlock], now: Now) -> None:
    """Say of every block with money in the ledger that the chain has no more that it is gone."""
    for money in blocks:
        block = BlockRef(money.height, money.block_hash)
        if not stands(block, now):
            builder.empty(money.key, block, is_canonical=False)

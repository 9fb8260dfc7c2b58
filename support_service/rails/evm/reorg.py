"""Looking at the chain before reading it: its head, its finality, and whether what we read still stands."""

from collections.abc import Iterable, Set
from dataclasses import dataclass, replace
from datetime import datetime

from support_service.rails.chain.reorg import Rewind, check_is_fork, check_one_chain, common_block, stands
from support_service.rails.chain.search import BlockRef
from support_service.rails.evm import rpc_requests
from support_service.rails.evm.cursor_state import CursorState, Pending, WatchState
from support_service.rails.evm.network import EvmNetwork
from support_service.rails.evm.rpc_cache import RpcCache
from support_service.rails.evm.rpc_errors import Refusal
from support_service.rails.evm.rpc_schema import Header
from support_service.rails.source import SourceDown, SourceLied


@dataclass(frozen=True, slots=True)
class ChainHead:
    """The chain at the beginning of a turn.

    final_height is None while nothing is final; is_moved tells that the block we read last is gone;
    head_at is the head's own time.
    """

    head: BlockRef
    final_height: int | None
    is_moved: bool
    head_at: datetime


def look(cache: RpcCache, network: EvmNetwork, cursor_state: CursorState, last: BlockRef | None) -> ChainHead:
    """See head and finality in one request. SourceLied on another chain, SourceDown if the node lags behind us."""
    here = [] if last is None else [rpc_requests.header(last.height)]
    tips = [rpc_requests.tip("latest"), *([rpc_requests.tip("finalized")] if network.confirm == "finalized" else [])]
    cache.fetch([rpc_requests.chain_id(), *tips, *here])
    check_chain(cache, network)
    head = cache.get(rpc_requests.tip("latest"))
    if head is None:
        raise SourceDown(f"{cache.node.host}: has no blocks yet")
    now = cache.get(here[0]) if here else None
    if last is not None and now is None:
        _check_known(cache, last.height, head.height)
        _check_behind(cache, cursor_state, head, last)
    is_moved = last is not None and (now is None or now.block_hash != last.block_hash)
    return ChainHead(block_of(head), _final_height(cache, network, head), is_moved, head.occurred_at)


def check_chain(cache: RpcCache, network: EvmNetwork) -> None:
    """See that the node is on the chain that the settings name: else all its money would be false."""
    told = cache.get(rpc_requests.chain_id())
    if told != network.chain_id:
        raise SourceLied(f"{cache.node.host}: is on chain {told}, settings say chain_id = {network.chain_id}")


def _final_height(cache: RpcCache, network: EvmNetwork, head: Header) -> int | None:
    if network.confirm != "finalized":
        return head.height - network.confirm if head.height >= network.confirm else None
    try:
        final = cache.get(rpc_requests.tip("finalized"))
    except Refusal as error:
        hint = "set `confirm` to a number of blocks if this chain has no finality"
        raise SourceDown(f"{cache.node.host}: does not tell the finalized block ({error}); {hint}") from error
    if final is not None and final.height > head.height:
        raise SourceDown(f"{cache.node.host}: its finalized block is above its head; several nodes behind it?")
    return None if final is None else final.height


def _check_behind(cache: RpcCache, cursor_state: CursorState, head: Header, last: BlockRef) -> None:
    below = [block for block in cursor_state.blocks if block.height <= head.height]
    check_is_fork(cache.node.host, below, hashes(cache, below), head=head.height, last=last.height)


def _check_known(cache: RpcCache, unknown: int, head: int) -> None:
    """Null for a block that must be there is no answer: nothing is gone because of it."""
    if unknown <= head:
        raise SourceDown(f"{cache.node.host}: does not know block {unknown}, but has {head}; reading again")


def hashes(cache: RpcCache, blocks: Iterable[BlockRef], *, head: int = -1) -> dict[int, str | None]:
    """The hashes that the chain has now at the heights of some blocks; None above its head.

    head, where known, is a height that the node said it has: SourceDown if it then lacks a block below.
    """
    heights = sorted({block.height for block in blocks})
    headers = cache.get_all([rpc_requests.header(height) for height in heights])
    found = dict(zip(heights, headers, strict=True))
    for height in [height for height, header in found.items() if header is None]:
        _check_known(cache, height, head)
    return {height: None if header is None else header.block_hash for height, header in found.items()}


def rewind(cache: RpcCache, cursor_state: CursorState, name: str, head: int) -> Rewind[Pending, CursorState]:
    """Find how far to go back. MustFreeze where a block is gone that was final."""
    final = cursor_state.final
    asked = [*cursor_state.blocks, *([final] if final else []), *(pending.block for pending in cursor_state.pending)]
    now = hashes(cache, asked, head=head)
    base = common_block(cache.node.host, name, cursor_state.blocks, now, final=final)
    gone = tuple(pending for pending in cursor_state.pending if not stands(pending.block, now))
    kept = cursor_state.without_pending({pending.block: pending.keys for pending in gone})
    kept = replace(kept, blocks=tuple(block for block in kept.blocks if base and block.height <= base.height))
    back = {key: _rewound(item, base) for key, item in kept.watch_states.items()}
    if cursor_state.scanned is not None and base is not None:
        # Balances in between cannot be asked for: go on from what the common block held when it was the head.
        back = {key: item if item.base is None else _held(item, base) for key, item in back.items()}
    return Rewind(base, gone, kept.with_watch_states(back))


def _rewound(watch_state: WatchState, base: BlockRef | None) -> WatchState:
    """Forget what was read above a rewind; the blocks down to finality are cheap to read again."""
    if watch_state.head is None or (base is not None and watch_state.head.height <= base.height):
        return watch_state
    known = tuple(
        balance_at for balance_at in watch_state.known if base is not None and balance_at.height <= base.height
    )
    return replace(watch_state, head=None, known=known)


def _held(watch_state: WatchState, base: BlockRef) -> WatchState:
    is_read = watch_state.base is not None and watch_state.base.height >= base.height
    return watch_state if is_read else replace(watch_state, head=watch_state.at(base.height))


def check_still_there(cache: RpcCache, blocks: Set[BlockRef], head: BlockRef) -> None:
    """See that blocks that were read one after another are on one chain still; SourceDown if not."""
    if not blocks:
        return
    cache.forget()
    told = [*blocks, head]
    check_one_chain(cache.node.host, told, hashes(cache, told))


def block_of(header: Header) -> BlockRef:
    """A header's height and hash."""
    return BlockRef(header.height, header.block_hash)

"""Balances that we heard when a block was new, for nodes that do not keep them until it is final."""

from collections.abc import Iterable

from support_service.giving import Watch
from support_service.rails.chain.cursor_state import WatchKey
from support_service.rails.chain.search import BlockRef
from support_service.rails.evm import native_coin, rpc_requests
from support_service.rails.evm.cursor_state import CursorState
from support_service.rails.evm.rpc_cache import RpcCache
from support_service.rails.evm.rpc_schema import Header


def balances(
    cache: RpcCache, cursor_state: CursorState, keys: Iterable[WatchKey], header: Header, *, at: rpc_requests.At
) -> None:
    """Let the cache answer for the accounts at a block that we met as the head, where the node does not.

    at is how the block will be named in questions.
    """
    if BlockRef(header.height, header.block_hash) not in cursor_state.blocks:
        return
    mine = list(keys)
    cache.fetch(call for key in mine for call in native_coin.account_questions(key[0], at))
    for key in mine:
        balance_at = cursor_state.watch_states[key].at(header.height)
        if balance_at is not None:
            balance, nonce = native_coin.account_questions(key[0], at)
            cache.remind(balance, balance_at.units)
            cache.remind(nonce, balance_at.nonce)


def opening(cache: RpcCache, cursor_state: CursorState, key: WatchKey, watch: Watch) -> None:
    """The same for a watch's opening: code too, and a token's balance, if it is known of that very block."""
    item = cursor_state.watch_states[key]
    balance_at = item.at(item.start)
    if balance_at is None:
        return
    header = cache.get(rpc_requests.header(item.start))
    if header is None or BlockRef(header.height, header.block_hash) not in cursor_state.blocks:
        return
    if watch.asset.contract:
        cache.remind(
            rpc_requests.token_balance(watch.asset.contract, watch.address, header.block_hash), balance_at.units
        )
        return
    balances(cache, cursor_state, [key], header, at=header.block_hash)
    cache.remind(rpc_requests.code(watch.address, header.block_hash), b"\1" if item.has_code else b"")

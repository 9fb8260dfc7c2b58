"""Transactions that wait for a block: told as seen, and as replaced when they are gone.

Only Esplora tells of them. One that pays us less, or somebody else, takes the place of another: the
other is gone then, and nothing of it may stay.
"""

from collections.abc import Set as AbstractSet
from dataclasses import replace

from support_service.giving import Direction, State
from support_service.rails.bitcoin.chain import Chain
from support_service.rails.bitcoin.draft import Draft
from support_service.rails.bitcoin.memo import Memo, Waiting, WatchKey
from support_service.rails.bitcoin.moves import Move, moves
from support_service.rails.bitcoin.post import Post

# A flood of dust is not asked about one by one, all at once.
GONE_ASKED_MAX = 20


def told(post: Post, chain: Chain, memo: Memo, draft: Draft, *, in_blocks: AbstractSet[str]) -> Memo:
    """Say what waits for a block now, and what waited and is gone; in_blocks are the transactions just told of."""
    kept = {key: _of_watch(post, chain, (key, memo), draft, in_blocks=in_blocks) for key in post.watches}
    return replace(memo, waiting={key: rows for key, rows in {**memo.waiting, **kept}.items() if rows})


def _of_watch(
    post: Post, chain: Chain, what: tuple[WatchKey, Memo], draft: Draft, *, in_blocks: AbstractSet[str]
) -> tuple[Waiting, ...]:
    key, memo = what
    watch = post.watches[key]
    held = {(one.move.direction, one.move.locator): one for one in memo.waiting.get(key, ())}
    now = _now(post, chain, key)
    silent = [one for place, one in held.items() if one.move.txid not in in_blocks and place not in (now or {})]
    asked = silent[:GONE_ASKED_MAX] if now is not None else []
    # Those asked about go to the end, so that all of them have their turn.
    kept = silent[len(asked) :]
    for one in asked:
        # The server lists a few at a time, and a block may have come meanwhile: it must say that it knows it no more.
        if chain.is_gone(one.move.txid):
            draft.wait(watch, one, State.REPLACED)
        else:
            kept.append(one)
    for place, move in (now or {}).items():
        if move.txid in in_blocks:
            continue
        known = held.get(place)
        if known is None or known.move != move:
            known = Waiting(move, post.clock() if known is None else known.since)
            draft.wait(watch, known, State.SEEN)
        kept.append(known)
    return tuple(kept)


def _now(post: Post, chain: Chain, key: WatchKey) -> dict[tuple[Direction, str], Move] | None:
    """What waits now for one address, by direction and locator; None where the node does not tell."""
    transactions = chain.waiting(post.script(key))
    if transactions is None:
        return None
    own = post.own
    found = [move for transaction in transactions for move in moves(transaction, own).get(key[0], [])]
    return {(move.direction, move.locator): move for move in found}

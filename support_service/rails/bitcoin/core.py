"""Bitcoin Core (and what speaks its JSON-RPC): blocks read whole, each once, matched by script.

Where the node keeps the index of block filters (`blockfilterindex=1`), it says itself which blocks
touch us, and only those are read.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from support_service.rails.bitcoin import rpc_schema
from support_service.rails.bitcoin.movements import Block, Script, Transaction
from support_service.rails.bitcoin.node import (
    ScriptBalance,
    UnreadableAnswer,
    WantedMoney,
    check_genesis,
    check_linked,
    touching,
)
from support_service.rails.bitcoin.rpc import INVALID_PARAMETER, TYPE_ERROR, CoreRefusal, Rpc
from support_service.rails.chain import strict_fields
from support_service.rails.chain.search import BlockRef
from support_service.rails.chain.strict_fields import BadAnswer, Object
from support_service.rails.source import SourceDown, SourceLied

# A header or two without its block is a block on its way; more is a node that is not up to date.
HEADERS_AHEAD_MAX = 1
# A report this often on a long catch-up: about a minute of reading whole blocks.
BLOCKS_PER_STEP = 50
# With the filter index a range costs one question.
FILTERED_BLOCKS_PER_STEP = 2_000
# Below this, reading the blocks is as cheap as asking for filters.
FILTERED_BLOCKS_MIN = 10
# A search through the whole set of unspent outputs takes a node on main net minutes.
SEARCH_SECONDS_MAX = 900.0
_FILTER_INDEX = "basic block filter index"
# A block with its transactions in full, each input with the output that it spends.
WITH_SPENT_OUTPUTS = 3
NEWER_NODE = "Bitcoin Core 23 or newer tells what a transaction spends: name such a node"
# How nodes call the chain that settings call by our name.
_CHAIN_NAMES = {"test": {"test", "testnet3", "testnet4"}}


@dataclass(frozen=True, slots=True)
class _LinkedBlock:
    """A block with what touches us, and the hashes of its neighbours; above is None at the head."""

    block: Block
    below: str
    above: str | None


class CoreChain:
    """One node that speaks Bitcoin Core's JSON-RPC."""

    def __init__(self, url: str, chain: str) -> None:
        self.rpc, self._chain = Rpc(url), chain
        # Whether what cannot be read is left out and named; else it is a reason to ask another node.
        self.goes_on = False
        self._has_filters: bool | None = None
        self._is_checked = False
        self._takers: dict[str, str] = {}
        self._prune_height = 0

    @property
    def host(self) -> str:
        """Host and port."""
        return self.rpc.host

    @property
    def blocks_per_step(self) -> int:
        """How many blocks one report should cover."""
        return FILTERED_BLOCKS_PER_STEP if self._has_filters else BLOCKS_PER_STEP

    def forget(self) -> None:
        """Drop what was noted on the way through blocks."""
        self._takers.clear()

    def tip(self) -> BlockRef:
        """The highest block. SourceDown while the node starts or catches up, SourceLied from another chain."""
        told = self._object(self._ask("getblockchaininfo"))
        try:
            block = BlockRef(
                rpc_schema.whole(strict_fields.field(told, "blocks")), rpc_schema.block_hash(told.get("bestblockhash"))
            )
            headers = rpc_schema.whole(told.get("headers", block.height))
            self._prune_height = rpc_schema.whole(told.get("pruneheight") or 0) if told.get("pruned") is True else 0
        except BadAnswer as error:
            raise self._bad("getblockchaininfo", error) from None
        self._check_chain(told)
        if told.get("initialblockdownload") is True:
            raise SourceDown(f"{self.host}: {loading(block.height, headers)}")
        if headers - block.height > HEADERS_AHEAD_MAX:
            raise SourceDown(f"{self.host}: has block {block.height} of {headers}: it is not up to date")
        return block

    def hash_at(self, height: int) -> str | None:
        """The block at a height now; None above the head."""
        try:
            return rpc_schema.block_hash(self.rpc.ask("getblockhash", height))
        except CoreRefusal as error:
            if error.code == INVALID_PARAMETER:
                return None
            raise self._down(error) from None
        except BadAnswer as error:
            raise self._bad("getblockhash", error) from None

    def time_of(self, block: BlockRef) -> datetime:
        """A block's own time."""
        try:
            return rpc_schema.time(self._object(self._ask("getblockheader", block.block_hash)).get("time"))
        except BadAnswer as error:
            raise self._bad("getblockheader", error) from None

    def scan(self, first: int, last: int, wanted: WantedMoney) -> list[Block]:
        """All blocks of first..last that touch us. SourceDown where they were pruned away."""
        if first < self._prune_height:
            kept = f"it is pruned and keeps blocks from {self._prune_height} on"
            raise SourceDown(f"{self.host}: cannot tell of blocks {first} to {last}: {kept}")
        hashes = self._filtered(first, last, wanted)
        if hashes is not None:
            blocks = touching(self._read(digest, wanted).block for digest in hashes)
            if any(not first <= block.height <= last for block in blocks):
                raise SourceDown(f"{self.host}: its filters name a block that was not asked for; reading again")
            return blocks
        found, below, above = list[Block](), None, None
        for height in range(first, last + 1):
            digest = above or self.hash_at(height)
            if digest is None:
                raise SourceDown(f"{self.host}: does not know block {height}, which it had; reading again")
            read = self._read(digest, wanted)
            if read.block.height != height:
                raise SourceDown(f"{self.host}: gave block {read.block.height} where {height} was asked for")
            check_linked(self.host, below, height=height, parent=read.below)
            found.append(read.block)
            below, above = digest, read.above
        return touching(found)

    def again(self, blocks: Sequence[BlockRef], wanted: WantedMoney) -> list[Block]:
        """These blocks once more; what is gone from the chain is still told by many nodes, so the caller checks."""
        return touching(self._read(block.block_hash, wanted).block for block in sorted(set(blocks)))

    def balance(self, script: Script) -> ScriptBalance | None:
        """Search the unspent outputs for a script; None where the node has no such search."""
        try:
            told = self._object(
                self.rpc.ask("scantxoutset", "start", [f"raw({script})"], read_seconds=SEARCH_SECONDS_MAX)
            )
        except CoreRefusal as error:
            if "rogress" in str(error):
                raise self._down(error) from None
            return None
        try:
            if told.get("success") is False:
                raise SourceDown(f"{self.host}: broke off its search for unspent outputs")
            block = BlockRef(rpc_schema.whole(told.get("height")), rpc_schema.block_hash(told.get("bestblock")))
            found = sum(_unspent(one, script) for one in strict_fields.sequence(told.get("unspents")))
            total = rpc_schema.amount(told.get("total_amount"))
        except BadAnswer as error:
            raise self._bad("scantxoutset", error) from None
        if total != found:
            raise SourceDown(f"{self.host}: scantxoutset: its total is not the sum of its coins")
        return ScriptBalance(block, total)

    def checked_balance(self, script: Script) -> ScriptBalance | None:  # noqa: ARG002 - the protocol gives it
        """Searching costs minutes: never in passing."""
        return None

    def waiting(self, script: Script) -> list[Transaction] | None:  # noqa: ARG002 - the protocol gives it
        """Bitcoin Core keeps its waiting transactions by id alone, not by address."""
        return None

    def is_gone(self, txid: str) -> bool:  # noqa: ARG002 - the protocol gives it
        """Never known here: another source said that it waits."""
        return False

    def spender(self, outpoint: str) -> str | None:
        """As noted in the blocks read in this turn."""
        return self._takers.get(outpoint)

    def genesis(self) -> str:
        """The chain's first block."""
        return self.hash_at(0) or "none"

    def _check_chain(self, told: Object) -> None:
        name = told.get("chain")
        if name not in _CHAIN_NAMES.get(self._chain, {self._chain}):
            raise SourceLied(f"{self.host}: is on {str(name)[:40]!r}, settings say chain = {self._chain!r}")
        if not self._is_checked:
            check_genesis(self.host, self._chain, self.hash_at(0) or "none")
            self._is_checked = True

    def _filtered(self, first: int, last: int, wanted: WantedMoney) -> list[str] | None:
        """Blocks that touch us as the node's filters say; None where it has none for this range."""
        if self._has_filters is False or last - first + 1 < FILTERED_BLOCKS_MIN:
            return None
        descriptors = [f"raw({script})" for script in sorted(wanted.scripts)]
        try:
            # A filter index that lags leaves blocks out without a word.
            index = self._object(self.rpc.ask("getindexinfo", _FILTER_INDEX)).get(_FILTER_INDEX)
            told = strict_fields.mapping(index)
            if told.get("synced") is not True or rpc_schema.whole(told.get("best_block_height")) < last:
                return None
            found = self._object(
                self.rpc.ask("scanblocks", "start", descriptors, first, last, "basic", read_seconds=SEARCH_SECONDS_MAX)
            )
            self._has_filters = True
            is_whole = (found.get("from_height"), found.get("to_height")) == (first, last)
            if not is_whole or found.get("completed") is False:
                return None
            return [rpc_schema.block_hash(one) for one in strict_fields.sequence(found.get("relevant_blocks"))]
        except (CoreRefusal, BadAnswer):
            self._has_filters = False
            return None

    def _read(self, digest: str, wanted: WantedMoney) -> _LinkedBlock:
        told = self._object(self._ask_block(digest))
        try:
            height = rpc_schema.whole(strict_fields.field(told, "height"))
            if rpc_schema.block_hash(told.get("hash")) != digest:
                raise SourceDown(f"{self.host}: gave another block than was asked for")
            occurred_at = rpc_schema.time(strict_fields.field(told, "time"))
            parent = rpc_schema.block_hash(told.get("previousblockhash")) if height else ""
            above = told.get("nextblockhash")
            above = None if above is None else rpc_schema.block_hash(above)
            whole, unread = rpc_schema.transactions(
                told.get("tx"), rpc_schema.core_transaction, wanted.scripts if self.goes_on else rpc_schema.EVERYBODY
            )
        except BadAnswer as error:
            raise self._bad("getblock", error) from None
        if unread and not rpc_schema.tells_spends(told.get("tx")):
            raise SourceDown(f"{self.host}: does not tell what a transaction spends; {NEWER_NODE}")
        if unread and not self.goes_on:
            raise UnreadableAnswer(f"{self.host}: getblock: {unread[0]}")
        for transaction in whole:
            self._takers |= {
                one.outpoint: transaction.txid for one in transaction.inputs if one.outpoint in wanted.lost
            }
        mine = tuple(transaction for transaction in whole if transaction.touches(wanted.scripts))
        return _LinkedBlock(Block(height, digest, occurred_at, mine, tuple(unread)), parent, above)

    def _ask_block(self, digest: str) -> object:
        try:
            return self.rpc.ask("getblock", digest, WITH_SPENT_OUTPUTS)
        except CoreRefusal as error:
            hint = f"; {NEWER_NODE}" if error.code == TYPE_ERROR else ""
            raise SourceDown(f"{self.host}: {error}{hint}") from None

    def _ask(self, method: str, *params: object) -> object:
        try:
            return self.rpc.ask(method, *params)
        except CoreRefusal as error:
            raise self._down(error) from None

    def _object(self, value: object) -> Object:
        try:
            return strict_fields.mapping(value)
        except BadAnswer as error:
            raise SourceDown(f"{self.host}: {error}") from None

    def _down(self, error: CoreRefusal) -> SourceDown:
        return SourceDown(f"{self.host}: {error}")

    def _bad(self, method: str, error: BadAnswer) -> SourceDown:
        return SourceDown(f"{self.host}: {method}: {error}")


def loading(height: int, headers: int) -> str:
    """Say how far a node is that loads the chain: headers come first, and no number of blocks is known before."""
    goal = f"of {headers}" if headers > height else "so far, and it does not know yet how many there are"
    return f"the node is still loading its chain: block {height} {goal}"


def _unspent(value: object, script: Script) -> int:
    """Read what one coin of a script holds, in satoshi."""
    told = strict_fields.mapping(value)
    if rpc_schema.script(told.get("scriptPubKey")) != script:
        raise BadAnswer("a coin of another script")
    return rpc_schema.amount(told.get("amount"))

"""An Esplora server: the history of our scripts, so its cost grows with donations, not with blocks.

Scripts are named by their SHA-256 (`/scripthash/...`), so it does not matter how the server writes
addresses. What was waiting for a block is told, too. Source: the HTTP API of Blockstream's Esplora.
"""

import hashlib
from collections.abc import Container, Sequence
from datetime import datetime

from support_service.rails.bitcoin import rpc_schema
from support_service.rails.bitcoin.http import BitcoinHttp, parse
from support_service.rails.bitcoin.movements import Block, Script, Transaction
from support_service.rails.bitcoin.node import ScriptBalance, WantedMoney, WatchSilent, check_genesis, touching
from support_service.rails.chain import strict_fields
from support_service.rails.chain.bounded_json import BadJson
from support_service.rails.chain.http import HttpAnswer
from support_service.rails.chain.search import BlockRef
from support_service.rails.chain.strict_fields import BadAnswer, Object
from support_service.rails.source import SourceDown

# Transactions of a whole history are 25 a page; more than a million have no place in memory.
PAGES_MAX = 40_000
# With a history at hand blocks cost nothing: this only bounds what one report says.
BLOCKS_PER_STEP = 20_000
_OK, _NOT_FOUND = 200, 404


class _Confirmed:
    """A transaction in its block."""

    def __init__(self, told: Object, ours: Container[str], *, goes_on: bool) -> None:
        status = strict_fields.mapping(told.get("status"))
        if status.get("confirmed") is not True:
            raise BadAnswer("an unconfirmed transaction in the history of blocks")
        self.txid = rpc_schema.block_hash(told.get("txid"))
        self.unread = ""
        try:
            self.transaction = rpc_schema.esplora_transaction(told, ours if goes_on else rpc_schema.EVERYBODY)
        except BadAnswer as error:
            if not goes_on:
                raise
            self.unread = f"transaction {self.txid}: {error}"
        self.block = BlockRef(
            rpc_schema.whole(status.get("block_height")), rpc_schema.block_hash(status.get("block_hash"))
        )
        self.occurred_at: datetime = rpc_schema.time(status.get("block_time"))


class EsploraChain:
    """One Esplora server."""

    blocks_per_step = BLOCKS_PER_STEP

    def __init__(self, url: str, chain: str) -> None:
        self.http, self._chain = BitcoinHttp(url), chain
        # Whether what cannot be read is left out and named; else it is a reason to ask another node.
        self.goes_on = False
        self._is_checked = False
        self._tip: BlockRef | None = None
        # What was read in this turn: newest first, down to the height beside it.
        self._histories: dict[Script, tuple[int, list[_Confirmed]]] = {}

    @property
    def host(self) -> str:
        """Host and port."""
        return self.http.host

    def forget(self) -> None:
        """Drop the histories of this turn."""
        self._histories.clear()

    def tip(self) -> BlockRef:
        """The highest block; SourceLied from a server of another chain."""
        digest = self._hash("/blocks/tip/hash")
        if digest is None:
            raise SourceDown(f"{self.host}: has no blocks yet")
        if self._tip is None or self._tip.block_hash != digest:
            self._tip = BlockRef(self._height(digest), digest)
        if not self._is_checked:
            check_genesis(self.host, self._chain, self.hash_at(0) or "none")
            self._is_checked = True
        return self._tip

    def hash_at(self, height: int) -> str | None:
        """The block at a height now; None above the head."""
        return self._hash(f"/block-height/{height}")

    def time_of(self, block: BlockRef) -> datetime:
        """A block's own time."""
        try:
            return rpc_schema.time(strict_fields.mapping(self._json(f"/block/{block.block_hash}")).get("timestamp"))
        except BadAnswer as error:
            raise self._bad(error) from None

    def scan(self, first: int, last: int, wanted: WantedMoney) -> list[Block]:
        """All blocks of first..last that touch us."""
        return self._blocks(first, last, wanted, None)

    def again(self, blocks: Sequence[BlockRef], wanted: WantedMoney) -> list[Block]:
        """These blocks once more."""
        heights = [block.height for block in blocks]
        return self._blocks(min(heights), max(heights), wanted, set(blocks)) if blocks else []

    def balance(self, script: Script) -> ScriptBalance | None:
        """What a script holds now, by the server's own sums; the tip is asked anew, for they may be newer."""
        told = self._stats(script)[0]
        try:
            units = rpc_schema.satoshi(told.get("funded_txo_sum")) - rpc_schema.satoshi(told.get("spent_txo_sum"))
        except BadAnswer as error:
            raise self._silent(script, error) from None
        return ScriptBalance(self.tip(), units)

    def checked_balance(self, script: Script) -> ScriptBalance | None:
        """The same: it costs two small requests."""
        return self.balance(script)

    def waiting(self, script: Script) -> list[Transaction] | None:
        """Transactions in the server's pool that touch a script; at most 50 are told."""
        try:
            if not rpc_schema.whole(self._stats(script)[1].get("tx_count")):
                return []
            told = strict_fields.sequence(self._of(script, "/txs/mempool"))
            # What came into a block between the two questions is told with its block, later.
            waits = [one for one in told if not (isinstance(one, dict) and _is_in_block(one))]
            if self.goes_on:
                # One that cannot be read is told with its block as well, or set aside there.
                return rpc_schema.transactions(waits, rpc_schema.esplora_transaction, {script})[0]
            return [rpc_schema.esplora_transaction(one) for one in waits]
        except BadAnswer as error:
            raise self._silent(script, error) from None

    def is_gone(self, txid: str) -> bool:
        """Tell whether the server knows a transaction no more, neither waiting nor in a block."""
        answer = self._get(f"/tx/{txid}")
        return answer.status == _NOT_FOUND

    def spender(self, outpoint: str) -> str | None:
        """Asked of the server, coin by coin."""
        txid, _, vout = outpoint.partition(":")
        answer = self._get(f"/tx/{txid}/outspend/{vout}")
        if answer.status == _NOT_FOUND:
            return None
        try:
            told = strict_fields.mapping(parse(answer.body))
            is_spent = told.get("spent") is True and _is_in_block(told)
            return rpc_schema.block_hash(told.get("txid")) if is_spent else None
        except (BadAnswer, BadJson) as error:
            raise SourceDown(f"{self.host}: {error}") from None

    def genesis(self) -> str:
        """The chain's first block."""
        return self.hash_at(0) or "none"

    def _stats(self, script: Script) -> tuple[Object, Object]:
        """The server's sums over blocks, and over what waits."""
        told = self._of(script, "")
        try:
            whole = strict_fields.mapping(told)
            return strict_fields.mapping(whole.get("chain_stats")), strict_fields.mapping(whole.get("mempool_stats"))
        except BadAnswer as error:
            raise self._silent(script, error) from None

    def _blocks(self, first: int, last: int, wanted: WantedMoney, block_refs: set[BlockRef] | None) -> list[Block]:
        """Blocks of first..last from the histories of all scripts; what touches two of them comes once."""
        by_block: dict[BlockRef, dict[str, _Confirmed]] = {}
        for script in wanted.scripts:
            for one in self._history(script, first, wanted.scripts):
                if first <= one.block.height <= last and (block_refs is None or one.block in block_refs):
                    by_block.setdefault(one.block, {})[one.txid] = one
        blocks = [
            Block(
                block_ref.height,
                block_ref.block_hash,
                next(iter(known.values())).occurred_at,
                tuple(known[txid].transaction for txid in sorted(known) if not known[txid].unread),
                tuple(known[txid].unread for txid in sorted(known) if known[txid].unread),
            )
            for block_ref, known in by_block.items()
        ]
        if len({block.height for block in blocks}) != len(blocks):
            raise SourceDown(f"{self.host}: tells of two blocks at one height: the chain moved; reading again")
        return touching(blocks)

    def _history(self, script: Script, down_to: int, ours: Container[str]) -> list[_Confirmed]:
        """A script's transactions in blocks, newest first, from a height on; read once a turn."""
        known = self._histories.get(script)
        if known is not None and known[0] <= down_to:
            return known[1]
        found: list[_Confirmed] = []
        path, seen = "/txs/chain", set[str]()
        for _ in range(PAGES_MAX):
            page = self._page(script, path if not found else f"{path}/{found[-1].txid}", ours)
            found += page
            ids = {one.txid for one in page}
            if len(ids) < len(page) or ids & seen:
                raise SourceDown(f"{self.host}: its history of a script repeats itself: the chain moved; reading again")
            seen |= ids
            if not page or page[-1].block.height < down_to:
                self._histories[script] = (down_to, found)
                return found
        raise SourceDown(f"{self.host}: the history of a script has more than {PAGES_MAX} pages")

    def _page(self, script: Script, path: str, ours: Container[str]) -> list[_Confirmed]:
        told = self._of(script, path)
        try:
            page = [
                _Confirmed(strict_fields.mapping(one), ours, goes_on=self.goes_on)
                for one in strict_fields.sequence(told)
            ]
        except BadAnswer as error:
            raise self._silent(script, error) from None
        heights = [one.block.height for one in page]
        if heights != sorted(heights, reverse=True):
            raise SourceDown(f"{self.host}: a page of history is not in order; reading again")
        return page

    def _height(self, digest: str) -> int:
        try:
            told = strict_fields.mapping(self._json(f"/block/{digest}"))
            if rpc_schema.block_hash(told.get("id")) != digest:
                raise SourceDown(f"{self.host}: gave another block than was asked for")
            return rpc_schema.whole(told.get("height"))
        except BadAnswer as error:
            raise self._bad(error) from None

    def _hash(self, path: str) -> str | None:
        answer = self._get(path)
        if answer.status == _NOT_FOUND:
            return None
        try:
            return rpc_schema.block_hash(answer.body[:100].decode("ascii", "replace").strip())
        except BadAnswer as error:
            raise self._bad(error) from None

    def _of(self, script: Script, path: str) -> object:
        """Ask about one script; whatever is wrong with the answer concerns it alone."""
        answer = self.http.get(f"/scripthash/{_named(script)}{path}")
        told = self._parsed(answer)
        if isinstance(told, str):
            raise WatchSilent(script, told)
        return told

    def _json(self, path: str) -> object:
        told = self._parsed(self._get(path))
        if isinstance(told, str):
            raise SourceDown(told)
        return told

    def _parsed(self, answer: HttpAnswer) -> object:
        """Read JSON, which is no text here; a text says what is wrong."""
        try:
            told = parse(answer.body) if answer.status == _OK else ""
        except BadJson:
            told = ""
        if not isinstance(told, str):
            return told
        what = "something that is no JSON" if answer.status == _OK else "an error"
        return f"{self.host}: HTTP {answer.status} with {what}; is this address an Esplora server?"

    def _get(self, path: str) -> HttpAnswer:
        answer = self.http.get(path)
        if answer.status not in (_OK, _NOT_FOUND):
            raise SourceDown(f"{self.host}: HTTP {answer.status}")
        return answer

    def _bad(self, error: BadAnswer) -> SourceDown:
        return SourceDown(f"{self.host}: {error}")

    def _silent(self, script: Script, error: BadAnswer) -> WatchSilent:
        return WatchSilent(script, f"{self.host}: {error}")


def _named(script: Script) -> str:
    """The server's name of a script."""
    return hashlib.sha256(bytes.fromhex(script)).hexdigest()


def _is_in_block(value: object) -> bool:
    return strict_fields.mapping(strict_fields.mapping(value).get("status")).get("confirmed") is True

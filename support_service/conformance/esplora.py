"""What the watcher relies on in an Esplora server, check by check. Reads, never writes.

Source: the HTTP API of Blockstream's Esplora. See bitcoin.py, which takes these checks.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus

from support_service.conformance import Differs, Fails, Unknown
from support_service.giving import utc_now
from support_service.rails.bitcoin import rpc_schema
from support_service.rails.bitcoin.http import BitcoinHttp, parse
from support_service.rails.bitcoin.movements import Transaction
from support_service.rails.bitcoin.node import check_genesis
from support_service.rails.chain import strict_fields
from support_service.rails.chain.search import BlockRef
from support_service.rails.chain.strict_fields import Object

# Blocks come in ten minutes on average; one in some 160,000 takes longer than two hours.
HEAD_SECONDS_MAX = 2 * 60 * 60
PAGE, WAITING_MAX = 25, 50
_NOBODY = "f" * 64


@dataclass
class EsploraBench:
    """A server on the bench, and what earlier checks found out about it."""

    http: BitcoinHttp
    chain: str
    head: BlockRef | None = None
    txid: str = ""
    transaction: Transaction | None = None
    # How the server names the script of that transaction's first output, and how many transactions it knows of it.
    name: str = ""
    known: int = 0
    page: list[Object] = field(default_factory=list)

    @property
    def top(self) -> BlockRef:
        """The head, once it is known."""
        if self.head is None:
            raise Unknown("the head is not known")
        return self.head

    def line(self, path: str) -> str | None:
        """A text answer; None where there is no such thing."""
        answer = self.http.get(path)
        if answer.status == HTTPStatus.NOT_FOUND:
            return None
        if answer.status != HTTPStatus.OK:
            raise Fails(f"{path}: HTTP {answer.status}")
        return answer.body[:200].decode("ascii", "replace").strip()

    def json(self, path: str) -> object:
        """A JSON answer that must be there."""
        answer = self.http.get(path)
        if answer.status != HTTPStatus.OK:
            raise Fails(f"{path}: HTTP {answer.status}")
        return parse(answer.body)


def esplora_chain(bench: EsploraBench) -> str:
    """/block-height/0 is the first block of the chain of the settings."""
    told = bench.line("/block-height/0") or "none"
    check_genesis(bench.http.host, bench.chain, told)
    return f"{bench.chain}, {told[:16]}..."


def esplora_head(bench: EsploraBench) -> str:
    """/blocks/tip/hash is a text, and /block/<hash> has id, height, timestamp and previousblockhash."""
    digest = rpc_schema.block_hash(bench.line("/blocks/tip/hash"))
    told = strict_fields.mapping(bench.json(f"/block/{digest}"))
    if rpc_schema.block_hash(strict_fields.field(told, "id")) != digest:
        raise Fails("it gives another block than was asked for")
    bench.head = BlockRef(rpc_schema.whole(strict_fields.field(told, "height")), digest)
    rpc_schema.block_hash(strict_fields.field(told, "previousblockhash"))
    age = (utc_now() - rpc_schema.time(strict_fields.field(told, "timestamp"))).total_seconds()
    if age > HEAD_SECONDS_MAX:
        raise Differs(f"block {bench.top.height} is {age:.0f} s old")
    return f"block {bench.top.height}, {age:.0f} s old"


def esplora_hash_by_height(bench: EsploraBench) -> str:
    """/block-height/<height> is the head's hash as a text, and above the head there is none (404)."""
    told = bench.line(f"/block-height/{bench.top.height}")
    if told != bench.top.block_hash:
        raise Differs(f"it says {told} for block {bench.top.height}; has the chain moved?")
    if bench.line(f"/block-height/{bench.top.height + 1_000}") is not None:
        raise Fails("it knows a block 1,000 above its head")
    return "the same, and none above"


def esplora_transaction(bench: EsploraBench) -> str:
    """A transaction has vin, vout in satoshi with scriptpubkey, and status with the block's height, hash and time."""
    bench.txid = rpc_schema.block_hash(bench.line(f"/block/{bench.top.block_hash}/txid/0"))
    told = strict_fields.mapping(bench.json(f"/tx/{bench.txid}"))
    made = rpc_schema.esplora_transaction(told)
    place, occurred_at = _placed(told)
    if place != bench.top:
        raise Fails(f"its status names block {place.height} ({place.block_hash})")
    if not made.is_coinbase:
        raise Fails("the first of a block is not marked as is_coinbase")
    bench.transaction = made
    return f"{len(made.outputs)} outputs, at {occurred_at:%Y-%m-%d %H:%M:%S} UTC"


def esplora_script_name(bench: EsploraBench) -> str:
    """A script is named by its SHA-256 as it is, not by the reversed one of Electrum servers."""
    digest = hashlib.sha256(bytes.fromhex(_script(bench))).digest()
    if not _count(bench, digest.hex()):
        if _count(bench, digest[::-1].hex()):
            raise Fails("it wants the reversed hash, as Electrum servers do")
        raise Fails("it knows no transaction of a script that its own head pays")
    bench.name, bench.known = digest.hex(), _count(bench, digest.hex())
    return f"{bench.known} transactions of the script that the head's reward pays"


def esplora_sums(bench: EsploraBench) -> str:
    """A script's sums over blocks and over what waits: funded_txo_sum, spent_txo_sum, tx_count."""
    told = strict_fields.mapping(bench.json(f"/scripthash/{_named(bench)}"))
    for part in ("chain_stats", "mempool_stats"):
        sums = strict_fields.mapping(strict_fields.field(told, part))
        held = {name: strict_fields.field(sums, name) for name in ("funded_txo_sum", "spent_txo_sum", "tx_count")}
        # An old pool's address has gained and spent more than ever existed at once.
        if any(isinstance(one, bool) or not isinstance(one, int) or one < 0 for one in held.values()):
            raise Fails(f"{part} is {held}")
    return "whole satoshi"


def esplora_history(bench: EsploraBench) -> str:
    """/txs/chain holds confirmed transactions, newest first, 25 a page."""
    told = bench.json(f"/scripthash/{_named(bench)}/txs/chain")
    bench.page = [strict_fields.mapping(one) for one in strict_fields.sequence(told)]
    heights = [_read(one).height for one in bench.page]
    if heights != sorted(heights, reverse=True):
        raise Fails("a page is not in order")
    if bench.txid not in _ids(bench.page):
        raise Differs(f"{bench.txid} of the head is not on the first page; has the chain moved?")
    if bench.known <= PAGE:
        raise Unknown(f"this script has {bench.known} transactions, no more than a page")
    if len(bench.page) != PAGE:
        raise Differs(f"a page holds {len(bench.page)} of {bench.known}")
    return f"{PAGE} of {bench.known}"


def esplora_next_page(bench: EsploraBench) -> str:
    """/txs/chain/<the last id> goes on below the page before, without a gap or a repetition."""
    if not bench.page or bench.known <= len(bench.page):
        raise Unknown("there is no second page to ask for")
    last = rpc_schema.block_hash(bench.page[-1].get("txid"))
    told = strict_fields.sequence(bench.json(f"/scripthash/{_named(bench)}/txs/chain/{last}"))
    page = [strict_fields.mapping(one) for one in told]
    if _ids(page) & _ids(bench.page):
        raise Fails("it repeats what the page before told")
    if not page or _read(page[0]).height > _read(bench.page[-1]).height:
        raise Fails("it does not go on where the page before ended")
    return f"{len(page)} more"


def esplora_waiting(bench: EsploraBench) -> str:
    """/txs/mempool lists what waits for a block, at most 50."""
    told = strict_fields.sequence(bench.json(f"/scripthash/{_named(bench)}/txs/mempool"))
    for one in told:
        rpc_schema.esplora_transaction(one)
        if strict_fields.mapping(strict_fields.mapping(one).get("status")).get("confirmed") is not False:
            raise Fails("one that is in a block is among those that wait")
    if len(told) > WAITING_MAX:
        raise Differs(f"it lists {len(told)}")
    return f"{len(told)} wait now"


def esplora_gone(bench: EsploraBench) -> str:
    """A transaction that nobody knows is 404: so a replaced payment is noticed."""
    if bench.line(f"/tx/{_NOBODY}") is not None:
        raise Fails("it knows a transaction that does not exist")
    return "404"


ESPLORA_CHECKS: tuple[Callable[[EsploraBench], str], ...] = (
    esplora_chain,
    esplora_head,
    esplora_hash_by_height,
    esplora_transaction,
    esplora_script_name,
    esplora_sums,
    esplora_history,
    esplora_next_page,
    esplora_waiting,
    esplora_gone,
)


def _placed(told: Object) -> tuple[BlockRef, datetime]:
    status = strict_fields.mapping(told.get("status"))
    if status.get("confirmed") is not True:
        raise Fails("it is in a block, and not told as confirmed")
    mark = BlockRef(rpc_schema.whole(status.get("block_height")), rpc_schema.block_hash(status.get("block_hash")))
    return mark, rpc_schema.time(status.get("block_time"))


def _read(told: Object) -> BlockRef:
    rpc_schema.esplora_transaction(told)
    return _placed(told)[0]


def _ids(page: list[Object]) -> set[str]:
    return {rpc_schema.block_hash(one.get("txid")) for one in page}


def _script(bench: EsploraBench) -> str:
    if bench.transaction is None:
        raise Unknown("no transaction is known to look at")
    return next(coin.script for coin in bench.transaction.outputs if coin.units)


def _named(bench: EsploraBench) -> str:
    if not bench.name:
        raise Unknown("how scripts are named is not known")
    return bench.name


def _count(bench: EsploraBench, name: str) -> int:
    answer = bench.http.get(f"/scripthash/{name}")
    if answer.status != HTTPStatus.OK:
        return 0
    stats = strict_fields.mapping(strict_fields.mapping(parse(answer.body)).get("chain_stats"))
    return rpc_schema.whole(stats.get("tx_count"))

"""What the watcher relies on in a node that speaks Bitcoin Core's JSON-RPC, check by check. Reads, never writes.

See bitcoin.py, which takes these checks.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from support_service.conformance import Differs, Fails, Unknown
from support_service.conformance.esplora import HEAD_SECONDS_MAX
from support_service.giving import utc_now
from support_service.rails.bitcoin import rpc_schema
from support_service.rails.bitcoin.core import (
    HEADERS_AHEAD_MAX,
    NEWER_NODE,
    SEARCH_SECONDS_MAX,
    WITH_SPENT_OUTPUTS,
    loading,
)
from support_service.rails.bitcoin.movements import Transaction
from support_service.rails.bitcoin.node import check_genesis
from support_service.rails.bitcoin.rpc import INVALID_PARAMETER, CoreRefusal, Rpc
from support_service.rails.chain import strict_fields
from support_service.rails.chain.search import BlockRef
from support_service.rails.chain.strict_fields import Object

# How far down to look for a block in which somebody spends something.
SPENDING_BLOCKS_MAX = 20
FILTER_INDEX = "basic block filter index"
_AS_BYTES = (False,)


@dataclass
class CoreBench:
    """A node on the bench, and what earlier checks found out about it."""

    rpc: Rpc
    chain: str
    may_search: bool = False
    info: Object | None = None
    # The block that is looked at: the highest one in which somebody spends something.
    block: Object | None = None

    @property
    def head(self) -> BlockRef:
        """The head, once it is known."""
        if self.info is None:
            raise Unknown("the head is not known")
        return BlockRef(
            rpc_schema.whole(self.info.get("blocks")), rpc_schema.block_hash(self.info.get("bestblockhash"))
        )

    @property
    def looked_at(self) -> Object:
        """The block that is looked at, once there is one."""
        if self.block is None:
            raise Unknown("no block was read")
        return self.block

    def ask(self, method: str, *params: object) -> Object:
        """Ask for an object."""
        return strict_fields.mapping(self.rpc.ask(method, *params))

    def hash_at(self, height: int) -> str:
        """The block at a height."""
        return rpc_schema.block_hash(self.rpc.ask("getblockhash", height))


def core_chain(bench: CoreBench) -> str:
    """getblockchaininfo has blocks, headers and bestblockhash, and block 0 is the first of the settings' chain."""
    info = bench.ask("getblockchaininfo")
    for name in ("chain", "blocks", "bestblockhash"):
        strict_fields.field(info, name)
    bench.info = info
    check_genesis(bench.rpc.host, bench.chain, bench.hash_at(0))
    if "headers" not in info:
        raise Differs("no `headers`: a node that lags behind the others is not noticed")
    return f"{info['chain']}, block {bench.head.height}"


def core_ready(bench: CoreBench) -> str:
    """The node has loaded the chain: initialblockdownload is false, and no headers wait for their blocks."""
    info, height = bench.info or {}, bench.head.height
    if info.get("initialblockdownload") is True:
        raise Fails(f"{loading(height, rpc_schema.whole(info.get('headers', height)))}; the watcher waits for it")
    behind = rpc_schema.whole(info.get("headers", height)) - height
    if behind > HEADERS_AHEAD_MAX:
        raise Fails(f"it is {behind} blocks behind its own headers; the watcher waits for it")
    age = (utc_now() - rpc_schema.time(bench.ask("getblockheader", bench.head.block_hash).get("time"))).total_seconds()
    if age > HEAD_SECONDS_MAX:
        raise Differs(f"block {height} is {age:.0f} s old")
    return f"block {height}, {age:.0f} s old"


def core_pruned(bench: CoreBench) -> str:
    """All blocks are kept; a pruned node says from where on it has them."""
    info, height = bench.info or {}, bench.head.height
    if info.get("pruned") is not True:
        return "all kept"
    kept = rpc_schema.whole(strict_fields.field(info, "pruneheight"))
    raise Differs(f"it keeps blocks {kept} to {height}: no start_block may lie below, nor may the watcher rest so long")


def core_levels(bench: CoreBench) -> str:
    """getblock with level 3 gives transactions in full, each input with the output it spends (`prevout`)."""
    block = read_block(bench, bench.head.block_hash)
    for _ in range(SPENDING_BLOCKS_MAX):
        if _inputs(block) or not block.get("height"):
            break
        block = read_block(bench, rpc_schema.block_hash(block.get("previousblockhash")))
    bench.block = block
    if not _inputs(block):
        raise Unknown(f"nobody spent anything in the last {SPENDING_BLOCKS_MAX} blocks")
    return f"{_inputs(block)} inputs of block {block.get('height')}"


def core_block_form(bench: CoreBench) -> str:
    """A block has height, hash, time, previousblockhash and, below the head, nextblockhash; outputs are in order."""
    told = bench.looked_at
    made = transactions(told)
    if not made[0].is_coinbase or any(one.is_coinbase for one in made[1:]):
        raise Fails("its first transaction alone should be the coinbase")
    rpc_schema.time(strict_fields.field(told, "time"))
    parent = read_block(bench, rpc_schema.block_hash(strict_fields.field(told, "previousblockhash")))
    if parent.get("nextblockhash") != told.get("hash"):
        raise Differs("the block below does not name it as nextblockhash: a hash more is asked for each block")
    return f"block {told.get('height')} with {len(made)} transactions"


def core_amounts(bench: CoreBench) -> str:
    """Amounts are numbers of BTC with at most 8 decimals: read as text they are exact."""
    outputs = [
        strict_fields.mapping(output)
        for one in strict_fields.sequence(bench.looked_at.get("tx"))
        for output in strict_fields.sequence(strict_fields.mapping(one).get("vout"))
    ]
    values = [strict_fields.field(output, "value") for output in outputs]
    for value in values:
        rpc_schema.amount(value)
    longest = max((-_exponent(value) for value in values), default=0)
    if longest > 8:
        raise Differs(f"one is written with {longest} decimals")
    return f"{len(values)} amounts, up to {longest} decimals written"


def core_hashes(bench: CoreBench) -> str:
    """Blocks keep their names: getblockhash, getblock and the header's own SHA-256 say the same, twice."""
    head = bench.head
    if bench.hash_at(head.height) != head.block_hash:
        if bench.ask("getblockchaininfo").get("bestblockhash") != head.block_hash:
            raise Unknown("the chain moved just now; ask again")
        raise Fails(f"block {head.height} has two names")
    digest = bench.hash_at(max(0, head.height - 6))
    header = bytes.fromhex(str(bench.rpc.ask("getblockheader", digest, *_AS_BYTES)))
    own = hashlib.sha256(hashlib.sha256(header).digest()).digest()[::-1].hex()
    if own != digest or bench.hash_at(max(0, head.height - 6)) != digest:
        raise Fails(f"block {head.height - 6} is called {digest}, its header hashes to {own}")
    return f"block {max(0, head.height - 6)}: {digest[:24]}..."


def core_above_head(bench: CoreBench) -> str:
    """A block above the head is refused with code -8."""
    try:
        told = bench.hash_at(bench.head.height + 1_000)
    except CoreRefusal as error:
        if error.code != INVALID_PARAMETER:
            raise Fails(f"refused with code {error.code}: the watcher would take the node for broken") from error
        return "refused (-8)"
    raise Fails(f"it is answered: {told}")


def core_filters(bench: CoreBench) -> str:
    """The index of block filters finds the block that pays a script (blockfilterindex=1, scanblocks)."""
    head, script = bench.head, _paid_script(bench)
    height = rpc_schema.whole(bench.looked_at.get("height"))
    try:
        index = bench.ask("getindexinfo", FILTER_INDEX).get(FILTER_INDEX)
        if index is None:
            raise Differs("there is none: each block is read whole, about 1.5 MB each on the main chain")
        if strict_fields.mapping(index).get("synced") is not True:
            raise Differs("it is still being built: until then each block is read whole")
        first = max(0, height - 5)
        told = bench.ask("scanblocks", "start", [f"raw({script})"], first, height, "basic")
    except CoreRefusal as error:
        raise Differs(f"there is none ({error}): each block is read whole") from error
    if (told.get("from_height"), told.get("to_height")) != (first, height):
        raise Fails(
            f"asked for blocks {first} to {height}, it tells of {told.get('from_height')} to {told.get('to_height')}"
        )
    if bench.looked_at.get("hash") not in strict_fields.sequence(told.get("relevant_blocks")):
        raise Fails(f"it does not find block {height}, which pays {script}")
    return f"synced, {head.height - height} below the head"


def core_search(bench: CoreBench) -> str:
    """scantxoutset finds what a script holds, from which sums begin when watching starts."""
    try:
        if not bench.may_search:
            bench.rpc.ask("scantxoutset", "status")
            raise Unknown("it is there, and takes a node minutes: ARGS=--search tries it")
        script = _paid_script(bench)
        told = strict_fields.mapping(
            bench.rpc.ask("scantxoutset", "start", [f"raw({script})"], read_seconds=SEARCH_SECONDS_MAX)
        )
    except CoreRefusal as error:
        raise Differs(f"there is none ({error}): sums begin at nothing, and the watcher says so") from error
    coins = [strict_fields.mapping(one) for one in strict_fields.sequence(told.get("unspents"))]
    total = sum(rpc_schema.amount(one.get("amount")) for one in coins)
    if total != rpc_schema.amount(told.get("total_amount")):
        raise Fails("its total is not the sum of its coins")
    if rpc_schema.script(coins[0].get("scriptPubKey") if coins else "") != (script if coins else ""):
        raise Fails("it tells coins of another script")
    return f"{len(coins)} coins, at block {rpc_schema.whole(told.get('height'))}"


def core_strangers(bench: CoreBench) -> str:
    """A method that a node does not have is refused with an error of its own, and not with a web page."""
    try:
        bench.rpc.ask("nosuchmethod")
    except CoreRefusal as error:
        return f"refused ({error.code})"
    raise Fails("it answers what does not exist")


CORE_CHECKS: tuple[Callable[[CoreBench], str], ...] = (
    core_chain,
    core_ready,
    core_pruned,
    core_levels,
    core_block_form,
    core_amounts,
    core_hashes,
    core_above_head,
    core_filters,
    core_search,
    core_strangers,
)


def read_block(bench: CoreBench, digest: str) -> Object:
    """Ask for a block with its transactions, and with what they spend: without that the watcher reads nothing."""
    try:
        told = bench.ask("getblock", digest, WITH_SPENT_OUTPUTS)
    except CoreRefusal as error:
        raise Fails(f"{error}; {NEWER_NODE}") from error
    if not rpc_schema.tells_spends(told.get("tx")):
        raise Fails(f"inputs without `prevout`; {NEWER_NODE}")
    return told


def transactions(block: Object) -> list[Transaction]:
    """Read all transactions of a block."""
    return [rpc_schema.core_transaction(one) for one in strict_fields.sequence(strict_fields.field(block, "tx"))]


def _inputs(block: Object) -> int:
    return sum(len(made.inputs) for made in transactions(block))


def _paid_script(bench: CoreBench) -> str:
    """A script that the block on the bench pays in its coinbase."""
    return next(coin.script for coin in transactions(bench.looked_at)[0].outputs if coin.units)


def _exponent(value: object) -> int:
    exponent = Decimal(str(value)).as_tuple().exponent
    return exponent if isinstance(exponent, int) else 0

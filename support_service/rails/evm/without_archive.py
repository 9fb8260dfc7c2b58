"""Blocks whose balances no node keeps any more: each is read whole, and the sum is held against the end's balance.

A node without an archive forgets balances after some 128 blocks. What its blocks tell (values, gas,
withdrawals, rewards) is booked as ever; what they do not tell (value moved by contracts, where
nobody traces) is the difference to the next balance that is known, and is booked there as unexplained.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from support_service.giving import Watch
from support_service.rails.evm import native_coin, rpc_requests
from support_service.rails.evm.cursor_state import BalanceAt
from support_service.rails.evm.movements import BlockMovements, Movement, net, unexplained
from support_service.rails.evm.native_coin import AccountState
from support_service.rails.evm.rpc import BATCH_CALLS_MAX
from support_service.rails.evm.rpc_cache import RpcCache
from support_service.rails.evm.rpc_errors import NoState, UnreadableItem
from support_service.rails.evm.rpc_schema import Block, Header, Receipt
from support_service.rails.source import SourceDown


@dataclass(frozen=True, slots=True)
class _ReadBlock:
    """A block with the receipts that concern us, and why others of them cannot be read; both by transaction."""

    block: Block
    receipts: Mapping[str, Receipt]
    unread: Mapping[str, str]


# One step reads so many whole blocks, and is kept: on Ethereum some 100 MB.
BLOCKS_MAX = 500


@dataclass(slots=True)
class _AddressScan:
    """What blocks said of one address."""

    watch: Watch
    before: AccountState
    movements: dict[int, list[Movement]] = field(default_factory=dict)
    evidence: dict[int, list[Mapping[str, object]]] = field(default_factory=dict)
    unread: dict[int, tuple[str, ...]] = field(default_factory=dict)
    sent: int = 0

    @property
    def net(self) -> int:
        """The change that is explained so far, in wei."""
        return sum(net(movements) for movements in self.movements.values())


@dataclass(frozen=True, slots=True)
class ScanResult:
    """The movements of a gap, what each address held at its end, and which of these are sums that nobody proved."""

    movements_by_block: list[BlockMovements]
    balances: dict[str, BalanceAt]
    unproven: frozenset[str]


def read(
    cache: RpcCache,
    watches: Mapping[str, Watch],
    befores: Mapping[str, AccountState],
    *,
    low: int,
    high: int,
    at: rpc_requests.At,
) -> ScanResult:
    """Read the blocks above `low` up to `high`; at says how to name the block `high` to the node.

    SourceDown where they are not one chain. The movements name no change of balance, for no single one is proven.
    """
    own = frozenset(address.lower() for address in watches)
    scans = {address: _AddressScan(watches[address], before) for address, before in befores.items()}
    blocks: list[Block] = []
    for read in _blocks(cache, low, high, own):
        block = read.block
        _check_follows(cache, blocks, block)
        for scan in scans.values():
            _tell(scan, block, read.receipts, own)
            if odd := native_coin.unread_of(block, read.receipts, read.unread, us=scan.watch.address.lower()):
                scan.unread[block.header.height] = odd
                scan.movements.setdefault(block.header.height, [])
        # Their transactions are large, and only those that may have moved value inside are needed again.
        blocks.append(block.without(native_coin.cannot_call))
    if isinstance(at, str) and blocks[-1].header.block_hash != at:
        raise _moved(cache)
    headers = {block.header.height: block.header for block in blocks}
    afters = {address: _after(cache, address, at) for address in scans}
    for address, scan in scans.items():
        after = afters[address]
        if after is not None:
            _explain_rest(cache, scan, blocks, own, delta=after.wei - scan.before.wei)
    balances = {address: _balance_at(scan, afters[address], high) for address, scan in scans.items()}
    movements_by_block = [
        block_movements for scan in scans.values() for block_movements in _movements_by_block(scan, headers)
    ]
    return ScanResult(
        movements_by_block, balances, frozenset(address for address, after in afters.items() if after is None)
    )


def _blocks(cache: RpcCache, low: int, high: int, own: frozenset[str]) -> Iterator[_ReadBlock]:
    for first in range(low + 1, high + 1, BATCH_CALLS_MAX):
        heights = range(first, min(high, first + BATCH_CALLS_MAX - 1) + 1)
        blocks = _whole_or_in_part(cache, heights)
        touched = [(sent.hash, block) for block in blocks for sent in native_coin.touching(block, own)]
        told = cache.ask_each([rpc_requests.receipt(tx) for tx, _ in touched])
        receipts, unread = dict[str, Receipt](), dict[str, str]()
        for (tx, block), receipt in zip(touched, told, strict=True):
            if isinstance(receipt, UnreadableItem):
                unread[tx] = str(receipt)
                continue
            if (receipt.tx, receipt.block_hash) != (tx, block.header.block_hash):
                raise _moved(cache)
            receipts[tx] = receipt
        for block in blocks:
            yield _ReadBlock(block, receipts, unread)


def _whole_or_in_part(cache: RpcCache, heights: Sequence[int]) -> list[Block]:
    told = cache.ask_each([rpc_requests.block(height) for height in heights])
    odd = [height for height, block in zip(heights, told, strict=True) if isinstance(block, UnreadableItem)]
    parts = iter(cache.ask_all([rpc_requests.block_in_part(height) for height in odd]) if odd else [])
    return [next(parts) if isinstance(block, UnreadableItem) else block for block in told]


def _check_follows(cache: RpcCache, blocks: Sequence[Block], block: Block) -> None:
    if blocks and block.header.parent_hash != blocks[-1].header.block_hash:
        raise _moved(cache)


def _moved(cache: RpcCache) -> SourceDown:
    return SourceDown(f"{cache.node.host}: the chain moved while it was read; reading again")


def _tell(scan: _AddressScan, block: Block, receipts: Mapping[str, Receipt], own: frozenset[str]) -> None:
    height, us = block.header.height, scan.watch.address.lower()
    movements = native_coin.explained(block, receipts, scan.watch, own)
    scan.sent += sum(sent.sender == us for sent in block.transactions)
    if movements:
        named = {movement.tx for movement in movements}
        scan.movements[height] = movements
        scan.evidence[height] = [sent.raw for sent in block.transactions if sent.hash in named]
        scan.evidence[height] += [receipts[tx].raw for tx in named if tx is not None and tx in receipts]


def _after(cache: RpcCache, address: str, at: rpc_requests.At) -> AccountState | None:
    try:
        return native_coin.account(cache, address, at)
    except NoState:
        return None


def _explain_rest(
    cache: RpcCache, scan: _AddressScan, blocks: Sequence[Block], own: frozenset[str], *, delta: int
) -> None:
    """Find what moved inside transactions, where a node traces such old blocks; the rest is unexplained."""
    if scan.net != delta:
        traced = _traced(cache, scan, blocks, own)
        # A trace is one node's word: all of it together may not claim more than the balances leave open.
        if native_coin.believable(
            [movement for movements in traced.values() for movement in movements], delta - scan.net
        ):
            for height, movements in traced.items():
                scan.movements[height] = scan.movements.get(height, []) + movements
    rest = unexplained(scan.watch, blocks[-1].header.height, delta - scan.net)
    if rest:
        height = blocks[-1].header.height
        scan.movements[height] = scan.movements.get(height, []) + rest


def _traced(
    cache: RpcCache, scan: _AddressScan, blocks: Sequence[Block], own: frozenset[str]
) -> dict[int, list[Movement]]:
    found: dict[int, list[Movement]] = {}
    for block in blocks:
        internal_transfers = native_coin.internal_transfers(cache, block) if block.transactions else ()
        if internal_transfers is None:
            return {}
        movements = native_coin.moved_inside(internal_transfers, scan.watch.address.lower(), own)
        if movements:
            found[block.header.height] = movements
    return found


def _balance_at(scan: _AddressScan, after: AccountState | None, high: int) -> BalanceAt:
    told = AccountState(scan.before.wei + scan.net, scan.before.nonce + scan.sent)
    return native_coin.balance_at(high, told if after is None else after)


def _movements_by_block(scan: _AddressScan, headers: Mapping[int, Header]) -> Iterator[BlockMovements]:
    for height, movements in sorted(scan.movements.items()):
        evidence = tuple(scan.evidence.get(height, ()))
        yield BlockMovements(scan.watch, headers[height], tuple(movements), None, evidence, scan.unread.get(height, ()))

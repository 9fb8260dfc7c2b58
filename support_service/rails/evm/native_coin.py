"""The chain's own coin, by balance proof: every wei of a block's balance change gets a row.

An account without code can neither gain nor lose without its balance changing, nor lose without
its nonce growing; so equal (balance, nonce) at two blocks prove that nothing happened between.
For an account with code (a contract, EIP-7702) they do not: its balance is read at every block.
That still finds every wei, but not a payment that such an account passes on within the same block.
"""

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from support_service.giving import Direction, Kind, Watch
from support_service.rails.chain.search import Question, Span, bisect, every_block, run
from support_service.rails.evm import rpc_requests
from support_service.rails.evm.cursor_state import BalanceAt
from support_service.rails.evm.movements import BlockMovements, Movement, block_locator, net, unexplained
from support_service.rails.evm.rpc import BATCH_CALLS_MAX, Call
from support_service.rails.evm.rpc_cache import RpcCache
from support_service.rails.evm.rpc_errors import Refusal, UnreadableItem
from support_service.rails.evm.rpc_schema import Block, Receipt, Transaction
from support_service.rails.evm.traces import InternalTransfer
from support_service.rails.source import SourceDown

log = logging.getLogger(__name__)

# What a transfer costs that runs no code (Yellow Paper, appendix G).
GAS_OF_A_TRANSFER = 21_000
# A whole block is traced by one question, so asking for single transactions pays for a few only.
TRACED_ALONE_MAX = 3


class AccountState(NamedTuple):
    """An account at the end of a block: its balance in wei, and how many transactions it has sent."""

    wei: int
    nonce: int


def account_questions(address: str, at: rpc_requests.At) -> list[Call[int]]:
    """Balance and nonce at one block."""
    return [rpc_requests.balance(address, at), rpc_requests.nonce(address, at)]


def account(cache: RpcCache, address: str, at: rpc_requests.At) -> AccountState:
    """Read balance and nonce at one block."""
    return AccountState(*cache.get_all(account_questions(address, at)))


def changed_blocks(
    cache: RpcCache, spans: Sequence[Span[str, AccountState]], coded: frozenset[str], also: Iterable[Call[int]] = ()
) -> list[Span[str, AccountState]]:
    """Find the blocks that changed accounts, all addresses together; `coded` names those with code.

    also are questions that travel with the first of these, if there are any.
    """

    def ask(questions: list[Question[str]]) -> Mapping[Question[str], AccountState]:
        cache.fetch([*also, *(call for question in questions for call in account_questions(*question))])
        return {question: account(cache, *question) for question in questions}

    plain = [span for span in spans if span.key not in coded]
    return run(bisect(plain, BATCH_CALLS_MAX // 2), ask) + run(
        every_block([span for span in spans if span.key in coded]), ask
    )


@dataclass(slots=True)
class _Evidence:
    """What was read about the changed blocks: blocks by height, receipts by transaction."""

    blocks: dict[int, Block]
    receipts: dict[str, Receipt] = field(default_factory=dict)
    unread: dict[str, str] = field(default_factory=dict)


def movements_by_block(
    cache: RpcCache, changes: Sequence[Span[str, AccountState]], watches: Mapping[str, Watch], *, is_near_head: bool
) -> list[BlockMovements]:
    """Explain changed blocks. watches are ours by address, for telling internal transfers.

    Near the head every change is asked again by block hash: a node, or several behind one address,
    may have switched forks between two answers.
    """
    evidence = _evidence(cache, changes)
    if is_near_head:
        _check_hashes(cache, changes, evidence)
    own = frozenset(address.lower() for address in watches)
    told: list[BlockMovements] = []
    for change in changes:
        block = evidence.blocks[change.high]
        watch, delta = watches[change.key], change.after.wei - change.before.wei
        movements = explained(block, evidence.receipts, watch, own)
        if net(movements) != delta:
            movements += _traced(cache, block, change.key.lower(), own, missing=delta - net(movements))
        rest = delta - net(movements)
        movements += unexplained(watch, block.header.height, rest)
        unread = unread_of(block, evidence.receipts, evidence.unread, us=change.key.lower()) if rest else ()
        told.append(
            BlockMovements(watch, block.header, tuple(movements), delta, _raw(block, evidence, movements), unread)
        )
    return told


def _evidence(cache: RpcCache, changes: Sequence[Span[str, AccountState]]) -> _Evidence:
    heights = sorted({change.high for change in changes})
    told = cache.each_in_part(
        [rpc_requests.block(height) for height in heights], [rpc_requests.block_in_part(height) for height in heights]
    )
    blocks = dict(zip(heights, told, strict=True))
    evidence = _Evidence(blocks)
    touched: dict[str, str] = {}
    for change in changes:
        block = blocks[change.high]
        mine = touching(block, {change.key.lower()})
        touched |= {transaction.hash: block.header.block_hash for transaction in mine}
    receipts = cache.each([rpc_requests.receipt(transaction) for transaction in touched])
    for transaction, receipt in zip(touched, receipts, strict=True):
        if isinstance(receipt, UnreadableItem):
            evidence.unread[transaction] = str(receipt)
            continue
        if (receipt.tx, receipt.block_hash) != (transaction, touched[transaction]):
            raise SourceDown(f"{cache.node.host}: a receipt is of another block; reading again")
        evidence.receipts[transaction] = receipt
    return evidence


def touching(block: Block, own: Collection[str]) -> Sequence[Transaction]:
    """The transactions whose receipts say what happened to these addresses: for a fee recipient all of them."""
    if block.header.miner in own:
        return block.transactions
    return [sent for sent in block.transactions if sent.sender in own or sent.recipient in own]


def unread_of(block: Block, receipts: Mapping[str, Receipt], unread: Mapping[str, str], *, us: str) -> tuple[str, ...]:
    """Say what cannot be read and may concern an address: transactions, and receipts as far as it needs them."""
    told = list(block.unread)
    for sent in touching(block, {us}):
        receipt = receipts.get(sent.hash)
        if sent.hash in unread:
            told.append(f"receipt of {sent.hash}: {unread[sent.hash]}")
        elif receipt is not None and receipt.gas_units is None and us in (sent.sender, block.header.miner):
            told.append(f"receipt of {sent.hash}: what its gas cost is not told")
    return tuple(told)


def _touches(transaction: Transaction, us: str) -> bool:
    return us in (transaction.sender, transaction.recipient)


def _check_hashes(cache: RpcCache, changes: Sequence[Span[str, AccountState]], evidence: _Evidence) -> None:
    questions = []
    for change in changes:
        header = evidence.blocks[change.high].header
        questions += [(change.key, header.parent_hash, change.before), (change.key, header.block_hash, change.after)]
    cache.fetch(call for address, digest, _ in questions for call in account_questions(address, digest))
    if any(account(cache, address, digest) != value for address, digest, value in questions):
        raise SourceDown(f"{cache.node.host}: the chain moved while it was read; reading again")


def explained(block: Block, receipts: Mapping[str, Receipt], watch: Watch, own: frozenset[str]) -> list[Movement]:
    """Rows that the block itself tells: values, gas, withdrawals, the block's reward. `own` is in lower case."""
    us, height = watch.address.lower(), block.header.height
    movements: list[Movement] = []
    for transaction in block.transactions:
        # One whose receipt cannot be read is left to the balances.
        if _touches(transaction, us) and transaction.hash in receipts:
            movements += _of_transaction(transaction, receipts[transaction.hash], us, own)
    for withdrawal in block.withdrawals:
        if withdrawal.recipient == us and withdrawal.units:
            locator = block_locator(watch, height, f"withdrawal:{withdrawal.index}")
            movements.append(Movement(Direction.IN, Kind.PROTOCOL, locator, withdrawal.units))
    if block.header.miner == us:
        movements += _reward(block, receipts, block_locator(watch, height, "reward"))
    return movements


def _of_transaction(transaction: Transaction, receipt: Receipt, us: str, own: frozenset[str]) -> list[Movement]:
    tx, sender = transaction.hash, transaction.sender
    movements: list[Movement] = []
    if sender == us and receipt.gas_units:
        movements.append(Movement(Direction.OUT, Kind.OUTFLOW, f"{tx}:gas", receipt.gas_units, tx))
    if not receipt.is_success or not transaction.units:
        return movements
    if sender == us:
        kind = Kind.INTERNAL if transaction.recipient in own else Kind.OUTFLOW
        movements.append(Movement(Direction.OUT, kind, f"{tx}:value", transaction.units, tx))
    if transaction.recipient == us:
        kind = Kind.INTERNAL if sender in own else Kind.DONATION
        movements.append(Movement(Direction.IN, kind, f"{tx}:value", transaction.units, tx, payer=sender))
    return movements


def _reward(block: Block, receipts: Mapping[str, Receipt], locator: str) -> Iterable[Movement]:
    """The tips that a block's fee recipient gets (EIP-1559: what is paid above the burnt base fee)."""
    units = 0
    if block.unread:
        # As below.
        return []
    for transaction in block.transactions:
        receipt = receipts.get(transaction.hash)
        if receipt is None or receipt.gas_used is None or receipt.gas_price_units is None:
            # A sum that lacks one is none; what the balance gained is booked all the same.
            return []
        units += receipt.gas_used * (receipt.gas_price_units - block.header.base_fee_units)
    return [Movement(Direction.IN, Kind.PROTOCOL, locator, units)] if units > 0 else []


def moved_inside(internal_transfers: Iterable[InternalTransfer], us: str, own: frozenset[str]) -> list[Movement]:
    """Rows for what contracts paid us, or our own code paid others. Addresses in lower case."""
    movements: list[Movement] = []
    for moved in internal_transfers:
        locator = f"{moved.tx}:trace:{moved.path}"
        if moved.sender == us:
            kind = Kind.INTERNAL if moved.recipient in own else Kind.OUTFLOW
            movements.append(Movement(Direction.OUT, kind, locator, moved.units, moved.tx))
        if moved.recipient == us:
            kind = Kind.INTERNAL if moved.sender in own else Kind.DONATION
            movements.append(Movement(Direction.IN, kind, locator, moved.units, moved.tx, payer=moved.sender))
    return movements


def believable(traced: list[Movement], missing: int) -> bool:
    """Tell whether a trace's rows claim no more than the balances leave to explain.

    A trace is one node's word, even where amounts need several: it may name who paid, never how much.
    """
    return missing - net(traced) >= min(missing, 0)


def cannot_call(transaction: Transaction) -> bool:
    """Tell whether a transaction has no gas left for code to move value: its limit is what a plain transfer costs."""
    return transaction.gas_limit is not None and transaction.gas_limit <= GAS_OF_A_TRANSFER


def _traced(cache: RpcCache, block: Block, us: str, own: frozenset[str], *, missing: int) -> list[Movement]:
    """Rows for what moved inside a block's transactions: of the few that could, where they explain all; else of all."""
    callers = [sent for sent in block.transactions if not cannot_call(sent)]
    if len(callers) <= TRACED_ALONE_MAX:
        try:
            told = cache.get_all([rpc_requests.debug_trace_one(sent.hash) for sent in callers])
        except (Refusal, SourceDown):
            told = []
        movements = moved_inside((moved for internal_transfers in told for moved in internal_transfers), us, own)
        if net(movements) == missing:
            return movements
    movements = moved_inside(internal_transfers(cache, block) or (), us, own)
    return movements if believable(movements, missing) else []


def internal_transfers(cache: RpcCache, block: Block) -> tuple[InternalTransfer, ...] | None:
    """Traces of a block, in whichever dialect the node speaks; None where it speaks none.

    A node that cannot or will not trace, or takes too long, must not stop the watcher: the change
    is proven, only its transaction stays unnamed, and it is tried again at finality.
    """
    try:
        return cache.get(rpc_requests.debug_trace(block.header.block_hash))
    except (Refusal, SourceDown) as error:
        log.info("trace_refused", extra={"node": cache.node.host, "error": str(error)})
    try:
        told = cache.get(rpc_requests.parity_trace(block.header.height))
    except (Refusal, SourceDown):
        return None
    # Asked by height: traces of another fork's block at this height are nothing we know about.
    return tuple(moved for moved in told if moved.block_hash == block.header.block_hash)


def _raw(block: Block, evidence: _Evidence, movements: Iterable[Movement]) -> tuple[Mapping[str, object], ...]:
    named = {movement.tx for movement in movements}
    transactions = [transaction for transaction in block.transactions if transaction.hash in named]
    receipts = [evidence.receipts[t.hash].raw for t in transactions if t.hash in evidence.receipts]
    return (*(transaction.raw for transaction in transactions), *receipts)


def balance_at(height: int, value: AccountState) -> BalanceAt:
    """Remember an account as it was at the end of a block."""
    return BalanceAt(height, value.wei, value.nonce)

"""ERC-20 tokens: Transfer logs of listed contracts, held against the balance of every block they touch.

A log is only what a contract says. What counts is what the balance gained: for a token that takes a
fee from transfers, logs say more than arrives; for one that changes balances silently, less.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from support_service.giving import Direction, Flag, Kind, Watch
from support_service.money import share
from support_service.rails.evm import rpc_requests
from support_service.rails.evm.movements import BlockMovements, Movement, net, unexplained
from support_service.rails.evm.rpc import Call
from support_service.rails.evm.rpc_cache import RpcCache, logs_of
from support_service.rails.evm.rpc_errors import NoState, Refusal, UnreadableItem
from support_service.rails.evm.rpc_schema import NO_HEIGHT, ZERO_ADDRESS, Header, Log, Receipt
from support_service.rails.source import SourceDown

# A topic holds an address in its last 20 bytes; the rest must be zero.
_TOPIC_PREFIX = "0x" + "0" * 24
_TOPICS, _WORD_BYTES = 3, 32


@dataclass(frozen=True, slots=True)
class TokenTransfer:
    """A Transfer log that is what it seems. ordinal is its place within its receipt, from 0."""

    tx: str
    ordinal: int
    contract: str
    sender: str
    recipient: str
    units: int

    @property
    def locator(self) -> str:
        """Names the same transfer wherever its transaction lands."""
        return f"{self.tx}:log:{self.ordinal}"


@dataclass(frozen=True, slots=True)
class Touch:
    """A block that may have changed a token watch."""

    watch: Watch
    height: int


def odd_contracts(cache: RpcCache, watches: Iterable[Watch]) -> dict[str, str]:
    """Compare every token's own number of decimals with the settings; say of each contract what is wrong with it.

    A wrong exponent would show, total and export every amount wrongly, so nothing of that token is read then. One
    that does not tell its decimals (EIP-20 leaves that open) has those of the settings.
    """
    wanted = {watch.asset.contract: watch for watch in watches}
    cache.fetch(rpc_requests.decimals(contract) for contract in wanted)
    found: dict[str, str] = {}
    for contract, watch in wanted.items():
        asset, host = watch.asset, cache.node.host
        told = _decimals(cache, contract)
        if told is None and not cache.get(rpc_requests.code(contract, "latest")):
            found[contract] = f"{host}: there is no token contract at {contract} ({asset.code}) on this chain"
        elif told not in (None, asset.exponent):
            found[contract] = f"{host}: {asset.code} at {contract} has {told} decimals, settings say {asset.exponent}"
    return found


def _decimals(cache: RpcCache, contract: str) -> int | None:
    """A token's own word about its decimals; None where it has none to say."""
    try:
        told = cache.get(rpc_requests.decimals(contract))
    except Refusal as error:
        if type(error) not in (Refusal, UnreadableItem):
            raise
        return None
    return int.from_bytes(told, "big") if len(told) == _WORD_BYTES else None


def transfer(log: Log, ordinal: int) -> TokenTransfer | None:
    """Read a log as an ERC-20 transfer of some value; None for anything else.

    Left out: zero values (address poisoning), four topics (an NFT), odd data, dirty address words,
    and logs that a node marks as removed.
    """
    if log.is_removed or len(log.topics) != _TOPICS or log.topics[0] != rpc_requests.TRANSFER_TOPIC:
        return None
    if len(log.data) != _WORD_BYTES or not all(topic.startswith(_TOPIC_PREFIX) for topic in log.topics[1:]):
        return None
    units = int.from_bytes(log.data, "big")
    sender, recipient = ("0x" + topic[-40:] for topic in log.topics[1:])
    return TokenTransfer(log.tx, ordinal, log.contract, sender, recipient, units) if units else None


def touches(logs: Iterable[Log], watches: Sequence[Watch]) -> list[Touch]:
    """Say which watches have a transfer in which blocks."""
    by_name = {(watch.asset.contract.lower(), watch.address.lower()): watch for watch in watches}
    found: dict[Touch, None] = {}
    for log in logs:
        if log.odd:
            # The node found it for one of these: balances and its receipt say for whom.
            mine = [watch for watch in watches if log.contract in ("", watch.asset.contract.lower())]
            found |= {Touch(watch, log.height): None for watch in mine}
            continue
        moved = transfer(log, 0)
        parties = () if moved is None else (moved.recipient, moved.sender)
        named = [by_name.get((log.contract, party)) for party in parties]
        found |= {Touch(watch, log.height): None for watch in named if watch is not None}
    return list(found)


def movements_by_block(
    cache: RpcCache, touched: Sequence[Touch], logs: Sequence[Log], own: frozenset[str]
) -> list[BlockMovements]:
    """Explain every touched block. `logs` are those found so far; `own` are all our addresses in lower case."""
    headers = _headers(cache, touched, logs)
    _fetch_balances(cache, touched, headers)
    receipts, unread = _receipts(cache, [log for log in logs if log.height in headers], headers)
    told: list[BlockMovements] = []
    for touch in touched:
        header = headers[touch.height]
        delta = _delta(cache, touch.watch, header)
        movements, evidence = _movements(touch, receipts, delta, own)
        if delta is not None and _needs_more(movements, delta):
            # Perhaps a node gave too few logs: ask for this very block, by hash.
            more, odd = _receipts(cache, _logs_in(cache, touch.watch, header), headers)
            movements, evidence = _movements(touch, more, delta, own)
            unread |= odd
        is_whole = delta is not None and net(movements) == delta
        if delta is not None:
            movements = movements + unexplained(touch.watch, touch.height, delta - net(movements))
        lacking = () if is_whole else tuple(why for (_, height), why in unread.items() if height == touch.height)
        raws = tuple(receipt.raw for receipt in evidence)
        told.append(BlockMovements(touch.watch, header, tuple(movements), delta, raws, lacking))
    return told


def rest_of_block(cache: RpcCache, touch: Touch, units: int, own: frozenset[str]) -> BlockMovements:
    """The movements of a block at whose end a difference is booked that no node can place any more.

    units are what the block's rows add up to with that difference; they may be negative.
    """
    (block_movements,) = movements_by_block(cache, [touch], _logs_at(cache, touch.watch, touch.height), own)
    movements = [movement for movement in block_movements.movements if movement.tx is not None]
    movements += unexplained(touch.watch, touch.height, units - net(movements))
    return replace(block_movements, movements=tuple(movements), delta_units=None)


def _logs_at(cache: RpcCache, watch: Watch, height: int) -> list[Log]:
    header = cache.get(rpc_requests.header(height))
    if header is None:
        raise SourceDown(f"{cache.node.host}: does not know its own block {height}")
    return _logs_in(cache, watch, header)


def _needs_more(movements: list[Movement], delta: int) -> bool:
    is_exact = net(movements) == delta and not any(Flag.ESTIMATED in movement.flags for movement in movements)
    return not is_exact


def _headers(cache: RpcCache, touched: Sequence[Touch], logs: Iterable[Log]) -> dict[int, Header]:
    heights = sorted({touch.height for touch in touched})
    told = cache.get_all([rpc_requests.header(height) for height in heights])
    headers = {header.height: header for header in told if header is not None}
    # A log marked as removed is rightly of another block: it is left out, not a reason to read again.
    live = [log for log in logs if log.height in headers and not log.is_removed]
    moved = any(log.block_hash != headers[log.height].block_hash for log in live if log.block_hash or not log.odd)
    if moved or len(headers) < len(heights):
        raise SourceDown(f"{cache.node.host}: logs are of another block than the chain's; reading again")
    return headers


def _balance_questions(watch: Watch, header: Header) -> list[Call[int]]:
    contract, address = watch.asset.contract, watch.address
    digests = (header.parent_hash, header.block_hash)
    return [rpc_requests.token_balance(contract, address, digest) for digest in digests]


def _fetch_balances(cache: RpcCache, touched: Sequence[Touch], headers: Mapping[int, Header]) -> None:
    cache.fetch(call for touch in touched for call in _balance_questions(touch.watch, headers[touch.height]))


def _delta(cache: RpcCache, watch: Watch, header: Header) -> int | None:
    """What the block changed; None where the node keeps no state so old: then only the logs speak."""
    try:
        before, after = cache.get_all(_balance_questions(watch, header))
    except NoState:
        return None
    return after - before


def _logs_in(cache: RpcCache, watch: Watch, header: Header) -> list[Log]:
    where, contracts, addresses = rpc_requests.in_block(header.block_hash), [watch.asset.contract], [watch.address]
    questions = [
        rpc_requests.transfers_to(contracts, addresses, where),
        rpc_requests.transfers_from(contracts, addresses, where),
    ]
    return [replace(log, height=header.height) if log.height == NO_HEIGHT else log for log in logs_of(cache, questions)]


def _receipts(
    cache: RpcCache, logs: Iterable[Log], headers: Mapping[int, Header]
) -> tuple[list[Receipt], dict[tuple[str, int], str]]:
    """The receipts behind logs: they give a log's ordinal, and all logs of the transaction.

    Also why others (by transaction and height) cannot be read, wholly or in part.
    """
    told = [log for log in logs if log.odd or transfer(log, 0) is not None]
    heights = {log.tx: log.height for log in told if log.tx}
    found, unread = list[Receipt](), dict[tuple[str, int], str]()
    unread |= {("", log.height): f"a log of {log.contract or 'a token'}: {log.odd}" for log in told if not log.tx}
    for (tx, height), receipt in zip(
        heights.items(), cache.each([rpc_requests.receipt(tx) for tx in heights]), strict=True
    ):
        if isinstance(receipt, UnreadableItem):
            unread[tx, height] = f"receipt of {tx}: {receipt}"
            continue
        if receipt.logs is None or None in receipt.logs:
            unread[tx, height] = f"receipt of {tx}: its logs cannot be read"
        if (receipt.tx, receipt.block_hash) != (tx, headers[height].block_hash):
            raise SourceDown(f"{cache.node.host}: a receipt is of another block; reading again")
        found.append(receipt)
    return found, unread


def _movements(
    touch: Touch, receipts: Iterable[Receipt], delta: int | None, own: frozenset[str]
) -> tuple[list[Movement], list[Receipt]]:
    us, contract = touch.watch.address.lower(), touch.watch.asset.contract.lower()
    moved: list[TokenTransfer] = []
    evidence: list[Receipt] = []
    for receipt in receipts:
        mine = [item for item in _transfers(receipt, touch.height) if item.contract == contract]
        mine = [item for item in mine if us in (item.sender, item.recipient)]
        moved += mine
        evidence += [receipt] if mine else []
    return movements_of(moved, us, delta, own), evidence


def _transfers(receipt: Receipt, height: int) -> list[TokenTransfer]:
    if not receipt.is_success:
        return []
    told = [(ordinal, log) for ordinal, log in enumerate(receipt.logs or ()) if log is not None]
    read = [transfer(log, ordinal) for ordinal, log in told if log.height == height]
    return [item for item in read if item is not None]


def movements_of(moved: Sequence[TokenTransfer], us: str, delta: int | None, own: frozenset[str]) -> list[Movement]:
    """Rows for one token, one address, one block; delta is the proven change, None if not known.

    Where the balance gained less than the logs say, credits are what it gained: exact for one
    transfer, shared by amount and flagged `estimated` for several.
    """
    gifts = [item for item in moved if item.recipient == us]
    debits = [item for item in moved if item.sender == us]
    said = [item.units for item in gifts]
    gained = sum(said) if delta is None else delta + sum(item.units for item in debits)
    flags: frozenset[Flag] = frozenset()
    if 0 <= gained < sum(said):
        flags = frozenset({Flag.ESTIMATED}) if len(said) > 1 else flags
        said = share(gained, said)
    movements = [_debit(item, own) for item in debits]
    return movements + [_credit(item, units, flags, own) for item, units in zip(gifts, said, strict=True) if units]


def _debit(item: TokenTransfer, own: frozenset[str]) -> Movement:
    kind = Kind.INTERNAL if item.recipient in own else Kind.OUTFLOW
    return Movement(Direction.OUT, kind, item.locator, item.units, item.tx)


def _credit(item: TokenTransfer, units: int, flags: frozenset[Flag], own: frozenset[str]) -> Movement:
    kind = Kind.INTERNAL if item.sender in own else Kind.DONATION
    is_mint = item.sender == ZERO_ADDRESS
    if is_mint:
        flags = flags | {Flag.MINT}
    return Movement(Direction.IN, kind, item.locator, units, item.tx, None if is_mint else item.sender, flags)

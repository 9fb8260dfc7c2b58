"""The questions we ask an EVM node, by name. Each is a Call: what to send, and how to read the answer.

`at` is a height, a tag, or a block hash (then the node answers for that very block, EIP-1898, or
says that it does not know it: facts of two forks cannot mix).
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, TypeAlias

from support_service.rails.evm import multicall, rpc_schema, traces
from support_service.rails.evm.rpc import Call
from support_service.rails.evm.rpc_schema import Block, Header, Log, Receipt
from support_service.rails.evm.traces import InternalTransfer

Tag: TypeAlias = Literal["latest", "finalized"]
At: TypeAlias = int | str
# Which blocks logs are wanted of.
Where: TypeAlias = Mapping[str, object]

# keccak256 of Transfer(address,address,uint256), balanceOf(address) and decimals(): ERC-20.
TRANSFER_TOPIC = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
_BALANCE_OF = "0x70a08231"
_DECIMALS = "0x313ce567"


def chain_id() -> Call[int]:
    """Which chain the node is on."""
    return Call("eth_chainId", (), rpc_schema.quantity)


def tip(tag: Tag) -> Call[Header | None]:
    """The head, or the finalized block; None on a chain too young to have one."""
    return Call("eth_getBlockByNumber", (tag, False), Header.read_or_none)


def header(height: int) -> Call[Header | None]:
    """The header at a height on the chain now; None where the chain has not got there."""
    return Call("eth_getBlockByNumber", (hex(height), False), Header.read_or_none)


def header_of(block_hash: str) -> Call[Header | None]:
    """The header of a block by its hash, on whichever chain; None where the node does not know it."""
    return Call("eth_getBlockByHash", (block_hash, False), Header.read_or_none)


def block(height: int) -> Call[Block]:
    """A block with its transactions."""
    return Call("eth_getBlockByNumber", (hex(height), True), Block.read, is_item=True)


def block_in_part(height: int) -> Call[Block]:
    """The same without what cannot be read of it."""
    return Call("eth_getBlockByNumber", (hex(height), True), Block.read_in_part)


def balance(address: str, at: At) -> Call[int]:
    """Native balance in wei at the end of a block."""
    return Call("eth_getBalance", (address, _place(at)), rpc_schema.quantity)


def nonce(address: str, at: At) -> Call[int]:
    """How many transactions the account had sent (or contracts created) at the end of a block."""
    return Call("eth_getTransactionCount", (address, _place(at)), rpc_schema.quantity)


def code(address: str, at: At) -> Call[bytes]:
    """The account's code; a delegation (EIP-7702) is code, too."""
    return Call("eth_getCode", (address, _place(at)), rpc_schema.data)


def token_balance(contract: str, address: str, at: At) -> Call[int]:
    """Token balance in the token's smallest units at the end of a block."""
    data = _BALANCE_OF + address[2:].lower().rjust(64, "0")
    return Call("eth_call", ({"to": contract, "data": data}, _place(at)), rpc_schema.token_units, is_item=True)


def token_balances(pairs: Sequence[multicall.TokenHolder], at: At) -> Call[tuple[int | None, ...]]:
    """Balances of (contract, holder) at the end of a block, all at once; None for what must be asked for itself."""
    return Call("eth_call", ({"data": multicall.program(pairs)}, _place(at)), multicall.reader(len(pairs)))


def decimals(contract: str) -> Call[bytes]:
    """The token's number of decimals as one word; nothing where there is no such contract."""
    return Call("eth_call", ({"to": contract, "data": _DECIMALS}, "latest"), rpc_schema.data, is_item=True)


def receipt(transaction: str) -> Call[Receipt]:
    """What became of a transaction that is in a block."""
    return Call("eth_getTransactionReceipt", (transaction,), Receipt.read, is_item=True)


def transfers_to(contracts: Iterable[str], addresses: Iterable[str], where: Where) -> Call[tuple[Log, ...]]:
    """Transfer logs of the listed contracts with one of the addresses as receiver."""
    return _transfers(contracts, [TRANSFER_TOPIC, None, _topics(addresses)], where)


def transfers_from(contracts: Iterable[str], addresses: Iterable[str], where: Where) -> Call[tuple[Log, ...]]:
    """Transfer logs of the listed contracts with one of the addresses as sender."""
    return _transfers(contracts, [TRANSFER_TOPIC, _topics(addresses)], where)


def logs_in_part(question: Call[tuple[Log, ...]]) -> Call[tuple[Log, ...]]:
    """A question about logs, with what is left of those that cannot be read."""
    return Call(question.method, question.params, rpc_schema.logs_in_part)


def blocks(first: int, last: int) -> Where:
    """Logs of first..last, both included. A node that lags answers with too few, not with an error."""
    return {"fromBlock": hex(first), "toBlock": hex(last)}


def in_block(block_hash: str) -> Where:
    """Logs of one block by hash: an unknown block is an error, not an empty list."""
    return {"blockHash": block_hash}


def debug_trace(block_hash: str) -> Call[tuple[InternalTransfer, ...]]:
    """Value moved inside transactions, as geth's callTracer tells it (debug_traceBlockByHash)."""
    options = {"tracer": "callTracer"}
    return Call("debug_traceBlockByHash", (block_hash, options), traces.read_call_tracer)


def debug_trace_one(transaction: str) -> Call[tuple[InternalTransfer, ...]]:
    """The same of one transaction (debug_traceTransaction), which says nothing of its block."""

    def read(value: object) -> tuple[InternalTransfer, ...]:
        return traces.read_call_tracer([{"txHash": transaction, "result": value}])

    return Call("debug_traceTransaction", (transaction, {"tracer": "callTracer"}), read)


def parity_trace(height: int) -> Call[tuple[InternalTransfer, ...]]:
    """The same as Parity-style nodes tell it (trace_block)."""
    return Call("trace_block", (hex(height),), traces.read_trace_block)


def _place(at: At) -> object:
    if isinstance(at, int):
        return hex(at)
    return {"blockHash": at} if at.startswith("0x") else at


def _topics(addresses: Iterable[str]) -> list[str]:
    return ["0x" + address[2:].lower().rjust(64, "0") for address in sorted(addresses)]


def _transfers(contracts: Iterable[str], topics: list[object], where: Where) -> Call[tuple[Log, ...]]:
    return Call(
        "eth_getLogs", ({**where, "address": sorted(contracts), "topics": topics},), rpc_schema.logs, is_item=True
    )

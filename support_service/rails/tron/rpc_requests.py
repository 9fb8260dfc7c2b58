"""The questions that only TRON is asked, beside those of the EVM rail. Pure."""

from collections.abc import Iterable

from support_service.rails.evm import rpc_requests as evm_requests
from support_service.rails.evm import rpc_schema
from support_service.rails.evm.rpc import Call
from support_service.rails.evm.rpc_schema import Log


def height() -> Call[int]:
    """How high the node is."""
    return Call("eth_blockNumber", (), rpc_schema.quantity)


def balance(contract: str, address: str) -> Call[int]:
    """What an address holds of a token now, in its smallest units."""
    return evm_requests.token_balance(contract, address, "latest")


def transfers(contracts: Iterable[str], first: int, last: int) -> Call[tuple[Log, ...]]:
    """Every transfer of the listed contracts, whoever paid whom: found by the node's log index."""
    wanted = {**evm_requests.blocks(first, last), "address": sorted(contracts), "topics": [evm_requests.TRANSFER_TOPIC]}
    return Call("eth_getLogs", (wanted,), rpc_schema.logs)


def every_log(first: int, last: int) -> Call[tuple[Log, ...]]:
    """Every log: without contract or topic a node reads the blocks and needs no index (java-tron, LogBlockQuery)."""
    return Call("eth_getLogs", (dict(evm_requests.blocks(first, last)),), rpc_schema.logs)


def logs_of_block(block_hash: str) -> Call[tuple[Log, ...]]:
    """Every log of one block, by its hash: an unknown block is an error, not an empty list."""
    return Call("eth_getLogs", (dict(evm_requests.in_block(block_hash)),), rpc_schema.logs)


def logs_like(log: Log) -> Call[tuple[Log, ...]]:
    """Logs of one block, contract and event, by the index: the log that is given must be among them."""
    wanted = {**evm_requests.blocks(log.height, log.height), "address": [log.contract], "topics": list(log.topics[:1])}
    return Call("eth_getLogs", (wanted,), rpc_schema.logs)

"""The questions that only TRON is asked, beside those of the EVM rail. Pure."""

from collections.abc import Iterable

from support_service.rails.evm import rpc_requests as calls
from support_service.rails.evm import rpc_schema as answers
from support_service.rails.evm.rpc import Call
from support_service.rails.evm.rpc_schema import Log


def height() -> Call[int]:
    """How high the node is."""
    return Call("eth_blockNumber", (), answers.quantity)


def balance(contract: str, address: str) -> Call[int]:
    """What an address holds of a token now, in its smallest units."""
    return calls.token_balance(contract, address, "latest")


def transfers(contracts: Iterable[str], first: int, last: int) -> Call[tuple[Log, ...]]:
    """Every transfer of the listed contracts, whoever paid whom: found by the node's log index."""
    wanted = {**calls.blocks(first, last), "address": sorted(contracts), "topics": [calls.TRANSFER_TOPIC]}
    return Call("eth_getLogs", (wanted,), answers.logs)


def every_log(first: int, last: int) -> Call[tuple[Log, ...]]:
    """Every log: without contract or topic a node reads the blocks and needs no index (java-tron, LogBlockQuery)."""
    return Call("eth_getLogs", (dict(calls.blocks(first, last)),), answers.logs)


def logs_of_block(block_hash: str) -> Call[tuple[Log, ...]]:
    """Every log of one block, by its hash: an unknown block is an error, not an empty list."""
    return Call("eth_getLogs", (dict(calls.in_block(block_hash)),), answers.logs)


def logs_like(log: Log) -> Call[tuple[Log, ...]]:
    """Logs of one block, contract and event, by the index: the log that is given must be among them."""
    wanted = {**calls.blocks(log.height, log.height), "address": [log.contract], "topics": list(log.topics[:1])}
    return Call("eth_getLogs", (wanted,), answers.logs)

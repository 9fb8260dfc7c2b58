"""What a ledger must say of an EVM chain, computed by tracing every canonical transaction.

Nothing here is shared with the product: no balance proof, no log query, no bisection. Each block is
read whole, each transaction traced, each receipt's logs decoded, and what the balances moved beyond
that is what nobody can explain.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

Call: TypeAlias = Callable[..., Any]

TRANSFER = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
_PAYING_FRAMES = {"CALL", "CREATE", "CREATE2", "SELFDESTRUCT"}


@dataclass(frozen=True, slots=True)
class Movement:
    """Money that came to or left one address in one block; tx is "" where no transaction moved it."""

    block: int
    asset: str
    address: str
    direction: str
    tx: str
    what: str
    units: int


def movements(
    call: Call, addresses: list[str], tokens: dict[str, str], *, first: int, last: int, native: str = "ETH"
) -> Counter[Movement]:
    """Tell every movement of blocks first..last; tokens maps contract address -> asset code."""
    ours = {address.lower() for address in addresses}
    contracts = {contract.lower(): code for contract, code in tokens.items()}
    found: Counter[Movement] = Counter()
    for height in range(first, last + 1):
        found.update(_native(call, ours, height, native))
        found.update(_tokens(call, ours, contracts, height))
    return found


def _native(call: Call, ours: set[str], height: int, native: str) -> Iterator[Movement]:
    block = call("eth_getBlockByNumber", hex(height), True)
    traces = call("debug_traceBlockByNumber", hex(height), {"tracer": "callTracer"})
    explained: Counter[str] = Counter()
    for tx, trace in zip(block["transactions"], traces, strict=True):
        receipt = call("eth_getTransactionReceipt", tx["hash"])
        for movement in _of_transaction(tx, receipt, trace["result"], ours):
            sign = 1 if movement.direction == "in" else -1
            explained[movement.address] += sign * movement.units
            yield Movement(height, native, *_rest(movement))
    for address in sorted(ours):
        after = int(call("eth_getBalance", address, hex(height)), 16)
        before = int(call("eth_getBalance", address, hex(height - 1)), 16)
        rest = after - before - explained[address]
        if rest:
            yield Movement(height, native, address, "in" if rest > 0 else "out", "", "unexplained", abs(rest))


def _rest(movement: Movement) -> tuple[str, str, str, str, int]:
    return (movement.address, movement.direction, movement.tx, movement.what, movement.units)


def _of_transaction(tx: Any, receipt: Any, trace: Any, ours: set[str]) -> Iterator[Movement]:
    sender = tx["from"].lower()
    if sender in ours:
        gas = int(receipt["gasUsed"], 16) * int(receipt["effectiveGasPrice"], 16)
        yield Movement(0, "", sender, "out", tx["hash"], "gas", gas)
    for is_top, payer, payee, units in _payments(trace):
        if payer == payee:
            continue
        what = "value" if is_top else "trace"
        if payer in ours:
            yield Movement(0, "", payer, "out", tx["hash"], what, units)
        if payee in ours:
            yield Movement(0, "", payee, "in", tx["hash"], what, units)


def _payments(frame: Any, *, is_top: bool = True) -> Iterator[tuple[bool, str, str, int]]:
    """Walk a call trace; a frame that failed undid itself and everything below it."""
    if frame.get("error"):
        return
    units = int(frame.get("value") or "0x0", 16)
    if units and frame["type"] in _PAYING_FRAMES:
        yield (is_top, frame["from"].lower(), (frame.get("to") or "").lower(), units)
    for inner in frame.get("calls", ()):
        yield from _payments(inner, is_top=False)


def _tokens(call: Call, ours: set[str], contracts: dict[str, str], height: int) -> Iterator[Movement]:
    explained: Counter[tuple[str, str]] = Counter()
    for movement in _logged(call, ours, contracts, height):
        sign = 1 if movement.direction == "in" else -1
        explained[movement.asset, movement.address] += sign * movement.units
        yield movement
    for contract, code in contracts.items():
        for address in sorted(ours):
            moved = _held(call, contract, address, height) - _held(call, contract, address, height - 1)
            rest = moved - explained[code, address]
            if rest:
                yield Movement(height, code, address, "in" if rest > 0 else "out", "", "unexplained", abs(rest))


def _logged(call: Call, ours: set[str], contracts: dict[str, str], height: int) -> Iterator[Movement]:
    receipts = call("eth_getBlockReceipts", hex(height))
    logs = [log for receipt in receipts for log in receipt["logs"] if log["address"].lower() in contracts]
    for log in logs:
        if len(log["topics"]) != 3 or log["topics"][0] != TRANSFER or len(log["data"]) != 66:
            continue
        units, payer, payee = int(log["data"], 16), "0x" + log["topics"][1][-40:], "0x" + log["topics"][2][-40:]
        if not units or payer == payee:
            continue
        code = contracts[log["address"].lower()]
        if payer in ours:
            yield Movement(height, code, payer, "out", log["transactionHash"], "log", units)
        if payee in ours:
            yield Movement(height, code, payee, "in", log["transactionHash"], "log", units)


def _held(call: Call, contract: str, address: str, height: int) -> int:
    asked = {"to": contract, "data": "0x70a08231" + address[2:].rjust(64, "0")}
    return int(call("eth_call", asked, hex(height)), 16)

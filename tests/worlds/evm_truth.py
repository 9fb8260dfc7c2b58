"""What a ledger must say of an EVM chain, computed by tracing every canonical transaction.

Nothing here is shared with the product: no balance proof, no log query, no bisection. Each block is
read whole, each transaction traced, each receipt's logs decoded, and what the balances moved beyond
that is what nobody can explain.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

# Method and parameters; many are answered in the same order.
Question: TypeAlias = tuple[Any, ...]
AskAll: TypeAlias = Callable[[list[Question]], list[Any]]
Call: TypeAlias = Callable[..., Any]

BLOCKS_AT_ONCE = 20

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
    ask_all: AskAll, addresses: list[str], tokens: dict[str, str], *, first: int, last: int, native: str = "ETH"
) -> Counter[Movement]:
    """Tell every movement of blocks first..last; tokens maps contract address -> asset code."""
    ours = {address.lower() for address in addresses}
    contracts = {contract.lower(): code for contract, code in tokens.items()}
    found: Counter[Movement] = Counter()
    for low in range(first, last + 1, BLOCKS_AT_ONCE):
        heights = range(low, min(last, low + BLOCKS_AT_ONCE - 1) + 1)
        call = Answers(ask_all, [one for height in heights for one in _questions(height, ours, contracts)])
        for height in heights:
            found.update(_native(call, ours, height, native))
            found.update(_tokens(call, ours, contracts, height))
    return found


class Answers:
    """Answers asked together beforehand, or else one by one: only for speed."""

    def __init__(self, ask_all: AskAll, questions: list[Question]) -> None:
        self._ask_all, self._known = ask_all, dict(zip(map(str, questions), ask_all(questions), strict=True))

    def __call__(self, *question: Any) -> Any:
        known = self._known.get(str(question))
        return self._ask_all([question])[0] if known is None else known


def _questions(height: int, ours: set[str], contracts: dict[str, str]) -> list[Question]:
    asked: list[Question] = [("eth_getBlockByNumber", hex(height), True), _traces(height), _receipts(height)]
    asked += [("eth_getBalance", address, hex(height)) for address in sorted(ours)]
    return asked + [_holding(contract, address, height) for contract in contracts for address in sorted(ours)]


def _traces(height: int) -> Question:
    return ("debug_traceBlockByNumber", hex(height), {"tracer": "callTracer"})


def _receipts(height: int) -> Question:
    return ("eth_getBlockReceipts", hex(height))


def _native(call: Call, ours: set[str], height: int, native: str) -> Iterator[Movement]:
    block = call("eth_getBlockByNumber", hex(height), True)
    traces = call(*_traces(height))
    receipts = {receipt["transactionHash"]: receipt for receipt in call(*_receipts(height))}
    explained: Counter[str] = Counter()
    for tx, trace in zip(block["transactions"], traces, strict=True):
        for movement in _of_transaction(tx, receipts[tx["hash"]], trace["result"], ours):
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
    logged = list(_logged(call, ours, contracts, height))
    for contract, code in contracts.items():
        for address in sorted(ours):
            moved = _held(call, contract, address, height) - _held(call, contract, address, height - 1)
            mine = [item for item in logged if (item.asset, item.address) == (code, address)]
            received = list(_as_received(mine, moved))
            yield from received
            rest = moved - _net(received)
            if rest:
                yield Movement(height, code, address, "in" if rest > 0 else "out", "", "unexplained", abs(rest))


def _net(told: list[Movement]) -> int:
    return sum(item.units if item.direction == "in" else -item.units for item in told)


def _as_received(told: list[Movement], moved: int) -> Iterator[Movement]:
    """Credits as the balance gained them: shared by what the events say, the largest remainders first."""
    gifts = [item for item in told if item.direction == "in"]
    debits = [item for item in told if item.direction == "out"]
    said, gained = sum(item.units for item in gifts), moved - _net(debits)
    yield from debits
    if not 0 <= gained < said:
        yield from gifts
        return
    shares = [gained * item.units // said for item in gifts]
    by_remainder = sorted(range(len(gifts)), key=lambda place: -(gained * gifts[place].units % said))
    for place in by_remainder[: gained - sum(shares)]:
        shares[place] += 1
    yield from (replace(item, units=units) for item, units in zip(gifts, shares, strict=True) if units)


def _logged(call: Call, ours: set[str], contracts: dict[str, str], height: int) -> Iterator[Movement]:
    receipts = call(*_receipts(height))
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


def _holding(contract: str, address: str, height: int) -> Question:
    return ("eth_call", {"to": contract, "data": "0x70a08231" + address[2:].rjust(64, "0")}, hex(height))


def _held(call: Call, contract: str, address: str, height: int) -> int:
    return int(call(*_holding(contract, address, height)), 16)

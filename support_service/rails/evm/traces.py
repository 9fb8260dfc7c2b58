"""Value that moved inside transactions, from two dialects of call traces. Pure.

A frame that failed moved nothing, nor did anything below it. DELEGATECALL and CALLCODE run another
contract's code on the caller's own money, so they move none. SELFDESTRUCT does.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from support_service.rails.chain.strict_fields import BadAnswer, Object, field, mapping, sequence
from support_service.rails.evm.rpc_schema import address, block_hash, quantity

# EVM call depth ends at 1024; what is deeper is no trace.
DEPTH_MAX = 1024
_MOVING = frozenset({"CALL", "CREATE", "CREATE2", "SELFDESTRUCT"})


@dataclass(frozen=True, slots=True)
class InternalTransfer:
    """Wei moved by one inner call. path is the call's place in its transaction's tree: "0", "2.0.1"."""

    tx: str
    path: str
    sender: str
    recipient: str
    units: int
    block_hash: str | None = None


def read_call_tracer(value: object) -> tuple[InternalTransfer, ...]:
    """Read debug_traceBlock...: per transaction {txHash, result: nested frames}."""
    internal_transfers: list[InternalTransfer] = []
    for item in sequence(value):
        told = mapping(item)
        internal_transfers += _inside(block_hash(field(told, "txHash")), mapping(field(told, "result")))
    return tuple(internal_transfers)


def _inside(tx: str, outermost: Object) -> Iterator[InternalTransfer]:
    waiting: list[tuple[tuple[int, ...], Object]] = [((), outermost)]
    while waiting:
        path, frame = waiting.pop()
        if frame.get("error") is not None:
            continue
        if len(path) > DEPTH_MAX:
            raise BadAnswer("the trace is deeper than the EVM allows")
        if path:  # the outermost frame is the transaction's own value, which its block tells
            yield from _moved(tx, path, _told(frame))
        children = list(enumerate(sequence(frame.get("calls") or [])))
        waiting += [((*path, place), mapping(child)) for place, child in reversed(children)]


@dataclass(frozen=True, slots=True)
class _Frame:
    """One inner call as either dialect tells it; its values are not looked at yet."""

    kind: str
    sender: object
    recipient: object
    value: object


def _told(frame: Object) -> _Frame:
    return _Frame(str(field(frame, "type")).upper(), frame.get("from"), frame.get("to"), frame.get("value"))


def _moved(tx: str, path: tuple[int, ...], frame: _Frame, block: str | None = None) -> Iterator[InternalTransfer]:
    units = quantity(frame.value) if frame.value is not None else 0
    if frame.kind in _MOVING and units:
        sender, recipient = address(frame.sender), address(frame.recipient)
        yield InternalTransfer(tx, ".".join(map(str, path)), sender, recipient, units, block)


def read_trace_block(value: object) -> tuple[InternalTransfer, ...]:
    """Read trace_block: a flat list of actions with their `traceAddress`; rewards are left out."""
    internal_transfers: list[InternalTransfer] = []
    failed: set[tuple[str, tuple[int, ...]]] = set()
    for item in sequence(value):
        told = mapping(item)
        if told.get("type") == "reward" or told.get("transactionHash") is None:
            continue
        tx = block_hash(told["transactionHash"])
        path = tuple(_place(step) for step in sequence(field(told, "traceAddress")))
        if told.get("error") is not None:
            failed.add((tx, path))
        # Parents come before their children, so a failed ancestor is known by now.
        if path and not any((tx, path[:depth]) in failed for depth in range(len(path) + 1)):
            block = block_hash(field(told, "blockHash"))
            internal_transfers += _moved(tx, path, _acted(told), block)
    return tuple(internal_transfers)


def _acted(told: Object) -> _Frame:
    action = mapping(field(told, "action"))
    match told.get("type"):
        case "call":
            kind = str(action.get("callType", "call")).upper()
            return _Frame(kind, action.get("from"), action.get("to"), action.get("value"))
        case "create":
            made = mapping(told["result"]) if told.get("result") else {}
            return _Frame("CREATE", action.get("from"), made.get("address"), action.get("value"))
        case "suicide":
            return _Frame("SELFDESTRUCT", action.get("address"), action.get("refundAddress"), action.get("balance"))
        case other:
            raise BadAnswer(f"{str(other)[:40]!r} is not a kind of trace")


def _place(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise BadAnswer("a trace address is a list of whole numbers")
    return value

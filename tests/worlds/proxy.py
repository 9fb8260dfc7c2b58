"""A proxy on loopback between our source and a real node: counts what passes, and breaks it by a seeded plan.

Each fault is one that public nodes, or the balancers before them, were seen to make; none of them is
one that an honest answer could be told from a forged one by (that is what a quorum is for).
"""

import contextlib
import http.client
import json
import os
import random
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self, TypeAlias
from urllib.parse import urlsplit

Json: TypeAlias = Any

WEB_PAGE = b"<!doctype html><title>Sign in</title><h1>The airport's wifi</h1>"
SLOW_SECONDS = 0.05
ANSWER_SECONDS_MAX = 60.0
_UNREAL = {"code": -32000, "message": "header not found"}


def _too_many(_: random.Random, body: bytes) -> tuple[int, dict[str, str], bytes]:
    return 429, {"Retry-After": "1"}, b"slow down"


def _failing(dice: random.Random, body: bytes) -> tuple[int, dict[str, str], bytes]:
    return dice.choice((500, 502, 503, 504)), {}, b"upstream is not well"


def _web_page(_: random.Random, body: bytes) -> tuple[int, dict[str, str], bytes]:
    return 200, {"Content-Type": "text/html"}, WEB_PAGE


def _half_json(_: random.Random, body: bytes) -> tuple[int, dict[str, str], bytes]:
    return 200, {}, body[: len(body) // 2]


# What the whole HTTP answer becomes.
WHOLE = {"http_429": _too_many, "http_5xx": _failing, "web_page": _web_page, "bad_json": _half_json}


def _wrong_id(dice: random.Random, items: list[Json]) -> bool:
    dice.choice(items)["id"] += 1_000_003
    return True


def _missing(dice: random.Random, items: list[Json]) -> bool:
    if len(items) > 1:
        items.pop(dice.randrange(len(items)))
        return True
    return False


def _doubled(dice: random.Random, items: list[Json]) -> bool:
    if len(items) > 1:
        items.append(dict(dice.choice(items), result="0x0"))
        return True
    return False


def _reordered(_: random.Random, items: list[Json]) -> bool:
    items.reverse()
    return len(items) > 1


# What happens to the items of an answer; True if it could happen.
LISTS: dict[str, Callable[[random.Random, list[Json]], bool]] = {
    "wrong_id": _wrong_id,
    "missing_item": _missing,
    "doubled_item": _doubled,
    "reordered": _reordered,
}


def _no_block(asked: Json, told: Json) -> Json | None:
    if asked["method"] == "eth_getBlockByNumber" and asked["params"][0].startswith("0x") and told.get("result"):
        return {"result": None}
    return None


def _no_logs(asked: Json, told: Json) -> Json | None:
    # Only where a range is asked: a node that lags cannot answer for a hash that it does not know.
    if asked["method"] == "eth_getLogs" and "blockHash" not in asked["params"][0] and told.get("result"):
        return {"result": []}
    return None


def _range_too_big(asked: Json, told: Json) -> Json | None:
    wanted = asked["params"][0] if asked["method"] == "eth_getLogs" else {}
    if "toBlock" not in wanted:
        return None
    first, last = int(wanted["fromBlock"], 16), int(wanted["toBlock"], 16)
    if last <= first:
        return None
    less = f"this block range should work: [{hex(first)}, {hex((first + last) // 2)}]"
    return {"error": {"code": -32602, "message": f"query returned more than 10000 results, {less}"}}


def _no_trace(asked: Json, told: Json) -> Json | None:
    if asked["method"] in ("debug_traceBlockByHash", "debug_traceTransaction", "trace_block"):
        return {"error": {"code": -32601, "message": f"the method {asked['method']} does not exist"}}
    return None


def _behind(asked: Json, told: Json) -> Json | None:
    is_state = asked["method"] in ("eth_getBalance", "eth_getTransactionCount", "eth_call")
    # The question about decimals is of a contract's code; where that fails the source stops for a person.
    return {"error": _UNREAL} if is_state and asked["params"][-1] != "latest" else None


# What happens to every fitting item: the rest of an answer in place of the true one, or None if it does not fit.
ITEMS: dict[str, Callable[[Json, Json], Json | None]] = {
    "null_block": _no_block,
    "empty_logs": _no_logs,
    "range_too_big": _range_too_big,
    "trace_refused": _no_trace,
    "behind": _behind,
}


def _other_balance(asked: Json, told: Json) -> Json | None:
    if asked["method"] == "eth_getBalance" and told.get("result"):
        return {"result": hex(int(told["result"], 16) + 10**18)}
    return None


def _other_nonce(asked: Json, told: Json) -> Json | None:
    if asked["method"] == "eth_getTransactionCount" and told.get("result"):
        return {"result": hex(int(told["result"], 16) + 1)}
    return None


def _no_gift(asked: Json, told: Json) -> Json | None:
    return {"result": []} if asked["method"] == "eth_getLogs" and told.get("result") else None


# What a forger says; no single node can be caught at it, so only worlds with a quorum have one.
LIES: dict[str, Callable[[Json, Json], Json | None]] = {
    "lie_balance": _other_balance,
    "lie_nonce": _other_nonce,
    "lie_logs": _no_gift,
}
DOWN = "down"
MOODS = (DOWN, *LIES)
FAULTS = (*WHOLE, *LISTS, *ITEMS, "reset", "slow")
SELDOM = ("empty_logs", "trace_refused", "range_too_big")
# Faults of single answers often find nothing that fits them, so they are tried more often.
PLAN = (*FAULTS, *ITEMS, *ITEMS, *ITEMS)


class FaultProxy:
    """Passes JSON-RPC on to `upstream` (which may change); `rate` is the share of requests that meet a fault.

    Counts: requests, calls, answered_bytes (heads included), and `fired` by fault.
    """

    def __init__(self, upstream: str, *, seed: object = 0, rate: float = 0.0) -> None:
        self.upstream, self.rate = upstream, rate
        self.faults: tuple[str, ...] = PLAN
        self.requests = self.calls = self.answered_bytes = 0
        self.fired: Counter[str] = Counter()
        # Transactions with a log that some answer left out.
        self.hidden: set[str] = set()
        # "" or what is wrong with this node until further notice: one of MOODS.
        self.mood = ""
        self.on_request: Callable[[], object] = lambda: None
        self._dice, self._lock = random.Random(f"faults {seed}"), threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, body: bytes) -> tuple[int, dict[str, str], bytes, str]:
        """Ask the node and apply the plan; the last part names a fault that is left to the connection."""
        self.on_request()
        asked = json.loads(body)
        with self._lock:
            self.requests += 1
            self.calls += len(asked) if isinstance(asked, list) else 1
            fault = self._dice.choice(self.faults) if self._dice.random() < self.rate else ""
            dice = random.Random(self._dice.getrandbits(64))
        told = self._pass_on(body)
        if self.mood == DOWN:
            self._note(DOWN)
            return 503, {}, b"gone", ""
        if self.mood:
            told, is_bent = _bent(self.mood, dice, asked, told)
            if is_bent:
                self._note(self.mood)
        if fault in WHOLE:
            self._note(fault)
            return *WHOLE[fault](dice, told), ""
        if fault in LISTS or fault in ITEMS:
            # What seldom finds something that fits goes first half of the time, the others where it does not.
            first = [*SELDOM, fault] if dice.random() < 0.5 else [fault, *SELDOM]
            for one in first if fault in ITEMS else [fault]:
                whole = told
                told, is_bent = _bent(one, dice, asked, told)
                if is_bent:
                    self._note(one)
                    self.hidden |= _transactions(whole) if one == "empty_logs" else set()
                    break
            return 200, {}, told, ""
        return 200, {}, told, fault

    def _note(self, fault: str) -> None:
        with self._lock:
            self.fired[fault] += 1

    def count(self, sent: int, fault: str = "") -> None:
        """Count bytes that went out, and a fault of the connection."""
        with self._lock:
            self.answered_bytes += sent
            if fault:
                self.fired[fault] += 1

    def _pass_on(self, body: bytes) -> bytes:
        line = http.client.HTTPConnection(urlsplit(self.upstream).netloc, timeout=ANSWER_SECONDS_MAX)
        with contextlib.closing(line):
            line.request("POST", "/", body, {"Content-Type": "application/json"})
            return bytes(line.getresponse().read())


def _transactions(told: bytes) -> set[str]:
    """Name the transactions of all logs in an answer."""
    answer = json.loads(told)
    results = [item.get("result") for item in (answer if isinstance(answer, list) else [answer])]
    logs = [log for result in results if isinstance(result, list) for log in result]
    return {str(log["transactionHash"]) for log in logs if isinstance(log, dict) and "transactionHash" in log}


def _bent(fault: str, dice: random.Random, asked: Json, told: bytes) -> tuple[bytes, bool]:
    answer = json.loads(told)
    items = answer if isinstance(answer, list) else [answer]
    if fault in LISTS:
        is_bent = LISTS[fault](dice, items)
    else:
        is_bent = _bend_items(fault, asked if isinstance(asked, list) else [asked], items)
    return json.dumps(items if isinstance(answer, list) else items[0]).encode(), is_bent


def _bend_items(fault: str, asked: list[Json], items: list[Json]) -> bool:
    questions, is_bent = {item["id"]: item for item in asked}, False
    for item in items:
        instead = {**ITEMS, **LIES}[fault](questions[item["id"]], item)
        if instead is not None:
            is_bent = True
            item.pop("result", None)
            item.pop("error", None)
            item.update(instead)
    return is_bent


def _handler(proxy: FaultProxy) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Head and body leave together; apart, each answer would wait 40 ms for an acknowledgement.
        wbufsize = 1 << 16
        disable_nagle_algorithm = True

        def handle(self) -> None:
            # Where the asker was killed, or the node has gone, there is nobody to tell.
            with contextlib.suppress(OSError):
                super().handle()

        def do_POST(self) -> None:
            self._answer(self.rfile.read(int(self.headers["Content-Length"])))

        def _answer(self, body: bytes) -> None:
            status, headers, told, fault = proxy.answer(body)
            head = {"Content-Type": "application/json", **headers, "Content-Length": str(len(told))}
            lines = "".join(f"{name}: {text}\r\n" for name, text in head.items())
            start = f"HTTP/1.1 {status} {http.client.responses[status]}\r\n{lines}\r\n".encode()
            sent = told[: len(told) // 2] if fault else told
            self.wfile.write(start + sent)
            proxy.count(len(start) + len(sent), fault)
            if fault == "slow":
                self.wfile.flush()
                threading.Event().wait(SLOW_SECONDS)
                self.wfile.write(told[len(sent) :])
                proxy.count(len(told) - len(sent))
            self.wfile.flush()
            if fault == "reset":
                # Linger of no seconds: the kernel resets the connection instead of closing it.
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                os.close(self.connection.detach())
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            """Keep test output clean."""

    return Handler

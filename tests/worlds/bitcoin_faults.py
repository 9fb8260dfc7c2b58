"""Faults between our source and a Bitcoin node: whatever it speaks, JSON-RPC or Esplora's REST, by a seeded plan."""

import json
import random
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

from tests.fixtures.http_servers import Reply, Server

GONE = "gone"
LYING = "lies"
MOODS = (GONE, LYING)


def _warming_up(asked: bytes, told: Reply) -> Reply | None:
    if not asked.startswith(b"{"):
        return None
    error = {"code": -28, "message": "Loading block index..."}
    return Reply.of({"result": None, "error": error, "id": json.loads(asked)["id"]}, 500)


def _half(asked: bytes, told: Reply) -> Reply | None:
    return None if not told.body or len(told.body) < 80 else Reply(told.body[: len(told.body) // 2])


FAULTS: dict[str, Callable[[bytes, Reply], Reply | None]] = {
    "http_429": lambda asked, told: Reply(b"slow down", 429, {"Retry-After": "1"}),
    "http_5xx": lambda asked, told: Reply(b"upstream is not well", 503),
    "web_page": lambda asked, told: Reply(b"<!doctype html><title>Sign in</title>", 200, {"Content-Type": "text/html"}),
    "cut": lambda asked, told: Reply(None),
    "half": _half,
    "warming_up": _warming_up,
}


class Faults:
    """Stands in a server's way: `rate` is the share of its answers that are bent, `mood` what is wrong for longer."""

    def __init__(self, server: Server, *, seed: object, rate: float) -> None:
        self.url, self.rate, self.mood = server.url, rate, ""
        self.requests = 0
        self.fired: Counter[str] = Counter()
        self.on_request: Callable[[], object] = lambda: None
        self._dice, self._lock = random.Random(f"faults {seed}"), threading.Lock()
        self._answer, server.answer = server.answer, self.answer

    def answer(self, asked: bytes) -> Reply:
        """Let the server answer, and apply the plan."""
        self.on_request()
        with self._lock:
            self.requests += 1
            fault = self._dice.choice(list(FAULTS)) if self._dice.random() < self.rate else ""
        told = self._answer(asked)
        if self.mood == GONE:
            return self._note(GONE, Reply(None))
        if self.mood == LYING:
            lie = _forged(asked, told)
            told = told if lie is None else self._note(LYING, lie)
        bent = FAULTS[fault](asked, told) if fault else None
        return told if bent is None else self._note(fault, bent)

    def _note(self, fault: str, reply: Reply) -> Reply:
        with self._lock:
            self.fired[fault] += 1
        return reply


def _forged(asked: bytes, told: Reply) -> Reply | None:
    """Say that every output of a script's history is worth more; None where nothing is said of one."""
    if b"/txs/chain" not in asked or not told.body or told.status != 200:
        return None
    history: Any = json.loads(told.body)
    for transaction in history:
        for output in transaction["vout"]:
            output["value"] += 1_000_000
    return Reply.of(history) if history else None

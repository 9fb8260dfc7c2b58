"""The ports of the demo's TRON node: three servers on loopback that speak for one `TronNode`."""

import json
from contextlib import ExitStack
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs, urlsplit

from support_service.demo.json_port import JsonPort
from support_service.demo.json_values import Json
from support_service.demo.tron_node import BATCH_MAX, TronNode
from support_service.rails.tron.address import any_form


class TronPorts:
    """The three ports of one TRON node on loopback: full node, solidified, and HTTP (native and TronGrid's)."""

    def __init__(self, node: TronNode, *, full_port: int = 0) -> None:
        self.node = node
        self._full = JsonPort(lambda asked: _rpc(node, asked.body, is_solid=False), full_port)
        self._solid = JsonPort(lambda asked: _rpc(node, asked.body, is_solid=True))
        self._http = JsonPort(lambda asked: _http(node, asked.body or asked.path))
        self._open = ExitStack()

    @property
    def rpc(self) -> str:
        """The full node's Ethereum-like interface."""
        return f"http://127.0.0.1:{self._full.port}/jsonrpc"

    @property
    def solid(self) -> str:
        """The same on the solidified port."""
        return f"http://127.0.0.1:{self._solid.port}/jsonrpc"

    @property
    def http(self) -> str:
        """The native interface, and account histories as TronGrid serves them."""
        return f"http://127.0.0.1:{self._http.port}"

    def __enter__(self) -> Self:
        for port in (self._full, self._solid, self._http):
            self._open.enter_context(port)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._open.close()


def _rpc(node: TronNode, body: str, *, is_solid: bool) -> Json:
    asked = json.loads(body)
    if not isinstance(asked, list):
        return node.answer(asked, is_solid=is_solid)
    if len(asked) > BATCH_MAX:
        return {"jsonrpc": "2.0", "id": None, "error": {"code": -32005, "message": f"batch size exceeds {BATCH_MAX}"}}
    return [node.answer(item, is_solid=is_solid) for item in asked]


def _http(node: TronNode, path: str) -> Json:
    parts = urlsplit(path)
    asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
    if parts.path.endswith("/wallet/gettransactioninfobyid"):
        return node.result_of(f"0x{asked['value']}")
    words = parts.path.strip("/").split("/")
    if words[:2] == ["v1", "accounts"] and words[3:] == ["transactions", "trc20"]:
        return node.history(any_form(words[2]), asked)
    return {"Error": "no such interface"}

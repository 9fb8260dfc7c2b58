"""The ports of the demo's TRON node: three servers on loopback that speak for one `TronNode`."""

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self, TypeAlias
from urllib.parse import parse_qs, urlsplit

from support_service.demo.tron_node import BATCH_MAX, TronNode
from support_service.rails.tron.address import any_form

Json: TypeAlias = Any


class TronPorts:
    """The three ports of one TRON node on loopback: full node, solidified, and HTTP (native and TronGrid's)."""

    def __init__(self, node: TronNode, *, full_port: int = 0) -> None:
        self.node = node
        self._servers = [
            _server(lambda body: _rpc(node, body, is_solid=False), full_port),
            _server(lambda body: _rpc(node, body, is_solid=True)),
            _server(lambda path: _http(node, path)),
        ]
        loop = {"poll_interval": 0.05}
        self._threads = [
            threading.Thread(target=server.serve_forever, kwargs=loop, daemon=True) for server in self._servers
        ]

    @property
    def rpc(self) -> str:
        """The full node's Ethereum-like interface."""
        return f"http://127.0.0.1:{self._servers[0].server_address[1]}/jsonrpc"

    @property
    def solid(self) -> str:
        """The same on the solidified port."""
        return f"http://127.0.0.1:{self._servers[1].server_address[1]}/jsonrpc"

    @property
    def http(self) -> str:
        """The native interface, and account histories as TronGrid serves them."""
        return f"http://127.0.0.1:{self._servers[2].server_address[1]}"

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for server in self._servers:
            server.shutdown()
            server.server_close()
        for thread in self._threads:
            thread.join()


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


def _server(answer: Callable[[str], Json], port: int = 0) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Head and body leave together; apart, each answer would wait 40 ms for an acknowledgement.
        wbufsize = 1 << 16
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            """JSON-RPC."""
            self._tell(self.rfile.read(int(self.headers["Content-Length"])).decode())

        def do_GET(self) -> None:
            """The native interface."""
            self._tell(self.path)

        def _tell(self, asked: str) -> None:
            try:
                status, told = 200, json.dumps(answer(asked)).encode()
            except OSError:
                # The local node has gone: so has this one.
                status, told = 502, b"the node behind is gone"
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(told)))
            self.end_headers()
            self.wfile.write(told)

        def log_message(self, *_: object) -> None:
            """Say nothing: the demo tells its own story."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    return server

"""A port on loopback that answers every question with JSON: what the demo's stand-ins for nodes listen on."""

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

from support_service.demo.json_values import Json


@dataclass(frozen=True, slots=True)
class JsonQuestion:
    """What somebody asked: the body is empty for a GET."""

    path: str
    body: str
    authorization: str


class JsonPort:
    """Serves one function. Its PermissionError is told as 401; another OSError as 502, for the node behind is gone."""

    def __init__(self, answer: Callable[[JsonQuestion], Json], port: int = 0) -> None:
        self._server = _server(answer, port)
        loop = {"poll_interval": 0.05}
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs=loop, daemon=True)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_address[1])

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _server(answer: Callable[[JsonQuestion], Json], port: int) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Head and body leave together; apart, each answer would wait 40 ms for an acknowledgement.
        wbufsize = 1 << 16
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            """JSON-RPC."""
            self._tell(self.rfile.read(int(self.headers["Content-Length"])).decode())

        def do_GET(self) -> None:
            """A web API."""
            self._tell("")

        def _tell(self, body: str) -> None:
            asked = JsonQuestion(self.path, body, self.headers.get("Authorization", ""))
            try:
                status, told = 200, json.dumps(answer(asked)).encode()
            except PermissionError:
                status, told = 401, b""
            except OSError:
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

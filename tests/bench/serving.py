"""One server of the benchmark, as a process: `python -m tests.bench.serving APP PORT SETTINGS`.

APP is service (the whole of it, behind its door), flask (a view that returns the very bytes of the page) or
bare (a WSGI app of five lines that does). All three run in one worker of the same server.
"""

import sys
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from flask import Flask, Response
from granian.constants import Interfaces
from granian.log import LogLevels
from granian.server import Server

from support_service.app import warm_door
from support_service.assembly import assemble
from support_service.server import serve
from tests.fixtures.door import create_site

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

HOST = "127.0.0.1"
# As many as the service itself had before it had a door.
THREADS = 16


def page(settings: Path) -> Flask:
    """Build the service, for a client in this process."""
    return create_site(assemble(settings))


def answer(settings: Path) -> tuple[bytes, list[tuple[str, str]]]:
    """Return the page as the service answers it."""
    with page(settings).test_client() as client:
        told = client.get("/support", base_url=f"http://{HOST}")
        return told.data, list(told.headers)


def flask(settings: Path) -> Flask:
    """Build an app of one Flask view."""
    body, headers = answer(settings)
    app = Flask(__name__)

    @app.get("/support")
    def support() -> Response:
        return Response(body, headers=headers)

    return app


def bare(settings: Path) -> "WSGIApplication":
    """Build an app that does nothing but answer."""
    body, headers = answer(settings)

    def app(_environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        start_response("200 OK", headers)
        return [body]

    return app


def _serve_wsgi(load: "Callable[[], WSGIApplication]", port: int) -> None:
    server = Server(
        "", HOST, port, interface=Interfaces.WSGI, blocking_threads=THREADS, websockets=False, log_level=LogLevels.error
    )
    server.serve(target_loader=load, wrap_loader=False)


def main() -> None:
    """Serve until SIGTERM."""
    app, port, settings = sys.argv[1:]
    if app == "service":
        serve(partial(warm_door, assemble(Path(settings))), HOST, int(port))
    else:
        _serve_wsgi(partial(flask if app == "flask" else bare, Path(settings)), int(port))


if __name__ == "__main__":
    main()

"""One server of the benchmark, as a process: `python -m tests.bench.serving SERVER APP PORT SETTINGS`.

SERVER is granian (as the service runs it) or gunicorn (one worker, as many threads). APP is page
(the whole service) or bare (a Flask view that returns the very bytes of the page).
"""

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from flask import Flask, Response

from support_service.app import create_app
from support_service.assembly import assemble
from support_service.server import THREADS, serve_wsgi

HOST = "127.0.0.1"


def page(settings: Path) -> Flask:
    """Build the service."""
    return create_app(assemble(settings))


def bare(settings: Path) -> Flask:
    """Build an app of one view that returns the bytes and headers the service would."""
    with page(settings).test_client() as client:
        answer = client.get("/support", base_url=f"http://{HOST}")
        body, headers = answer.data, list(answer.headers)
    app = Flask(__name__)

    @app.get("/support")
    def support() -> Response:
        return Response(body, headers=headers)

    return app


def _gunicorn(load: Callable[[], Flask], port: int) -> None:
    from gunicorn.app.base import BaseApplication  # type: ignore[import-untyped]

    class Served(BaseApplication):  # type: ignore[misc]
        def load_config(self) -> None:
            self.cfg.set("bind", f"{HOST}:{port}")
            self.cfg.set("threads", THREADS)
            self.cfg.set("loglevel", "error")

        def load(self) -> Flask:
            return load()

    Served().run()


def main() -> None:
    """Serve until SIGTERM."""
    server, app, port, settings = sys.argv[1:]
    load = partial({"page": page, "bare": bare}[app], Path(settings))
    if server == "granian":
        serve_wsgi(load, HOST, int(port))
    else:
        _gunicorn(load, int(port))


if __name__ == "__main__":
    main()

"""The stand-in's web server: the API under /v1, the hosted page under /c/pay."""

import logging
import threading

from flask import Flask, Response, jsonify, request
from werkzeug.serving import WSGIRequestHandler, make_server

from support_service.demo.stripe import hosted
from support_service.demo.stripe.account import StripeAccount
from support_service.demo.stripe.api import Api, StripeRequest
from support_service.demo.stripe.errors import StripeRefusal

BODY_BYTES_MAX = 256 * 1024
log = logging.getLogger(__name__)


class _Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: object) -> None:  # noqa: A002 - the name is werkzeug's
        """Keep the demo's output to what it says itself."""

    def connection_dropped(self, error: BaseException, environ: object = None) -> None:  # noqa: ARG002
        """Close at once: whoever asked must not wait for an answer that was cut or lost on purpose."""
        self.close_connection = True


def build(api: Api, account: StripeAccount) -> Flask:
    """Return the application."""
    app = Flask(__name__, static_folder=None, template_folder=None)
    app.config.update(MAX_CONTENT_LENGTH=BODY_BYTES_MAX, PROPAGATE_EXCEPTIONS=True)

    @app.route("/v1/<path:path>", methods=["GET", "POST", "DELETE"])
    def call(path: str) -> Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        body = request.get_data().decode("utf-8", "replace")
        query = request.query_string.decode("utf-8", "replace")
        told = api.answer(StripeRequest(request.method, f"/v1/{path}", query, body, headers))
        answer = jsonify(told.body)
        answer.status_code = told.status
        answer.headers.update(told.headers)
        return answer

    @app.get("/c/pay/<name>")
    def show(name: str) -> tuple[str, int, dict[str, str]]:
        return hosted.show(account, name)

    @app.get("/p/session/<name>")
    def portal(name: str) -> tuple[str, int, dict[str, str]]:
        return hosted.show_portal(account, name)

    @app.post("/c/pay/<name>")
    def act(name: str) -> Response | tuple[str, int, dict[str, str]]:
        return hosted.act(account, name)

    @app.errorhandler(StripeRefusal)
    def refuse(refusal: StripeRefusal) -> tuple[str, int, dict[str, str]]:
        return refusal.message, refusal.status, {"Content-Type": "text/plain; charset=utf-8"}

    return app


class Server:
    """Serves the application on loopback from a thread."""

    def __init__(self, app: Flask, port: int) -> None:
        self._server = make_server("127.0.0.1", port, app, threaded=True, request_handler=_Quiet)
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True, name="stripe-demo"
        )

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._server.server_port)

    def start(self) -> None:
        """Begin to serve."""
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

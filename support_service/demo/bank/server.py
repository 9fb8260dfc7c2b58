"""The stand-ins' web server on loopback: who is asked, and what goes wrong on the way."""

from typing import TYPE_CHECKING

from flask import Flask, Response, request

from support_service.demo.bank.answers import BankAnswer, BankQuestion, spoiled
from support_service.demo.bank.faults import BankTrouble
from support_service.demo.json_values import Json
from support_service.demo.stripe.server import Server

if TYPE_CHECKING:
    from support_service.demo.bank import BankFakes

__all__ = ["Server", "build"]


def build(fakes: "BankFakes") -> Flask:
    """Return the application."""
    app = Flask(__name__, static_folder=None, template_folder=None)
    app.config.update(MAX_CONTENT_LENGTH=0, PROPAGATE_EXCEPTIONS=True)
    before: dict[str, Json] = {}

    # Statements are read by GET alone: whatever else is sent is no question, and is answered 405.
    @app.get("/<path:path>")
    def ask(path: str) -> Response:
        query = dict(request.args.items())
        asked = BankQuestion(f"/{path}", query, {name.lower(): value for name, value in request.headers.items()})
        trouble = fakes.faults.take(f"/{path}")
        if trouble is BankTrouble.CUT_LINE:
            raise ConnectionResetError("the demo cut the connection")
        answer = _answer(fakes, asked)
        if trouble is BankTrouble.SILENT:
            fakes.faults.wait()
        elif trouble is not None and trouble is not BankTrouble.CUT_BODY:
            answer = spoiled(answer, trouble, before.get("body"), fakes.url)
        before["body"] = answer.body
        return _written(answer, is_cut=trouble is BankTrouble.CUT_BODY)

    return app


def _answer(fakes: "BankFakes", asked: BankQuestion) -> BankAnswer:
    if asked.path.startswith("/api/statements/"):
        return fakes.autoclient.answer(asked, fakes.token)
    if asked.path.startswith("/personal/"):
        return fakes.personal.answer(asked, fakes.token)
    if asked.path.startswith("/ext/v1/"):
        return fakes.corporate.answer(asked, fakes.token)
    return BankAnswer(status=404, text="not found")


def _written(answer: BankAnswer, *, is_cut: bool) -> Response:
    data = answer.data
    response = Response(data[: len(data) // 2] if is_cut else data, answer.status)
    response.headers["Content-Type"] = f"application/json;charset={answer.named_charset or answer.charset}"
    response.headers.update(answer.headers)
    if is_cut:
        response.automatically_set_content_length = False
        response.headers["Content-Length"] = str(len(data))
    return response

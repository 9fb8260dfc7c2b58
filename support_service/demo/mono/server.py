"""The stand-in's web server: the API under /api/merchant, the payment pages under /pay."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field

from flask import Flask, Response, jsonify, redirect, render_template_string, request
from werkzeug.wrappers import Response as BaseResponse

from support_service.demo.mono.api import MerchantApi, MonoRefusal
from support_service.demo.mono.merchant import JsonObject, MayNot, Merchant, NoSuch
from support_service.demo.stripe.faults import CardFaults, CardTrouble

BODY_BYTES_MAX = 64 * 1024
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'",
    "Referrer-Policy": "no-referrer",
}
_SIGNS = {980: "₴", 978: "€", 840: "$"}
_PAGE = """<!doctype html><html lang="uk"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>Демонстрація: оплата</title>
<style>body{font:1.1rem/1.5 system-ui;margin:0;background:#f3f3f1;color:#111}main{max-width:26rem;margin:8vh auto;
padding:2rem;background:#fff;border-radius:1rem}h1{font-size:1.2rem}strong{font-size:2rem}button{font:inherit;width:100%;
padding:.8rem;margin-top:.8rem;border:1px solid #111;border-radius:.6rem;background:#fff}button.main{background:#111;
color:#fff}</style></head><body><main><h1>Демонстрація plata by mono</h1>
<p>Ця сторінка лише зображує справжню: картки тут не питають і грошей не беруть.</p>
<p>{{ text }}</p><p><strong>{{ sum }}</strong>{% if is_plan %} щомісяця{% endif %}</p>
{% if is_open %}<form method="post"><button class="main" name="do" value="pay">Оплатити</button>
<button name="do" value="decline">Відхилити картку</button></form>
{% else %}<p role="status">{{ state }}</p>{% if back %}<p><a href="{{ back }}">Повернутися</a></p>{% endif %}{% endif %}
</main></body></html>"""
_STATES = {
    "success": "Оплачено.", "active": "Оплачено.", "reversed": "Кошти повернуто.", "failure": "Картку відхилено.",
    "expired": "Час на оплату минув.", "cancelled": "Скасовано.",
}  # fmt: skip


@dataclass
class MonoCall:
    """What was asked of the API (a query, or a body) and answered; status 0 is none yet, or none at all."""

    method: str
    path: str
    asked: JsonObject
    status: int = 0
    answer: JsonObject = field(default_factory=dict)


def build(api: MerchantApi, merchant: Merchant, faults: CardFaults, note: Callable[[MonoCall], object]) -> Flask:
    """Return the application; whatever is asked for is noted."""
    app = Flask(__name__, static_folder=None, template_folder=None)
    app.config.update(MAX_CONTENT_LENGTH=BODY_BYTES_MAX, PROPAGATE_EXCEPTIONS=True)

    @app.route("/api/<path:path>", methods=["GET", "POST"])
    def call(path: str) -> Response:
        held = MonoCall(request.method, f"/api/{path}", {})
        note(held)
        trouble, seconds = faults.take(request.method, held.path)
        answer = jsonify(_answered(api, held, trouble))
        if trouble is CardTrouble.SLOW:
            faults.wait(seconds)
        if trouble is CardTrouble.LOST:
            raise ConnectionResetError("the demo lost the answer")
        return answer

    @app.get("/pay/<name>")
    def show(name: str) -> tuple[str, int, dict[str, str]]:
        with merchant.lock:
            return _page(merchant, name)

    @app.post("/pay/<name>")
    def act(name: str) -> BaseResponse | tuple[str, int, dict[str, str]]:
        with merchant.lock:
            try:
                back = _goes_back_to(merchant, name)
                merchant.decline(name) if request.form.get("do") == "decline" else merchant.pay(name)
            except MayNot:
                # A second press, or one that comes too late, changes nothing.
                return _page(merchant, name)
        answer = redirect(back, 303)
        answer.headers.update(_HEADERS)
        return answer

    @app.errorhandler(MonoRefusal)
    def refuse(refusal: MonoRefusal) -> tuple[Response, int]:
        return jsonify(refusal.body), refusal.status

    @app.errorhandler(NoSuch)
    def refuse_unknown(_error: NoSuch) -> tuple[str, int]:
        return "not found", 404

    return app


def _answered(api: MerchantApi, held: MonoCall, trouble: CardTrouble | None) -> JsonObject:
    try:
        _at_the_door(trouble)
        held.asked = dict(request.args.items()) if held.method == "GET" else _body()
        held.answer = api.answer(held.method, held.path, request.headers.get("X-Token", ""), held.asked)
        held.status = 200
    except MonoRefusal as refusal:
        held.status, held.answer = refusal.status, refusal.body
        raise
    return held.answer


def _body() -> JsonObject:
    try:
        told = json.loads(request.get_data())
    except ValueError as error:
        raise MonoRefusal(400, "BAD_REQUEST", "no JSON") from error
    if not isinstance(told, dict):
        raise MonoRefusal(400, "BAD_REQUEST", "no object")
    return told


def _at_the_door(trouble: CardTrouble | None) -> None:
    match trouble:
        case CardTrouble.CUT:
            raise ConnectionResetError("the demo cut the connection")
        case CardTrouble.BUSY:
            raise MonoRefusal(429, "TMR", "too many requests")
        case CardTrouble.BROKEN | CardTrouble.BROKEN_FOR_GOOD:
            raise MonoRefusal(500, "INTERNAL_ERROR", "internal error")
        case CardTrouble.REFUSED:
            raise MonoRefusal(400, "BAD_REQUEST", "this merchant may not do that")


def _goes_back_to(merchant: Merchant, name: str) -> str:
    held = merchant.plans[name] if name in merchant.plans else merchant.invoice(name)
    return held.redirect_url


def _page(merchant: Merchant, name: str) -> tuple[str, int, dict[str, str]]:
    is_plan = name in merchant.plans
    held = merchant.plans[name] if is_plan else merchant.invoice(name)
    is_open = not merchant.plans[name].payments if is_plan else held.told["status"] == "created"
    whole, rest = divmod(held.told["amount"], 100)
    text = render_template_string(
        _PAGE,
        text=held.told.get("destination", ""),
        sum=f"{whole}.{rest:02} {_SIGNS.get(held.told['ccy'], '')}",
        is_plan=is_plan,
        is_open=is_open,
        state=_STATES.get(held.told["status"], ""),
        back=held.redirect_url,
    )
    return text, 200, _HEADERS

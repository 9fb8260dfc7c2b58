"""What readers see: the support page, its QR codes, the privacy page, the machine-readable list.

Nothing here asks the ledger or a node: the page lives when all of them are down.
"""

from functools import lru_cache

from flask import Blueprint, Flask, Response, abort, current_app, redirect, render_template, request, url_for
from flask_babel import gettext
from werkzeug.wrappers import Response as BaseResponse

from support_service import qr
from support_service.giving import PaymentMethod, QrText
from support_service.web.answers import Answer, respond
from support_service.web.articles import allowed_article, article_label
from support_service.web.i18n import chosen_language, say
from support_service.web.service import Service, service

blueprint = Blueprint("reader", __name__)

# Finished pages kept in memory, about 50 kB each: the bare page and the articles read most.
PAGES_KEPT_MAX = 64


def install(app: Flask) -> None:
    """Give the app its own store of finished pages."""
    app.extensions[_PAGES] = lru_cache(PAGES_KEPT_MAX)(_make_page)


@blueprint.get("/")
def front() -> BaseResponse:
    """Send the reader to the page, keeping article and language."""
    return redirect(url_for("reader.support", article=request.args.get("article"), lang=request.args.get("lang")))


@blueprint.get("/support")
def support() -> Response:
    """Show every way to give."""
    sites = service().assembly.settings.publisher.sites
    article = allowed_article(request.args.get("article", ""), sites)
    return respond(current_app.extensions[_PAGES]("support.html", chosen_language(), article))


@blueprint.get("/privacy")
def privacy() -> Response:
    """Tell what is stored, why and how long."""
    return respond(current_app.extensions[_PAGES]("privacy.html", chosen_language(), None))


@blueprint.get("/qr/<key>.svg")
def qr_svg(key: str) -> Response:
    """Draw the QR code of one method; never of text from a request."""
    method, code = _method_with_code(key)
    name = gettext("QR code: %(what)s", what=say(method.title))
    return _qr(Answer.of(qr.svg(code, name), "image/svg+xml"))


@blueprint.get("/qr/<key>.png")
def qr_png(key: str) -> Response:
    """Draw the QR code of one method for programs that read no SVG."""
    _, code = _method_with_code(key)
    return _qr(Answer.of(qr.png(code), "image/png"))


@blueprint.get("/.well-known/support-methods.json")
def manifest() -> Response:
    """List every method and address for machines; published, so anybody may read it from anywhere."""
    answer = Answer.of(current_app.json.dumps(_manifest(service())), "application/json")
    response = respond(answer)
    response.headers["Access-Control-Allow-Origin"] = "*"
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    return response


def _make_page(template: str, lang: str, article: str | None) -> Answer:
    """Render a page that depends on nothing but these three (and on settings, which never change)."""
    assert lang == chosen_language()
    at = service()
    page = render_template(
        template,
        publisher=at.assembly.settings.publisher,
        base_url=at.base_url,
        methods=at.assembly.methods,
        article=article,
        article_label=article_label(article) if article else None,
    )
    return Answer.of(page, "text/html")


def _qr(answer: Answer) -> Response:
    # Only the address with the fingerprint may be kept for long: money must not go to an old address.
    response = respond(answer, is_versioned=request.args.get("v") == answer.fingerprint)
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    return response


def _method_with_code(key: str) -> tuple[PaymentMethod, QrText]:
    method = next((method for method in service().assembly.methods if method.key == key), None)
    if method is None or method.qr is None:
        abort(404)
    return method, method.qr


def _manifest(at: Service) -> dict[str, object]:
    settings = at.assembly.settings
    return {
        "version": 1,
        "publisher": {"name": settings.publisher.name, "url": at.base_url},
        "demo": settings.is_demo,
        "methods": [_described(method) for method in at.assembly.methods],
    }


def _described(method: PaymentMethod) -> dict[str, object]:
    return {
        "key": method.key,
        "rail": method.rail,
        "title": say(method.title),
        "facts": dict(method.facts),
        "qr": method.qr.text if method.qr else None,
        "link": method.link.href if method.link else None,
        "qr_svg": url_for("reader.qr_svg", key=method.key) if method.qr else None,
    }


_PAGES = "support.pages"

"""What readers see: the support page, its QR codes, the privacy page, the machine-readable list.

Nothing here asks the ledger or a node: the page lives when all of them are down.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any

from flask import Blueprint, Response, abort, current_app, redirect, render_template, request, url_for
from flask.blueprints import BlueprintSetupState
from flask_babel import gettext
from werkzeug.wrappers import Response as BaseResponse

from support_service import qr
from support_service.assembly import Assembly
from support_service.door.shelf import Depends, Together
from support_service.giving import PaymentMethod, QrText
from support_service.web.i18n import chosen_language, say
from support_service.web.public import for_other_sites, public
from support_service.web.reader.articles import Article, article_slots, read_article
from support_service.web.reader.coins import coins
from support_service.web.reader.sums import NAMES, canonical, is_for_everybody, offered, read_sum, sum_query
from support_service.web.reader.verify import signed_as_json
from support_service.web.service import Service, service

blueprint = Blueprint("reader", __name__)


def shelved(assembly: Assembly) -> Iterator[tuple[str, Depends]]:
    """Tell the door what each answer depends on."""
    publisher = assembly.settings.publisher
    spoken = {"lang": publisher.languages}
    yield "/support", Depends(choices=spoken, together=_sums(assembly), slots=article_slots(publisher.sites))
    yield "/privacy", Depends(choices=spoken)
    yield "/.well-known/support-methods.json", Depends(choices=spoken)
    for method in assembly.methods:
        if method.qr is not None:
            yield f"/qr/{method.key}.svg", Depends(choices=spoken, is_versioned=True)
            yield f"/qr/{method.key}.png", Depends(is_versioned=True)


def _sums(assembly: Assembly) -> Together | None:
    choice = offered(assembly.shown)
    if choice is None:
        return None
    return Together(NAMES, partial(canonical, choice=choice, languages=assembly.settings.publisher.languages))


@blueprint.record_once
def teach_templates(state: BlueprintSetupState) -> None:
    """Give templates what the sums of the page are made of."""
    state.app.add_template_global(sum_query)


@blueprint.get("/")
def front() -> BaseResponse:
    """Send the reader to the page, keeping article and language."""
    taken: dict[str, Any] = {name: request.args.get(name) for name in ("article", "title", "placement", "lang")}
    return redirect(url_for("reader.support", **taken))


@blueprint.get("/support")
def support() -> Response:
    """Show every way to give; with a sum in the address, filled in."""
    at = service()
    choice, lang = offered(at.assembly.shown), chosen_language()
    page_sum = read_sum(request.args, choice, lang) if choice else None
    money = page_sum.money if page_sum else None
    return public(
        _page(
            "support.html",
            read_article(request.args, at.assembly.settings.publisher.sites),
            methods=[method.filled(money) if money else method for method in at.assembly.shown],
            page_sum=page_sum,
            money=money,
            chosen=page_sum.query if page_sum else {},
            has_sums=choice is not None and is_for_everybody(choice),
            coins=coins(at.assembly.shown),
        )
    )


@blueprint.get("/privacy")
def privacy() -> Response:
    """Tell what is stored, why and how long."""
    told = service().configured.told
    sends_letters, sends_year = told.mailbox is not None, "year" in told.letters
    return public(_page("privacy.html", None, sends_letters=sends_letters, sends_year=sends_year))


@blueprint.get("/qr/<key>.svg")
def qr_svg(key: str) -> Response:
    """Draw the QR code of one method; never of text from a request."""
    method, code = _method_with_code(key)
    name = gettext("QR code: %(what)s", what=say(method.title))
    return for_other_sites(public(qr.svg(code, name), "image/svg+xml"), to_read=False)


@blueprint.get("/qr/<key>.png")
def qr_png(key: str) -> Response:
    """Draw the QR code of one method for programs that read no SVG."""
    _, code = _method_with_code(key)
    return for_other_sites(public(qr.png(code), "image/png"), to_read=False)


@blueprint.get("/.well-known/support-methods.json")
def manifest() -> Response:
    """List every method and address for machines; published, so anybody may read it from anywhere."""
    return for_other_sites(public(current_app.json.dumps(_manifest(service())), "application/json"))


def _page(template: str, article: Article | None, **more: object) -> str:
    at = service()
    around: dict[str, object] = {
        "base_url": at.base_url,
        "methods": at.assembly.shown,
        "card_processors": [method.card.processor for method in at.assembly.methods if method.card is not None],
        "article": article,
        "keep_days": at.assembly.settings.privacy.keep_days,
        "counts_views": at.assembly.settings.privacy.count_views,
    }
    return render_template(template, **(around | more))


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
        "signature": signed_as_json(),
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

"""How other pages embed us: the script, the iframe form, oEmbed. The same answer for all readers."""

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, unquote

from flask import Blueprint, Response, abort, jsonify, render_template, request
from flask_babel import force_locale, gettext

from support_service.assembly import Assembly
from support_service.door.shelf import Depends
from support_service.giving import PaymentMethod
from support_service.origin import BadAddress, BaseUrl, split_origin
from support_service.web.headers import PAGE_POLICY
from support_service.web.i18n import say
from support_service.web.layout import language_query
from support_service.web.public import PAGE_SECONDS, for_other_sites, public
from support_service.web.reader.articles import ARTICLE_CHARS_MAX, allowed_article, article_slot
from support_service.web.service import Service, service

blueprint = Blueprint("widget", __name__)

# Small enough for a phone column, large enough that nothing scrolls inside the frame.
FRAME_WIDTH, FRAME_HEIGHT = 600, 380
# With the form for cards in it.
FORM_HEIGHT = 400
SCRIPT_SECONDS = 300
THEMES = ("auto", "light", "dark")

_SOURCE = Path(__file__).parent / "widget.js"
_SETTINGS_MARK = "/* settings */ {}"


def shelved(assembly: Assembly) -> Iterator[tuple[str, Depends]]:
    """Tell the door what each answer depends on."""
    publisher = assembly.settings.publisher
    spoken = {"lang": publisher.languages}
    yield "/widget.js", Depends()
    yield "/widget", Depends(choices=spoken | {"theme": THEMES}, slot=article_slot(publisher.sites))
    yield "/oembed", Depends(choices=spoken, free=("url", "format", "maxwidth", "maxheight"))


@blueprint.get("/widget.js")
def script() -> Response:
    """Serve the custom element; one file, everything it says inlined."""
    return for_other_sites(public(_script(service()), "text/javascript", seconds=SCRIPT_SECONDS))


@blueprint.get("/widget")
def frame() -> Response:
    """Serve the block as a page for iframes, without script."""
    at = service()
    publisher = at.assembly.settings.publisher
    theme = request.args.get("theme")
    page = render_template(
        "widget.html",
        methods=at.assembly.shown,
        card_method=_card_method(at),
        base_url=at.base_url,
        address=f"{publisher.base.shown}/support",
        theme=theme if theme in THEMES else THEMES[0],
        article=allowed_article(request.args.get("article", ""), publisher.sites),
    )
    response = public(page)
    response.headers["Content-Security-Policy"] = _frame_policy(at)
    return for_other_sites(response)


@blueprint.get("/oembed")
def oembed() -> Response:
    """Answer oembed.com's question for our support page; 404 for any other address, 501 for XML."""
    at = service()
    if request.args.get("format", "json") != "json":
        abort(501)
    publisher = at.assembly.settings.publisher
    query = _asked_query(request.args.get("url", ""), publisher.base)
    if query is None:
        abort(404)
    # Who asks is another site's server: what the reader chose stands in the embedded address alone.
    lang, article = _language_and_article(query, at)
    with force_locale(lang):
        response = jsonify(_embedding(at, lang, article))
    response.headers["Cache-Control"] = f"public, max-age={PAGE_SECONDS}"
    return for_other_sites(response)


def _asked_query(url: str, base: BaseUrl) -> str | None:
    """Take the query of our support page's address, however it is spelled; None for any other address."""
    try:
        site, rest = split_origin(url)
    except BadAddress:
        return None
    path, _, query = rest.partition("#")[0].partition("?")
    return query if site == base.site and unquote(path) == f"{base.script_name}/support" else None


def _embedding(at: Service, lang: str, article: str | None) -> dict[str, object]:
    """Write oEmbed's answer; html holds a link beside the frame, which WordPress shows where it trusts no frame."""
    has_form = _card_method(at) is not None
    width = _fitted("maxwidth", FRAME_WIDTH)
    height = _fitted("maxheight", FRAME_HEIGHT + (FORM_HEIGHT if has_form else 0))
    query = language_query(lang, article)
    html = render_template(
        "oembed.html",
        page=f"{at.base_url}/support?{query}",
        source=f"{at.base_url}/widget?{query}",
        width=width,
        height=height,
        has_form=has_form,
    )
    return {
        "version": "1.0",
        "type": "rich",
        "title": gettext("Support our work"),
        "provider_name": at.assembly.settings.publisher.name,
        "provider_url": at.base_url,
        "cache_age": PAGE_SECONDS,
        "html": html.strip(),
        "width": width,
        "height": height,
    }


def _script(at: Service) -> str:
    """Put the settings into the script as JSON that can end neither a string nor a script element."""
    settings = at.assembly.settings
    spoken = {lang: _texts(lang, at) for lang in settings.publisher.languages}
    values = {
        "url": f"{at.base_url}/support",
        "articleCharsMax": ARTICLE_CHARS_MAX,
        "isDemo": settings.is_demo,
        "languages": list(settings.publisher.languages),
        "texts": spoken,
    }
    written = json.dumps(values, ensure_ascii=True).replace("<", "\\u003c")
    source = _SOURCE.read_text(encoding="utf-8")
    assert source.count(_SETTINGS_MARK) == 1
    return source.replace(_SETTINGS_MARK, written)


def _texts(lang: str, at: Service) -> dict[str, object]:
    with force_locale(lang):
        return {
            "name": at.assembly.settings.publisher.name,
            "heading": gettext("Support our work"),
            "invitation": gettext("If this story was of use to you, help us write the next one."),
            "button": gettext("Choose how to give"),
            "waysLabel": gettext("Ways to give"),
            "demo": gettext("Demo. Do not send money."),
            "ways": [{"key": method.key, "title": say(method.title)} for method in at.assembly.shown],
        }


def _frame_policy(at: Service) -> str:
    """Let only the publisher's sites frame us; without a list any https site, as for articles."""
    settings = at.assembly.settings
    sites = [str(site) for site in settings.publisher.sites] or ["https:"]
    if settings.is_demo:
        sites += ["http://127.0.0.1:*", "http://localhost:*"]
    unneeded = {"script-src", "connect-src", "img-src"}
    policy = {name: value for name, value in PAGE_POLICY.items() if name not in unneeded}
    # The form for cards opens our own page at the top; where there is none, no form goes anywhere.
    form_action = settings.publisher.base.policy_source if _card_method(at) else "'none'"
    policy |= {"form-action": form_action, "frame-ancestors": " ".join(sites)}
    return "; ".join(f"{name} {value}" for name, value in policy.items())


def _card_method(at: Service) -> PaymentMethod | None:
    return next((method for method in at.assembly.shown if method.card is not None), None)


def _language_and_article(query: str, at: Service) -> tuple[str, str | None]:
    """Carry language and article of the asked page into the frame, checked like everywhere."""
    publisher = at.assembly.settings.publisher
    asked = {name: values[0] for name, values in parse_qs(query).items()}
    lang = asked.get("lang", "")
    article = allowed_article(asked.get("article", ""), publisher.sites)
    return (lang if lang in publisher.languages else publisher.languages[0]), article


def _fitted(name: str, own: int) -> int:
    """Keep a side within the consumer's limit; what is no number is no limit."""
    limit = request.args.get(name, "")
    return min(own, int(limit)) if limit.isascii() and limit.isdigit() and 0 < len(limit) < 6 and int(limit) else own

"""How other pages embed us: the script, the iframe form, oEmbed. The same answer for all readers."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, unquote

from flask import Blueprint, Response, abort, jsonify, render_template, request
from flask_babel import force_locale, gettext

from support_service.assembly import Assembly
from support_service.door.shelf import Depends
from support_service.origin import BadAddress, BaseUrl, split_origin
from support_service.settings.accent import dark_shades
from support_service.web.headers import PAGE_POLICY
from support_service.web.i18n import chosen_language
from support_service.web.layout import language_query
from support_service.web.public import PAGE_SECONDS, for_other_sites, public
from support_service.web.reader.articles import ARTICLE_CHARS_MAX, TITLE_CHARS_MAX, Article, article_slots, read_article
from support_service.web.reader.block import build_block
from support_service.web.service import Service, service

blueprint = Blueprint("widget", __name__)

FRAME_WIDTH = 600
# How high the folded block is, so that nothing scrolls inside a frame: on a phone's column and beyond; each line of
# sums is as much more. Pages with our script make a frame as high as it says it is.
NARROW_PIXELS, NARROW_HEIGHT, WIDE_HEIGHT = 480, 444, 342
AMOUNTS_HEIGHT, NARROW_AMOUNTS_HEIGHT = 60, 90
SCRIPT_SECONDS = 300
THEMES = ("auto", "light", "dark")
# What the frame tells the page around it; by default nothing, and then it has no script.
TELLS = ("", "height")

_SOURCE = Path(__file__).parent / "widget.js"
# The accent where the publisher has none; static/support.css has the same.
ACCENT, DARK_ACCENT = "#14574a", "#7cd0b8"
_COUNTING = re.compile(r"/\* counting \*/.*?/\* counted \*/", re.DOTALL)
_SETTINGS_MARK = "/* settings */ {}"


def shelved(assembly: Assembly) -> Iterator[tuple[str, Depends]]:
    """Tell the door what each answer depends on."""
    publisher = assembly.settings.publisher
    spoken = {"lang": publisher.languages}
    yield "/widget.js", Depends()
    shapes = spoken | {"theme": THEMES, "tells": TELLS}
    yield "/widget", Depends(choices=shapes, slots=article_slots(publisher.sites))
    yield "/oembed", Depends(choices=spoken | {"tells": TELLS}, free=("url", "format", "maxwidth", "maxheight"))


@blueprint.get("/widget.js")
def script() -> Response:
    """Serve the custom element; one file, everything it says inlined."""
    return for_other_sites(public(_script(service()), "text/javascript", seconds=SCRIPT_SECONDS))


@blueprint.get("/widget")
def frame() -> Response:
    """Serve the block as a page for iframes, without script; asked to, one tells how high it is."""
    at = service()
    publisher = at.assembly.settings.publisher
    theme = request.args.get("theme")
    tells_height = request.args.get("tells") == "height"
    page = render_template(
        "widget.html",
        block=build_block(at, chosen_language()),
        sites=_framers(at),
        tells_height=tells_height,
        base_url=at.base_url,
        address=f"{publisher.base.shown}/support",
        theme=theme if theme in THEMES else THEMES[0],
        article=read_article(request.args, publisher.sites),
    )
    response = public(page)
    response.headers["Content-Security-Policy"] = _frame_policy(at, has_script=tells_height)
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


def _embedding(at: Service, lang: str, article: Article | None) -> dict[str, object]:
    """Write oEmbed's answer; html holds a link beside the frame, which WordPress shows where it trusts no frame."""
    width = _fitted("maxwidth", FRAME_WIDTH)
    height = _fitted("maxheight", frame_height(width, len(build_block(at, lang).often)))
    query = language_query(lang, article)
    html = render_template(
        "oembed.html",
        page=f"{at.base_url}/support?{query}",
        # Who found us by the page's own word is a program like WordPress, which shows what tells its height.
        source=f"{at.base_url}/widget?{query}{'&tells=height' if request.args.get('tells') == 'height' else ''}",
        width=width,
        height=height,
    )
    return {
        "version": "1.0",
        "type": "rich",
        "title": gettext("Support our work"),
        "provider_name": at.assembly.settings.publisher.named(lang),
        "provider_url": at.base_url,
        "cache_age": PAGE_SECONDS,
        "html": html.strip(),
        "width": width,
        "height": height,
    }


def frame_height(width: int, amounts: int) -> int:
    """Tell how high the frame's folded block is at a width, with so many lines of sums."""
    is_narrow = width < NARROW_PIXELS
    base, line = (NARROW_HEIGHT, NARROW_AMOUNTS_HEIGHT) if is_narrow else (WIDE_HEIGHT, AMOUNTS_HEIGHT)
    return base + amounts * line


def _script(at: Service) -> str:
    """Put the settings into the script as JSON that can end neither a string nor a script element."""
    settings = at.assembly.settings
    spoken = {lang: _texts(lang, at) for lang in settings.publisher.languages}
    accent = settings.publisher.accent or ACCENT
    values = {
        "url": at.base_url,
        "origin": at.base.origin,
        "articleCharsMax": ARTICLE_CHARS_MAX,
        "titleCharsMax": TITLE_CHARS_MAX,
        "isDemo": settings.is_demo,
        "light": {"accent": accent},
        "dark": {"accent": dark_shades(accent).accent if settings.publisher.accent else DARK_ACCENT},
        "languages": list(settings.publisher.languages),
        "texts": spoken,
    }
    written = json.dumps(values, ensure_ascii=True, separators=(",", ":")).replace("<", "\\u003c")
    source = _SOURCE.read_text(encoding="utf-8")
    # Where views are not counted, nothing that could tell of any is in it.
    source = _slimmed(source if settings.privacy.count_views else _COUNTING.sub("", source))
    assert source.count(_SETTINGS_MARK) == 1
    return source.replace(_SETTINGS_MARK, written)


def _slimmed(source: str) -> str:
    """Leave out indentation and comments that fill their lines: readers on a phone pay for each byte."""
    without = re.sub(r"^\s*/\*(?! settings).*?\*/\n", "", source, flags=re.DOTALL | re.MULTILINE)
    lines = (line.strip() for line in without.splitlines())
    return "\n".join(line for line in lines if line and not line.startswith("//")) + "\n"


def _texts(lang: str, at: Service) -> dict[str, object]:
    with force_locale(lang):
        block = build_block(at, lang)
        return block.as_json() | {
            "button": gettext("Choose how to give"),
            "transfer": gettext("By transfer"),
            "check": gettext("all ways to give, and the details to compare"),
            "copy": gettext("Copy"),
            "copied": gettext("Copied"),
            "refused": gettext("Not copied: the browser refused. The text is selected"),
            "code": gettext("QR code"),
            "demo": gettext("Demo. Do not send money."),
        }


def _frame_policy(at: Service, *, has_script: bool) -> str:
    """Let only the publisher's sites frame us; without a list any https site, as for articles."""
    ours = f"'self' {at.assembly.settings.publisher.base.policy_source}"
    # A sandboxed frame has an origin of its own: there 'self' would be nobody.
    policy = PAGE_POLICY | {"script-src": ours, "img-src": ours, "style-src": ours, "form-action": "'none'"}
    for unneeded in ("connect-src", *(() if has_script else ("script-src",))):
        del policy[unneeded]
    policy |= {"frame-ancestors": " ".join(_framers(at) or ["https:"])}
    return "; ".join(f"{name} {value}" for name, value in policy.items())


def _framers(at: Service) -> list[str]:
    """Name the sites that may frame us; none: any https site."""
    settings = at.assembly.settings
    sites = [str(site) for site in settings.publisher.sites]
    if not settings.is_demo:
        return sites
    return [*(sites or ["https:"]), "http://127.0.0.1:*", "http://localhost:*"]


def _language_and_article(query: str, at: Service) -> tuple[str, Article | None]:
    """Carry language and article of the asked page into the frame, checked like everywhere."""
    publisher = at.assembly.settings.publisher
    asked = {name: values[0] for name, values in parse_qs(query).items()}
    lang = asked.get("lang", "")
    return (lang if lang in publisher.languages else publisher.languages[0]), read_article(asked, publisher.sites)


def _fitted(name: str, own: int) -> int:
    """Keep a side within the consumer's limit; what is no number is no limit."""
    limit = request.args.get(name, "")
    return min(own, int(limit)) if limit.isascii() and limit.isdigit() and 0 < len(limit) < 6 and int(limit) else own

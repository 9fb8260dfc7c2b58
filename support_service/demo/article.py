"""A sample article on a site of its own, with the block in it: what a publisher's page would hold.

The demo and the tests serve it from another origin than the support page.
"""

from urllib.parse import urlencode

from flask import Flask, Response, render_template, request
from jinja2 import StrictUndefined

from support_service.door import Door, DoorPlace, Routes
from support_service.door.finished import Captured
from support_service.origin import Host, origin_of, read_base_url
from support_service.settings import resource
from support_service.settings.schema import Publisher
from support_service.web.reader.articles import allowed_article

# What a strict newsroom page allows, plus our origin for the one script and for codes that a reader asks for.
_POLICY = (
    "default-src 'none'; script-src {ours}; style-src 'self'; img-src data: {ours}; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'"
)

_TITLES = {"uk": "Майстерня, у якій дрони дістають друге життя", "en": "The workshop where drones get a second life"}

_STYLE = """
:root { color-scheme: light dark; --ink: #1b1b1b; --paper: #fff; --muted: #5c5c5c; --line: #ddd; }
@media (prefers-color-scheme: dark) { :root { --ink: #e9e9e6; --paper: #121212; --muted: #a9a9a9; --line: #3a3a3a; } }
* { box-sizing: border-box; }
body { margin: 0; color: var(--ink); background: var(--paper); }
body { font: 1.125rem/1.65 Georgia, "Noto Serif", "DejaVu Serif", serif; }
header, article, footer { max-inline-size: 43rem; margin-inline: auto; padding-inline: 1.25rem; }
header { padding-block: 1rem; border-block-end: 3px double var(--line); font: 700 1.125rem/1.4 system-ui, sans-serif; }
h1 { font-size: clamp(1.75rem, 1.2rem + 2.5vw, 2.5rem); line-height: 1.2; margin-block: 2rem 1rem; }
.meta, footer { font: 0.875rem/1.5 system-ui, sans-serif; color: var(--muted); }
.standfirst { font-size: 1.25rem; }
h2 { font-size: 1.375rem; }
a { color: inherit; }
footer { padding-block: 2rem; }
"""


def sample_door(publisher: Publisher, host: str, port: int) -> Door:
    """Put the door in front of it; this site is on this machine alone."""
    app = create_sample_app(publisher.base.url, publisher.name, publisher.languages[0])
    base = read_base_url(f"http://{host}:{port}")
    hosts = (base.site.host, Host("127.0.0.1"), Host("localhost"))
    return Door(app.wsgi_app, DoorPlace(base, hosts), Routes(error_page=lambda status, _: Captured(status, [], b"")))


def create_sample_app(support_url: str, publisher_name: str, lang: str) -> Flask:
    """Build the article's site; support_url is where readers reach our service, without a path."""
    app = Flask(__name__, template_folder=str(resource("templates")), static_folder=None)
    app.jinja_options = {"undefined": StrictUndefined, "trim_blocks": True, "lstrip_blocks": True}
    policy = _POLICY.format(ours=origin_of(support_url))

    @app.get("/")
    def article() -> Response:
        own = request.base_url
        # Without a script the link must carry the article too.
        title = _TITLES.get(lang, _TITLES["en"])
        is_named = allowed_article(own, [origin_of(request.host_url)]) is not None
        named = {"lang": lang} | ({"article": own, "title": title} if is_named else {})
        page = render_template(
            "sample_article.html",
            lang=lang,
            title=title,
            publisher_name=publisher_name,
            support_url=support_url.rstrip("/"),
            query=urlencode(named),
            canonical=own,
        )
        return Response(page, headers={"Content-Security-Policy": policy, "X-Content-Type-Options": "nosniff"})

    @app.get("/article.css")
    def style() -> Response:
        return Response(_STYLE, mimetype="text/css")

    @app.get("/robots.txt")
    def robots() -> Response:
        return Response("User-agent: *\nAllow: /\n", mimetype="text/plain")

    return app

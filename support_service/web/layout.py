"""What every template may use: the publisher's name, languages, links to static files, grouped values."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import cast
from urllib.parse import urlencode

from flask import Flask, Response, abort, url_for
from markupsafe import Markup

from support_service.assembly import Assembly
from support_service.door.finished import fingerprint
from support_service.door.shelf import Depends
from support_service.giving import PaymentMethod, QrText, Row
from support_service.qr import svg
from support_service.settings.accent import dark_shades, light_shades
from support_service.web import civil_dates
from support_service.web.i18n import LANGUAGE_NAMES, chosen_language, say
from support_service.web.public import for_other_sites, public
from support_service.web.reader.articles import Article, article_query
from support_service.web.reader.coins import coins_of
from support_service.web.service import EXTENSION, Service, service

STATIC = Path(__file__).parent / "static"
MIMETYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
MIMETYPES |= {".png": "image/png", ".webp": "image/webp", ".jpg": "image/jpeg"}

# Nobody compares a longer word than this in one glance; addresses have 34 characters and more.
LONG_CHARS = 24
# So much of a value tells it from another one, as banks print the end of a card number.
TAIL_CHARS = 4
NOTHING: Mapping[str, str] = {}


def install(app: Flask) -> None:
    """Give all templates of the app the same vocabulary."""
    # A handful of small files: kept in memory, and no path from a request ever meets a disk.
    files = {file.name: file.read_bytes() for file in sorted(STATIC.iterdir())}
    publisher = cast("Service", app.extensions[EXTENSION]).assembly.settings.publisher
    if publisher.accent:
        files["support.css"] += _accent_style(publisher.accent)
    if publisher.logo is not None:
        files[f"logo{publisher.logo.suffix.lower()}"] = publisher.logo.read_bytes()

    def static_url(name: str) -> str:
        """Link a static file by its contents, so that it may be kept for a year."""
        return url_for("static", name=name, v=fingerprint(files[name]))

    @app.get("/static/<name>", endpoint="static")
    def static(name: str) -> Response:
        body = files.get(name)
        if body is None:
            abort(404)
        # A sandboxed frame has an origin of its own and still needs our style.
        return for_other_sites(public(body, MIMETYPES[Path(name).suffix]), to_read=False)

    app.add_template_filter(groups)
    app.add_template_filter(drawing)
    app.add_template_global(static_url)
    app.add_template_filter(local_time)
    app.add_template_global(copy_name)
    app.add_template_global(language_query)
    app.add_template_global(article_query)
    app.add_template_filter(coins_of)
    app.context_processor(_about_the_page)


def shelved(assembly: Assembly) -> Iterator[tuple[str, Depends]]:
    """Tell the door what each answer depends on."""
    logo = assembly.settings.publisher.logo
    names = [*sorted(file.name for file in STATIC.iterdir()), *([f"logo{logo.suffix.lower()}"] if logo else [])]
    for name in names:
        yield f"/static/{name}", Depends(is_versioned=True)


def groups(row: Row) -> list[str]:
    """Split a value into groups for eyes, as its rail writes it, else by fours where it is long.

    The groups joined are exactly what is copied: spaces that belong to the value stay in it.
    """
    parts = row.shown.split(" ")
    if len(parts) > 1 and "".join(parts) == row.copied:
        return parts
    if row.shown == row.copied and " " not in row.copied and len(row.copied) >= LONG_CHARS:
        return [row.copied[start : start + 4] for start in range(0, len(row.copied), 4)]
    return [row.shown]


def drawing(code: QrText, name: str) -> Markup:
    """Draw a QR code into the page; svg() escapes the name, the rest is made of numbers."""
    return Markup(svg(code, name))  # noqa: S704


def local_time(moment: datetime) -> str:
    """Write a moment as the publisher's clocks show it."""
    return civil_dates.written(moment, service().zone)


def copy_name(method: PaymentMethod, row: Row) -> str:
    """Name what a copy button copies: three buttons called "Address" are one too many for money.

    Methods of the same title are numbered as they stand on the page, and the end of the value is told with them.
    """
    name = f"{say(row.label)}, {say(method.title)}"
    namesakes = [other.key for other in service().assembly.methods if other.title == method.title]
    if len(namesakes) == 1:
        return name
    return f"{name} {namesakes.index(method.key) + 1}, …{row.copied[-TAIL_CHARS:]}"


def language_query(lang: str, article: Article | None, chosen: Mapping[str, str] = NOTHING) -> str:
    """Write the query that shows the same page in another language: with the sum and the article, if there are any."""
    return urlencode({"lang": lang, **chosen, **article_query(article)})


def _accent_style(accent: str) -> bytes:
    """Write the publisher's colour over ours, in both themes."""
    light, dark = (
        f"--accent: {one.accent}; --accent-ink: {one.ink}; --accent-soft: {one.soft};"
        for one in (light_shades(accent), dark_shades(accent))
    )
    return (
        f'\n@media screen {{\n:root {{ {light} }}\n:root[data-theme="dark"] {{ {dark} }}\n}}\n'
        f'@media screen and (prefers-color-scheme: dark) {{ :root:not([data-theme="light"]) {{ {dark} }} }}\n'
    ).encode()


def _about_the_page() -> dict[str, object]:
    settings, lang = service().assembly.settings, chosen_language()
    publisher = settings.publisher
    return {
        "lang": lang,
        "languages": [(code, LANGUAGE_NAMES[code]) for code in publisher.languages],
        "publisher": publisher,
        "publisher_name": publisher.named(lang),
        "appeal": publisher.appeal.get(lang, ""),
        "logo": f"logo{publisher.logo.suffix.lower()}" if publisher.logo else "",
        "zone_name": service().zone.key,
        "is_demo": settings.is_demo,
        "article": None,
        "chosen": NOTHING,
    }

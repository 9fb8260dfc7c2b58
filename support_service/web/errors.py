"""The error page: calm, translated, and silent about what went wrong inside.

Flask turns an unhandled exception into a 500 here after it has logged the traceback.
"""

from functools import lru_cache
from typing import cast
from urllib.parse import parse_qs, urlencode

from flask import Flask, render_template
from flask_babel import gettext, lazy_gettext
from flask_babel.speaklater import LazyString
from werkzeug.exceptions import HTTPException

from support_service.door import ErrorPage
from support_service.door.finished import Captured
from support_service.ledger import LedgerError
from support_service.web.headers import page_headers
from support_service.web.service import EXTENSION, Service, service

# Of a query that is refused, no more than this is looked through for the language.
LANG_CHARS_LOOKED_AT = 2_048

_TEXTS = {
    400: (lazy_gettext("This request is not one we understand"), lazy_gettext("Please start again from the page.")),
    403: (lazy_gettext("You have no access to this page"), lazy_gettext("Sign in with an account that may do this.")),
    404: (lazy_gettext("There is no such page"), lazy_gettext("The address may be old or have a typing error.")),
    405: (lazy_gettext("This cannot be done here"), lazy_gettext("Please start again from the page.")),
    408: (lazy_gettext("That took too long"), lazy_gettext("Your connection may be slow. Please try again.")),
    411: (lazy_gettext("This request is not one we understand"), lazy_gettext("Please start again from the page.")),
    413: (lazy_gettext("That is too much at once"), lazy_gettext("Send less and try again.")),
    414: (lazy_gettext("This address is too long"), lazy_gettext("Please start again from the page.")),
    429: (lazy_gettext("Too many attempts"), lazy_gettext("Wait a few minutes and try again.")),
    500: (lazy_gettext("Something broke on our side"), lazy_gettext("It has been logged. Please try again later.")),
    503: (
        lazy_gettext("The records cannot be reached"),
        lazy_gettext("Giving works as always; please look at the records later."),
    ),
}


# What the door says when a kind of request is at its limit.
_BUSY = (
    lazy_gettext("Too many people want this at once"),
    lazy_gettext("Please try again in a moment. Every way to give without a card works as always."),
)
BUSY_SECONDS = 5


def install(app: Flask) -> None:
    """Answer every error with our page."""
    app.register_error_handler(HTTPException, show_http_error)
    app.register_error_handler(LedgerError, show_ledger_down)


def show_http_error(error: HTTPException) -> tuple[str, int, dict[str, str]]:
    """Tell what an HTTP error means to a person, keeping the headers that belong to it."""
    code = error.code or 500
    kept = {name: value for name, value in error.get_headers() if name in {"Allow", "Retry-After"}}
    return _page(code), code, {**kept, "Cache-Control": "no-store"}


def show_ledger_down(_error: LedgerError) -> tuple[str, int, dict[str, str]]:
    """Tell that the ledger is down where a view needed it and had no better answer."""
    return _page(503), 503, {"Cache-Control": "no-store", "Retry-After": "30"}


def pages(app: Flask) -> ErrorPage:
    """Give the door its own refusals, each made once in each language."""
    languages = cast("Service", app.extensions[EXTENSION]).assembly.settings.publisher.languages

    @lru_cache(maxsize=64)
    def made(code: int, lang: str) -> Captured:
        with app.test_request_context(f"/?{urlencode({'lang': lang})}"):
            page = _page(code, _BUSY if code == 503 else None)
            headers = [("content-type", "text/html; charset=utf-8"), ("cache-control", "no-store")]
            headers += [("retry-after", str(BUSY_SECONDS))] if code == 503 else []
            return Captured(code, [*headers, *page_headers(service().base)], page.encode())

    def page(code: int, query: str) -> Captured:
        asked = parse_qs(query[:LANG_CHARS_LOOKED_AT]).get("lang", [""])[0]
        return made(code, asked if asked in languages else "")

    return page


def _page(code: int, texts: tuple[LazyString, LazyString] | None = None) -> str:
    heading, hint = texts or _TEXTS.get(code, _TEXTS[400 if code < 500 else 500])
    return render_template("error.html", code=code, heading=str(heading), hint=str(hint), title=gettext("Error"))

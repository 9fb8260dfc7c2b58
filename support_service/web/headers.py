"""What holds for every answer: sizes of forms that we read, headers that we send."""

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from flask import Flask

from support_service.origin import BaseUrl

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

BODY_BYTES_MAX = 64_000
FORM_PARTS_MAX = 100

PAGE_POLICY = {
    "default-src": "'none'",
    "style-src": "'self'",
    "script-src": "'self'",
    "img-src": "'self'",
    "connect-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
}

_HEADERS = {
    "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in PAGE_POLICY.items()),
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
# Over https alone a browser listens to it (RFC 6797, section 8.1); subdomains are the publisher's own matter.
_STAY_WITH_HTTPS = {"Strict-Transport-Security": "max-age=31536000"}


def install(app: Flask, base: BaseUrl) -> None:
    """Put the limits of forms and the headers around every view."""
    app.config.update(
        MAX_CONTENT_LENGTH=BODY_BYTES_MAX, MAX_FORM_MEMORY_SIZE=BODY_BYTES_MAX, MAX_FORM_PARTS=FORM_PARTS_MAX
    )
    app.wsgi_app = _with_headers(app.wsgi_app, dict(page_headers(base)))  # type: ignore[method-assign,assignment]


def page_headers(base: BaseUrl) -> list[tuple[str, str]]:
    """List the headers of every answer that says nothing else itself."""
    return list((_HEADERS | (_STAY_WITH_HTTPS if base.site.scheme == "https" else {})).items())


def _with_headers(inner: "WSGIApplication", own: Mapping[str, str]) -> "WSGIApplication":
    """Add what a view did not say itself, outside of Flask: no answer passes by, and it costs 3 µs, not 200."""
    by_lower_name = {name.lower(): (name, value) for name, value in own.items()}

    def outer(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        def start(status: str, headers: list[tuple[str, str]], fault: Any = None) -> Callable[[bytes], object]:
            said = {name.lower() for name, _ in headers}
            if "content-security-policy" in said:
                # Such a view (the frame for other sites) says itself who may frame it.
                said.add("x-frame-options")
            headers += [header for name, header in by_lower_name.items() if name not in said]
            return start_response(status, headers, fault)

        return inner(environ, start)

    return outer

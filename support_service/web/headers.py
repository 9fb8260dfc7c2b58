"""What holds for every request and every answer: hosts we are, sizes we read, headers we send."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from flask import Flask, abort, request
from werkzeug.middleware.proxy_fix import ProxyFix

from support_service.origin import BadAddress, read_host
from support_service.settings import Settings

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

# An article of 2,048 characters, each percent-encoded twice over in UTF-8, fits; a flood does not.
QUERY_BYTES_MAX = 16_384
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

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "[::1]"})
_HEADERS = {
    "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in PAGE_POLICY.items()),
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_BY_LOWER_NAME = {name.lower(): (name, value) for name, value in _HEADERS.items()}


def install(app: Flask, settings: Settings) -> None:
    """Put the limits, the host check and the headers around every view."""
    app.config.update(
        MAX_CONTENT_LENGTH=BODY_BYTES_MAX, MAX_FORM_MEMORY_SIZE=BODY_BYTES_MAX, MAX_FORM_PARTS=FORM_PARTS_MAX
    )
    hops = settings.web.proxy_hops
    if hops:
        # The prefix comes from publisher.url alone: in a header it would rewrite every link of the page.
        app.wsgi_app = ProxyFix(  # type: ignore[method-assign]
            app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops, x_port=0, x_prefix=0
        )
    hosts = _trusted_hosts(settings)

    @app.before_request
    def refuse_what_is_not_for_us() -> None:
        if len(request.query_string) > QUERY_BYTES_MAX:
            abort(414)
        # A probe asks by whatever address it was given, and the health views use no host name.
        if request.blueprint != "health" and _host_name(request.host) not in hosts:
            abort(400, description="This address is not served here.")

    app.wsgi_app = _with_headers(app.wsgi_app, settings.publisher.base.script_name)  # type: ignore[method-assign,assignment]


def _trusted_hosts(settings: Settings) -> frozenset[str]:
    own = settings.publisher.base.site.host.name
    listed = settings.web.trusted_hosts
    if listed:
        return frozenset(host.name for host in listed)
    return _LOOPBACK if own in _LOOPBACK else frozenset({own})


def _host_name(host: str) -> str:
    """Take the name without the port; "" for what is no host at all."""
    try:
        return read_host(host).name
    except BadAddress:
        return ""


def _with_headers(inner: "WSGIApplication", script_name: str) -> "WSGIApplication":
    """Add what a view did not say itself, outside of Flask: no answer passes by, and it costs 3 µs, not 200."""

    def outer(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        def start(status: str, headers: list[tuple[str, str]], fault: Any = None) -> Callable[[bytes], object]:
            said = {name.lower() for name, _ in headers}
            if "content-security-policy" in said:
                # Such a view (the frame for other sites) says itself who may frame it.
                said.add("x-frame-options")
            headers += [header for name, header in _BY_LOWER_NAME.items() if name not in said]
            return start_response(status, headers, fault)

        # WSGI holds bytes as Latin-1 (PEP 3333).
        environ["SCRIPT_NAME"] = script_name.encode().decode("latin-1")
        return inner(environ, start)

    return outer

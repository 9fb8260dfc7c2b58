"""What holds for every request and every answer: hosts we are, sizes we read, headers we send."""

from urllib.parse import urlsplit

from flask import Flask, Response, abort, request
from werkzeug.middleware.proxy_fix import ProxyFix

from support_service.settings import Settings

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

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_HEADERS = {
    "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in PAGE_POLICY.items()),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def install(app: Flask, settings: Settings) -> None:
    """Put the limits, the host check and the headers around every view."""
    app.config.update(
        MAX_CONTENT_LENGTH=BODY_BYTES_MAX, MAX_FORM_MEMORY_SIZE=BODY_BYTES_MAX, MAX_FORM_PARTS=FORM_PARTS_MAX
    )
    hops = settings.web.proxy_hops
    if hops:
        app.wsgi_app = ProxyFix(  # type: ignore[method-assign]
            app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops, x_port=hops, x_prefix=hops
        )
    hosts = _trusted_hosts(settings)

    @app.before_request
    def refuse_what_is_not_for_us() -> None:
        if len(request.query_string) > QUERY_BYTES_MAX:
            abort(414)
        # A probe asks by whatever address it was given, and the health views use no host name.
        if request.blueprint != "health" and _host_name(request.host) not in hosts:
            abort(400, description="This address is not served here.")

    app.after_request(_add_headers)


def _trusted_hosts(settings: Settings) -> frozenset[str]:
    own = urlsplit(settings.publisher.url).hostname or ""
    listed = settings.web.trusted_hosts
    if listed:
        return frozenset(_host_name(host) for host in listed)
    return _LOOPBACK if own in _LOOPBACK else frozenset({own})


def _host_name(host: str) -> str:
    """Take the name without the port; "" for what is no host at all."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _add_headers(response: Response) -> Response:
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    if "frame-ancestors 'none'" in response.headers["Content-Security-Policy"]:
        response.headers.setdefault("X-Frame-Options", "DENY")
    return response

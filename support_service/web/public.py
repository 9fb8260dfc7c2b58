"""Answers that are the same for every reader: the door keeps them, packs them and sends them (see door/shelf.py)."""

from flask import Response

# A page may be a minute old: an address is changed rarely, and then soon everywhere.
PAGE_SECONDS = 60


def public(body: str | bytes, mimetype: str = "text/html", *, seconds: int = PAGE_SECONDS) -> Response:
    """Answer what anybody may keep for a while."""
    return Response(body, mimetype=mimetype, headers={"Cache-Control": f"public, max-age={seconds}"})


def for_other_sites(response: Response, *, to_read: bool = True) -> Response:
    """Let pages of other sites show an answer, and with `to_read` their scripts read it."""
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    if to_read:
        response.headers["Access-Control-Allow-Origin"] = "*"
    return response

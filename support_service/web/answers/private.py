"""Answers that are one reader's alone: nobody keeps them and no search engine lists them."""

from flask import Response, make_response


def private(page: str, status: int, *, retry_after: int | None = None) -> Response:
    """Answer with a page that is kept nowhere."""
    response = make_response(page, status)
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Robots-Tag"] = "noindex, nofollow"
    if retry_after is not None:
        response.headers["Retry-After"] = str(retry_after)
    return response

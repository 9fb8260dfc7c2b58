"""The block for an article as plain HTML: the same words and numbers as the widget, for editors to copy."""

from flask import Flask, render_template

from support_service.web.reader.articles import Article
from support_service.web.reader.block import LAYOUTS, build_block
from support_service.web.service import service


def snippet(app: Flask, lang: str, layout: str, *, is_amp: bool = False) -> str:
    """Write the block outside of any request, in a language and a layout."""
    with app.test_request_context(f"/?lang={lang}"):
        return write_snippet(lang, layout, is_amp=is_amp)


def write_snippet(lang: str, layout: str, article: Article | None = None, *, is_amp: bool = False) -> str:
    """Write the block in the language of the request and a layout, without script; "soft" has numbers alone.

    AMP pages refuse elements that are neither theirs nor HTML's: for them it is written without the script's element.
    """
    assert layout in (*LAYOUTS, "soft")
    at = service()
    around = {"base_url": at.base_url, "lang": lang, "layout": layout, "article": article, "is_amp": is_amp}
    page = render_template("snippet.html", block=build_block(at, lang), **around)
    return "\n".join(line for line in page.splitlines() if line.strip()) + "\n"

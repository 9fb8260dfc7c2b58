"""The block for an article as a plugin of WordPress: one small PHP file in a zip, with the snippet's own HTML in it."""

import io
import zipfile
from importlib.metadata import version

from flask import Flask, render_template

from support_service.giving import Phrase
from support_service.web.i18n import LANGUAGE_NAMES
from support_service.web.one_line import one_line
from support_service.web.reader.articles import TITLE_CHARS_MAX, Article
from support_service.web.reader.block import LAYOUTS
from support_service.web.service import service
from support_service.web.snippet import write_snippet
from support_service.web.spoken import speech

NAME = "support-block"
# The plugin writes its own article in their place, percent-encoded.
_ANY_ARTICLE = Article("SUPPORT_ARTICLE", "SUPPORT_TITLE")
# The layout of a story that asks for tact: numbers alone.
SOFT = "soft"
_SPOKEN = {
    "block": Phrase("Support block"),
    "everywhere": Phrase("Show the block under every article"),
    "without": Phrase("But not in these categories"),
    "layout": Phrase("Layout of the block"),
    "how": Phrase("Or where you like: the block “Support block”, or in a text"),
    "story": Phrase("Under this story"),
    "as_any": Phrase("as under any"),
    "soft": Phrase("numbers alone (a sensitive story)"),
    "hide": Phrase("nothing (a very sensitive story)"),
}
# Files of one zip are the same bytes for the same settings.
_FILE_TIME = (2020, 1, 1, 0, 0, 0)


def plugin_zip(app: Flask) -> bytes:
    """Write the plugin, outside of any request."""
    languages = _languages(app)
    blocks: dict[str, dict[str, str]] = {}
    for lang in languages:
        with app.test_request_context(f"/?lang={lang}"):
            blocks[lang] = {layout: write_snippet(lang, layout, _ANY_ARTICLE) for layout in (*LAYOUTS, SOFT)}
    with app.test_request_context(f"/?lang={languages[0]}"):
        name = one_line(service().assembly.settings.publisher.named(languages[0]))
        text = render_template(
            f"wordpress/{NAME}.php",
            php=php_literal,
            header=_in_comment(f"{name}: support block"),
            description=_in_comment(f"Lets readers support {name} at the end of an article."),
            version=version("support-service"),
            url=service().base_url,
            layouts=LAYOUTS,
            title_chars=TITLE_CHARS_MAX,
            blocks=blocks,
            spoken={lang: {key: speech(lang)(words) for key, words in _SPOKEN.items()} for lang in LANGUAGE_NAMES},
        )
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo(f"{NAME}/{NAME}.php", _FILE_TIME), text, zipfile.ZIP_DEFLATED)
    return written.getvalue()


def php_literal(text: str) -> str:
    """Write text as PHP's single-quoted string, in which nothing but a quote and a backslash means anything."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _languages(app: Flask) -> tuple[str, ...]:
    with app.test_request_context("/"):
        return tuple(service().assembly.settings.publisher.languages)


def _in_comment(text: str) -> str:
    return text.replace("*/", "* /").replace("?>", "? >")

"""Which language a page speaks, and how phrases of the rails are said in it.

The language is in the URL or it is the publisher's first: Accept-Language is not asked, because a
CDN keeps one answer for all readers.
"""

from flask import Flask, request
from flask_babel import Babel, gettext

from support_service.giving import Phrase
from support_service.web.service import service
from support_service.web.spoken import TRANSLATIONS

LANGUAGE_NAMES = {"uk": "Українська", "en": "English"}


def install(app: Flask) -> None:
    """Teach the app its languages: `_()` and `|say` in templates, gettext in views."""
    Babel(app, default_translation_directories=str(TRANSLATIONS), locale_selector=chosen_language)
    app.add_template_filter(say)


def chosen_language() -> str:
    """Take the language of the address where the publisher offers it, else the publisher's first."""
    languages = service().assembly.settings.publisher.languages
    wanted = request.args.get("lang") or (request.view_args or {}).get("lang", "")
    return wanted if wanted in languages else languages[0]


def say(phrase: Phrase) -> str:
    """Say a phrase in the language of the page."""
    return str(gettext(phrase.text, **dict(phrase.values)))

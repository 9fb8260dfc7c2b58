"""Phrases said outside a page: in a file that is streamed when its request is over, by a command, in a letter."""

from collections.abc import Callable
from gettext import translation
from pathlib import Path

from support_service.giving import Phrase

TRANSLATIONS = Path(__file__).parent / "translations"


def speech(language: str) -> Callable[[Phrase], str]:
    """Return what says phrases in a language; where it has no catalogue they stay as they are in the code."""
    spoken = translation("messages", TRANSLATIONS, [language], fallback=True)

    def say(phrase: Phrase) -> str:
        text = spoken.gettext(phrase.text)
        return text % dict(phrase.values) if phrase.values else text

    return say

"""What `snippet` prints: the support block as HTML for an article, without script."""

from support_service.app import create_app
from support_service.assembly import Assembly
from support_service.web.snippet import snippet


def snippet_text(assembly: Assembly, lang: str | None, layout: str) -> str:
    """Write the block in a language that the page has, by default its first; ValueError for any other."""
    languages = assembly.settings.publisher.languages
    if lang is not None and lang not in languages:
        raise ValueError(f"the page speaks {', '.join(languages)}, not {lang[:20]!r}")
    return snippet(create_app(assembly), lang or languages[0], layout)

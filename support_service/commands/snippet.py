"""What `snippet` prints: the support block as HTML for an article, without script; or writes: a WordPress plugin."""

from pathlib import Path

from support_service.app import create_app
from support_service.assembly import Assembly
from support_service.commands.output import write_chunks
from support_service.web.snippet import snippet
from support_service.web.wordpress import plugin_zip


def snippet_text(assembly: Assembly, lang: str | None, layout: str, *, is_amp: bool = False) -> str:
    """Write the block in a language that the page has, by default its first; ValueError for any other."""
    languages = assembly.settings.publisher.languages
    if lang is not None and lang not in languages:
        raise ValueError(f"the page speaks {', '.join(languages)}, not {lang[:20]!r}")
    return snippet(create_app(assembly), lang or languages[0], layout, is_amp=is_amp)


def write_plugin(assembly: Assembly, file: Path) -> str:
    """Write the plugin for WordPress, whole or not at all, and say what to do with it; OSError where it cannot."""
    write_chunks([plugin_zip(create_app(assembly))], file)
    return f"wrote {file}: in WordPress, Plugins, Add New, Upload Plugin; then Settings, Support block"

"""The plugin for WordPress as a file: one of PHP, made of the snippet, and no word of the settings leaves its place."""

import io
import re
import zipfile
from pathlib import Path

from support_service.web.reader.block import LAYOUTS
from support_service.web.wordpress import SOFT, php_literal, plugin_zip
from tests.fixtures.site import site

HOSTILE = "Ми'; system('x'); /* */ ?><?php \\' <b>"


def plugin(folder: Path, changes: dict[str, str] | None = None) -> str:
    with zipfile.ZipFile(io.BytesIO(plugin_zip(site(folder, changes)))) as archive:
        assert archive.namelist() == ["support-block/support-block.php"]
        return archive.read(archive.namelist()[0]).decode()


def test_the_plugin_holds_the_block_in_every_language_and_layout(tmp_path: Path) -> None:
    text = plugin(tmp_path)
    for lang in ("uk", "en"):
        assert text.count(f'<support-block lang="{lang}"') == len((*LAYOUTS, SOFT))
    assert "bc1qv58uev602j2twgxdtyv4z0mvly44ezq788kwsd" in text
    assert "article=SUPPORT_ARTICLE&amp;title=SUPPORT_TITLE" in text
    assert "Показувати блок під кожною статтею" in text and "Show the block under every article" in text
    assert text.startswith("<?php\n/**\n * Plugin Name: Militarnyi: support block\n")


def test_the_same_settings_make_the_same_bytes(tmp_path: Path) -> None:
    app = site(tmp_path)
    assert plugin_zip(app) == plugin_zip(app)


def test_no_word_of_the_settings_leaves_its_place(tmp_path: Path) -> None:
    written = HOSTILE.replace("\\", "\\\\")
    text = plugin(tmp_path, {'name = "Militarnyi"': f'name = "{written}"'})
    head, _, code = text.partition(" */\n")
    assert head.count("*/") == head.count("?>") == 0
    # Strings taken out, nothing of the name is left.
    bare = re.sub(r"'(?:[^'\\]|\\.)*'", "''", code, flags=re.DOTALL)
    assert "system(" not in bare and "?>" not in bare


def test_a_php_string_is_what_it_was() -> None:
    for text in ("", "'", "\\", "\\'", "a\\\\'b", "$x {$y} \n", "Є’"):
        literal = php_literal(text)
        assert literal[0] == literal[-1] == "'"
        assert re.fullmatch(r"(?:[^'\\]|\\['\\])*", literal[1:-1])
        assert re.sub(r"\\(['\\])", r"\1", literal[1:-1]) == text

"""The pages that say how something is added name what there is: every word of code and every file on them."""

import re
from functools import cache
from pathlib import Path

import pytest

from tests.fixtures.service import ROOT

SEAMS = ("rails", "rails/bank/statements", "ledger/export", "notifications", "web/staff")


@cache
def known_words() -> frozenset[str]:
    """Every word of the code, the tests and the templates, and the name of every file of them."""
    files = [*(ROOT / "support_service").rglob("*.py"), *(ROOT / "tests").rglob("*.py")]
    files += (ROOT / "templates").rglob("*.html")
    texts = (file.read_text(encoding="utf-8") for file in files if file != Path(__file__))
    return frozenset(word for text in texts for word in re.findall(r"\w+", text)) | {file.stem for file in files}


def said(page: str) -> tuple[list[str], set[str]]:
    """The pieces of code within the sentences of a page, and the words and files of its own examples."""
    text = (ROOT / "support_service" / page / "README.md").read_text(encoding="utf-8")
    examples = re.findall(r"```\w*\n(.*?)```", text, re.DOTALL)
    sentences = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    named = re.findall(r"`([\w./]+)`:\n\n```|`([\w./]+)`:\s+```", text)
    own = {word for example in examples for word in re.findall(r"\w+", example)}
    return re.findall(r"`([^`]+)`", sentences), own | {path for pair in named for path in pair if path}


@pytest.mark.parametrize("page", SEAMS)
def test_a_page_on_adding_names_what_there_is(page: str) -> None:
    pieces, own = said(page)
    for piece in pieces:
        if re.fullmatch(r"[\w.-]+(/[\w.-]*)+", piece):
            here = ROOT / "support_service" / page
            assert piece in own or (ROOT / piece).exists() or (here / piece).exists(), f"no such file: {piece}"
        elif not piece.startswith((".venv/", "/")):
            unknown = set(re.findall(r"[A-Za-z_]\w+", piece)) - known_words() - own
            assert not unknown, f"the code knows no {unknown}, which `{piece}` names"


def test_every_page_on_adding_is_held() -> None:
    pages = {
        str(path.parent.relative_to(ROOT / "support_service"))
        for path in (ROOT / "support_service").rglob("README.md")
        if re.search(r"^#+ Add an? ", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert pages == set(SEAMS)
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [page for page in SEAMS if f"`support_service/{page}/README.md`" not in readme] == []

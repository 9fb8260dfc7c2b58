"""Every text for people is said in Ukrainian, and what the program reads is what the catalogue says."""

import re

import pytest
from babel.messages.catalog import Message

from tests.fixtures.catalogue import MO, compiled, spoken, translated

HINT = "run `python -m tests.fixtures.catalogue`, then translate what is empty in messages.po"
TEXTS = [message for message in spoken() if message.id]
# Letters that Russian has and Ukrainian has not, and words that translators borrow from it.
NOT_UKRAINIAN = re.compile(
    r"[ыэъё]|\b(?:співпад|слідуюч|приймає участь|на протязі|рахунок-фактур|получ)", re.IGNORECASE
)


@pytest.mark.parametrize("message", TEXTS, ids=lambda message: str(message.id)[:60])
def test_every_text_has_a_translation_with_the_same_values(message: Message) -> None:
    found = translated().get(message.id)
    assert found is not None, HINT
    said = found.string if isinstance(found.string, tuple | list) else (found.string,)
    asked = message.id[0] if isinstance(message.id, tuple | list) else message.id
    for text in said:
        assert text, HINT
        assert values(text) == values(asked)
        assert not NOT_UKRAINIAN.search(text)
        assert "'" not in text, "the Ukrainian apostrophe is ’"


def test_the_catalogue_holds_nothing_else() -> None:
    assert {str(m.id) for m in translated() if m.id} == {str(m.id) for m in TEXTS}, HINT


def test_the_compiled_catalogue_is_in_step() -> None:
    assert MO.read_bytes() == compiled(translated()), HINT


def values(text: str) -> set[str]:
    """Find the placeholders of a text."""
    return set(re.findall(r"%\(\w+\)s|\{\w+\}", text))

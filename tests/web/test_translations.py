"""Every text for people is said in Ukrainian, and what the program reads is what the catalogue says."""

import re
from functools import cache

from babel.messages.catalog import Catalog, Message

from tests.fixtures.catalogue import MO, compiled, spoken, translated

HINT = "run `python -m tests.fixtures.catalogue`, then translate what is empty in messages.po"
# Letters that Russian has and Ukrainian has not, and words that translators borrow from it.
NOT_UKRAINIAN = re.compile(
    r"[ыэъё]|\b(?:співпад|слідуюч|приймає участь|на протязі|рахунок-фактур|получ)", re.IGNORECASE
)


# What a person never wrote: a sentence of the original in the middle, or one that begins without a space.
NOT_TRANSLATED = re.compile(r"(?:\b[A-Za-z]{2,}[ ,.:]+){3}[a-z]{2,}\b|[а-яіїєґ»][.!?][A-ZА-ЯІЇЄҐ]")
COMMANDS = re.compile(r"support-service(?: [a-z-]+)*")


@cache
def texts() -> list[Message]:
    """Every text of the code and the templates: to find them takes seconds, which no collection of tests should."""
    return [message for message in spoken() if message.id]


@cache
def held() -> Catalog:
    return translated()


def test_every_text_has_a_translation_with_the_same_values() -> None:
    wrong = {str(message.id): why for message in texts() for why in mistakes(message)}
    assert len(texts()) > 900
    assert wrong == {}


def mistakes(message: Message) -> list[str]:
    """Say what is wrong with the translation of a text."""
    found = held().get(message.id)
    said = found.string if found is not None else ""
    asked = message.id[0] if isinstance(message.id, tuple | list) else message.id
    wrong = []
    for text in said if isinstance(said, tuple | list) else (said,):
        if not text:
            wrong.append(HINT)
            continue
        if values(text) != values(asked):
            wrong.append(f"has other values: {text}")
        if spelt := NOT_UKRAINIAN.search(text):
            wrong.append(f"is not Ukrainian: {spelt[0]}")
        if left := NOT_TRANSLATED.search(COMMANDS.sub("", text)):
            wrong.append(f"was left as it came: {left[0]}")
        if "'" in text:
            wrong.append(f"the Ukrainian apostrophe is ’: {text}")
    return wrong


def test_the_catalogue_holds_nothing_else() -> None:
    assert {str(m.id) for m in held() if m.id} == {str(m.id) for m in texts()}, HINT


def test_the_compiled_catalogue_is_in_step() -> None:
    assert MO.read_bytes() == compiled(held()), HINT


def values(text: str) -> set[str]:
    """Find the placeholders of a text."""
    return set(re.findall(r"%\(\w+\)s|\{\w+\}", text))

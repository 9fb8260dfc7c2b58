"""Fold text before it is compared: case, the Ukrainian і that a bank writes as Latin i, spaces, punctuation. Pure."""

import re
import unicodedata
from functools import lru_cache

# PrivatBank's CSV writes every Ukrainian і as Latin i; its API does not. Only folded are the two equal.
_LOOK_ALIKE = (("І", "I"), ("Ї", "I"), ("Ё", "Е"), ("Ґ", "Г"))
_APOSTROPHES = re.compile("['’ʼ`´‘]")
_NOT_WORD = re.compile(r"[\W_]+")


# One line's name and purpose are folded for every rule and key that asks for them, of a thousand lines in turn.
@lru_cache(maxsize=4_096)
def fold(text: str) -> str:
    """Write text in upper case words, one space between them: "Комiсiя, за…" and "комісія за" are equal."""
    upper = unicodedata.normalize("NFKC", text).upper()
    for letter, alike in _LOOK_ALIKE:
        upper = upper.replace(letter, alike)
    return _NOT_WORD.sub(" ", _APOSTROPHES.sub("", upper)).strip()


def squeeze(text: str) -> str:
    """Fold and leave no space at all: banks break lines in the middle of a word."""
    return fold(text).replace(" ", "")

"""Support codes "XXXX-XXXX": made from randomness passed in, read from whatever a bank leaves of them. Pure.

Seventeen characters whose letters look alike in Latin and Cyrillic; six are drawn, two are checks
over GF(17): with value v = place in the alphabet and i = 1..8, both sum(v) and sum(i * v) are 0
(mod 17). Every single wrong character and every swap is found out; nothing is ever corrected.
"""

import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

ALPHABET = "23456789ACEHKMPTY"
DATA_CHARACTERS, CHARACTERS = 6, 8
# Codes of all digits look like telephone numbers, codes of all letters like words: neither is issued.
DIGITS_MIN, DIGITS_MAX = 2, 6
DRAWS_MAX = 1_000  # each draw fits with 92 %: more misses than this are a broken source of randomness
HINT_CHARACTERS_MIN = 5
# A purpose has 420 characters at most; what is longer is no purpose, and reading it must not take long.
TEXT_CHARACTERS_MAX = 2_000

_SEPARATORS = r" \-‐‑‒–—−._"
_CYRILLIC = tuple(zip("АСЕНКМРТУ", "ACEHKMPTY", strict=True))
# What transliteration and look-alikes leave of a character: undone in the second tier alone.
_TRANSLITERATED = str.maketrans("NRUSVBВЗБGZЧ", "HPYC88836624")
_TOKEN = re.compile(rf"(?<![^\W_])(?=([{ALPHABET}]{{4}})[{_SEPARATORS}]?([{ALPHABET}]{{4}})(?![^\W_]))")
_CUT = re.compile(rf"(?<![^\W_])([{ALPHABET}]{{4}})[{_SEPARATORS}]?([{ALPHABET}]{{1,3}})\W*$")
_NOT_ALNUM = re.compile(r"[\W_]+")
# Whatever stands between its letters: no tier finds a code, nor the beginning of one, where no such run does.
_RUN = re.compile(rf"[{ALPHABET}NRUSVBВЗБGZЧ]{{{CHARACTERS}}}")
_CUT_RUN = re.compile(rf"[{ALPHABET}]{{{HINT_CHARACTERS_MIN}}}\Z")
_WINDOW = re.compile(rf"(?=([{ALPHABET}]{{4}})([{ALPHABET}]{{4}}))")


class Tier(StrEnum):
    """How a code was found."""

    EXACT = "exact"
    LOOSE = "loose"
    SLIDING = "sliding"


@dataclass(frozen=True, slots=True)
class CodeReading:
    """What a text says: one issued code and how it was found, or none.

    rivals: two or more different issued codes stand in it, so a person must say. hint: the first
    characters of a code that the bank cut off at the end of the text.
    """

    code: str = ""
    tier: Tier | None = None
    rivals: tuple[str, ...] = ()
    hint: str = ""


def issue(random_below: Callable[[int], int]) -> str:
    """Draw a code; random_below(n) gives an even draw from 0..n-1, such as secrets.randbelow.

    The caller draws again where the code is taken.
    """
    for _ in range(DRAWS_MAX):
        code = with_checks("".join(ALPHABET[random_below(len(ALPHABET))] for _ in range(DATA_CHARACTERS)))
        if is_issuable(code):
            return code
    raise RuntimeError("no code could be drawn: the source of randomness repeats itself")


def with_checks(data: str) -> str:
    """Add the two check characters to six: "2A3C4E" -> "2A3C-4E62"."""
    values = [ALPHABET.index(character) for character in data]
    total = sum(values)
    weighted = sum(place * value for place, value in enumerate(values, start=1))
    last = (7 * total - weighted) % 17
    code = data + ALPHABET[(-total - last) % 17] + ALPHABET[last]
    return f"{code[:4]}-{code[4:]}"


def is_valid(code: str) -> bool:
    """Tell whether eight characters (a hyphen between them or not) have right checks."""
    plain = code.replace("-", "")
    if len(plain) != CHARACTERS or any(character not in ALPHABET for character in plain):
        return False
    values = [ALPHABET.index(character) for character in plain]
    return sum(values) % 17 == 0 and sum(place * value for place, value in enumerate(values, start=1)) % 17 == 0


def is_issuable(code: str) -> bool:
    """Tell whether a code is valid and looks neither like a number nor like a word."""
    return is_valid(code) and DIGITS_MIN <= sum(character.isdigit() for character in code) <= DIGITS_MAX


def codes_in(text: str) -> tuple[str, ...]:
    """List every code with right checks that stands in a text, issued or not, however its letters were typed."""
    return tuple(code for code in _tokens(_upper(text)) if is_issuable(code))


def candidates(texts: Iterable[str]) -> frozenset[str]:
    """List every code that `read_code` could find in these texts, were it issued: of most texts there is none."""
    folded = [_upper(text) for text in texts]
    told = [text for text in folded if _RUN.search(_NOT_ALNUM.sub("", text))]
    return frozenset(code for text in told for _, read in _TIERS for code in read(text) if is_issuable(code))


def read_code(texts: Iterable[str], issued: Collection[str]) -> CodeReading:
    """Read the one issued code that the texts of a line hold; the first tier that finds any decides.

    issued: all that were, or those of `candidates` that were.
    """
    folded = [_upper(text) for text in texts]
    dense = [_NOT_ALNUM.sub("", text) for text in folded]
    hints = (_hint(text) for text, run in zip(folded, dense, strict=True) if _CUT_RUN.search(run))
    if not any(map(_RUN.search, dense)):
        return CodeReading(hint=next(filter(None, hints), ""))
    for tier, read in _TIERS:
        found = sorted({code for text in folded for code in read(text) if code in issued and is_issuable(code)})
        if len(found) == 1:
            return CodeReading(found[0], tier)
        if found:
            return CodeReading(rivals=tuple(found))
    return CodeReading(hint=next(filter(None, hints), ""))


def neighbours(text: str, issued: Collection[str]) -> tuple[str, ...]:
    """List issued codes that are one wrong or one swapped character away: candidates for a person, no match."""
    near: set[str] = set()
    for code in _tokens(_upper(text)):
        plain = code.replace("-", "")
        swapped = (plain[:i] + plain[i + 1] + plain[i] + plain[i + 2 :] for i in range(CHARACTERS - 1))
        wrong = (plain[:i] + other + plain[i + 1 :] for i in range(CHARACTERS) for other in ALPHABET)
        near |= {hyphened for one in (*swapped, *wrong) if (hyphened := f"{one[:4]}-{one[4:]}") in issued}
    return tuple(sorted(near))


def beginning(hint: str) -> str:
    """Write the first characters of a code that was cut off as codes begin: "KP42M" -> "KP42-M"."""
    return f"{hint[:4]}-{hint[4:]}"


# A text is looked through for what may be a code, and then for what is one.
@lru_cache(maxsize=4_096)
def _upper(text: str) -> str:
    upper = unicodedata.normalize("NFKC", text[:TEXT_CHARACTERS_MAX]).upper()
    for letter, alike in _CYRILLIC:
        upper = upper.replace(letter, alike)
    return upper


def _tokens(text: str) -> Iterator[str]:
    return (f"{match[1]}-{match[2]}" for match in _TOKEN.finditer(text))


def _windows(text: str) -> Iterator[str]:
    dense = _NOT_ALNUM.sub("", text)
    return (f"{match[1]}-{match[2]}" for match in _WINDOW.finditer(dense))


def _hint(text: str) -> str:
    cut = _CUT.search(text)
    return cut[1] + cut[2] if cut and len(cut[1] + cut[2]) >= HINT_CHARACTERS_MIN else ""


# In the order of trust; the first that finds any decides.
_TIERS: tuple[tuple[Tier, Callable[[str], Iterator[str]]], ...] = (
    (Tier.EXACT, _tokens),
    (Tier.LOOSE, lambda text: _tokens(text.translate(_TRANSLITERATED))),
    (Tier.SLIDING, _windows),
)

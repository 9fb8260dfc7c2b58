"""Which passwords anybody would try first: long enough, and yet no secret.

A password is weak where all that is left of it, without the digits and signs around, is one common
password, one walk over the keyboard, or the person's and the publisher's own names.
"""

import lzma
import unicodedata
from collections.abc import Iterable, Iterator
from functools import lru_cache
from importlib.resources import files

# The frequent passwords of zxcvbn 4.5.0 (MIT; Dropbox, Inc. and Daniel Wolf) and of Django 5.2 (BSD-3-Clause;
# Django Software Foundation, from a list by Royce Williams), in lower case and in one list: one a line.
COMMON_FILE = "common_passwords.txt.xz"

# What those lists lack: our readers type Ukrainian, too.
_COMMON_HERE = frozenset(
    (
        *("пароль", "парольпароль", "привіт", "україна", "славаукраїні", "героямслава", "київ", "кохання"),
        *("адміністратор", "адмін", "slavaukraini", "ukraine", "ukraina", "administrator", "supportservice"),
    )
)
_WALKS = (
    "abcdefghijklmnopqrstuvwxyz",
    "абвгґдеєжзиіїйклмнопрстуфхцчшщьюя",
    "01234567890",
    "qwertyuiop[]asdfghjkl;'zxcvbnm,./",
    "йцукенгшщзхїфівапролджєячсмитьбю.",
    "йцукенгшщзхъфывапролджэячсмитьбю.",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik,9ol.0p;/",
    "1q2w3e4r5t6y7u8i9o0p",
)
# Fewer different characters than this, and somebody held a key down.
DIFFERENT_MIN = 5
# Shorter names are in too many honest words.
NAME_CHARS_MIN = 4
STEPS_MIN = 3

_UNDISGUISED = str.maketrans("@4301!5$7", "aaeoiisst")


def is_weak(password: str, names: Iterable[str] = ()) -> bool:
    """Tell whether a password is among the first that anybody would try; names are what is known of its owner."""
    text = _folded(password)
    known = {short for name in names if len(short := _letters(_folded(name))) >= NAME_CHARS_MIN}
    return len(set(text)) < DIFFERENT_MIN or any(_is_known(core, known) for core in _cores(text))


def _is_known(core: str, names: set[str]) -> bool:
    unit = _repeated(core)
    if len(unit) < NAME_CHARS_MIN or unit in names or unit in _COMMON_HERE:
        return True
    return _is_walk(unit) or unit in _common()


def _is_walk(text: str) -> bool:
    """Tell whether all of a text is steps of three keys or more along the keyboard or the alphabet."""
    begin = 0
    while begin < len(text):
        end = begin
        while end < len(text) and any(text[begin : end + 1] in walk for walk in _both_ways()):
            end += 1
        if end - begin < STEPS_MIN:
            return False
        begin = end
    return True


@lru_cache(maxsize=1)
def _both_ways() -> tuple[str, ...]:
    return tuple(walk + walk for ahead in _WALKS for walk in (ahead, ahead[::-1]))


def _cores(text: str) -> Iterator[str]:
    """Name what a password may be about: whole, without what stands around it, and without its disguise."""
    yield from (text, text.translate(_UNDISGUISED))
    letters = "".join(char for char in text if char.isalpha())
    if 2 * len(letters) >= len(text):
        yield letters
    ends = "".join(sorted({char for char in text if not char.isalpha()}))
    for bare in (text.strip(ends), text.rstrip(ends)):
        yield from (_letters(bare), _letters(bare.translate(_UNDISGUISED)))


def _repeated(text: str) -> str:
    """Return what a text is made of by saying it over and over; the text itself where it is not."""
    size = (text + text).find(text, 1) if text else 0
    return text[:size]


def _letters(text: str) -> str:
    return "".join(char for char in text if char.isalnum())


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()


@lru_cache(maxsize=1)
def _common() -> frozenset[str]:
    """Read the list when it is first asked: the process that serves readers never does."""
    packed = files("support_service.ledger").joinpath(COMMON_FILE).read_bytes()
    return frozenset(lzma.decompress(packed).decode().split("\n"))

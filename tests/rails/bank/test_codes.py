"""Support codes: issued, mangled by banks and people, and never guessed."""

import random
import unicodedata
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support_service.giving.codes import (
    ALPHABET,
    Tier,
    beginning,
    candidates,
    is_issuable,
    is_valid,
    issue,
    neighbours,
    read_code,
    with_checks,
)

DRAW = random.Random(7)
ISSUED = sorted({issue(DRAW.randrange) for _ in range(3_000)})
CODES = st.sampled_from(ISSUED)
CYRILLIC = str.maketrans("ACEHKMPTY", "АСЕНКМРТУ")
# What SWIFT and SEPA routes make of the Cyrillic look-alikes.
TRANSLITERATED = str.maketrans("АСЕНКМРТУ", "ASENKMRTU")


def test_codes_are_made_by_the_published_rule() -> None:
    assert [with_checks(data) for data in ("2A3C4E", "PTY998", "234567")] == ["2A3C-4E62", "PTY9-98HC", "2345-6733"]
    assert is_valid("2345-6733")
    assert not is_issuable("2345-6733"), "all digits: it looks like a number"


def test_a_source_of_randomness_that_repeats_itself_ends_in_an_error() -> None:
    with pytest.raises(RuntimeError):
        issue(lambda _: 0)


@given(CODES, st.data())
def test_every_single_mistake_and_every_swap_is_found_out(code: str, data: st.DataObject) -> None:
    plain = code.replace("-", "")
    place, other = data.draw(st.integers(0, 7)), data.draw(st.sampled_from(ALPHABET))
    wrong = plain[:place] + other + plain[place + 1 :]
    assert wrong == plain or not is_valid(wrong)
    first, second = data.draw(st.integers(0, 7)), data.draw(st.integers(0, 7))
    letters = list(plain)
    letters[first], letters[second] = letters[second], letters[first]
    assert "".join(letters) == plain or not is_valid("".join(letters))


WAYS: dict[str, tuple[Callable[[str], str], Tier | None]] = {
    "as printed": (lambda code: f"Внесок {code} дякую", Tier.EXACT),
    "lower case": (lambda code: f"внесок {code.lower()}, без ПДВ", Tier.EXACT),
    "no hyphen": (lambda code: f"{code.replace('-', '')} внесок", Tier.EXACT),
    "a space": (lambda code: f"внесок {code.replace('-', ' ')}.", Tier.EXACT),
    "a dash": (lambda code: f"внесок {code.replace('-', '–')}.", Tier.EXACT),
    "Cyrillic look-alikes": (lambda code: f"ВНЕСОК {code.translate(CYRILLIC)}", Tier.EXACT),
    "full-width letters": (lambda code: "".join(chr(ord(c) + 0xFEE0) if c != "-" else c for c in code), Tier.EXACT),
    "transliterated": (lambda code: f"VNESOK {code.translate(CYRILLIC).translate(TRANSLITERATED)} DIAKUIU", None),
    "a line break inside": (lambda code: f"внесок {code[:3]}\r\n{code[3:]} дякую", Tier.SLIDING),
    "glued to a word": (lambda code: f"внесок{code.replace('-', '')}дякую", Tier.SLIDING),
}


@pytest.mark.parametrize("way", WAYS)
@given(code=CODES)
def test_a_mangled_code_is_read(way: str, code: str) -> None:
    mangle, tier = WAYS[way]
    reading = read_code([mangle(code)], frozenset(ISSUED))
    assert reading.code == code
    assert tier in (None, reading.tier)


@given(CODES, CODES)
def test_two_codes_in_one_purpose_are_for_a_person(one: str, other: str) -> None:
    reading = read_code([f"{one} або {other}"], frozenset(ISSUED))
    assert (reading.code == one) if one == other else (reading.rivals == tuple(sorted((one, other))))


@given(st.text(max_size=200))
def test_a_text_without_an_issued_code_has_none(text: str) -> None:
    reading = read_code([text], frozenset(ISSUED))
    assert not reading.code or reading.code.replace("-", "") in unicodedata.normalize("NFKC", text).upper()


def test_a_code_that_is_not_issued_is_no_code() -> None:
    assert not read_code(["2A3C-4E62"], frozenset()).code


def test_a_cut_code_is_a_hint_with_candidates_and_no_match() -> None:
    reading = read_code(["журналістики та розслідувань, код KP42-M"], frozenset({"KP42-M6ME"}))
    assert (reading.code, reading.hint) == ("", "KP42M")
    assert "KP42-M6ME".startswith(beginning(reading.hint))


def test_one_typing_mistake_is_offered_and_not_corrected() -> None:
    assert not read_code(["Внесок 8CCT-3YE4"], {"8CCT-3Y4E"}).code
    assert neighbours("Внесок 8CCT-3YE4", {"8CCT-3Y4E", "7KEA-5H33"}) == ("8CCT-3Y4E",)


@given(st.lists(st.text(max_size=60), max_size=3), st.sets(st.sampled_from(ISSUED), max_size=4))
def test_who_knows_the_candidates_alone_reads_what_who_knows_all_codes_does(texts: list[str], told: set[str]) -> None:
    texts += [f"{words} {code}" for words, code in zip((*texts, ""), told, strict=False)]
    texts += [code.replace("-", "") + "N" for code in told]
    every = frozenset(ISSUED)
    assert read_code(texts, every & candidates(texts)) == read_code(texts, every)

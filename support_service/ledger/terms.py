"""What a gift is found by: its terms, and what a person typed read as terms. Pure.

A term begins with a sign of its own: "=" for amounts, "#" for what is no secret of a person's (hashes, locators,
addresses, codes, articles), "~" for the words of a person and about one. Those of a person are made from erasable
data alone, and a trigger takes them with these; no other sign sorts behind "~".
"""

import json
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache

from support_service.giving import Personal
from support_service.giving.codes import codes_in
from support_service.ledger.rows import Values
from support_service.money import plain_units

AMOUNT, FACT, PERSON = "=", "#", "~"
TERM_CHARS_MAX = 120
# What a person writes is kept whole; so much of it is found by its words.
WORDS_MAX = 60
WORD_CHARS_MIN = 2
_APOSTROPHES = "'’ʼ`´‘"
_WORD = re.compile(r"[^\W_]+")
# Looked for where a run of its letters begins, and there alone: else a long text takes the square of its length.
_MAIL = re.compile(r"(?<![^\s<>()\[\],;:\"'])[^\s<>()\[\],;:\"']+@[^\s<>()\[\],;:\"']+")
_NUMBER = re.compile(r"([0-9]{1,78})(?:[.,]([0-9]{1,78}))?")
_GROUPED = re.compile(r"(?<!\S)\d{1,3}(?:\s\d{3})+(?=[.,\s]|\Z)")
_SCHEME = re.compile(r"^[a-z]+://(?:www\.)?")
_SIGNS = {"₴": "uah", "грн": "uah", "€": "eur", "$": "usd", "£": "gbp", "zł": "pln"}


def folded(text: str) -> str:
    """Write a text so that what people take for one word is one text: case, width and apostrophes do not matter."""
    if text.isascii():
        return text.lower().replace("'", "").replace("`", "")
    found = unicodedata.normalize("NFKC", text).casefold()
    for sign in _APOSTROPHES:
        found = found.replace(sign, "")
    return found


# Of assets and addresses there are few, and each gift has one; what people write is never held.
_few = lru_cache(maxsize=256)(folded)


def terms_of(row: Values, people: Iterable[Personal]) -> frozenset[str]:
    """Name everything that a gift is found by, from its row in the table of donations and what is kept of people."""
    if row["state"] is None:
        return frozenset()
    amount = plain_units(int(row["units"]), row["exponent"])
    found = {f"{AMOUNT}{amount} {_few(row['asset'])}"}
    tx, locator = row["tx"], row["locator"]
    # A place inside a transaction is found by the transaction.
    for text in (tx, None if tx and locator.startswith(tx) else locator, row["support_code"]):
        if text:
            found.add(FACT + folded(text)[:TERM_CHARS_MAX])
    if row["address"]:
        found.add(FACT + _few(row["address"])[:TERM_CHARS_MAX])
    if row["article"]:
        found.update([FACT + text for text in _article_terms(row["article"])])
    for personal in people:
        found.update([PERSON + text for text in _person_terms(personal)])
    return frozenset(found)


def _article_terms(article: str) -> set[str]:
    address = _SCHEME.sub("", folded(article)).rstrip("/")
    last = address.partition("?")[0].rpartition("/")[2]
    return {address[:TERM_CHARS_MAX], *words_of(last)}


def _person_terms(personal: Personal) -> set[str]:
    texts = [text for text in (personal.payer, personal.message, personal.note) if text]
    if personal.party:
        texts += _strings(personal.party)
    # Read in one go, as nearly all people write little; else text by text, until there are enough.
    found = _words_in("\n".join(texts)) if texts else set[str]()
    if len(found) < WORDS_MAX:
        return found
    found = set()
    for text in texts:
        found |= _words_in(text)
        if len(found) >= WORDS_MAX:
            break
    return set(sorted(found)[:WORDS_MAX])


def _words_in(text: str) -> set[str]:
    found: set[str] = set()
    plain_text = folded(text)
    if "@" in plain_text:
        found = {mail[:TERM_CHARS_MAX] for mail in _MAIL.findall(plain_text)}
        plain_text = _MAIL.sub(" ", plain_text)
    found.update(words_of(plain_text))
    return found


def email_of(personal: Personal) -> str | None:
    """Tell the e-mail that somebody gave; None where none is kept."""
    # Of nearly all that is kept nothing need be read: a key is written as it is, or by numbers of letters.
    if not personal.party or ("email" not in personal.party and "\\u" not in personal.party):
        return None
    held = json.loads(personal.party)
    told = held.get("email") if isinstance(held, dict) else None
    return told if isinstance(told, str) else None


def _strings(party: str) -> list[str]:
    held = json.loads(party)
    return [text for text in held.values() if isinstance(text, str) and text] if isinstance(held, dict) else []


def words_of(text: str) -> list[str]:
    """Cut a folded text into its words; single letters are none."""
    return [word[:TERM_CHARS_MAX] for word in _WORD.findall(text) if len(word) >= WORD_CHARS_MIN]


@dataclass(frozen=True, slots=True)
class Beginning:
    """How a term begins that a word may mean; is_term: it is the whole of it."""

    text: str
    is_term: bool = False

    def cut(self) -> "Beginning":
        """As long as terms are kept."""
        return replace(self, text=self.text[:TERM_CHARS_MAX])


def read_asked(asked: str, *, with_people: bool) -> list[list[Beginning]]:
    """Read what was typed: of each of its words the beginnings of terms that it may mean."""
    text = folded("".join(sign if sign.isprintable() else " " for sign in asked))
    text = _GROUPED.sub(lambda grouped: re.sub(r"\s", "", grouped[0]), text)
    for sign, code in _SIGNS.items():
        text = re.sub(rf"(?<=\d)\s*{re.escape(sign)}(?!\w)", f" {code}", text)
    meant, amounts = [], list[str]()
    for word in text.split():
        # A currency stands behind its amount.
        beginnings = [Beginning(f"{amount}{word}", is_term=True) for amount in amounts]
        number = _NUMBER.fullmatch(word)
        amounts = _amounts(number) if number else []
        beginnings += [Beginning(amount) for amount in amounts] + _facts_meant(word)
        if with_people:
            beginnings += [Beginning(PERSON + one) for one in ([word] if "@" in word else words_of(word))]
        meant.append([one.cut() for one in beginnings if len(one.text) > 1])
    return [one for one in meant if one]


def _facts_meant(word: str) -> list[Beginning]:
    beginnings = [Beginning(FACT + _SCHEME.sub("", word).rstrip("/"))]
    if ":" in word and "://" not in word:
        beginnings.append(Beginning(FACT + word.partition(":")[0], is_term=True))
    return beginnings + [Beginning(FACT + code.casefold(), is_term=True) for code in codes_in(word)]


def _amounts(number: re.Match[str]) -> list[str]:
    """Spell out what a number may mean: "1,000" both a thousand and one."""
    whole, fraction = number[1], number[2] or ""
    readings = [f"{int(whole)}.{fraction}".rstrip("0").rstrip(".") if fraction else str(int(whole))]
    if len(fraction) == 3:
        readings.append(str(int(whole + fraction)))
    return [f"{AMOUNT}{reading} " for reading in readings]

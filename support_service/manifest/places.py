"""Finds where money could go in any text, and tells what of it is not signed. Pure.

Two nets. What has the form of an address, an IBAN or a card number must be a signed one. And wherever half of a signed
one stands, the other half must stand beside it: so a changed, missing, added or look-alike character is found, also
where it spoils the form.
"""

import base64
import binascii
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import unquote

from embit.base58 import decode_check
from stdnum import iban, luhn

from support_service.manifest.document import Document

# Shorter values (codes of receivers, names of banks) are compared as parts of the signed records alone.
PLACE_CHARS_MIN = 12
NBU_SUM_LINE = 7
_FACTS = ("address", "iban", "number")

_HEX = re.compile(r"(?<![0-9A-Za-z])0x[0-9a-fA-F]{40}(?![0-9a-zA-Z])")
_BECH32 = re.compile(r"(?<![0-9A-Za-z])(?:bc|tb|bcrt|ltc)1[a-z0-9]{20,87}(?![0-9a-zA-Z])", re.IGNORECASE)
_BASE58 = re.compile(r"(?<![0-9A-Za-z])[123mnTLM][1-9A-HJ-NP-Za-km-z]{25,34}(?![0-9a-zA-Z])")
_IBAN = re.compile(r"(?<![0-9A-Za-z])[A-Z]{2}[0-9]{2}(?:[ \u00a0]?[0-9A-Z]{1,4}){3,9}(?![0-9A-Za-z])")
_CARD = re.compile(r"(?<![0-9A-Za-z.,-])[2-6][0-9]{3}(?:[ \u00a0-]?[0-9]{4}){2}[ \u00a0-]?[0-9]{1,7}(?![0-9A-Za-z])")
_NBU = re.compile(r"https://(?:qr\.)?bank\.gov\.ua/(?:qr/)?([A-Za-z0-9_-]{16,})")
_SPACES = re.compile(r"\s+")


@dataclass(frozen=True)
class SignedPlaces:
    """The signed places, and the signed texts of codes and links."""

    places: frozenset[str]
    payloads: frozenset[str]

    @cached_property
    def halves(self) -> tuple[tuple[str, str, int], ...]:
        """Each half of each place: (half, place, where in it)."""
        return tuple(
            (place[start:end], place, start)
            for place in sorted(self.places)
            for start, end in ((0, len(place) // 2), (len(place) // 2, len(place)))
        )


def signed_places(document: Document) -> SignedPlaces:
    """Gather where a signed manifest says that money may go."""
    places, payloads = set[str](), set[str]()
    for record in document.methods.values():
        facts = record.get("facts")
        for name, value in facts.items() if isinstance(facts, dict) else ():
            if name in _FACTS or name.startswith("contract:"):
                places.add(str(value))
        payloads |= {str(record[part]) for part in ("qr", "link") if record.get(part)}
    return SignedPlaces(frozenset(place for place in places if len(place) >= PLACE_CHARS_MIN), frozenset(payloads))


def foreign(text: str, signed: SignedPlaces, *, is_for_eyes: bool = True) -> list[str]:
    """Name what in a text is a place for money and not signed, each thing once.

    White space groups a value for the eye; in what a machine reads (is_for_eyes=False) it is a change.
    """
    if text in signed.payloads:
        return []
    found = dict.fromkeys(_formed(text, signed))
    found |= dict.fromkeys(_broken(_SPACES.sub("", text) if is_for_eyes else text, signed))
    if not is_for_eyes:
        found |= dict.fromkeys(_glued(text, signed))
    return [*found, *(wrong for hidden in _hidden(text) for wrong in foreign(hidden, signed))]


def payload_problems(text: str, signed: SignedPlaces) -> list[str]:
    """Judge the text of a code or of a link into a wallet or bank: as signed, or with a sum added to a signed place."""
    if text in signed.payloads:
        return []
    wrong = foreign(text, signed, is_for_eyes=False)
    if wrong:
        return wrong
    if text.startswith(("https://qr.bank.gov.ua/", "https://bank.gov.ua/qr/")):
        nbu = _NBU.fullmatch(text)
        known = [found for payload in signed.payloads if (found := _NBU.fullmatch(payload))]
        if nbu and _without_sum(nbu[1]) in [_without_sum(one[1]) for one in known]:
            return []
        return [f"{text[:200]!r} says something else than the signed code"]
    # What a reader's sum adds begins behind a question mark.
    if text.partition("?")[0] in signed.payloads:
        return []
    return [f"{text[:200]!r} leads to no signed address"]


def _without_sum(body: str) -> list[bytes]:
    """Read the lines of an NBU code (Board decision No. 97, format 003) but the eighth, the sum that a reader chose."""
    try:
        lines = base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)).split(b"\n")
    except (binascii.Error, ValueError):
        return []
    return [line for number, line in enumerate(lines) if number != NBU_SUM_LINE]


def _hidden(text: str) -> Iterator[str]:
    """Read what stands inside a link: percent-encoding, and the lines of an NBU code."""
    plain = unquote(text)
    if plain != text:
        yield plain
    for found in _NBU.finditer(text):
        body = found[1]
        try:
            yield base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)).decode("utf-8", "replace")
        except (binascii.Error, ValueError):
            yield ""


def _formed(text: str, signed: SignedPlaces) -> Iterator[str]:
    for kind, written in _candidates(text):
        compact = re.sub(r"[\s-]", "", written)
        is_signed = compact in signed.places or (compact.isupper() and compact.lower() in signed.places)
        if not is_signed:
            yield f"{kind} {compact} is not signed"


def _candidates(text: str) -> Iterator[tuple[str, str]]:
    yield from (("address", found[0]) for found in _HEX.finditer(text))
    yield from (("address", found[0]) for found in _BECH32.finditer(text))
    yield from (("address", found[0]) for found in _BASE58.finditer(text) if _is_base58(found[0]))
    yield from (("IBAN", written) for written in _ibans(text))
    yield from (("card number", found[0]) for found in _CARD.finditer(text) if _is_card(found[0]))


def _ibans(text: str) -> Iterable[str]:
    """Find IBANs; what follows one in capitals may look like a part of it, so shorter readings are tried, too."""
    for found in _IBAN.finditer(text):
        compact = _SPACES.sub("", found[0])
        valid = next((compact[:end] for end in range(len(compact), 14, -1) if iban.is_valid(compact[:end])), None)
        if valid:
            yield valid


def _is_base58(text: str) -> bool:
    try:
        return len(decode_check(text)) == 21
    except ValueError:
        return False


def _is_card(text: str) -> bool:
    digits = re.sub(r"\D", "", text)
    return 13 <= len(digits) <= 19 and bool(luhn.is_valid(digits))


def _glued(text: str, signed: SignedPlaces) -> Iterator[str]:
    """Find signed places with a letter or digit more at one end."""
    for place in signed.places:
        at = text.find(place)
        while at >= 0:
            if text[max(0, at - 1) : at].isalnum() or text[at + len(place) :][:1].isalnum():
                yield f"{text[max(0, at - 1) : at + len(place) + 1]!r} is not the signed {place}"
            at = text.find(place, at + 1)


def _broken(text: str, signed: SignedPlaces) -> Iterator[str]:
    """Find halves of signed places that stand without their other half; text is without white space."""
    for half, place, start in signed.halves:
        at = text.find(half)
        while at >= 0:
            begin = at - start
            if begin < 0 or text[begin : begin + len(place)] != place:
                yield f"{text[max(0, begin) : begin + len(place)][:120]!r} is not the signed {place}"
            at = text.find(half, at + 1)

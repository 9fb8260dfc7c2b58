"""Amounts as people type and read them: what a text may mean, and how a sum is said. Pure."""

import re

from support_service.money import AmbiguousAmount, Asset, BadAmount, Money, parse_plain, parse_typed, plain

AMOUNT_CHARS_MAX = 30
# Narrow and unbreakable: a sum is one word for the eyes.
_GROUP_SPACE, _SPACE = "\u202f", "\u00a0"
_DECIMAL_SIGNS = {"uk": ","}
CENTS_DECIMALS = 3
# What people write in Ukrainian, behind the number; and what English readers know before it.
_SIGNS = {"UAH": "₴", "EUR": "€", "USD": "$", "GBP": "£", "PLN": "zł"}
_SIGNS_BEFORE = {"EUR": "€", "USD": "$", "GBP": "£"}


class SeveralMeanings(BadAmount):
    """The text may stand for more than one amount, such as "1,000"; `meant` are those the asset allows."""

    def __init__(self, meant: tuple[Money, ...]) -> None:
        self.meant = meant
        super().__init__("the text may be read as two amounts")


def read_typed(text: str, asset: Asset) -> Money:
    """Read "10,50", "10.50" or "1 000,00"; raise SeveralMeanings for "1,000", BadAmount for what is no amount."""
    if len(text) > AMOUNT_CHARS_MAX:
        raise BadAmount("no gift is that large")
    try:
        return parse_typed(text, asset)
    except AmbiguousAmount as error:
        raise SeveralMeanings(readings(text, asset)) from error


def read_exact(text: str, asset: Asset) -> Money:
    """Read what our own page wrote, "12.5"; raise BadAmount for anything else."""
    if len(text) > AMOUNT_CHARS_MAX:
        raise BadAmount("no gift is that large")
    return parse_plain(text, asset)


def readings(text: str, asset: Asset) -> tuple[Money, ...]:
    """Spell out both readings of "1,000"; one that the asset has no decimals for is left out."""
    whole, fraction = re.split(r"[.,]", text.strip(), maxsplit=1)
    found = []
    for candidate in (whole + fraction, f"{whole}.{fraction}"):
        try:
            found.append(parse_plain(candidate, asset))
        except BadAmount:
            continue
    return tuple(found)


def decimal_sign(lang: str) -> str:
    """Name what stands before the decimals where people of a language write them."""
    return _DECIMAL_SIGNS.get(lang, ".")


def sum_text(money: Money, lang: str) -> str:
    """Say a sum as people write it: "200 ₴", "€10.50"; whole amounts without decimals. No line breaks inside it."""
    whole, _, fraction = plain(money).partition(".")
    grouped = _GROUP_SPACE.join(f"{int(whole):,}".split(","))
    if fraction:
        grouped += decimal_sign(lang) + fraction.ljust(_decimals(money.asset), "0")
    code = money.asset.code
    if lang == "uk":
        return f"{grouped}{_SPACE}{_SIGNS.get(code, code)}"
    return f"{_SIGNS_BEFORE[code]}{grouped}" if code in _SIGNS_BEFORE else f"{grouped}{_SPACE}{code}"


def _decimals(asset: Asset) -> int:
    """A coin's decimals are written as far as they say something; cents are two or none."""
    return asset.exponent if asset.exponent <= CENTS_DECIMALS else 0

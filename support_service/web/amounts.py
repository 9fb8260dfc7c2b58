"""Amounts as people type and read them: what a text may mean, and how a sum is said. Pure."""

import re

from support_service.money import AmbiguousAmount, Asset, BadAmount, Money, parse_plain, parse_typed, plain

AMOUNT_CHARS_MAX = 30
# Narrow and unbreakable: a sum is one word for the eyes.
_GROUP_SPACE = "\u202f"
_DECIMAL_SIGNS = {"uk": ","}


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


def sum_text(money: Money, lang: str) -> str:
    """Say a sum for a button: "200 UAH", "10.50 EUR"; whole amounts without decimals, the sign by language."""
    whole, _, fraction = plain(money).partition(".")
    grouped = _GROUP_SPACE.join(f"{int(whole):,}".split(","))
    if fraction:
        grouped += _DECIMAL_SIGNS.get(lang, ".") + fraction.ljust(money.asset.exponent, "0")
    return f"{grouped} {money.asset.code}"

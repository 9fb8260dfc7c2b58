"""Money as integers of an asset's smallest unit. Pure: no clock, no network, no settings."""

import re
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

# 2**256 - 1, the largest amount a token's contract can move, has 78 digits.
UNITS_DIGITS_MAX = 78

_PLAIN = re.compile(r"(0|[1-9][0-9]*)(?:\.([0-9]+))?", re.ASCII)
_TYPED = re.compile(r"(?P<whole>[0-9]{1,3}(?:[ '][0-9]{3})+|[0-9]+)(?:[.,](?P<fraction>[0-9]+))?", re.ASCII)
_GROUPED = re.compile(r"[1-9][0-9]{0,2}(?:(?:\.[0-9]{3})+,(?P<comma>[0-9]+)|(?:,[0-9]{3})+\.(?P<dot>[0-9]+))", re.ASCII)
_SPACES = str.maketrans({"\u00a0": " ", "\u202f": " ", "\u2009": " ", "’": "'"})


class BadAmount(ValueError):
    """The text is not an amount of this asset; the message says why, for people."""


class AmbiguousAmount(BadAmount):
    """The text may be read as two different amounts, such as "1,000" in a currency with cents."""


class AssetMismatch(TypeError):
    """Two different assets were added or compared."""


@dataclass(frozen=True, slots=True)
class Asset:
    """What is given: a national currency, a chain's own coin or a token.

    exponent is the number of decimals of one whole unit (ISO 4217, ERC-20 `decimals`).
    network is "" for national currencies; contract is "" for all but tokens.
    """

    code: str
    exponent: int
    network: str = ""
    contract: str = ""

    def __post_init__(self) -> None:
        assert self.code and 0 <= self.exponent <= UNITS_DIGITS_MAX


@dataclass(frozen=True, slots=True)
class Money:
    """units of the asset's smallest part: Money(1250, EUR) is €12.50; units may be negative in books."""

    units: int
    asset: Asset

    def __post_init__(self) -> None:
        assert isinstance(self.units, int) and not isinstance(self.units, bool)

    def __add__(self, other: "Money") -> "Money":
        return Money(self.units + self._same(other), self.asset)

    def __sub__(self, other: "Money") -> "Money":
        return Money(self.units - self._same(other), self.asset)

    def __lt__(self, other: "Money") -> bool:
        return self.units < self._same(other)

    def __str__(self) -> str:
        return f"{plain(self)} {self.asset.code}"

    def _same(self, other: "Money") -> int:
        if other.asset != self.asset:
            raise AssetMismatch(f"{self.asset} and {other.asset} are different assets")
        return other.units


def plain(money: Money) -> str:
    """Write the exact amount in the machine form: "2.5", "0.000001", "-12"; no exponent, no grouping."""
    return plain_units(money.units, money.asset.exponent)


def plain_units(units: int, exponent: int) -> str:
    """Write units of an asset with so many decimals, as `plain` does."""
    sign = "-" if units < 0 else ""
    digits = str(abs(units)).rjust(exponent + 1, "0")
    if not exponent:
        return f"{sign}{digits}"
    fraction = digits[-exponent:].rstrip("0")
    return f"{sign}{digits[:-exponent]}.{fraction}" if fraction else f"{sign}{digits[:-exponent]}"


def parse_plain(text: str, asset: Asset) -> Money:
    """Read the machine form that `plain` writes; raise BadAmount for anything else, signs included."""
    match = _PLAIN.fullmatch(text)
    if match is None:
        raise BadAmount(f"{text[:40]!r} is not an amount such as 12.5")
    return _from_digits(match[1], match[2] or "", asset)


def parse_typed(text: str, asset: Asset) -> Money:
    """Read an amount as a person types it: "10,50", "10.50", "1 000,00", "1.000,50".

    Raises AmbiguousAmount where a comma or dot may be either a decimal sign or a thousands mark
    ("1,000", "1.000"), and BadAmount for anything that is no amount or has too many decimals.
    """
    tidy = text.translate(_SPACES).strip()
    grouped = _GROUPED.fullmatch(tidy)
    if grouped is not None:
        fraction = grouped["comma"] or grouped["dot"]
        whole = re.sub(r"[^0-9]", "", tidy[: -len(fraction)])
        return _from_digits(whole, fraction, asset)
    match = _TYPED.fullmatch(tidy)
    if match is None:
        raise BadAmount(f"{text[:40]!r} is not an amount such as 200 or 10,50")
    whole, fraction = re.sub(r"[ ']", "", match["whole"]), match["fraction"] or ""
    if len(fraction) == 3 and len(whole) <= 3 and not whole.startswith("0"):
        raise AmbiguousAmount(f"{text[:40]!r} may mean two amounts; write it without a thousands mark")
    return _from_digits(whole, fraction, asset)


def share(units: int, weights: list[int]) -> list[int]:
    """Split units in proportion to weights by largest remainder; the parts sum to units exactly.

    Equal remainders go to the earlier part. Weights are not negative and not all zero.
    """
    total = sum(weights)
    assert units >= 0 and total > 0 and min(weights) >= 0
    parts = [units * weight // total for weight in weights]
    rest = units - sum(parts)
    by_remainder = sorted(range(len(weights)), key=lambda i: (-(units * weights[i] % total), i))
    for i in by_remainder[:rest]:
        parts[i] += 1
    return parts


def worth(units: int, asset: Asset, rate: Decimal, currency: Asset) -> int:
    """Tell what units of an asset are worth in the smallest units of a currency, rounded half to even."""
    exact = Fraction(units) * Fraction(rate) * 10**currency.exponent / 10**asset.exponent
    return int(round(exact))  # noqa: RUF046 - of a Fraction: exact, half to even; its type is not told


def _from_digits(whole: str, fraction: str, asset: Asset) -> Money:
    if len(fraction.rstrip("0")) > asset.exponent:
        raise BadAmount(f"{asset.code} has at most {asset.exponent} decimals")
    units = int(whole + fraction.rstrip("0").ljust(asset.exponent, "0"))
    if len(str(units)) > UNITS_DIGITS_MAX:
        raise BadAmount(f"an amount has at most {UNITS_DIGITS_MAX} digits")
    return Money(units, asset)

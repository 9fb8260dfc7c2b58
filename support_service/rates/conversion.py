"""From an asset to the publisher's currency, in one step or over the US dollar. Pure arithmetic, exact.

Rates are multiplied without rounding. The value alone is rounded, once, by `money.worth`: to the currency's smallest
unit, half to even, so that the roundings of many gifts do not add up in one direction.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Context, Decimal, Inexact
from typing import TypeAlias

from support_service.rates import Rate, WantedRate

# Markets and price feeds quote in it, and so does the National Bank.
PIVOT = "USD"

# Enough for the product of two rates; were it ever not, Inexact would be raised instead of rounding.
_EXACT = Context(prec=200, traps=[Inexact])

AskRate: TypeAlias = Callable[[WantedRate], Rate | None]


@dataclass(frozen=True, slots=True)
class Conversion:
    """A rate and the steps it was made of; no step where a gift came in the publisher's own currency."""

    rate: Decimal
    source: str
    steps: tuple[Rate, ...]


def convert(asked: WantedRate, ask: AskRate) -> Conversion | None:
    """Find a rate: the currency itself, a direct rate, or over the dollar; None where nobody has one."""
    if asked.network == "" and asked.asset == asked.currency:
        return Conversion(Decimal(1), "same currency", ())
    direct = ask(asked)
    if direct is not None:
        return _joined(direct)
    if asked.currency == PIVOT or (asked.network == "" and asked.asset == PIVOT):
        return None
    first = ask(replace(asked, currency=PIVOT))
    second = first and ask(replace(asked, asset=PIVOT, network="", block_hash=None))
    return _joined(first, second) if first and second else None


def _joined(*steps: Rate) -> Conversion:
    rate = steps[0].value
    for step in steps[1:]:
        rate = _EXACT.multiply(rate, step.value)
    return Conversion(rate, "+".join(dict.fromkeys(step.source for step in steps)), steps)


def rate_text(rate: Decimal) -> str:
    """Write a rate in the machine form: no exponent, no needless zeros."""
    text = f"{rate:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text

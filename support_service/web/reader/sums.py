"""The sum of the page, one for every way to give: what is offered, and what an address asks for. Pure.

`/support?amount=200&currency=UAH&frequency=once` fills the card's button, the bank's code and link, and a
coin's code where the currency is its own. A way that takes no such sum stays as it is.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from urllib.parse import urlencode

from support_service.giving import CardChoice, CardCurrency, Frequency, PaymentMethod
from support_service.money import Money, plain
from support_service.web.card.form import WishRead, currencies, frequencies, preset_sums, read_wish

# What a reader's address says of the sum.
NAMES = ("amount", "currency", "frequency")
LEAST_UNITS = 1


@dataclass(frozen=True, slots=True)
class PageSum:
    """What is offered on the page, and what was asked for. usual is the currency that the page begins with."""

    choice: CardChoice
    usual: CardCurrency
    read: WishRead

    @property
    def money(self) -> Money | None:
        """The sum, where one is chosen."""
        return None if self.read.wish is None else self.read.wish.money

    @property
    def is_own(self) -> bool:
        """Tell whether the reader wrote the sum: it is none of those that are offered."""
        presets = preset_sums(self.read.currency, self.read.frequency)
        return self.read.mistake is not None or (self.money is not None and self.money not in presets)

    def by_card(self, method: PaymentMethod) -> WishRead | None:
        """Read the same sum for a method that charges cards, whose bounds are narrower; None where it takes no such."""
        taken = {currency.asset for currency in method.card.currencies} if method.card else set()
        if self.money is None or method.card is None or self.money.asset not in taken:
            return None
        return read_wish({**self.query, "exact": plain(self.money), "amount": ""}, method.card, "")

    @property
    def query(self) -> Mapping[str, str]:
        """What an address says to get this page again; a mistake is in no address."""
        if self.money is not None:
            return sum_query(self.money, self.read.frequency)
        code, often = self.read.currency.asset.code, self.read.frequency
        chosen = {"currency": code if code != self.usual.asset.code else ""}
        chosen["frequency"] = str(often) if often is not frequencies(self.choice)[0] else ""
        return {name: value for name, value in chosen.items() if value}


def offered(methods: Iterable[PaymentMethod]) -> CardChoice | None:
    """Gather the currencies in which some way takes a sum; None where there is none."""
    found: dict[str, CardCurrency] = {}
    for method in methods:
        for currency in method.card.currencies if method.card else ():
            most = max(currency.maximum_units, _most(found, currency.asset.code))
            found[currency.asset.code] = replace(currency, minimum_units=LEAST_UNITS, maximum_units=most, step_units=1)
        filling = method.filling
        if filling is not None:
            code = filling.asset.code
            most = max(filling.units_max, _most(found, code))
            own = CardCurrency(filling.asset, LEAST_UNITS, most, ((Frequency.ONCE, filling.presets),))
            found[code] = replace(found.get(code, own), maximum_units=most)
    return CardChoice(tuple(found.values()), ()) if found else None


def is_for_everybody(choice: CardChoice) -> bool:
    """Tell whether a sum is worth asking for: not where coins alone could carry it."""
    return any(not currency.asset.network for currency in choice.currencies)


def read_sum(asked: Mapping[str, str], choice: CardChoice, lang: str) -> PageSum:
    """Read what an address asks for; where it names no currency or frequency, those that the page begins with."""
    usual = currencies(choice, lang)[0]
    code = asked.get("currency") or ("" if usual.asset.network else usual.asset.code)
    often = asked.get("frequency") or str(frequencies(choice)[0])
    amount = asked.get("amount", "") if code else ""
    return PageSum(choice, usual, read_wish({"amount": amount, "currency": code, "frequency": often}, choice, lang))


def canonical(given: Mapping[str, str], choice: CardChoice, languages: tuple[str, ...]) -> str | None:
    """Write what an address asks for in one form, "" where it asks for nothing; None where it must be asked back."""
    lang = given.get("lang", "")
    page = read_sum(given, choice, lang if lang in languages else languages[0])
    return None if page.read.mistake else urlencode(page.query)


def sum_query(money: Money, frequency: Frequency) -> Mapping[str, str]:
    """Write a sum as an address says it."""
    return {"amount": plain(money), "currency": money.asset.code, "frequency": str(frequency)}


def _most(found: Mapping[str, CardCurrency], code: str) -> int:
    return found[code].maximum_units if code in found else 0

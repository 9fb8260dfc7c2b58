"""What readers see of cards through Stripe, from the [stripe] table. Pure."""

import re
from collections.abc import Iterable, Mapping
from typing import cast

from support_service.giving import CardChoice, CardCurrency, Frequency, PaymentMethod
from support_service.money import Asset, BadAmount, parse_plain
from support_service.origin import read_origin
from support_service.rails import shared_options
from support_service.rails.options import Options, Surroundings
from support_service.rails.processor import card_method
from support_service.rails.stripe.currencies import least_units, most_units, step_units

KEY = RAIL = "stripe"
API_BASE = "https://api.stripe.com"
# Its page speaks no Ukrainian; ours says so before the reader goes there.
PAGE_LANGUAGES = ("en",)
CHECKOUT_ORIGIN = "https://checkout.stripe.com"

# Sums to begin with, in whole units; a publisher sets others in [stripe.offers.*].
_PRESETS: dict[str, dict[Frequency, tuple[int, ...]]] = {
    "UAH": {
        Frequency.ONCE: (100, 200, 500, 1000),
        Frequency.MONTHLY: (100, 200, 500),
        Frequency.YEARLY: (1000, 2000, 5000),
    },
    "": {Frequency.ONCE: (5, 10, 25, 50), Frequency.MONTHLY: (5, 10, 25), Frequency.YEARLY: (50, 100, 250)},
}
_FEE = re.compile(r"([0-9]{1,2})(?:\.([0-9]{1,2}))?\s*%(?:\s*\+\s*([0-9]+(?:\.[0-9]+)?))?", re.ASCII)


def build_method(key: str, options: Options, around: Surroundings) -> PaymentMethod | None:
    """Read currencies, their offers and the address of the API; None (with mistakes noted) where they are wrong."""
    before = len(options.mistakes)
    origins = shared_options.checkout_origins(options, API_BASE, checkout_origins)
    offers = cast("Mapping[str, Mapping[str, object]]", options.anything("offers") or {})
    codes = options.texts("currencies")
    currencies = tuple(_currency(code, options, offers.get(code, {}), around) for code in codes)
    if not codes and not options.has_mistake("currencies"):
        options.reject("currencies", "is empty; name at least one, such as EUR")
    for code in sorted(set(offers) - set(codes)):
        options.reject(f"offers.{code}", "is for a currency that is not in stripe.currencies")
    if len(set(codes)) < len(codes):
        options.reject("currencies", "names a currency twice")
    found = tuple(currency for currency in currencies if currency is not None)
    if len(options.mistakes) > before or len(found) < len(codes):
        return None
    return card_method(key, RAIL, CardChoice(found, origins, "Stripe", PAGE_LANGUAGES))


def checkout_origins(api_base: str, own: Iterable[str]) -> tuple[str, ...]:
    """Name the only places where a payment page may lie: Stripe's, or a stand-in's, and the account's own domains.

    Raises BadAddress.
    """
    base = str(read_origin(api_base))
    stripes = CHECKOUT_ORIGIN if base == API_BASE else base
    return tuple(dict.fromkeys((stripes, *(str(read_origin(text)) for text in own))))


def _currency(code: str, options: Options, offer: Mapping[str, object], around: Surroundings) -> CardCurrency | None:
    asset = around.asset(code, "")
    if asset is None:
        known = ", ".join(sorted(asset.code for asset in around.assets if not asset.network))
        options.reject("currencies", f"{code!r} is not a known national currency; known are {known}")
        return None
    reader = _Offer(options, asset, offer)
    least = reader.units("minimum", max(least_units(asset), _units(_smallest(code), asset)))
    most = reader.units("maximum", most_units(asset))
    presets = {frequency: reader.presets(frequency) for frequency in Frequency}
    if not least <= most:
        options.reject(f"offers.{code}", "has a minimum above its maximum")
    for units in (units for many in presets.values() for units in many):
        if not least <= units <= most:
            options.reject(f"offers.{code}", "offers a sum below its minimum or above its maximum")
            break
    points, fixed = reader.fee()
    given = tuple((frequency, units) for frequency, units in presets.items() if units)
    return CardCurrency(asset, least, most, given, points, fixed, step_units(asset))


def _smallest(code: str) -> int:
    """Whole units: a gift of less costs more in fees than it brings."""
    return {"UAH": 30}.get(code, 1)


def _units(whole: int, asset: Asset) -> int:
    return int(whole * 10**asset.exponent)


class _Offer:
    """Reads one [stripe.offers.CODE] table; mistakes are noted under its name."""

    def __init__(self, options: Options, asset: Asset, table: Mapping[str, object]) -> None:
        self._options, self._asset, self._table = options, asset, table

    def units(self, name: str, bound: int) -> int:
        """Read a limit; Stripe's own bound holds where nothing is set, and may not be crossed."""
        text = self._table.get(name)
        if not text:
            return bound
        units = self._amount(name, str(text))
        is_crossed = units is not None and (units < least_units(self._asset) or units > most_units(self._asset))
        if is_crossed:
            self._reject(name, "is beyond what Stripe charges in this currency")
        return bound if units is None or is_crossed else units

    def presets(self, frequency: Frequency) -> tuple[int, ...]:
        """Read the sums offered for a frequency; an empty list offers none, and so not the frequency either."""
        texts = self._table.get(frequency)
        if texts is None:
            known = _PRESETS.get(self._asset.code, _PRESETS[""])[frequency]
            scale = max(1, least_units(self._asset) // _units(1, self._asset))
            scale = scale if self._asset.code not in _PRESETS else 1
            return tuple(_units(whole * scale, self._asset) for whole in known)
        amounts = (self._amount(frequency, str(text)) for text in cast("Iterable[object]", texts))
        return tuple(units for units in amounts if units is not None)

    def fee(self) -> tuple[int, int]:
        """Read "2.9% + 0.30" as hundredths of a percent and units; (0, 0) where nothing is set."""
        text = str(self._table.get("fee") or "")
        if not text:
            return 0, 0
        match = _FEE.fullmatch(text.strip())
        if match is None:
            self._reject("fee", 'must be written as "2.9% + 0.30"')
            return 0, 0
        points = int(match[1]) * 100 + int((match[2] or "").ljust(2, "0"))
        return points, (self._amount("fee", match[3]) or 0) if match[3] else 0

    def _amount(self, name: str, text: str) -> int | None:
        try:
            units = parse_plain(text, self._asset).units
        except BadAmount as error:
            self._reject(name, str(error))
            return None
        if units % step_units(self._asset) and name != "fee":
            self._reject(name, f"{text} cannot be charged in this currency to the last digit")
            return None
        return units

    def _reject(self, name: str, reason: str) -> None:
        self._options.reject(f"offers.{self._asset.code}.{name}", reason)

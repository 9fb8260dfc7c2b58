"""What readers see of cards through plata by mono, from the [mono] table. Pure."""

from collections.abc import Iterable

from support_service.giving import CardChoice, CardCurrency, Frequency, PaymentMethod
from support_service.money import Asset
from support_service.origin import read_origin
from support_service.rails import shared_options
from support_service.rails.options import Options, Surroundings
from support_service.rails.processor import card_method

KEY = RAIL = "mono"
NAME = "plata by mono"
API_BASE = "https://api.monobank.ua"
PAGE_LANGUAGES = ("uk", "en")
# Where the API's documentation shows its payment pages, and the bank's own domain.
CHECKOUT_ORIGINS = ("https://pay.mbnk.biz", "https://pay.monobank.ua")
# ISO 4217, as the API names currencies; each has two decimals there and here.
NUMBERS = {"UAH": 980, "EUR": 978, "USD": 840}
CURRENCY_EXPONENT = 2

_PRESETS: dict[str, dict[Frequency, tuple[int, ...]]] = {
    "UAH": {Frequency.ONCE: (100, 200, 500, 1000), Frequency.MONTHLY: (100, 200, 500)},
    "": {Frequency.ONCE: (5, 10, 25, 50), Frequency.MONTHLY: (5, 10, 25)},
}
# Whole units: what is less costs more in fees than it brings. The API tells no bounds of its own; this one keeps a
# slip of the finger from a contract's own.
_LEAST, _LEAST_ELSE, _MOST = {"UAH": 30}, 1, 100_000


def build_method(key: str, options: Options, around: Surroundings) -> PaymentMethod | None:
    """Read currencies and addresses; None (with mistakes noted) where they are wrong."""
    before = len(options.mistakes)
    origins = shared_options.checkout_origins(options, API_BASE, checkout_origins)
    codes = options.texts("currencies")
    if not codes and not options.has_mistake("currencies"):
        options.reject("currencies", "is empty; name at least one, such as UAH")
    if len(set(codes)) < len(codes):
        options.reject("currencies", "names a currency twice")
    currencies = [_currency(code, options, around) for code in codes]
    found = tuple(currency for currency in currencies if currency is not None)
    if len(options.mistakes) > before or len(found) < len(codes):
        return None
    return card_method(key, RAIL, CardChoice(found, origins, NAME, PAGE_LANGUAGES))


def checkout_origins(api_base: str, own: Iterable[str]) -> tuple[str, ...]:
    """Name the only places where a payment page may lie: mono's, or a stand-in's, and those of the settings.

    Raises BadAddress.
    """
    base = str(read_origin(api_base))
    theirs = CHECKOUT_ORIGINS if base == API_BASE else (base,)
    return tuple(dict.fromkeys((*theirs, *(str(read_origin(text)) for text in own))))


def _currency(code: str, options: Options, around: Surroundings) -> CardCurrency | None:
    asset = around.asset(code, "")
    if code not in NUMBERS or asset is None or asset.exponent != CURRENCY_EXPONENT:
        options.reject("currencies", f"{code!r} is none that plata charges; known are {', '.join(sorted(NUMBERS))}")
        return None
    least, most = _units(_LEAST.get(code, _LEAST_ELSE), asset), _units(_MOST, asset)
    presets = _PRESETS.get(code, _PRESETS[""])
    given = tuple((frequency, tuple(_units(one, asset) for one in sums)) for frequency, sums in presets.items())
    return CardCurrency(asset, least, most, given)


def _units(whole: int, asset: Asset) -> int:
    return int(whole * 10**asset.exponent)

"""How Stripe writes amounts, by currency, and what it charges at least and at most. Pure.

https://docs.stripe.com/currencies: most currencies have two decimals; some none; some three, of which
the last must be 0; and two that have none today are still written with two, which must be 00.
"""

from support_service.money import Asset

NO_DECIMALS = frozenset(
    {"BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF", "XOF", "XPF"}
)
THREE_DECIMALS = frozenset({"BHD", "JOD", "KWD", "OMR", "TND"})
# Written with two decimals that must be zero: ISK and UGX lost theirs, Stripe kept them.
WHOLE_ONLY = frozenset({"ISK", "UGX"})
# Eight digits, in Stripe's units.
STRIPE_UNITS_MAX = 99_999_999

# The least that Stripe charges, in its units; for UAH it has no figure of its own but converts 0.50 USD.
_LEAST = {
    "AED": 200, "AUD": 50, "BGN": 100, "BRL": 50, "CAD": 50, "CHF": 50, "CZK": 1500, "DKK": 250, "EUR": 50,
    "GBP": 30, "HKD": 400, "HUF": 17500, "INR": 50, "JPY": 50, "MXN": 1000, "MYR": 200, "NOK": 300, "NZD": 50,
    "PLN": 200, "RON": 200, "SEK": 300, "SGD": 50, "THB": 1000, "UAH": 3000, "USD": 50,
}  # fmt: skip


class NotExact(ValueError):
    """An amount that cannot be said in the other's units without rounding."""


def stripe_exponent(code: str) -> int:
    """Tell how many decimals Stripe writes."""
    if code in NO_DECIMALS:
        return 0
    return 3 if code in THREE_DECIMALS else 2


def step_units(asset: Asset) -> int:
    """Tell the smallest step between two amounts that can be charged, in our units."""
    whole_decimals = dict.fromkeys(WHOLE_ONLY, 0) | dict.fromkeys(THREE_DECIMALS, 2)
    charged = whole_decimals.get(asset.code, stripe_exponent(asset.code))
    return int(10 ** max(0, asset.exponent - charged))


def to_stripe(units: int, asset: Asset) -> int:
    """Write our units as Stripe's; raise NotExact where Stripe could not charge them."""
    if units % step_units(asset):
        raise NotExact(f"{asset.code} is charged in steps of {step_units(asset)} units, not {units}")
    return _rescaled(units, asset.exponent, stripe_exponent(asset.code), asset.code)


def from_stripe(units: int, asset: Asset) -> int:
    """Read Stripe's units as ours; raise NotExact where ours are too coarse."""
    return _rescaled(units, stripe_exponent(asset.code), asset.exponent, asset.code)


def least_units(asset: Asset) -> int:
    """Tell the least that can be charged, in our units, rounded up."""
    least = _LEAST.get(asset.code, 10 ** stripe_exponent(asset.code))
    scaled = least * 10**asset.exponent
    step = step_units(asset)
    return int(-(-scaled // (10 ** stripe_exponent(asset.code) * step)) * step)


def most_units(asset: Asset) -> int:
    """Tell the most that can be charged, in our units, rounded down."""
    step = step_units(asset)
    return int(STRIPE_UNITS_MAX * 10**asset.exponent // (10 ** stripe_exponent(asset.code) * step) * step)


def _rescaled(units: int, held: int, wanted: int, code: str) -> int:
    if wanted >= held:
        return int(units * 10 ** (wanted - held))
    factor = int(10 ** (held - wanted))
    if units % factor:
        raise NotExact(f"{units} units of {code} have more than {wanted} decimals")
    return units // factor

"""Stripe's rules for amounts: the smallest and largest, and currencies without or with three decimals.

https://docs.stripe.com/currencies. The table of minimums is for accounts that settle in the same
currency; the figure for UAH is ours (worth about half a dollar), as Stripe converts it daily.
"""

from support_service.demo.stripe.errors import refused

NO_DECIMALS = frozenset(
    ["bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "vnd", "vuv", "xaf", "xof", "xpf"]
)
THREE_DECIMALS = frozenset(["bhd", "jod", "kwd", "omr", "tnd"])
# Written with two decimals for old times' sake, and yet the last two must be zero.
WHOLE_ONLY = frozenset({"isk", "ugx"})
UNITS_MAX = 99_999_999

_UNITS_MIN = {
    "usd": 50, "aed": 200, "aud": 50, "bgn": 100, "brl": 50, "cad": 50, "chf": 50, "czk": 1500, "dkk": 250,
    "eur": 50, "gbp": 30, "hkd": 400, "huf": 17500, "inr": 50, "jpy": 50, "mxn": 1000, "myr": 200, "nok": 300,
    "nzd": 50, "pln": 200, "ron": 200, "sek": 300, "sgd": 50, "thb": 1000, "uah": 2000,
}  # fmt: skip


def check_amount(units: int, currency: str, param: str) -> None:
    """Refuse an amount that Stripe would not charge."""
    if len(currency) != 3 or not currency.isascii() or not currency.islower():
        raise refused(f"Invalid currency: {currency}.", param, "parameter_invalid_string")
    if units > UNITS_MAX:
        raise refused(f"Amount must be no more than 999,999.99 {currency}", param, "amount_too_large")
    if units < _UNITS_MIN.get(currency, 50):
        raise refused("The total amount due is below the minimum charge amount.", param, "amount_too_small")
    if currency in THREE_DECIMALS and units % 10:
        raise refused(f"Amounts in {currency} must end in 0.", param, "parameter_invalid_integer")
    if currency in WHOLE_ONLY and units % 100:
        raise refused(f"Amounts in {currency} must end in 00.", param, "parameter_invalid_integer")


def fee_of(units: int, currency: str, *, permille: int, fixed_units: int) -> int:
    """Return the fee for a charge: a share, rounded half up, and a fixed sum; never above the charge."""
    if currency in NO_DECIMALS:
        fixed_units = 0
    elif currency in THREE_DECIMALS:
        fixed_units *= 10
    return min(units, (units * permille + 500) // 1000 + fixed_units)

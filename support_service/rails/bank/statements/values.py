"""Amounts, days, currencies and accounts as banks write them in tables. Pure."""

import re
from datetime import date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from support_service.money import Asset
from support_service.rails.bank.statements.statement import BadField, StatementRefused, WantedStatement

# No account of a newsroom moves a quadrillion; a longer number is a misread column.
DIGITS_MAX = 15
YEAR_MIN, YEAR_MAX = 1990, 2100
# "2026-09-02T21:11:00.000+02:00" and some spaces.
DAY_CHARACTERS_MAX = 40
# Excel counts days from here; its 29 February 1900, which never was, lies before any year we read.
_EXCEL_DAY_ZERO = date(1899, 12, 30)

# ISO 4217: decimals where they are not two, and numbers as card systems write currencies.
_DECIMALS = {"JPY": 0, "KRW": 0, "VND": 0, "ISK": 0, "CLP": 0, "KWD": 3, "BHD": 3, "TND": 3, "JOD": 3}
_NUMBERS = {
    "980": "UAH", "978": "EUR", "840": "USD", "826": "GBP", "985": "PLN", "756": "CHF", "203": "CZK", "348": "HUF",
    "946": "RON", "752": "SEK", "578": "NOK", "208": "DKK", "124": "CAD", "036": "AUD", "392": "JPY", "949": "TRY",
    "981": "GEL", "498": "MDL", "975": "BGN", "376": "ILS", "398": "KZT", "156": "CNY", "051": "AMD", "944": "AZN",
}  # fmt: skip
_EURO_COUNTRIES = frozenset((
    "AT", "BE", "CY", "DE", "EE", "ES", "FI", "FR", "GR", "HR", "IE", "IT", "LT", "LU", "LV", "MT", "NL", "PT", "SI",
    "SK",
))  # fmt: skip

_CODE = re.compile(r"[A-Z]{3}")
_SPACES = str.maketrans({"\u00a0": " ", "\u202f": " ", "\u2009": " ", "’": "'", "\u2212": "-", "\u2013": "-"})
_SIGNED = re.compile(r"(?P<sign>[+-]?) ?(?P<number>[0-9][0-9 '.,]*?)(?P<after>-?)")
_WHOLE = re.compile(r"[0-9]+|[0-9]{1,3}(?:[ '][0-9]{3})+|[0-9]{1,3}(?:\.[0-9]{3})+|[0-9]{1,3}(?:,[0-9]{3})+")
_DMY = re.compile(r"([0-9]{1,2})[.\-]([0-9]{1,2})[.\-]([0-9]{4})")
_YMD = re.compile(r"([0-9]{4})[.\-/]?([0-9]{2})[.\-/]?([0-9]{2})")
_SLASHED = re.compile(r"([0-9]{1,4})[/.\-]([0-9]{1,2})[/.\-]([0-9]{1,4})")
_CLOCK = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])(?::([0-5][0-9]))?(?:\.[0-9]+)?(?:Z|[+-][0-9]{2}:?[0-9]{2})?")


def read_asset(text: str) -> Asset:
    """Read a currency by its letters or its number ("UAH", "980"); BadField where it is none."""
    code = text.strip().upper()
    code = _NUMBERS.get(code.rjust(3, "0"), code) if code.isdigit() else code
    if not _CODE.fullmatch(code):
        raise BadField("currency", f"{text[:20]!r} is no currency such as UAH")
    return Asset(code, _DECIMALS.get(code, 2))


# What most amounts are written as: nothing about them is left to judge.
_USUAL = re.compile(r"(-?)(0|[1-9][0-9]{0,11})\.([0-9]{2})", re.ASCII)


def read_units(text: str, asset: Asset, *, name: str = "amount", decimal: str = "") -> int:
    """Read an amount into signed smallest units: "-70 000.00", "1 234,56", "(15.00)", "15,00-".

    With both a dot and a comma the right-most is the decimal sign. One of them with exactly three
    digits behind it may be read in two ways: decimal must say then. No exponents, ever.
    """
    usual = _USUAL.fullmatch(text)
    if usual is not None and asset.exponent == 2 and decimal != ",":
        return int(usual[1] + usual[2] + usual[3])
    tidy = text.translate(_SPACES).strip()
    if not tidy:
        raise BadField(name, "is empty")
    is_bracketed = tidy.startswith("(") and tidy.endswith(")")
    match = _SIGNED.fullmatch(tidy[1:-1].strip() if is_bracketed else tidy)
    if match is None or (match["sign"] and (match["after"] or is_bracketed)):
        raise BadField(name, f"{text[:40]!r} is not a decimal number")
    whole, fraction = _split(match["number"].strip(), text, name, decimal)
    fraction = fraction.rstrip("0") if len(fraction) > asset.exponent else fraction
    if len(fraction) > asset.exponent:
        raise BadField(name, f"{text[:40]!r} has more than {asset.exponent} decimals")
    if len(whole) + asset.exponent > DIGITS_MAX:
        raise BadField(name, f"{text[:40]!r} is larger than any account")
    units = int(whole + fraction.ljust(asset.exponent, "0"))
    return -units if is_bracketed or "-" in (match["sign"], match["after"]) else units


def _split(number: str, text: str, name: str, decimal: str) -> tuple[str, str]:
    """Split at the decimal sign; what is left of it must be grouped by threes or not at all."""
    marks = [character for character in number if character in ".,"]
    sign = _decimal_sign(number, marks, text=text, name=name, decimal=decimal)
    whole, _, fraction = number.rpartition(sign) if sign else (number, "", "")
    if not _WHOLE.fullmatch(whole) or not (fraction.isdigit() or not fraction):
        raise BadField(name, f"{text[:40]!r} is not a decimal number")
    return re.sub(r"[^0-9]", "", whole).lstrip("0") or "0", fraction


def _decimal_sign(number: str, marks: list[str], *, text: str, name: str, decimal: str) -> str:
    if not marks or (decimal and decimal not in marks):
        return ""
    if decimal:
        return decimal
    if len(set(marks)) == 2:
        return marks[-1]
    if len(marks) > 1:
        return ""
    if len(number.rpartition(marks[0])[2]) == 3:
        raise BadField(name, f"{text[:40]!r} may be read as two amounts; the column map must name the decimal sign")
    return marks[0]


def read_day(text: str, *, name: str = "date", order: str = "") -> tuple[date, str]:
    """Read a day with or without a time: the day, and the wall clock as "HH:MM" or "HH:MM:SS" or ""."""
    # A statement has few days and many lines; a text that is longer than any of them is not held.
    return _held_day(text, name, order) if len(text) <= DAY_CHARACTERS_MAX else _day(text, name, order)


def _day(text: str, name: str, order: str) -> tuple[date, str]:
    day_text, _, rest = text.strip().replace("T", " ", 1).partition(" ")
    clock = _read_clock(rest.strip().strip(",").strip(), name) if rest.strip() else ""
    day_text = day_text.strip(",")
    numbers = _ordered(day_text, order) if order else _usual(day_text)
    if numbers is None:
        raise BadField(name, f"{text[:40]!r} is no date such as 31.12.2026" if text.strip() else "is empty")
    try:
        day = date(*numbers)
    except ValueError as error:
        raise BadField(name, f"{text[:40]!r} is no day of the calendar") from error
    if not YEAR_MIN <= day.year <= YEAR_MAX:
        raise BadField(name, f"{text[:40]!r} lies too far away")
    return day, clock


_held_day = lru_cache(maxsize=1_024)(_day)


def read_serial(text: str, *, name: str = "date") -> date:
    """Read a day as spreadsheets count it ("46267" is 2 September 2026)."""
    if not re.fullmatch(r"[0-9]{5}(\.[0-9]+)?", text):
        raise BadField(name, f"{text[:40]!r} is no date")
    return _EXCEL_DAY_ZERO + timedelta(days=int(text.partition(".")[0]))


def _usual(text: str) -> tuple[int, int, int] | None:
    if match := _DMY.fullmatch(text):
        return int(match[3]), int(match[2]), int(match[1])
    if match := _YMD.fullmatch(text):
        return int(match[1]), int(match[2]), int(match[3])
    return None


def _ordered(text: str, order: str) -> tuple[int, int, int] | None:
    match = _SLASHED.fullmatch(text)
    if match is None or len(match[order.index("Y") + 1]) != 4:
        return None
    year, month, day = (int(match[order.index(letter) + 1]) for letter in "YMD")
    return year, month, day


def _read_clock(text: str, name: str) -> str:
    match = _CLOCK.fullmatch(text)
    if match is None:
        raise BadField(name, f"{text[:40]!r} is no time of day")
    seconds = f":{match[3]}" if match[3] else ""
    return f"{int(match[1]):02}:{match[2]}{seconds}"


def clock_at(day: date, clock: str) -> str:
    """Write day and time of day as one wall clock; "" without a time."""
    return f"{day.isoformat()}T{clock}" if clock else ""


def kyiv_clock(unix_seconds: int) -> tuple[date, str]:
    """Turn Unix seconds into Kyiv's calendar day and wall clock."""
    try:
        there = datetime.fromtimestamp(unix_seconds, ZoneInfo("Europe/Kyiv"))
    except (ValueError, OverflowError, OSError) as error:
        raise BadField("time", f"{str(unix_seconds)[:40]} is no time in Unix seconds") from error
    if not YEAR_MIN <= there.year <= YEAR_MAX:
        raise BadField("time", f"{unix_seconds} lies too far away")
    return there.date(), there.strftime("%Y-%m-%dT%H:%M:%S")


def iban_is_valid(text: str) -> bool:
    """Tell whether a compact text is an IBAN with a right checksum (ISO 13616: mod 97 = 1)."""
    if not re.fullmatch(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}", text):
        return False
    return int("".join(str(int(character, 36)) for character in text[4:] + text[:4])) % 97 == 1


def which_account(named: str, wanted: WantedStatement) -> str:
    """Say which of our accounts the file is about; Refused where that is not certain.

    named is what the file says: an IBAN, an old number, "bank code/number", or "".
    """
    compact = re.sub(r"\s", "", named).upper()
    account = re.sub(r"\s", "", wanted.account) if ":" in wanted.account else re.sub(r"\s", "", wanted.account).upper()
    compact = wanted.account_names.get(named.strip(), wanted.account_names.get(compact, compact))
    if iban_is_valid(compact[:-3]) and not iban_is_valid(compact):
        compact = compact[:-3]  # some banks write the currency behind the IBAN
    if iban_is_valid(compact):
        if account and account != compact and iban_is_valid(account):
            raise StatementRefused(f"the file is about account {compact}, not about {account}")
        return compact
    if account:
        return account
    tail = re.sub(r"[^A-Z0-9]", "", compact).lstrip("0")
    alike = {own for own in wanted.own_accounts if tail and re.sub(r"[^A-Z0-9]", "", own.upper()).endswith(tail)}
    if len(alike) == 1:
        return alike.pop()
    said = f"account {named.strip()[:40]!r}, which is no IBAN" if named.strip() else "no account"
    raise StatementRefused(f"the file names {said}: say which account it is about (--account)")


def usual_asset(account: str, currency: str) -> Asset | None:
    """Say the currency of an account where the file does not: the one given, else its country's."""
    if currency:
        return read_asset(currency)
    if account.startswith("UA"):
        return read_asset("UAH")
    return read_asset("EUR") if account[:2] in _EURO_COUNTRIES else None

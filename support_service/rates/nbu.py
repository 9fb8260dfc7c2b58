"""The official hryvnia rate of the day, as the National Bank of Ukraine publishes it.

API: https://bank.gov.ua/ua/open-data/api-dev, "exchange": one object per currency,
{"r030": 840, "txt": "Долар США", "rate": 38.0012, "cc": "USD", "exchangedate": "05.01.2024"}.
The rate is for one unit. A day is a day in Kyiv; for a day without a rate of its own the last one
set before it is in force.
"""

import time
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal

from babel.dates import get_timezone

from support_service.rails.source import SourceLied
from support_service.rates import Rate, WantedRate, checked
from support_service.rates.http import Pause, RatesServer

PATH = "/NBUStatService/v1/statdirectory/exchange"
HRYVNIA = "UAH"
# The longest run of days off is shorter; an older rate means that the answer is about something else.
DAYS_OLD_MAX = 10
# A rate between two foreign currencies is a quotient, which need not end; the bank's own have 4 to 6 decimals.
CROSS_RATE_DECIMALS = 12
KEPT_MAX = 2_000


class NationalBank:
    """Knows the rates between the hryvnia and other national currencies, one a day."""

    name = "nbu"

    def __init__(self, url: str, *, pause: Pause = time.sleep) -> None:
        self._server = RatesServer(url.rstrip("/") + PATH, pause=pause)
        # Kyiv's clock from the library's own data: a small machine may have no time zones installed.
        self._kyiv = get_timezone("Europe/Kyiv")
        self._kept: dict[tuple[str, date], tuple[Decimal, date]] = {}

    def rate(self, asked: WantedRate) -> Rate | None:
        """Tell the official rate of the day in Kyiv; rates without the hryvnia are rounded half to even."""
        if asked.network or asked.asset == asked.currency:
            return None
        day = asked.at.astimezone(self._kyiv).date()
        found = [self._hryvnias(code, day) for code in (asked.asset, asked.currency)]
        if found[0] is None or found[1] is None:
            return None
        (one, set_on), (other, also_on) = found[0], found[1]
        value = one if asked.currency == HRYVNIA else _quotient(one, other)
        set_on = min(set_on, also_on)
        told_at = datetime(set_on.year, set_on.month, set_on.day, tzinfo=UTC)
        return Rate(asked.asset, asked.currency, checked(value, self.name), self.name, told_at)

    def _hryvnias(self, code: str, day: date) -> tuple[Decimal, date] | None:
        """Tell how many hryvnias one unit was, and the day that rate was set for; None where it is not quoted."""
        if code == HRYVNIA:
            return Decimal(1), day
        if (code, day) not in self._kept:
            told = self._server.get({"valcode": code, "date": f"{day:%Y%m%d}", "json": ""})
            found = _read(told, code, day)
            if found is None:
                return None
            if len(self._kept) >= KEPT_MAX:
                self._kept.clear()
            self._kept[code, day] = found
        return self._kept[code, day]


def _read(told: object, code: str, day: date) -> tuple[Decimal, date] | None:
    """Find the one rate in an answer; SourceLied where it speaks of another currency or day, or of no number."""
    if not isinstance(told, list) or any(not isinstance(item, dict) for item in told):
        raise SourceLied("nbu: an answer of another form than its documentation says")
    if not told:
        return None
    item = told[0]
    if len(told) > 1 or item.get("cc") != code:
        raise SourceLied(f"nbu: asked for {code}, answered with {str(item.get('cc'))[:20]!r} and {len(told) - 1} more")
    rate = item.get("rate")
    if isinstance(rate, bool) or not isinstance(rate, Decimal | int):
        raise SourceLied(f"nbu: {code} has no rate")
    set_on = _day(item.get("exchangedate"))
    if set_on is None or not day - timedelta(days=DAYS_OLD_MAX) <= set_on <= day:
        raise SourceLied(f"nbu: asked for {day}, answered for {str(item.get('exchangedate'))[:20]!r}")
    return checked(Decimal(rate), "nbu"), set_on


def _day(text: object) -> date | None:
    try:
        return datetime.strptime(str(text), "%d.%m.%Y").replace(tzinfo=UTC).date()
    except ValueError:
        return None


def _quotient(one: Decimal, other: Decimal) -> Decimal:
    return (one / other).quantize(Decimal(1).scaleb(-CROSS_RATE_DECIMALS), ROUND_HALF_EVEN)

"""What one market paid: Kraken's public candles, which reach two years back and need no key.

API: https://docs.kraken.com/api-reference/market-data/get-ohlc-data, GET /0/public/OHLC: up to 720
of the newest candles of an interval, the last of them not yet closed,
{"error": [], "result": {"XETHZUSD": [[1688671200, "1870.1", ... "1871.4", ...], ...], "last": ...}}:
time, open, high, low, close, vwap, volume (texts but for the time), count.
"""

import re
import time
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from support_service.giving import Clock, utc_now
from support_service.rails.source import SourceDown, SourceLied
from support_service.rates import Rate, WantedRate, checked
from support_service.rates.http import Pause, RatesServer

PATH = "/0/public/OHLC"
# The market's own names; every other asset goes by its usual code.
CODES = {"BTC": "XBT"}
# The finest candles that still reach back to the moment are asked for; 700 of the 720, since time goes on meanwhile.
INTERVALS_MINUTES = (1, 5, 15, 60, 240, 1440)
CANDLES_USED_MAX = 700
# In a quiet market there is no candle for a while; a price older than this is not the price of the moment.
QUIET_MAX = timedelta(hours=6)
# A pair that was not traded may be from tomorrow on.
UNTRADED_FOR = timedelta(minutes=30)
KEPT_MAX = 60

_PRICE = re.compile(r"-?[0-9]{1,30}(\.[0-9]{1,30})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class _Candles:
    """Closed candles of one pair: when each closed, and at which price; as of the time of asking."""

    asked_at: datetime
    closed_at: Sequence[datetime]
    prices: Sequence[Decimal]


class Market:
    """Knows what was last paid before a moment. Never a later price: a gift is worth what it was when it came."""

    name = "market"

    def __init__(self, url: str, *, clock: Clock = utc_now, pause: Pause = time.sleep) -> None:
        self._server, self._clock = RatesServer(url.rstrip("/") + PATH, pause=pause), clock
        self._kept: dict[tuple[str, int], _Candles] = {}

    def rate(self, asked: WantedRate) -> Rate | None:
        """Tell the closing price of the last candle that had closed; None for a pair that is not traded there."""
        interval = self._interval(asked.at)
        if interval is None or asked.asset == asked.currency:
            return None
        candles = self._candles(_code(asked.asset) + _code(asked.currency), interval, asked.at)
        place = bisect_right(candles.closed_at, asked.at) - 1
        if place < 0 or asked.at - candles.closed_at[place] > max(QUIET_MAX, timedelta(minutes=interval)):
            return None
        return Rate(asked.asset, asked.currency, candles.prices[place], self.name, candles.closed_at[place])

    def _interval(self, at: datetime) -> int | None:
        age = self._clock() - at
        return next((m for m in INTERVALS_MINUTES if age < timedelta(minutes=m * CANDLES_USED_MAX)), None)

    def _candles(self, pair: str, interval: int, at: datetime) -> _Candles:
        """Ask, unless an answer from after that moment is at hand: what has closed does not change."""
        held = self._kept.get((pair, interval))
        asked_at = self._clock()
        if held is not None and held.asked_at >= at and (held.prices or asked_at - held.asked_at < UNTRADED_FOR):
            return held
        told = self._server.get({"pair": pair, "interval": str(interval)})
        if len(self._kept) >= KEPT_MAX:
            self._kept.clear()
        candles = _read(told, asked_at, timedelta(minutes=interval))
        self._kept[pair, interval] = candles
        return candles


def _code(code: str) -> str:
    return CODES.get(code, code)


def _read(told: object, asked_at: datetime, length: timedelta) -> _Candles:
    if not isinstance(told, dict) or not isinstance(told.get("error"), list):
        raise SourceLied("market: an answer of another form than its documentation says")
    errors = [str(error) for error in told["error"]]
    if any("Unknown asset pair" in error for error in errors):
        return _Candles(asked_at, (), ())
    if errors:
        raise SourceDown(f"market: {errors[0][:100]}")
    result = told.get("result")
    pairs = [value for name, value in result.items() if name != "last"] if isinstance(result, dict) else []
    if len(pairs) != 1 or not isinstance(pairs[0], list):
        raise SourceLied("market: candles of one pair were asked for")
    found = sorted(_candle(item, length) for item in pairs[0])
    closed = [(moment, price) for moment, price in found if moment <= asked_at]
    return _Candles(asked_at, [moment for moment, _ in closed], [price for _, price in closed])


def _candle(item: object, length: timedelta) -> tuple[datetime, Decimal]:
    """Read when a candle closes and at which price; SourceLied for anything that is none."""
    opened, close = (item[0], item[4]) if isinstance(item, list) and len(item) > 4 else (None, None)
    if isinstance(opened, int) and isinstance(close, str) and _PRICE.fullmatch(close):
        try:
            return datetime.fromtimestamp(opened, UTC) + length, checked(Decimal(close), "market")
        except (OverflowError, ValueError, OSError):
            pass  # a time that no calendar holds
    raise SourceLied("market: a candle of another form than its documentation says")

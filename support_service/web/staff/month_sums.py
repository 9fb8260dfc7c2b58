"""A month in sums: by way of giving, by day, in every asset and in the currency of values. Pure."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from support_service.ledger import QuarterSums, QuarterTotal
from support_service.ledger.quarters import QUARTER_MICROS
from support_service.money import Asset
from support_service.web import civil_dates

MONTH_MIN, MONTH_MAX = date(1971, 1, 1), date(2999, 12, 1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_QUARTER = timedelta(microseconds=QUARTER_MICROS)


@dataclass(frozen=True, slots=True)
class AssetSums:
    """What came by a method in one asset."""

    asset: Asset
    sums: QuarterSums


@dataclass(slots=True)
class MethodSums:
    """What came by one method: by asset, how many gifts count, and what they were worth in the currency of values.

    by_day holds what each day brought: worth where values are known here, else gifts.
    """

    method: str
    assets: dict[Asset, QuarterSums] = field(default_factory=dict)
    worth: int = 0
    gifts: int = 0
    unvalued: int = 0
    by_day: Counter[date] = field(default_factory=Counter)

    @property
    def listed(self) -> list[AssetSums]:
        """Its assets in the order of their codes."""
        return [AssetSums(asset, self.assets[asset]) for asset in sorted(self.assets, key=_order)]


@dataclass(frozen=True, slots=True)
class MonthSums:
    """One month of the publisher's calendar. currency None: the settings value nothing, and gifts are counted."""

    first: date
    days: tuple[date, ...]
    currency: Asset | None
    methods: tuple[MethodSums, ...]

    @property
    def worth(self) -> int:
        """What all that counts was worth, as far as values are known."""
        return sum(one.worth for one in self.methods)

    @property
    def gifts(self) -> int:
        """How many gifts count."""
        return sum(one.gifts for one in self.methods)

    @property
    def unvalued(self) -> int:
        """How many of them have no value in the currency."""
        return sum(one.unvalued for one in self.methods)

    @property
    def assets(self) -> list[AssetSums]:
        """The sums of all methods together, asset by asset."""
        held: dict[Asset, QuarterSums] = {}
        for method in self.methods:
            for asset, sums in method.assets.items():
                held[asset] = held.get(asset, QuarterSums()).plus(sums)
        return [AssetSums(asset, held[asset]) for asset in sorted(held, key=_order)]

    def share(self, method: MethodSums) -> int:
        """Tell which part of the month came by a method, in percent."""
        whole = self.worth or self.gifts
        part = method.worth if self.worth else method.gifts
        return round(100 * part / whole) if whole else 0


def read_month(text: str, today: date) -> date:
    """Read "2026-11" as its first day; the month of today for what is none."""
    try:
        first = date.fromisoformat(f"{text}-01") if len(text) == 7 else today
    except ValueError:
        first = today
    first = first.replace(day=1)
    return first if MONTH_MIN <= first <= MONTH_MAX else today.replace(day=1)


def next_month(first: date) -> date:
    """Return the first day of the month after."""
    return (first + timedelta(days=32)).replace(day=1)


def previous_month(first: date) -> date:
    """Return the first day of the month before."""
    return (first - timedelta(days=1)).replace(day=1)


def ends_of(first: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Return the moments at which a month begins and ends on the publisher's calendar."""
    return civil_dates.first_moment(first, zone), civil_dates.first_moment(next_month(first), zone)


def day_starts(first: date, zone: ZoneInfo) -> list[datetime]:
    """Return the moments at which the days of a month begin on the publisher's calendar."""
    length = (next_month(first) - first).days
    return [civil_dates.first_moment(first + timedelta(days=number), zone) for number in range(length)]


def add_up(first: date, totals: Iterable[QuarterTotal], *, zone: ZoneInfo, currency: Asset | None) -> MonthSums:
    """Add up what the ledger keeps by quarter of an hour."""
    methods: dict[str, MethodSums] = {}
    days: dict[int, date] = {}
    # Of one way and asset there are thousands of quarters.
    assets: dict[tuple[str, int, str], Asset] = {}
    for total in totals:
        if total.quarter not in days:
            days[total.quarter] = civil_dates.day_of(_EPOCH + total.quarter * _QUARTER, zone)
        held = methods.setdefault(total.method, MethodSums(total.method))
        named = (total.asset, total.exponent, total.network)
        asset = assets.get(named) or assets.setdefault(named, Asset(*named))
        held.assets[asset] = held.assets.get(asset, QuarterSums()).plus(total.sums)
        held.gifts += total.sums.counted_gifts
        is_valued = currency is not None and total.currency == currency.code
        held.worth += total.sums.worth_units if is_valued else 0
        held.unvalued += 0 if is_valued else total.sums.counted_gifts
        held.by_day[days[total.quarter]] += total.sums.worth_units if is_valued else 0
        if currency is None:
            held.by_day[days[total.quarter]] += total.sums.counted_gifts
    shown = sorted(methods.values(), key=lambda one: (-one.worth, -one.gifts, one.method))
    length = (next_month(first) - first).days
    return MonthSums(first, tuple(first + timedelta(days=number) for number in range(length)), currency, tuple(shown))


@dataclass(frozen=True, slots=True)
class BarPiece:
    """A piece of a day's bar: whose it is (the place of its method), and where it stands in a chart."""

    way: int
    x: int
    y: int
    height: int


# The chart's own units; the page draws it as wide as it likes.
CHART_HEIGHT, BAR_WIDTH, BAR_STEP = 100, 8, 10
WAYS_MAX = 6


def bars(month: MonthSums) -> list[BarPiece]:
    """Draw each day as a bar of its methods, one upon the other; the best day is as high as the chart."""
    best = max((sum(one.by_day[day] for one in month.methods) for day in month.days), default=0)
    drawn: list[BarPiece] = []
    for place, day in enumerate(month.days):
        below = 0
        for number, one in enumerate(month.methods):
            if not one.by_day[day] or not best:
                continue
            top = -(-(below + one.by_day[day]) * CHART_HEIGHT // best)
            bottom = -(-below * CHART_HEIGHT // best)
            drawn.append(BarPiece(min(number, WAYS_MAX - 1), place * BAR_STEP, CHART_HEIGHT - top, top - bottom))
            below += one.by_day[day]
    return drawn


def by_day(month: MonthSums) -> Sequence[tuple[date, list[int], int]]:
    """List the days on which something came, with what each method brought and all together."""
    rows = [(day, [one.by_day[day] for one in month.methods]) for day in month.days]
    return [(day, parts, sum(parts)) for day, parts in rows if any(parts)]


def _order(asset: Asset) -> tuple[bool, str, str]:
    return bool(asset.network), asset.code, asset.network

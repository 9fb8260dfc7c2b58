"""How the month goes: confirmed money alone, as a drawn piece of the page that comes afterwards and renews itself."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from flask import Blueprint, Response, abort, render_template
from flask_babel import format_date

from support_service.assembly import Assembly
from support_service.ledger import Ledger, LedgerError, QuarterTotal
from support_service.money import Asset, Money
from support_service.web import civil_dates
from support_service.web.health import source_views
from support_service.web.public import public
from support_service.web.service import Service, service

blueprint = Blueprint("month", __name__)

FRAGMENT_SECONDS = 15
# The chart's own units; the page draws it as wide as it likes.
CHART_HEIGHT, BAR_WIDTH, BAR_STEP = 40, 7, 10
# So many currencies are named where nothing says what they are worth together.
SUMS_MAX = 3


@dataclass(frozen=True, slots=True)
class Month:
    """One month up to today: its sum in one currency where values are known, else the sums by currency.

    bars: how much of the best day each day brought, 0 to CHART_HEIGHT.
    """

    first: date
    count: int
    worth: Money | None
    sums: tuple[Money, ...]
    bars: tuple[int, ...]


def paths(assembly: Assembly) -> Iterator[str]:
    """Name the address of the fragment in every language: the door asks for each once for all readers."""
    return (f"/month/{lang}" for lang in assembly.settings.publisher.languages)


@blueprint.get("/month/<lang>")
def fragment(lang: str) -> Response:
    """Draw the month in a language; nothing where nothing came, 503 where the ledger is silent."""
    at = service()
    if lang not in at.assembly.settings.publisher.languages:
        abort(404)
    today = at.today()
    try:
        totals, heard_at = at.read(lambda ledger: (_totals(at, ledger, today), _heard_at(at, ledger)))
    except LedgerError:
        return Response("", 503, headers={"Cache-Control": "no-store"})
    month = _month(at, totals, today)
    page = render_template(
        "month.html",
        month=month,
        name=format_date(month.first, "LLLL"),
        minutes=int((at.clock() - heard_at).total_seconds()) // 60,
        clock=civil_dates.written(heard_at, at.zone),
        height=CHART_HEIGHT,
        width=BAR_WIDTH,
        step=BAR_STEP,
    )
    return public(page if month.count else "", seconds=FRAGMENT_SECONDS)


def _totals(at: Service, ledger: Ledger, today: date) -> Sequence[QuarterTotal]:
    """Read what each day of the month brought up to now."""
    starts = [civil_dates.first_moment(day, at.zone) for day in _days(today)]
    return ledger.quarters(starts[0], civil_dates.first_moment(today + timedelta(days=1), at.zone), starts)


def _days(today: date) -> list[date]:
    return [today.replace(day=number) for number in range(1, today.day + 1)]


def _heard_at(at: Service, ledger: Ledger) -> datetime:
    """Tell since when all sources are known to say this; a source that was never read says nothing yet."""
    return min((view.checked_at for view in source_views(at, ledger) if view.checked_at), default=at.clock())


def _month(at: Service, totals: Sequence[QuarterTotal], today: date) -> Month:
    value = at.assembly.value
    by_day: Counter[datetime] = Counter()
    worth, sums = 0, Counter[Asset]()
    for total in totals:
        units = total.sums.worth_units if value and total.currency == value.currency.code else 0
        worth += units
        sums[Asset(total.asset, total.exponent, total.network)] += total.sums.units
        by_day[total.begin] += units if value else total.sums.counted_gifts
    best = max(by_day.values(), default=0) or 1
    return Month(
        first=today.replace(day=1),
        count=sum(total.sums.counted_gifts for total in totals),
        worth=Money(_whole(worth, value.currency), value.currency) if value and worth else None,
        sums=tuple(
            Money(units, asset)
            for asset, units in sorted((+sums).items(), key=lambda sum_: _nationals_first(sum_[0]))[:SUMS_MAX]
        ),
        bars=tuple(-(-by_day[civil_dates.first_moment(day, at.zone)] * CHART_HEIGHT // best) for day in _days(today)),
    )


def _whole(units: int, currency: Asset) -> int:
    """Leave the cents of a sum that is an estimate away."""
    step = int(10**currency.exponent)
    return units // step * step or units


def _nationals_first(asset: Asset) -> tuple[bool, str]:
    return bool(asset.network), asset.code

"""The days that were: how many gifts, what they sum to, and a chart of them, in text and in HTML."""

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from html import escape
from zoneinfo import ZoneInfo

from support_service.giving import Phrase
from support_service.ledger import CountedGift, Ledger
from support_service.ledger.outbox import OutboxMessage
from support_service.money import Asset, Money
from support_service.notifications.newsroom import Newsroom, Voice
from support_service.notifications.way import Message

BAR_SIGNS_MAX, BAR_PIXELS_MAX = 20, 240
# A day's chart of one bar says nothing: it stands among the days before it.
CHART_DAYS = 7


@dataclass(frozen=True, slots=True)
class Bar:
    """One day of the chart: how many gifts came, and the most of any day."""

    day: date
    count: int
    most: int

    def length(self, longest: int) -> int:
        """Return how long to draw it; a gift is never nothing."""
        return 0 if not self.count else max(1, self.count * longest // self.most)


def digest_message(held: OutboxMessage, room: Newsroom, ledger: Ledger, voice: Voice) -> Message:
    """Write what came in between two days of the publisher's; what was given back since is left out."""
    facts, zone = held.news.facts, room.publisher.zone
    first, end = (date.fromisoformat(str(facts[name])) for name in ("from", "until"))
    since = min(first, end - timedelta(days=CHART_DAYS))
    gifts = ledger.counted(_begin(since, zone), _begin(end, zone))
    told = [gift for gift in gifts if gift.occurred_at >= _begin(first, zone)]
    last = end - timedelta(days=1)
    span = first.isoformat() if first == last else f"{first} – {last}"
    title = voice.say(Phrase("%(publisher)s, %(span)s: gifts: %(count)s", (
        ("publisher", room.publisher.named(voice.lang)), ("span", span), ("count", str(len(told)))
    )))  # fmt: skip
    sums = _sums(told, voice)
    bars = _bars(gifts, since, end, zone)
    chart = [f"{bar.day:%d.%m}  {'█' * bar.length(BAR_SIGNS_MAX)} {bar.count}" for bar in bars]
    return Message(
        held.news.key,
        "digest",
        held.made_at,
        title,
        (*sums, *chart),
        f"{room.url}/staff/",
        html=_html(title, sums, bars),
        facts={**facts, "count": len(told), "sums": _exact(told)},
    )


def _sums(gifts: list[CountedGift], voice: Voice) -> list[str]:
    held = _by_asset(gifts)
    return [voice.sum(Money(units, asset)) for asset, units in sorted(held.items(), key=lambda one: one[0].code)]


def _exact(gifts: list[CountedGift]) -> list[dict[str, object]]:
    return [
        {"asset": asset.code, "network": asset.network or None, "exponent": asset.exponent, "units": str(units)}
        for asset, units in sorted(_by_asset(gifts).items(), key=lambda one: (one[0].code, one[0].network))
    ]


def _by_asset(gifts: list[CountedGift]) -> dict[Asset, int]:
    held: dict[Asset, int] = {}
    for gift in gifts:
        asset = Asset(gift.asset, gift.exponent, gift.network)
        held[asset] = held.get(asset, 0) + gift.counted_units
    return held


def _bars(gifts: tuple[CountedGift, ...], since: date, end: date, zone: ZoneInfo) -> list[Bar]:
    counts = Counter(gift.occurred_at.astimezone(zone).date() for gift in gifts)
    days = [since + timedelta(days=number) for number in range((end - since).days)]
    most = max((counts[day] for day in days), default=0)
    return [Bar(day, counts[day], most) for day in days]


def _html(title: str, sums: list[str], bars: list[Bar]) -> str:
    """Draw the chart as a table: mail shows no pictures before somebody allows them."""
    rows = "".join(
        f'<tr><td style="padding-right:8px">{bar.day:%d.%m}</td><td><div style="background:#14574a;height:14px;'
        f'width:{bar.length(BAR_PIXELS_MAX)}px"></div></td><td style="padding-left:8px">{bar.count}</td></tr>'
        for bar in bars
    )
    lines = "".join(f"<p>{escape(line)}</p>" for line in sums)
    return f'<h1 style="font-size:18px">{escape(title)}</h1>{lines}<table role="presentation">{rows}</table>'


def _begin(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), tzinfo=zone).astimezone(UTC)

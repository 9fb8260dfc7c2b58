"""The [value] section, checked against networks and assets, every mistake noted. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from support_service.money import Asset
from support_service.rails.evm.address import read_address
from support_service.rails.options import BadOption, Mistake, Surroundings
from support_service.settings.schema import FeedTable, ValueTable

SOURCES = ("nbu", "market", "chainlink")

_LOOPBACK = {"127.0.0.1", "localhost", "::1"}


@dataclass(frozen=True, slots=True)
class Feed:
    """One price feed contract: what one whole unit of `asset` is in `currency`."""

    network: str
    contract: str
    asset: str
    currency: str


@dataclass(frozen=True, slots=True)
class RateSettings:
    """What gifts are valued in, and who is asked, in this order."""

    currency: Asset
    sources: tuple[str, ...]
    nbu_url: str
    market_url: str
    feeds: tuple[Feed, ...]


def read_value(table: ValueTable, around: Surroundings, mistakes: list[Mistake]) -> RateSettings | None:
    """Check the section; None (with mistakes noted) where it cannot be used."""
    before = len(mistakes)
    currency = around.asset(table.currency, "")
    if currency is None:
        mistakes.append(Mistake("value.currency", _unknown_currency(table.currency, around)))
    mistakes += [
        *_source_mistakes(table),
        *_url_mistakes({"nbu_url": table.nbu_url, "market_url": table.market_url}),
        *(mistake for place in range(len(table.feeds)) for mistake in _feed_mistakes(table.feeds, place, around)),
    ]
    if currency is None or len(mistakes) > before:
        return None
    feeds = tuple(Feed(one.network, one.contract, one.asset, one.currency) for one in table.feeds)
    return RateSettings(currency, table.sources, table.nbu_url, table.market_url, feeds)


def _unknown_currency(code: str, around: Surroundings) -> str:
    known = ", ".join(sorted(asset.code for asset in around.assets if not asset.network))
    return f"{code[:20]!r} is not a known national currency; known are {known}"


def _source_mistakes(table: ValueTable) -> Iterator[Mistake]:
    names = table.sources
    for name in dict.fromkeys(names):
        if name not in SOURCES:
            yield Mistake("value.sources", f"{name[:40]!r} is not a known source; known are {', '.join(SOURCES)}")
        elif names.count(name) > 1:
            yield Mistake("value.sources", f"{name!r} stands there twice")
    if "chainlink" in names and not table.feeds:
        yield Mistake("value.sources", '"chainlink" needs a [[value.feeds]] table for each pair')
    if table.feeds and "chainlink" not in names:
        yield Mistake("value.feeds", 'are never asked; add "chainlink" to value.sources')


def _url_mistakes(urls: Mapping[str, str]) -> Iterator[Mistake]:
    for name, url in urls.items():
        if not _is_trusted(url):
            # Plain http carries no promise about who answers, and a forged rate would be booked for good.
            yield Mistake(f"value.{name}", "must be an https:// address (http:// on this machine only)")


def _is_trusted(url: str) -> bool:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    is_plain = not (parts.query or parts.fragment or parts.username or any(map(str.isspace, url)))
    return bool(host) and is_plain and (parts.scheme == "https" or (parts.scheme == "http" and str(host) in _LOOPBACK))


def _feed_mistakes(feeds: tuple[FeedTable, ...], place: int, around: Surroundings) -> Iterator[Mistake]:
    feed, where = feeds[place], f"value.feeds[{place + 1}]"
    network = around.networks.get(feed.network)
    if network is None or network.get("rail") != "evm":
        yield Mistake(f"{where}.network", f"{feed.network[:40]!r} is no [networks.*] table of rail evm")
    elif not network.get("rpc"):
        yield Mistake(f"{where}.network", f"networks.{feed.network} names no node (rpc) to read the feed from")
    try:
        read_address(feed.contract)
    except BadOption as error:
        yield Mistake(f"{where}.contract", str(error))
    if not any(asset.code == feed.asset for asset in around.assets):
        yield Mistake(f"{where}.asset", f"{feed.asset[:20]!r} is not a known asset")
    if around.asset(feed.currency, "") is None:
        yield Mistake(f"{where}.currency", _unknown_currency(feed.currency, around))
    pairs = [(one.network, one.asset, one.currency) for one in feeds]
    if pairs[place] in pairs[:place]:
        yield Mistake(where, f"is the second feed for {feed.asset}/{feed.currency} on {feed.network}")

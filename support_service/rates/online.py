"""What `check --online` asks of every source of rates: one rate of now, which shows that it is what it should be."""

from collections.abc import Iterator, Mapping

from support_service.giving import Clock
from support_service.rails.options import Mistake
from support_service.rails.source import SourceError
from support_service.rates import WantedRate
from support_service.rates.building import build_source
from support_service.rates.conversion import PIVOT, rate_text
from support_service.rates.settings import RateSettings


def ask_rates(
    choices: RateSettings, networks: Mapping[str, Mapping[str, object]], *, clock: Clock
) -> Iterator[str | Mistake]:
    """Ask each source once, a feed each; a text is what one said, a Mistake what is wrong with it."""
    for name in choices.sources:
        source = build_source(name, choices, networks, clock=clock)
        for key, asked in _questions(name, choices, clock):
            pair = f"{asked.asset}/{asked.currency}"
            try:
                rate = source.rate(asked)
            except SourceError as error:
                yield Mistake(key, str(error))
                continue
            if rate is None:
                yield Mistake(key, f"has no rate of now for {pair}")
            else:
                yield f"value: {name}: 1 {asked.asset} is {rate_text(rate.value)} {asked.currency}"


def _questions(name: str, choices: RateSettings, clock: Clock) -> list[tuple[str, WantedRate]]:
    now = clock()
    match name:
        case "nbu":
            own = choices.currency.code
            return [("value.nbu_url", WantedRate("EUR" if own == PIVOT else PIVOT, own, now))]
        case "market":
            return [("value.market_url", WantedRate("BTC", PIVOT, now, "bitcoin"))]
    return [
        (f"value.feeds[{place}]", WantedRate(feed.asset, feed.currency, now, feed.network))
        for place, feed in enumerate(choices.feeds, 1)
    ]

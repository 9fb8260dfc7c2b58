"""Builds what stamps values from the checked settings; imported by the watcher only, since some of it loads web3."""

from collections.abc import Mapping
from importlib import import_module

from support_service.giving import Clock
from support_service.rates import RateSource
from support_service.rates.market import Market
from support_service.rates.nbu import NationalBank
from support_service.rates.settings import RateSettings
from support_service.rates.valuation import UnvaluedFinder, Valuation


def build_valuation(
    choices: RateSettings, networks: Mapping[str, Mapping[str, object]], unvalued: UnvaluedFinder, *, clock: Clock
) -> Valuation:
    """Build the source of values. Nobody is asked yet."""
    sources = [build_source(name, choices, networks, clock=clock) for name in choices.sources]
    return Valuation(choices.currency, sources, unvalued, clock=clock)


def build_source(
    name: str, choices: RateSettings, networks: Mapping[str, Mapping[str, object]], *, clock: Clock
) -> RateSource:
    """Build one source of rates by its name in the settings."""
    match name:
        case "nbu":
            return NationalBank(choices.nbu_url)
        case "market":
            return Market(choices.market_url, clock=clock)
        case "chainlink":
            # Late: web3 takes a second and 60 MiB that nobody should pay who reads no feed.
            source: RateSource = import_module("support_service.rates.chainlink").ChainlinkFeeds(
                choices.feeds, networks
            )
            return source
    raise ValueError(f"{name} is not a source of rates; settings.py should have refused it")

"""What a gift was worth on its day: exchange rates from the National Bank of Ukraine, a market, and price feeds.

All are optional, and none stands in the way of a confirmation: a rate is asked for after the
ledger has confirmed the money, and where none can be had the value stays empty until one can. A
rate is never a constant: a stablecoin is worth what the market or a feed says, and nothing else.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Protocol

from support_service.rails.source import SourceLied

# No two things that people give or count in are further apart than this, not even wei and hryvnias.
RATE_MAX = Decimal(10) ** 18
RATE_DIGITS_MAX = 60


@dataclass(frozen=True, slots=True)
class WantedRate:
    """How much one whole unit of `asset` was worth in `currency` at a time.

    network is "" for national currencies: a token that merely bears such a name is not one. block
    is the hash of the block that holds the gift, for sources that can look at that very block.
    """

    asset: str
    currency: str
    at: datetime
    network: str = ""
    block_hash: str | None = None

    def __post_init__(self) -> None:
        assert self.at.tzinfo is UTC, "times are aware UTC datetimes"


@dataclass(frozen=True, slots=True)
class Rate:
    """One whole unit of `asset` was worth `value` units of `currency`; exact, as the source said it at `told_at`."""

    asset: str
    currency: str
    value: Decimal
    source: str
    told_at: datetime


class RateSource(Protocol):
    """One place that knows exchange rates; `name` is what the export shows as the value's source."""

    name: str

    def rate(self, asked: WantedRate) -> Rate | None:
        """Tell a rate, or None where this source has none; raise SourceDown or SourceLied."""
        ...


def checked(value: Decimal, who: str) -> Decimal:
    """Give back a rate that can be one; SourceLied for zero, negative, endless or absurd numbers."""
    is_sane = (
        value.is_finite() and 1 / RATE_MAX <= value <= RATE_MAX and len(value.as_tuple().digits) <= RATE_DIGITS_MAX
    )
    if not is_sane:
        raise SourceLied(f"{who}: {str(value)[:60]} cannot be an exchange rate")
    return value

"""Intent: what a reader chose on our page, and the payment page opened for it. Pure."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

from support_service.giving.methods import Frequency
from support_service.giving.reports import Personal


@dataclass(frozen=True, slots=True)
class Intent:
    """What a reader chose on our page, before any money moves.

    ref is 32 hex digits that nobody can guess. units is all that will be charged each time;
    covered_fee_units is the part of it that the reader added to cover the fee.
    """

    ref: str
    method: str
    currency: str
    exponent: int
    units: int
    frequency: Frequency
    lang: str
    made_at: datetime
    article: str | None = None
    support_code: str | None = None
    covered_fee_units: int = 0
    personal: Personal = field(default=Personal())

    def __post_init__(self) -> None:
        assert 0 <= self.covered_fee_units < self.units and self.made_at.tzinfo is UTC


@dataclass(frozen=True, slots=True)
class Checkout:
    """A processor's payment page: its name there, its address, and when it closes."""

    session: str
    url: str
    expires_at: datetime

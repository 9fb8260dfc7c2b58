"""Intent: what a reader chose on our page, and the payment page opened for it. Pure."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple

from support_service.giving.methods import Frequency
from support_service.giving.reports import Identity, Personal


@dataclass(frozen=True, slots=True)
class Intent:
    """What a reader chose on our page, before any money moves.

    ref is 32 hex digits that nobody can guess. units is all that will be charged each time;
    covered_fee_units is the part of it that the reader added to cover the fee. Whoever transfers by themselves need
    not say which way (method "") nor how much (units 0): whatever comes counts. article is an address, and
    article_title what the page around our block called it: no proof of anything; placement names which of the page's
    blocks it was, in the publisher's own word.
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
    article_title: str = ""
    placement: str = ""
    support_code: str | None = None
    covered_fee_units: int = 0
    personal: Personal = field(default=Personal())

    def __post_init__(self) -> None:
        assert 0 <= self.covered_fee_units < max(self.units, 1) and self.made_at.tzinfo is UTC


@dataclass(frozen=True, slots=True)
class Awaiting:
    """The address that a gift of an exact sum is awaited at, and until when; all readers send to the same one.

    sums are the choice's own with a few last digits, in the order of preference: the first that nobody else is
    awaited with becomes the choice's.
    """

    network: str
    address: str
    until: datetime
    sums: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Answered:
    """Money that came in exactly the sum that one choice was told apart by, and no other."""

    identity: Identity
    intent: Intent


@dataclass(frozen=True, slots=True)
class Checkout:
    """A processor's payment page: its name there, its address, and when it closes."""

    session: str
    url: str
    expires_at: datetime


class PagePlace(NamedTuple):
    """Where a payment page stands among all: the choice it was opened for, and the number of the try."""

    intent: str
    number: int


@dataclass(frozen=True, slots=True)
class OpenedPage:
    """A payment page that was opened, by the processor's name for it; place orders all of them."""

    session: str
    frequency: Frequency
    expires_at: datetime
    place: PagePlace

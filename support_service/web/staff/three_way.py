"""The three-way close in words: what was held against whom, and each difference with a link to what explains it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlencode

from flask import url_for

from support_service.giving import Phrase
from support_service.ledger import ComparedPlace, Difference, DifferenceKind
from support_service.money import Asset
from support_service.web import civil_dates
from support_service.web.service import Service

WORDS = {
    DifferenceKind.NO_ARRIVAL: Phrase("A payout that no line of the bank brought"),
    DifferenceKind.NO_PAYOUT: Phrase("A line of the bank says to be a payout that no processor told of"),
    DifferenceKind.OTHER_SUM: Phrase("A payout is not what its gifts come to after fees: refunds and disputes do that"),
    DifferenceKind.NO_LINE: Phrase("Booked by hand, and no line of the bank brought it"),
    DifferenceKind.BANK_BALANCE: Phrase("The balance that the bank told changed otherwise than its lines"),
    DifferenceKind.CHAIN_BALANCE: Phrase("The balance on the chain changed otherwise than the books"),
}
SIDES = {
    DifferenceKind.NO_ARRIVAL: Phrase("processor and bank"),
    DifferenceKind.NO_PAYOUT: Phrase("bank and processor"),
    DifferenceKind.OTHER_SUM: Phrase("processor and books"),
    DifferenceKind.NO_LINE: Phrase("books and bank"),
    DifferenceKind.BANK_BALANCE: Phrase("bank and books"),
    DifferenceKind.CHAIN_BALANCE: Phrase("chain and books"),
}


@dataclass(frozen=True, slots=True)
class ToldDifference:
    """One difference for people; place is the account or address, "" where the link says it."""

    words: Phrase
    side: Phrase
    units: int
    asset: Asset
    place: str
    link: str


@dataclass(frozen=True, slots=True)
class ToldPlace:
    """One account or address as it was compared: what changed between the first balance that was told and the last."""

    place: str
    asset: Asset
    told_units: int
    booked_units: int
    last_at: datetime
    is_compared: bool

    @property
    def difference_units(self) -> int:
        """What they have more than the books."""
        return self.told_units - self.booked_units


def tell_differences(at: Service, differences: Iterable[Difference]) -> list[ToldDifference]:
    """Say each difference."""
    return [
        ToldDifference(
            WORDS[one.kind],
            SIDES[one.kind],
            one.units,
            Asset(one.asset, one.exponent, one.place[0]),
            one.place[1],
            _link(at, one),
        )
        for one in differences
    ]


def tell_places(places: Sequence[ComparedPlace]) -> list[ToldPlace]:
    """Say what each account and address was held against; one balance alone compares nothing."""
    return [
        ToldPlace(
            place.last.address,
            Asset(place.last.asset, place.last.exponent, place.last.network),
            place.told_units,
            place.booked_units,
            place.last.at,
            is_compared=bool(place.spans),
        )
        for place in places
    ]


def _link(at: Service, difference: Difference) -> str:
    """Lead to the money, or to all that came between the balances."""
    if difference.ref is not None:
        return url_for("staff.donation", ref=difference.ref)
    asked: dict[str, str] = {}
    network, address = difference.place
    method = next((one.method for one in at.assembly.watches if (one.network, one.address) == (network, address)), "")
    if method:
        asked["method"] = method
    if difference.since is not None:
        asked["since"] = civil_dates.day_of(difference.since, at.zone).isoformat()
    if difference.until is not None:
        asked["until"] = (civil_dates.day_of(difference.until, at.zone) + timedelta(days=1)).isoformat()
    return f"{url_for('staff.donations')}?{urlencode(asked)}"

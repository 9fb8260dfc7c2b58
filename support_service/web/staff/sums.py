"""The sums above the list: confirmed money by asset, and how much is on the way."""

from collections.abc import Iterable
from dataclasses import dataclass

from support_service.giving import Kind, State
from support_service.ledger import Ledger, Total, Wanted

# The count of what is on the way is a hint; beyond this it says "more than".
ON_THE_WAY_MAX = 200


@dataclass(frozen=True, slots=True)
class Sum:
    """Confirmed money of one asset on one network, over all methods."""

    asset: str
    network: str
    exponent: int
    units: int
    count: int


@dataclass(frozen=True, slots=True)
class OnTheWay:
    """How many gifts were seen and are not confirmed yet; `text` says so where there are too many to count."""

    count: int
    text: str


def by_asset(totals: Iterable[Total]) -> list[Sum]:
    """Add the totals of all methods, asset by asset; the same code on two networks is two assets."""
    sums: dict[tuple[str, str, int], Sum] = {}
    for total in totals:
        key = (total.asset, total.network, total.exponent)
        held = sums.get(key, Sum(*key, units=0, count=0))
        sums[key] = Sum(*key, units=held.units + total.units, count=held.count + total.count)
    return [sums[key] for key in sorted(sums)]


def count_on_the_way(ledger: Ledger) -> OnTheWay:
    """Count what readers sent and no chain has made final yet."""
    seen = ledger.donations(Wanted(state=State.SEEN, kind=Kind.DONATION), limit=ON_THE_WAY_MAX + 1)
    return OnTheWay(len(seen), f"> {ON_THE_WAY_MAX}" if len(seen) > ON_THE_WAY_MAX else str(len(seen)))

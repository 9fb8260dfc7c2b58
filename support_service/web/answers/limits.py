"""How often one place, its network and everybody together may ask for what costs a write.

Counted like payment pages: by keyed digests whose key changes daily, never by address. What is refused costs
no write, so a flood fills no database; every way to give stands on the support page all the while.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from support_service.ledger import Ledger
from support_service.ledger.rate_limits import RateLimit
from support_service.web.guard import keys
from support_service.web.networks import networks_of
from support_service.web.service import Service

WINDOW, LONG_WINDOW = timedelta(minutes=10), timedelta(hours=12)


@dataclass(frozen=True, slots=True)
class Limit:
    """So many in ten minutes and in twelve hours; half a town may share the address of a phone network."""

    what: str
    place_max: int
    place_long_max: int
    net_max: int
    net_long_max: int
    all_max: int


def admit(at: Service, limit: Limit, address: str) -> bool:
    """Count one more and tell whether it may pass; raises LedgerError."""
    bounds = _bounds(at, limit, address)
    if _is_full(at.read(lambda ledger: ledger.attempts.count(bounds)), bounds):
        return False
    is_admitted = False

    def judge(counts: Mapping[RateLimit, int]) -> Iterable[str]:
        nonlocal is_admitted
        is_admitted = not _is_full(counts, bounds)
        return sorted({one.bucket for one in bounds}) if is_admitted else ()

    def note(ledger: Ledger) -> None:
        ledger.attempts.note_if(bounds, judge)

    at.write(note)
    return is_admitted


def _is_full(counts: Mapping[RateLimit, int], bounds: Mapping[RateLimit, int]) -> bool:
    return any(counts[asked] >= most for asked, most in bounds.items())


def _bounds(at: Service, limit: Limit, address: str) -> dict[RateLimit, int]:
    day, networks = at.clock().date().isoformat(), networks_of(address)
    place = keys().digest(f"{limit.what} place", day, networks.place)
    net = keys().digest(f"{limit.what} network", day, networks.near)
    return {
        RateLimit(place, WINDOW): limit.place_max,
        RateLimit(place, LONG_WINDOW): limit.place_long_max,
        RateLimit(net, WINDOW): limit.net_max,
        RateLimit(net, LONG_WINDOW): limit.net_long_max,
        RateLimit(f"{limit.what} of all", WINDOW): limit.all_max,
    }

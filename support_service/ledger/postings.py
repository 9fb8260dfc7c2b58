"""The books' side of a donation: balanced legs. Pure.

Accounts: assets:<rail>:<network, or method off chain>:<address> | income:donations:<method> |
income:protocol:<method> | suspense:unattributed:<method> | expenses:outflow:<method> |
expenses:gas:<method> | expenses:fees:<method> | transfers:internal | equity:opening.
"""

from collections import Counter
from dataclasses import dataclass

from support_service.giving import Direction, Donation, Kind, State

BOOKED_STATES = frozenset({State.CONFIRMED, State.PARTIALLY_REFUNDED})


@dataclass(frozen=True, slots=True)
class Leg:
    """One line of a posting; units are signed, and all legs of one posting sum to zero."""

    account: str
    network: str
    asset: str
    units: int


def postings_for(before: Donation | None, after: Donation) -> tuple[Leg, ...]:
    """Give the legs that bring the books from what we believed to what we believe; () for no change.

    Undoing a confirmation posts the reverse; nothing is ever edited.
    """
    change = book(after)
    change.subtract(book(before) if before else Counter())
    identity = after.identity
    legs = tuple(
        Leg(account, identity.network, identity.asset, units) for account, units in sorted(change.items()) if units
    )
    assert sum(leg.units for leg in legs) == 0
    return legs


def book(donation: Donation) -> "Counter[str]":
    """Tell what stands in the books for a donation: account -> signed units; empty unless confirmed."""
    legs: Counter[str] = Counter()
    if donation.state not in BOOKED_STATES:
        return legs
    payment, sign = donation.payment, 1 if donation.identity.direction is Direction.IN else -1
    kept = (payment.units - donation.refunded_units) * sign
    fee = payment.fee_units or 0
    legs[_assets(donation)] += kept - fee
    legs[f"expenses:fees:{payment.method}"] += fee
    legs[_counterpart(donation)] -= kept
    return legs


def _assets(donation: Donation) -> str:
    payment, identity = donation.payment, donation.identity
    place = f"{identity.network}:{identity.address}" if identity.network else payment.method
    return f"assets:{payment.rail}:{place}"


def _counterpart(donation: Donation) -> str:
    method, kind = donation.payment.method, donation.payment.kind
    match kind:
        case Kind.DONATION:
            return f"income:donations:{method}"
        case Kind.PROTOCOL:
            return f"income:protocol:{method}"
        case Kind.UNATTRIBUTED:
            return f"suspense:unattributed:{method}"
        case Kind.OUTFLOW:
            is_gas = donation.identity.locator.endswith(":gas")
            return f"expenses:{'gas' if is_gas else 'outflow'}:{method}"
        case Kind.INTERNAL:
            return "transfers:internal"
        case Kind.OPENING:
            return "equity:opening"

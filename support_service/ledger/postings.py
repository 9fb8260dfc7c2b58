"""The books' side of a donation: balanced legs. Pure.

A donation's state alone decides what stands in the books for it (`book`); a posting is the
difference between two such states, so undoing a confirmation posts the reverse and nothing is ever
edited. Debits are positive, and the legs of a posting sum to zero.

assets:<rail>:<network, or method off chain>[:<address>]   what we hold there
assets:withheld:<method>        what the processor holds back while a dispute is open
income:donations:<method>       readers' money; a refund takes it back
suspense:review:<method>        a bank line that a person has not judged yet
suspense:split:<method>         a bank line whose gifts are booked one by one: zero once they are
suspense:returned:<method>      given back by a line of the bank's own: zero once both lines are known
transfers:payouts:<method>      card money that a processor paid out: its gifts are booked one by one
other:<class>:<method>          a bank line that is no gift, by its class
income:protocol:<method>        block rewards and withdrawals
suspense:unattributed:<method>  proved by a balance, not yet traced to a transaction
suspense:disputed:<method>      objected to by the payer: ours again only when the dispute is won

A dispute that is lost leaves suspense: what it took went back to the payer, so it lowers income and
assets as a refund does, and only the fee stays, as an expense.

expenses:outflow:<method>, expenses:gas:<method>   value and gas that left
expenses:fees:<method>          what a processor kept, also of money given back
transfers:internal              between our own addresses: zero once both ends are known
equity:opening                  what was there before we began to watch
"""

from dataclasses import dataclass
from typing import assert_never

from support_service.giving import Direction, Donation, Kind, State, is_split_off


@dataclass(frozen=True, slots=True)
class Leg:
    """One line of a posting; units are signed base units, and all legs of one posting sum to zero."""

    account: str
    network: str
    asset: str
    units: int


def postings_for(before: Donation | None, after: Donation) -> tuple[Leg, ...]:
    """Give the legs that bring the books from what we believed to what we believe; () where nothing changes."""
    change = book(after)
    for account, units in book(before).items() if before is not None else ():
        change[account] = change.get(account, 0) - units
    identity = after.identity
    legs = tuple(
        Leg(account, identity.network, identity.asset, units) for account, units in sorted(change.items()) if units
    )
    assert sum(leg.units for leg in legs) == 0, "a posting balances"
    return legs


def book(donation: Donation) -> dict[str, int]:
    """Tell what stands in the books for a donation: account -> signed units; empty unless its payment is confirmed."""
    match donation.state:
        case State.SEEN | State.ORPHANED | State.REPLACED | State.QUARANTINED:
            return {}
        case State.DISPUTED:
            counterpart = f"suspense:disputed:{donation.payment.method}"
        case State.CONFIRMED | State.PARTIALLY_REFUNDED | State.REFUNDED:
            counterpart = _counterpart(donation)
    sign = 1 if donation.identity.direction is Direction.IN else -1
    kept = sign * (donation.payment.units - donation.refunded_units)
    # A bank gives back by a line of its own, which moves what we hold; other refunds have no second row.
    returned = sign * donation.returned_units
    fee = donation.fee_units or 0
    withheld = donation.withheld_units
    balances = {_assets(donation): kept + returned - withheld - fee}
    method = donation.payment.method
    for account, units in (
        (f"suspense:returned:{method}", -returned),
        (f"assets:withheld:{method}", withheld),
        (f"expenses:fees:{method}", fee),
        (counterpart, -kept),
    ):
        if units:
            balances[account] = balances.get(account, 0) + units
    return balances


def _assets(donation: Donation) -> str:
    payment, identity = donation.payment, donation.identity
    if is_split_off(identity):
        return f"suspense:split:{payment.method}"
    place = f"assets:{payment.rail}:{identity.network or payment.method}"
    return f"{place}:{identity.address}" if identity.address else place


def _counterpart(donation: Donation) -> str:
    payment = donation.payment
    method = payment.method
    account = ""
    match payment.kind:
        case Kind.DONATION:
            account = f"income:donations:{method}"
        case Kind.PROTOCOL:
            account = f"income:protocol:{method}"
        case Kind.UNATTRIBUTED:
            account = f"suspense:unattributed:{method}"
        case Kind.OUTFLOW:
            is_gas = donation.identity.locator.endswith(":gas")
            account = f"expenses:gas:{method}" if is_gas else f"expenses:outflow:{method}"
        case Kind.INTERNAL:
            account = "transfers:internal"
        case Kind.OPENING:
            account = "equity:opening"
        case Kind.PAYOUT:
            account = f"transfers:payouts:{method}"
        case Kind.REVIEW:
            account = f"suspense:review:{method}"
        case Kind.OTHER:
            account = _no_gift(donation)
        case _ as other:
            assert_never(other)
    return account


def _no_gift(donation: Donation) -> str:
    line_class = donation.payment.bank.line_class if donation.payment.bank else "unknown"
    if donation.is_split:
        where = "suspense:split"
    elif line_class == "reversal" or (donation.linked_to is not None and donation.identity.direction is Direction.OUT):
        where = "suspense:returned"
    else:
        where = f"other:{line_class}"
    return f"{where}:{donation.payment.method}"

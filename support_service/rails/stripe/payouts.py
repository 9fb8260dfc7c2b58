"""What Stripe paid out to the bank, as money that left its balance, and which payments were inside. Pure."""

from collections.abc import Mapping

from support_service.giving import (
    HOLDS_PART,
    Direction,
    HoldsClaim,
    Identity,
    Kind,
    Observation,
    PaymentClaim,
    State,
)  # fmt: skip
from support_service.rails.stripe.fields import NotReadable, StripeJson, currency, moment, name, whole
from support_service.rails.stripe.method import KEY, RAIL
from support_service.rails.stripe.objects import Reader
from support_service.rails.stripe.ranks import MICROS, StripeClaims

# Entries that bring a payout's money back: it never arrived.
_CAME_BACK = frozenset({"payout_failure", "payout_cancel"})
_SENT, _BACK = 1, 2
_NOT_TOLD, _TOLD = 0, 1


def payout_of(entry: StripeJson) -> StripeJson | None:
    """Return the payout that an entry of the balance is about; None for all others."""
    source = entry.get("source")
    return source if isinstance(source, Mapping) and source.get("object") == "payout" else None


def payout_said(reader: Reader, entry: StripeJson, payout: StripeJson) -> StripeClaims:
    """Read that money left the balance for the bank, or came back because the bank did not take it.

    It counts nothing: its gifts are booked one by one. Raises NotReadable.
    """
    identity, amount = _identity(payout), whole(payout, "amount", signed=True)
    is_back = entry.get("type") in _CAME_BACK
    money = reader.money(identity.asset, abs(amount))
    claim = PaymentClaim(
        state=State.REPLACED if is_back else State.CONFIRMED,
        kind=Kind.PAYOUT,
        rail=RAIL,
        method=KEY,
        units=money.units,
        exponent=money.asset.exponent,
        occurred_at=moment(payout, "arrival_date"),
    )
    rank = (_BACK if is_back else _SENT, int(moment(entry).timestamp()) * MICROS)
    seen = Observation(identity, claim, rank=rank)
    return StripeClaims((seen,), ((name(payout), identity),)) + reader.fee(entry, name(payout), identity.asset)


def is_told(payout: StripeJson) -> bool:
    """Tell whether Stripe knows for good what is inside; of one that somebody sent by hand it never does."""
    return payout.get("reconciliation_status") == "completed"


def may_be_told(payout: StripeJson) -> bool:
    """Tell whether Stripe will know what is inside."""
    return payout.get("automatic") is True


def inside(payout: StripeJson, names: tuple[str, ...]) -> StripeClaims:
    """Say which payments a payout holds, each once."""
    claim = HoldsClaim(tuple(dict.fromkeys(names)))
    return StripeClaims((Observation(_identity(payout), claim, HOLDS_PART, (_TOLD, 0)),))


def not_told_yet(payout: StripeJson, entry: StripeJson) -> StripeClaims:
    """Say that it is not known yet what is inside, and by what to ask again."""
    claim = HoldsClaim(None, name(entry))
    return StripeClaims((Observation(_identity(payout), claim, HOLDS_PART, (_NOT_TOLD, 0)),))


def _identity(payout: StripeJson) -> Identity:
    """Money that left the balance; a payout below zero, by which Stripe takes from the bank, came in."""
    amount = whole(payout, "amount", signed=True)
    if not amount:
        raise NotReadable(f"{name(payout)} pays out nothing")
    direction = Direction.OUT if amount > 0 else Direction.IN
    return Identity("", currency(payout).upper(), "", direction, name(payout))

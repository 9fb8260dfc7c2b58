"""What the ledger lists for whoever reads again or goes on: money, plans, claims, each with its place in the list."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple

from support_service.giving.donations import Donation
from support_service.giving.methods import Frequency
from support_service.giving.reports import Claim, Identity, PlanTerms


@dataclass(frozen=True, slots=True)
class Listed:
    """A donation with its number in the list."""

    number: int
    donation: Donation


@dataclass(frozen=True, slots=True)
class MoneyBlock:
    """A block in which live money stands, by address and asset of ours."""

    address: str
    asset: str
    height: int
    block_hash: str

    @property
    def key(self) -> tuple[str, str]:
        """The watch within its network: address and asset."""
        return (self.address, self.asset)


@dataclass(frozen=True, slots=True)
class BankCredit:
    """What a booked line of the bank brought, in whole units of its currency, on the day as the bank names it."""

    day: date
    asset: str
    units: int


@dataclass(frozen=True, slots=True)
class OpenMoney:
    """Money whose payment, refund or dispute has not come to its end; claims are the live ones by part."""

    number: int
    identity: Identity
    claims: Mapping[str, Claim]


class PlanPlace(NamedTuple):
    """Where a plan stands in the list; its report's number alone would not do: one report may tell of many plans."""

    number: int
    name: str


@dataclass(frozen=True, slots=True)
class Plan:
    """A gift that repeats; state is the processor's own word. number is the report that changed it last."""

    rail: str
    name: str
    intent: str | None
    units: int
    currency: str
    exponent: int
    frequency: Frequency
    state: str
    changed_at: datetime
    number: int = 0
    terms: PlanTerms | None = None

    @property
    def place(self) -> PlanPlace:
        """Where it stands in the list: what comes after it is asked for by this."""
        return PlanPlace(self.number, self.name)


@dataclass(frozen=True, slots=True)
class WaitingClaim:
    """A claim about a payment that was not heard of yet, or is of another asset than the claim (`differs`)."""

    rail: str
    name: str
    part: str
    since: datetime
    report_number: int
    differs: bool = False

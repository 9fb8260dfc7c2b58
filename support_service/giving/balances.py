"""HeldBalance: what others say that we hold; money is compared with it, and never made of it. Pure."""

from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True, slots=True)
class HeldBalance:
    """What others say that we hold at one place: after a block, or on the evening of a day as the bank names it.

    mark is the block's height, or the day's ordinal; network is "" at a bank, where address is the account.
    at is when that was told of a chain, and a bank's day at its noon.
    """

    network: str
    address: str
    asset: str
    exponent: int
    units: int
    mark: int
    at: datetime

    def __post_init__(self) -> None:
        assert self.at.tzinfo is UTC and self.mark >= 0

    @property
    def place(self) -> tuple[str, str, str]:
        """Network, address and asset."""
        return (self.network, self.address, self.asset)

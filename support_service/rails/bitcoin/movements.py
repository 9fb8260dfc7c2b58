"""Blocks and transactions as far as they touch us, and what one transaction did to our addresses. Pure.

An address is known by its script (scriptPubKey): nodes write one address in several ways, a script in one.
Units are satoshi.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias

from support_service.giving import Direction, Kind
from support_service.rails.chain.cursor_state import UNKEPT, TextUnits

# Every coin there will ever be, in satoshi: no honest amount is larger.
UNITS_MAX = 21_000_000 * 10**8

Script: TypeAlias = str
Outpoint: TypeAlias = str


@dataclass(frozen=True, slots=True)
class Coin:
    """An output: which script may spend it, and how much it holds."""

    script: Script
    units: TextUnits


@dataclass(frozen=True, slots=True)
class Input:
    """What a transaction spends: `<txid>:<vout>`, and the output that stands there."""

    outpoint: Outpoint
    coin: Coin


@dataclass(frozen=True, slots=True)
class Transaction:
    """A transaction; inputs are empty for a coinbase. Outputs stand in their order."""

    txid: str
    is_coinbase: bool
    inputs: tuple[Input, ...]
    outputs: tuple[Coin, ...]

    def touches(self, scripts: Mapping[Script, str]) -> bool:
        """Tell whether one of the scripts gets or spends something here."""
        return any(coin.script in scripts for coin in self.outputs) or any(
            spent.coin.script in scripts for spent in self.inputs
        )


@dataclass(frozen=True, slots=True)
class Block:
    """A block with those of its transactions that touch us, in their order; it may have none.

    unread says why others, which may touch us too, are not among them.
    """

    height: int
    block_hash: str
    occurred_at: datetime
    transactions: tuple[Transaction, ...]
    unread: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Movement:
    """What one transaction did to one of our addresses, as one row of the ledger."""

    direction: Direction
    kind: Kind
    locator: str
    units: TextUnits
    txid: str
    is_coinbase: bool = field(default=False, metadata=UNKEPT)

    @property
    def signed_units(self) -> int:
        """What it adds to the balance."""
        return self.units if self.direction is Direction.IN else -self.units


def net(movements: Iterable[Movement]) -> int:
    """What moves add to the balance together."""
    return sum(movement.signed_units for movement in movements)


@dataclass(frozen=True, slots=True)
class Credit:
    """What one address gets by one output of a transaction."""

    vout: int
    units: int


def movements(transaction: Transaction, own: Mapping[Script, str]) -> dict[str, list[Movement]]:
    """Tell what a transaction did to each of our addresses; own maps script -> address.

    An address that loses is a payer: change that comes back to it is no gift. What it pays to
    another address of ours is internal on both sides, what else it loses (fee included) is its
    outflow. An address that gains is credited output by output, or, where it spent as well (several
    people's coins in one transaction), with its gain alone.
    """
    spent, gifts = _spent(transaction, own), _credits(transaction, own)
    gained = {a: sum(credit.units for credit in gifts.get(a, [])) - spent.get(a, 0) for a in spent | gifts}
    found: dict[str, list[Movement]] = {}
    owing = {address: -units for address, units in sorted(gained.items()) if units < 0}
    for address in sorted(address for address, units in gained.items() if units > 0):
        received = gifts[address] if address not in spent else [Credit(gifts[address][0].vout, gained[address])]
        mine = found.setdefault(address, [])
        for credit in received:
            paid = _paid(owing, credit.units)
            for payer, units in paid.items():
                found.setdefault(payer, []).append(_internal(transaction, credit, units))
            owing = {payer: units - paid.get(payer, 0) for payer, units in owing.items()}
            mine.append(_credit(transaction, credit, Kind.INTERNAL if paid else Kind.DONATION))
    for address, units in owing.items():
        if units:
            locator = f"{transaction.txid}:spend"
            found.setdefault(address, []).append(
                Movement(Direction.OUT, Kind.OUTFLOW, locator, units, transaction.txid)
            )
    return found


def _spent(transaction: Transaction, own: Mapping[Script, str]) -> dict[str, int]:
    spent: dict[str, int] = {}
    for one in transaction.inputs:
        address = own.get(one.coin.script)
        if address is not None:
            spent[address] = spent.get(address, 0) + one.coin.units
    return spent


def _credits(transaction: Transaction, own: Mapping[Script, str]) -> dict[str, list[Credit]]:
    gifts: dict[str, list[Credit]] = {}
    for vout, coin in enumerate(transaction.outputs):
        address = own.get(coin.script)
        # An output of nothing is no gift.
        if address is not None and coin.units:
            gifts.setdefault(address, []).append(Credit(vout, coin.units))
    return gifts


def _paid(owing: Mapping[str, int], owed: int) -> dict[str, int]:
    """What each of our own payers pays of a credit: nothing where they cannot pay it all, and it is somebody's gift."""
    paid: dict[str, int] = {}
    if sum(owing.values()) < owed:
        return paid
    for address, able in owing.items():
        part = min(able, owed)
        if part:
            paid[address] = part
            owed -= part
    return paid


def _internal(transaction: Transaction, credit: Credit, units: int) -> Movement:
    return Movement(Direction.OUT, Kind.INTERNAL, f"{transaction.txid}:{credit.vout}", units, transaction.txid)


def _credit(transaction: Transaction, credit: Credit, kind: Kind) -> Movement:
    is_coinbase = transaction.is_coinbase
    kind = Kind.PROTOCOL if is_coinbase else kind
    return Movement(
        Direction.IN, kind, f"{transaction.txid}:{credit.vout}", credit.units, transaction.txid, is_coinbase
    )

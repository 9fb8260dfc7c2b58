"""Where a source stands, and how sure each row of a block is: by the depth its amount needs. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from support_service.giving import Clock, Direction, State, Watch
from support_service.rails.asides import Asides
from support_service.rails.bitcoin.address import read_address
from support_service.rails.bitcoin.movements import Block, Movement, Script, movements
from support_service.rails.bitcoin.network import BitcoinNetwork
from support_service.rails.bitcoin.report_builder import BlockMovements
from support_service.rails.chain.cursor_state import WatchKey
from support_service.rails.chain.search import BlockRef


@dataclass(frozen=True, slots=True)
class SourceContext:
    """Where a source stands: its name, its network, what it watches, its clock, and what it goes on without.

    left_out are watches of ours that cannot be read now.
    """

    name: str
    network: BitcoinNetwork
    watches: Mapping[WatchKey, Watch]
    clock: Clock
    asides: Asides
    left_out: Mapping[WatchKey, Watch] = field(default_factory=dict)

    @property
    def own(self) -> dict[Script, str]:
        """Every script of ours, and the address it belongs to."""
        return {self.script(key): key[0] for key in (*self.watches, *self.left_out)}

    def script(self, key: WatchKey) -> Script:
        """The script of a watch's address."""
        return read_address(key[0], self.network.chain).script.hex()

    def scripts(self, keys: Iterable[WatchKey]) -> dict[Script, str]:
        """The scripts of some watches."""
        return {self.script(key): key[0] for key in keys}


@dataclass(frozen=True, slots=True)
class JudgedBlock:
    """A block's movements for one watch, the state of each of its rows, and when the next of them is confirmed."""

    block_movements: BlockMovements
    states: tuple[State, ...]
    due: int | None


def tell(context: SourceContext, block: Block, keys: Iterable[WatchKey], head: int) -> list[JudgedBlock]:
    """What a block did to some watches, as sure as it is while the chain's head is at a height."""
    own, block_ref = context.own, BlockRef(block.height, block.block_hash)
    by_address: dict[str, list[Movement]] = {}
    for transaction in block.transactions:
        for address, found in movements(transaction, own).items():
            by_address.setdefault(address, []).extend(found)
    return [
        judge(
            context,
            BlockMovements(
                context.watches[key], block_ref, block.occurred_at, tuple(by_address[key[0]]), is_whole=not block.unread
            ),
            head,
        )
        for key in sorted(keys)
        if by_address.get(key[0])
    ]


@dataclass(frozen=True, slots=True)
class ToldBlock:
    """A block, and what it did to one watch."""

    block: Block
    judged: JudgedBlock


def tell_each(context: SourceContext, blocks: Iterable[Block], keys: Iterable[WatchKey], head: int) -> list[ToldBlock]:
    """What several blocks did to some watches."""
    known = list(keys)
    return [ToldBlock(block, judged) for block in blocks for judged in tell(context, block, known, head)]


def judge(context: SourceContext, block_movements: BlockMovements, head: int) -> JudgedBlock:
    """Say of each row whether its block is deep enough for it. What one transaction brings counts as one amount."""
    gained: dict[str, int] = {}
    for movement in block_movements.movements:
        if movement.direction is Direction.IN:
            gained[movement.txid] = gained.get(movement.txid, 0) + movement.units
    dues = [
        block_movements.block.height
        + context.network.confirmations_for(gained.get(movement.txid, 0), is_coinbase=movement.is_coinbase)
        - 1
        for movement in block_movements.movements
    ]
    states = tuple(State.CONFIRMED if due <= head else State.SEEN for due in dues)
    return JudgedBlock(block_movements, states, min((due for due in dues if due > head), default=None))

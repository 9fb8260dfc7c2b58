"""Where a source of an Ethereum-like chain stands, for all that reads for it."""

from dataclasses import dataclass

from support_service.giving import Clock
from support_service.rails.asides import Asides
from support_service.rails.evm.network import EvmNetwork
from support_service.rails.evm.range_reader import Watched


@dataclass(frozen=True, slots=True)
class SourceContext:
    """Where a source stands: its name, its network, what it watches, its clock, and what it could not read."""

    name: str
    network: EvmNetwork
    watched: Watched
    clock: Clock
    asides: Asides

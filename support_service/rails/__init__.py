"""One folder per rail, and the table of rails.

A rail's folder has a pure half, `method.py` (what we show), and, where a machine tells about the
money, an I/O half, `source.py` (what we hear), which is imported only when sources are built: the
web process never loads it. A new rail is a new folder and one line in RAILS.
"""

from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import Protocol, cast

from support_service.giving import Clock, PaymentMethod, Watch
from support_service.rails.options import Options, Surroundings
from support_service.rails.source import Source

RAILS = {
    "bank": "support_service.rails.bank",
    "bitcoin": "support_service.rails.bitcoin",
    "card": "support_service.rails.card",
    "evm": "support_service.rails.evm",
    "tron": "support_service.rails.tron",
}


# Who charges cards: the folder and the settings table of the same name; the method's key, too.
PROCESSORS = {"stripe": "support_service.rails.stripe"}


class MethodHalf(Protocol):
    """The pure half of a rail: `rails/<rail>/method.py`."""

    def build_method(self, key: str, options: Options, around: Surroundings) -> PaymentMethod | None:
        """Read a method's options; None (with mistakes noted in options) where it cannot be shown."""
        ...

    def check_network(self, name: str, options: Options) -> None:
        """Check one [networks.<name>] table of this rail, noting mistakes; rails without networks refuse it."""
        ...


class SourceHalf(Protocol):
    """The I/O half of a rail: `rails/<rail>/source.py`."""

    def build_sources(
        self, network: str, table: Mapping[str, object], watches: tuple[Watch, ...], *, clock: Clock
    ) -> list[Source]:
        """Build the sources of one network; none where the network names no node."""
        ...


class ProcessorMethodHalf(Protocol):
    """The pure half of a processor: `rails/<name>/method.py`."""

    def build_method(self, options: Options, around: Surroundings) -> PaymentMethod | None:
        """Read the processor's own table; None (with mistakes noted in options) where it cannot be shown."""
        ...


def processor_method_half(name: str) -> ProcessorMethodHalf:
    """Load the pure half of a processor; KeyError for one nobody wrote."""
    return cast("ProcessorMethodHalf", import_module(f"{PROCESSORS[name]}.method"))


def method_half(rail: str) -> MethodHalf:
    """Load the pure half of a rail; KeyError for a rail nobody wrote."""
    return cast("MethodHalf", import_module(f"{RAILS[rail]}.method"))


def can_watch(table: Mapping[str, object]) -> bool:
    """Tell whether a checked [networks.*] table names a node, and its rail has an I/O half yet."""
    has_node = any(table.get(key) for key in ("rpc", "esplora"))
    return has_node and find_spec(f"{RAILS[str(table['rail'])]}.source") is not None


def source_half(rail: str) -> SourceHalf:
    """Load the I/O half of a rail, late: it may import web3."""
    return cast("SourceHalf", import_module(f"{RAILS[rail]}.source"))

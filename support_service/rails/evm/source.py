"""The EVM rail's I/O half: one Source per network, read from its nodes in turn."""

from collections.abc import Callable, Iterator, Mapping

from support_service.giving import Clock, Cursor, Report, Watch, utc_now
from support_service.rails import Source, SourceDown
from support_service.rails.evm import tokens
from support_service.rails.evm.network import EvmNetwork, read_network
from support_service.rails.evm.passes import Watched
from support_service.rails.evm.reader import Reader
from support_service.rails.evm.refusals import Behind, NoState, Refusal
from support_service.rails.evm.rpc import Node
from support_service.rails.evm.sight import check_chain
from support_service.rails.evm.turn import Post, Turn


def build_sources(
    network: str, table: Mapping[str, object], watches: tuple[Watch, ...], *, clock: Clock = utc_now
) -> list[Source]:
    """Build the network's source; none where it names no node or nothing is watched."""
    settings = read_network(network, table)
    return [EvmSource(settings, watches, clock=clock)] if settings.rpc and watches else []


class EvmSource:
    """Tells what happened to our addresses on one EVM network. Thread-bound; opens no connection before `reports`."""

    def __init__(
        self,
        network: EvmNetwork,
        watches: tuple[Watch, ...],
        *,
        clock: Clock = utc_now,
        node: Callable[[str], Node] = Node,
    ) -> None:
        self.name, self.poll_seconds = f"evm:{network.name}", float(network.poll_seconds)
        self._network, self._watches, self._clock = network, watches, clock
        self.nodes = [node(url) for url in network.rpc]
        # Nodes whose tokens were checked; a watched set each, since nodes differ in the ranges they take.
        self._watched = {place: Watched(watches) for place in range(len(self.nodes))}
        self._checked: set[int] = set()
        self._turn_of = 0

    def reports(self, after: Cursor | None) -> Iterator[Report]:
        """Yield reports from the cursor to the head; a node that fails hands the next turn to the next node."""
        if self._network.quorum > 1:
            raise SourceDown(f"{self.name}: comparing {self._network.quorum} nodes is not built yet; set quorum = 1")
        place = self._turn_of
        reader = Reader(self.nodes[place])
        try:
            if place not in self._checked:
                check_chain(reader, self._network)
                tokens.check_decimals(reader, self._watched[place].tokens)
                self._checked.add(place)
            post = Post(self.name, self._network, self._watched[place], self._clock)
            yield from Turn(post, reader, after).reports()
        except Refusal as error:
            self._turn_of = (place + 1) % len(self.nodes)
            raise SourceDown(f"{reader.node.host}: {_in_words(error)}") from error
        except SourceDown:
            self._turn_of = (place + 1) % len(self.nodes)
            raise


def _in_words(error: Refusal) -> str:
    if isinstance(error, NoState):
        return (
            "keeps no state of a block that must be read; name an archive node in `rpc`, "
            f"or a later start_block for a new method ({error})"
        )
    if isinstance(error, Behind):
        return f"does not know a block it has just told of; several nodes behind one address? ({error})"
    return str(error)

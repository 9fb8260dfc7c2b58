"""What the product knows of a rail: one record a folder, and what the settings say to it.

What charges, listens or asks is named as "module:function" and imported late: the web process never
loads web3, and a processor's own library is loaded only where it is configured.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from typing import Any, TypeAlias, cast

from pydantic import BaseModel, ConfigDict

from support_service.giving import Clock, Donation, PaymentMethod, Phrase, Watch
from support_service.money import Asset
from support_service.rails.books import Books, IntentFinder
from support_service.rails.options import Mistake, Options, Surroundings
from support_service.rails.processor import Processor
from support_service.rails.source import Source


class Table(BaseModel):
    """A table of the settings file: unknown keys are refused, and a refused value is never repeated."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


@dataclass(frozen=True, slots=True, eq=False)
class Section:
    """A table of the settings file that belongs to a rail: [name], or [[name]] where shape is a tuple.

    shape and default are as pydantic takes them; secret_files are its keys that name files with secrets.
    Each is one of its kind, whatever it holds.
    """

    name: str
    shape: object
    default: object = None
    secret_files: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OwnTables:
    """A rail's own tables by name, and what it may need to know to read them; paths count from `base`.

    url is where this service is reached, without a slash at the end.
    """

    tables: Mapping[str, object]
    methods: tuple[PaymentMethod, ...]
    assets: tuple[Asset, ...]
    publisher: str
    url: str
    base: Path
    mistakes: list[Mistake]


@dataclass(frozen=True, slots=True)
class RailSettings:
    """What the settings say to one rail: its checked [networks.*] tables, what is watched on them, its own tables.

    own is what `Rail.read_own` made of them: None where they ask for nothing.
    """

    networks: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    watches: tuple[Watch, ...] = ()
    own: object = None

    def watches_on(self, network: str) -> tuple[Watch, ...]:
        """Return what is watched on one network."""
        return tuple(watch for watch in self.watches if watch.network == network)


@dataclass(frozen=True, slots=True)
class Compared:
    """What others say of something that is in the books, in words for people; is_equal: and the books say the same."""

    text: str
    is_equal: bool = True


@dataclass(frozen=True, slots=True)
class Expected:
    """A source that the settings ask for: its name, its network (None off chain), its seconds between two turns.

    method is the key of the one method that it tells of, where it is one.
    """

    name: str
    network: str | None
    poll_seconds: float
    method: str = ""


BuildMethod: TypeAlias = Callable[[str, Options, Surroundings], PaymentMethod | None]
CheckNetwork: TypeAlias = Callable[[str, Options], None]
PaymentPage: TypeAlias = Callable[[RailSettings, Donation], str]
ReadOwn: TypeAlias = Callable[[OwnTables], object | None]


@dataclass(frozen=True, slots=True)
class Rail:
    """All that the product knows of a rail; one in each folder's __init__, one line in RAILS.

    - name: its word in [[methods]], the ledger, exports and filters. Of a processor also that of its settings table,
      the key of its method, and its word in /webhooks/<name>.
    - build_method: reads one method's options, pure; None (with mistakes noted) where it cannot be shown.
    - title: what people call it, in filters and where it is told how its sources are; None: its name.
    - check_network: checks one [networks.<name>] table, noting mistakes; None: it lives on no network.
    - sections, read_own: its own tables, and what it makes of them. They are read after all methods are built.
    - sources: build(RailSettings, Books, clock=) -> list[Source]; of the networks it gets those that are watched
      and name a node. "" where nothing tells of its money.
    - name_sources: the same sources without loading what they need; None: one for each watched network.
    - lacks: what its settings lack where they ask for no source, as `watch` says it; "" where node_keys or a
      processor's missing table say so.
    - node_keys: settings of a network, one of which must be set for it to be watched; more_node_keys name further
      nodes. Such an address often holds a key, so it may come from a file: `<key>_file`.
    - poll_seconds: seconds between two looks where its settings do not say.
    - check_online: ask(RailSettings, clock=) -> list[str | Mistake]: whether nodes and keys are what the settings say.
    - compare: compare(RailSettings, Books, clock=) -> Iterator[Compared]: the books against what others say of them.
    - ask_head: ask(node's address) -> int | None: the height of a node's newest block.
    - processor: build(RailSettings, Intents, clock=) -> Processor; "" where it charges no cards.
    - payment_page: tell(RailSettings, Donation) -> str: where others show this payment, for staff to follow; "" where
      nobody does.
    - signer: signer(text, signature) -> str | None: the payer whose key signed a text, as the books write payers; ""
      where nobody can sign.
    - plan_words: how its plans are, by its own word for it; ended_plans are the words of those that charge no more,
      failing_plans of those whose last payment failed, unbegun_plans of those that were never paid yet.
    - line_words: what its lines are, by the class that their rules or people gave them.
    """

    name: str
    build_method: BuildMethod
    title: Phrase | None = None
    check_network: CheckNetwork | None = None
    sections: tuple[Section, ...] = ()
    read_own: ReadOwn | None = None
    sources: str = ""
    name_sources: Callable[[RailSettings], tuple[Expected, ...]] | None = None
    lacks: str = ""
    node_keys: tuple[str, ...] = ()
    more_node_keys: tuple[str, ...] = ()
    poll_seconds: int = 12
    check_online: str = ""
    compare: str = ""
    ask_head: str = ""
    processor: str = ""
    payment_page: PaymentPage | None = None
    signer: str = ""
    plan_words: Mapping[str, Phrase] = field(default_factory=dict)
    ended_plans: frozenset[str] = frozenset()
    failing_plans: frozenset[str] = frozenset()
    unbegun_plans: frozenset[str] = frozenset()
    line_words: Mapping[str, Phrase] = field(default_factory=dict)

    @property
    def words(self) -> Phrase:
        """Say what people call it."""
        return self.title or Phrase(self.name)

    def read_network(self, name: str, options: Options) -> None:
        """Check one [networks.<name>] table that names this rail, noting mistakes."""
        if self.check_network is None:
            options.reject("rail", f"{self.name!r} has no networks; remove the table [networks.{name}]")
            return
        self.check_network(name, options)
        options.close()

    def names_node(self, network: Mapping[str, object]) -> bool:
        """Tell whether a checked [networks.*] table names a node that tells of money."""
        return any(network.get(key) for key in self.node_keys)

    def expected(self, given: RailSettings) -> tuple[Expected, ...]:
        """Name every source that the settings ask for."""
        if not self.sources:
            return ()
        if self.name_sources is not None:
            return self.name_sources(given)
        return tuple(
            Expected(f"{self.name}:{name}", name, self._poll_seconds(table))
            for name, table in self._watched(given).items()
        )

    def build_sources(self, given: RailSettings, books: Books, *, clock: Clock) -> list[Source]:
        """Build every source that the settings ask for; nobody is asked yet."""
        if not self.expected(given):
            return []
        watched = replace(given, networks=self._watched(given))
        return cast("list[Source]", _load(self.sources)(watched, books, clock=clock))

    def ask_online(self, given: RailSettings, *, clock: Clock) -> list[str | Mistake]:
        """Ask whoever the settings name; a text is what a right one said, a Mistake what is wrong."""
        return cast("list[str | Mistake]", _load(self.check_online)(given, clock=clock)) if self.check_online else []

    def compare_online(self, given: RailSettings, books: Books, *, clock: Clock) -> Iterator[Compared]:
        """Hold the books against what those say of them whom the settings name."""
        if self.compare and self.expected(given):
            yield from cast("Iterator[Compared]", _load(self.compare)(given, books, clock=clock))

    def build_processor(self, given: RailSettings, intents: IntentFinder, *, clock: Clock) -> Processor | None:
        """Build who charges cards; nobody is asked yet. None where the settings ask for none."""
        if not self.processor or given.own is None:
            return None
        return cast("Processor", _load(self.processor)(given, intents, clock=clock))

    def head(self, node: str) -> int | None:
        """Ask a node for the height of its newest block; raise SourceError, NotImplementedError for other rails."""
        if not self.ask_head:
            raise NotImplementedError(self.name)
        return cast("int | None", _load(self.ask_head)(node))

    def signed_by(self, text: str, signature: str) -> str | None:
        """Tell which payer signed a text; None where nobody can be told."""
        return cast("str | None", _load(self.signer)(text, signature)) if self.signer else None

    def _watched(self, given: RailSettings) -> dict[str, Mapping[str, object]]:
        """Pick the networks that name a node and are watched."""
        networks = given.networks.items()
        return {name: table for name, table in networks if self.names_node(table) and given.watches_on(name)}

    def _poll_seconds(self, network: Mapping[str, object]) -> float:
        value = network.get("poll_seconds", self.poll_seconds)
        assert isinstance(value, int)
        return value


def _load(reference: str) -> Any:
    module, _, name = reference.partition(":")
    return getattr(import_module(module), name)

"""Where settings meet rails: every method and network checked, every mistake told at once."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path

from pydantic import BaseModel

from support_service.giving import Clock, PaymentMethod, Phrase, Watch
from support_service.ledger import ForPeople
from support_service.ledger.address import read_database_url
from support_service.ledger.errors import LedgerError
from support_service.manifest.minisign import BadKey, read_public_key
from support_service.manifest.proof import Trust
from support_service.notifications.settings import Notifications, ParsedSettings, read_notifications
from support_service.oidc.provider import Provider, read_provider
from support_service.rails import RAILS
from support_service.rails.books import Books, IntentFinder
from support_service.rails.options import Mistake, Options, Surroundings
from support_service.rails.processor import Processor, one_card_way
from support_service.rails.rail import Expected, OwnTables, Rail, RailSettings
from support_service.rails.source import Source
from support_service.rates.settings import RateSettings, read_value
from support_service.rates.valuation import POLL_SECONDS, UnvaluedFinder, source_name
from support_service.settings import Settings, SettingsError, read_settings
from support_service.settings.schema import MethodEntry


@dataclass(frozen=True, slots=True)
class Assembly:
    """Checked settings and the payment methods built from them, in the order of the file.

    rails is the table of rails that they were built with; own is what each made of its own tables, by its name.
    told is who is told of what happens, and how; provider says who staff are, beside their passwords.
    """

    settings: Settings
    methods: tuple[PaymentMethod, ...]
    value: RateSettings | None
    rails: Mapping[str, Rail]
    own: Mapping[str, object] = field(default_factory=dict)
    trust: Trust | None = None
    told: Notifications = Notifications()  # noqa: RUF009 - frozen
    provider: Provider | None = None

    @property
    def shown(self) -> tuple[PaymentMethod, ...]:
        """The methods as readers see them: cards are one way, whoever charges them."""
        return one_card_way(self.methods)

    @property
    def watches(self) -> tuple[Watch, ...]:
        """Every watch of every method."""
        return tuple(watch for method in self.methods for watch in method.watches)

    def given(self, rail: str) -> RailSettings:
        """Gather what the settings say to one rail."""
        networks = {name: table for name, table in self.settings.networks.items() if table["rail"] == rail}
        watches = tuple(watch for watch in self.watches if watch.network in networks)
        return RailSettings(networks, watches, self.own.get(rail))

    def for_people(self, say: Callable[[Phrase], str]) -> ForPeople:
        """Say what files for people need: the publisher's clocks, and what each method is called."""
        titles = {method.key: say(method.title) for method in self.methods}
        shared = {title for title, count in Counter(titles.values()).items() if count > 1}
        named = {key: f"{title} ({key})" if title in shared else title for key, title in titles.items()}
        classes = {name: words for rail in self.rails.values() for name, words in rail.line_words.items()}
        return ForPeople(self.settings.publisher.zone, named, say, classes)


def assemble(file: Path, rails: Mapping[str, Rail] = RAILS) -> Assembly:
    """Read the settings file and build every method; raise SettingsError with all mistakes."""
    settings, mistakes = read_settings(file, rails.values())
    if settings is None:
        raise SettingsError(file, mistakes)
    mistakes += _database_mistakes(settings, mistakes)
    mistakes += _network_mistakes(settings, rails)
    methods = [*_card_methods(settings, rails, mistakes), *_methods(settings, rails, mistakes)]
    mistakes += _contact_mistakes(settings, methods, mistakes)
    mistakes += _shared_keys(methods)
    mistakes += _shared_watches(methods)
    value = _value(settings, mistakes)
    own = _read_own(settings, tuple(methods), rails, mistakes)
    trust = _trust(settings, mistakes)
    told = _told(settings, mistakes)
    provider = read_provider(settings.oidc, settings.publisher.base, settings.file.absolute().parent, mistakes)
    if mistakes:
        raise SettingsError(file, mistakes)
    return Assembly(settings, tuple(methods), value, rails, own, trust, told, provider)


def build_sources(assembly: Assembly, books: Books, *, clock: Clock) -> list[Source]:
    """Build every source that the settings ask for; `books` is the ledger, for those that hold it against others."""
    rails = assembly.rails.values()
    return [one for rail in rails for one in rail.build_sources(assembly.given(rail.name), books, clock=clock)]


def expected_sources(assembly: Assembly) -> tuple[Expected, ...]:
    """Name those sources, and the one of values, without loading what they need."""
    values = [] if assembly.value is None else [Expected(source_name(assembly.value.currency), None, POLL_SECONDS)]
    return (*(one for rail in assembly.rails.values() for one in rail.expected(assembly.given(rail.name))), *values)


def source_titles(assembly: Assembly) -> dict[str, Phrase]:
    """Say what people call each source: the way of giving that it tells of, its chain, or its rail."""
    methods = {method.key: method.title for method in assembly.methods}
    titles = {}
    for rail in assembly.rails.values():
        for one in rail.expected(assembly.given(rail.name)):
            chain = None if one.network in (None, rail.name) else Phrase(one.network.capitalize())
            titles[one.name] = methods.get(one.method) or chain or rail.words
    if assembly.value is not None:
        titles[source_name(assembly.value.currency)] = Phrase("Exchange rates")
    return titles


def build_valuation(assembly: Assembly, unvalued: UnvaluedFinder, *, clock: Clock) -> list[Source]:
    """Build the source that values what `unvalued` finds; none where the settings have no [value]."""
    if assembly.value is None:
        return []
    # Late, for the web process asks nobody and need not load what asks.
    building = import_module("support_service.rates.building")
    return [building.build_valuation(assembly.value, assembly.settings.networks, unvalued, clock=clock)]


def build_processors(assembly: Assembly, intents: IntentFinder, *, clock: Clock) -> dict[str, Processor]:
    """Build who charges cards, by the key of the method; `intents` finds what a reader chose."""
    rails = assembly.rails.values()
    built = {rail.name: rail.build_processor(assembly.given(rail.name), intents, clock=clock) for rail in rails}
    return {name: processor for name, processor in built.items() if processor is not None}


def processor_names(assembly: Assembly) -> tuple[str, ...]:
    """Name who charges cards here, without loading what they need."""
    rails = assembly.rails.values()
    return tuple(rail.name for rail in rails if rail.processor and assembly.own.get(rail.name) is not None)


def unwatched_networks(assembly: Assembly) -> tuple[str, ...]:
    """Name the networks whose methods are shown but not watched, for lack of a node or of our code."""
    heard = {one.network for one in expected_sources(assembly)}
    return tuple(name for name in dict.fromkeys(watch.network for watch in assembly.watches) if name not in heard)


def _database_mistakes(settings: Settings, before: list[Mistake]) -> list[Mistake]:
    """Hold the address against the ledger's own rule, unless it was refused already."""
    if any(mistake.key.startswith("database") for mistake in before):
        return []
    try:
        read_database_url(settings.database_url)
    except LedgerError as error:
        return [Mistake("database.url", str(error).removeprefix("database.url").lstrip(": "))]
    return []


def _contact_mistakes(settings: Settings, methods: list[PaymentMethod], before: list[Mistake]) -> list[Mistake]:
    """Whoever gives monthly by card must be able to reach somebody: to stop it, to ask for it back."""
    has_cards = any(method.card is not None for method in methods)
    if not has_cards or settings.publisher.contact or any(one.key == "publisher.contact" for one in before):
        return []
    reason = "is missing: whoever gives by card must be able to reach you; set an e-mail address or an https page"
    return [Mistake("publisher.contact", reason)]


def _trust(settings: Settings, mistakes: list[Mistake]) -> Trust | None:
    """Read whose signature the methods need; the signed file itself is read when it is looked at."""
    table = settings.manifest
    if table is None:
        return None
    try:
        return Trust(read_public_key(table.public_key), settings.file.absolute().parent / table.file)
    except BadKey as error:
        mistakes.append(Mistake("manifest.public_key", str(error)))
        return None


def _told(settings: Settings, mistakes: list[Mistake]) -> Notifications:
    publisher, base = settings.publisher, settings.file.absolute().parent
    asked = ParsedSettings(
        mail=settings.mail,
        notify=settings.notify,
        heartbeat=settings.heartbeat,
        base=base,
        publisher=publisher.name,
        url=publisher.url,
        languages=publisher.languages,
    )
    return read_notifications(asked, mistakes)


def _network_mistakes(settings: Settings, rails: Mapping[str, Rail]) -> list[Mistake]:
    mistakes: list[Mistake] = []
    for name, table in settings.networks.items():
        options = Options(f"networks.{name}", table, mistakes)
        rail = options.required("rail")
        if rail in rails:
            rails[rail].read_network(name, options)
        elif rail:
            options.reject("rail", f"{rail!r} is not built; known rails are {_known(rails)}")
    return mistakes


def _value(settings: Settings, mistakes: list[Mistake]) -> RateSettings | None:
    if settings.value is None:
        return None
    return read_value(settings.value, Surroundings(settings.networks, settings.assets), mistakes)


def _methods(settings: Settings, rails: Mapping[str, Rail], mistakes: list[Mistake]) -> list[PaymentMethod]:
    around = Surroundings(settings.networks, settings.assets)
    built = [_method(entry, rails, around, mistakes) for entry in settings.methods]
    return [method for method in built if method is not None]


def _card_methods(settings: Settings, rails: Mapping[str, Rail], mistakes: list[Mistake]) -> list[PaymentMethod]:
    """Build the methods that charge cards, in the order of their tables; they come first on the page."""
    around = Surroundings(settings.networks, settings.assets)
    tables = {name: table for name, table in settings.own_tables.items() if name in rails and rails[name].processor}
    built = [
        rails[name].build_method(name, Options(name, _plain(table), mistakes), around)
        for name, table in tables.items()
        if table is not None
    ]
    return [method for method in built if method is not None]


def _plain(table: object) -> Mapping[str, object]:
    assert isinstance(table, BaseModel), "a processor's table is a Table"
    return table.model_dump(mode="json")


def _read_own(
    settings: Settings, methods: tuple[PaymentMethod, ...], rails: Mapping[str, Rail], mistakes: list[Mistake]
) -> dict[str, object]:
    """Let each rail read its own tables."""
    own = {}
    for rail in rails.values():
        tables = {section.name: settings.own_tables[section.name] for section in rail.sections}
        if rail.read_own is not None:
            base, publisher = settings.file.absolute().parent, settings.publisher
            own[rail.name] = rail.read_own(
                OwnTables(tables, methods, settings.assets, publisher.name, publisher.base.url, base, mistakes)
            )
    return own


def _known(rails: Mapping[str, Rail]) -> str:
    """Name the rails of [[methods]]; a processor has a table of its own."""
    return ", ".join(sorted(rail.name for rail in rails.values() if not rail.processor))


def _shared_keys(methods: list[PaymentMethod]) -> list[Mistake]:
    """A processor's key is taken by its settings table; a method of the same name would share its exports."""
    taken = {method.key for method in methods if method.card is not None}
    return [
        Mistake(f"methods.{method.key}.key", f"is the key of card payments through [{method.key}]; choose another")
        for method in methods
        if method.card is None and method.key in taken
    ]


def _method(
    entry: MethodEntry, rails: Mapping[str, Rail], around: Surroundings, mistakes: list[Mistake]
) -> PaymentMethod | None:
    options = Options(entry.where, entry.options, mistakes)
    if entry.rail not in rails:
        options.reject("rail", f"{entry.rail!r} is not built; known rails are {_known(rails)}")
        return None
    if rails[entry.rail].processor:
        options.reject("rail", f"has a table of its own: [{entry.rail}]; remove this one")
        return None
    method = rails[entry.rail].build_method(entry.key, options, around)
    options.close()
    return method


def _shared_watches(methods: list[PaymentMethod]) -> list[Mistake]:
    """Two methods with one (network, address, asset) would book the same money under two keys."""
    owners: dict[tuple[str, str, str], str] = {}
    mistakes = []
    for method in methods:
        for watch in method.watches:
            owner = owners.setdefault(watch.key, method.key)
            if owner != method.key:
                what = f"{watch.asset.code} at {watch.address} on {watch.network}"
                mistakes.append(Mistake(f"methods.{method.key}", f"{what} is already watched by method {owner!r}"))
    return mistakes

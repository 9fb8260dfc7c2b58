"""Where settings meet rails: every method and network checked, every mistake told at once."""

from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from typing import cast

from support_service.giving import Clock, PaymentMethod, Watch
from support_service.ledger.address import read_database_url
from support_service.ledger.errors import LedgerError
from support_service.manifest.minisign import BadKey, read_public_key
from support_service.manifest.proof import Trust, prove
from support_service.origin import read_origin
from support_service.rails import PROCESSORS, RAILS, can_watch, method_half, processor_method_half, source_half
from support_service.rails.bank.settings import BankChoices, read_banks
from support_service.rails.options import Mistake, Options, Surroundings
from support_service.rails.processor import Believed, FindIntent, Processor, ProcessorAccount, ProcessorHalf, SweepHalf
from support_service.rails.source import Source
from support_service.rails.stripe.method import checkout_origins
from support_service.rates.settings import Choices, read_value
from support_service.rates.valuation import Finder
from support_service.settings import Settings, SettingsError, read_settings
from support_service.settings.schema import MethodEntry


@dataclass(frozen=True, slots=True)
class Assembly:
    """Checked settings and the payment methods built from them, in the order of the file."""

    settings: Settings
    methods: tuple[PaymentMethod, ...]
    value: Choices | None = None
    banks: BankChoices = field(default_factory=BankChoices)
    trust: Trust | None = None

    @property
    def watches(self) -> tuple[Watch, ...]:
        """Every watch of every method."""
        return tuple(watch for method in self.methods for watch in method.watches)


def assemble(file: Path) -> Assembly:
    """Read the settings file and build every method; raise SettingsError with all mistakes."""
    settings, mistakes = read_settings(file)
    if settings is None:
        raise SettingsError(file, mistakes)
    mistakes += _database_mistakes(settings, mistakes)
    mistakes += _network_mistakes(settings)
    methods = [*_card_methods(settings, mistakes), *_methods(settings, mistakes)]
    mistakes += _shared_keys(methods)
    mistakes += _shared_watches(methods)
    value = _value(settings, mistakes)
    name, base = settings.publisher.name, settings.file.absolute().parent
    banks = read_banks(settings.banks, settings.bank, methods, mistakes, own_name=name, base=base)
    trust = _trust(settings, mistakes)
    if mistakes:
        raise SettingsError(file, mistakes)
    return Assembly(settings, tuple(methods), value, banks, trust)


def shown(assembly: Assembly) -> Assembly:
    """Return the assembly as readers may see it now: with the methods that the signed manifest proves."""
    return replace(assembly, methods=prove(assembly.trust, assembly.methods).methods)


def build_sources(assembly: Assembly, *, clock: Clock) -> list[Source]:
    """Build the sources of every network that names a node and is watched by a method."""
    sources: list[Source] = []
    for name, table in assembly.settings.networks.items():
        watches = tuple(watch for watch in assembly.watches if watch.network == name)
        if watches and can_watch(table):
            sources += source_half(str(table["rail"])).build_sources(name, table, watches, clock=clock)
    return sources


def build_valuation(assembly: Assembly, unvalued: Finder, *, clock: Clock) -> list[Source]:
    """Build the source that values what `unvalued` finds; none where the settings have no [value]."""
    if assembly.value is None:
        return []
    # Late, for the web process asks nobody and need not load what asks.
    building = import_module("support_service.rates.building")
    return [building.build_valuation(assembly.value, assembly.settings.networks, unvalued, clock=clock)]


def build_processors(assembly: Assembly, intents: FindIntent, *, clock: Clock) -> dict[str, Processor]:
    """Build who charges cards, by the key of the method; `intents` finds what a reader chose, by its reference."""
    built = {}
    for name, account in accounts(assembly.settings).items():
        # Late, for a processor's own library is loaded only where it is configured.
        half = cast("ProcessorHalf", import_module(f"{PROCESSORS[name]}.processor"))
        built[name] = half.build_processor(account, intents, clock=clock)
    return built


def build_sweeps(assembly: Assembly, believed: Believed, *, clock: Clock) -> list[Source]:
    """Build the sources that read again what processors did not push; `believed` is the ledger."""
    return [
        cast("SweepHalf", import_module(f"{PROCESSORS[name]}.sweep")).build_sweep(account, believed, clock=clock)
        for name, account in accounts(assembly.settings).items()
    ]


def sweeps(assembly: Assembly) -> tuple[str, ...]:
    """Name those sources, without loading what they need."""
    return tuple(f"{name}:sweep" for name in accounts(assembly.settings))


def accounts(settings: Settings) -> dict[str, ProcessorAccount]:
    """Gather what each configured processor needs to know."""
    table, secrets = settings.stripe, settings.stripe_secrets
    if table is None or secrets is None:
        return {}
    national = tuple(asset for asset in settings.assets if not asset.network)
    account = ProcessorAccount(
        settings.publisher.name, str(read_origin(table.api_base)), secrets.key, secrets.webhook, national
    )
    return {"stripe": replace(account, checkout_origins=checkout_origins(table.api_base, table.checkout_origins))}


def unwatched_networks(assembly: Assembly) -> tuple[str, ...]:
    """Name the networks whose methods are shown but not watched, for lack of a node or of our code."""
    names = dict.fromkeys(watch.network for watch in assembly.watches)
    tables = assembly.settings.networks
    return tuple(name for name in names if not can_watch(tables[name]))


def _database_mistakes(settings: Settings, before: list[Mistake]) -> list[Mistake]:
    """Hold the address against the ledger's own rule, unless it was refused already."""
    if any(mistake.key.startswith("database") for mistake in before):
        return []
    try:
        read_database_url(settings.database_url)
    except LedgerError as error:
        return [Mistake("database.url", str(error).removeprefix("database.url").lstrip(": "))]
    return []


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


def _network_mistakes(settings: Settings) -> list[Mistake]:
    mistakes: list[Mistake] = []
    for name, table in settings.networks.items():
        options = Options(f"networks.{name}", table, mistakes)
        rail = options.required("rail")
        if rail in RAILS:
            method_half(rail).check_network(name, options)
            options.close()
        elif rail:
            options.reject("rail", f"{rail!r} is not built; known rails are {', '.join(sorted(RAILS))}")
    return mistakes


def _value(settings: Settings, mistakes: list[Mistake]) -> Choices | None:
    if settings.value is None:
        return None
    return read_value(settings.value, Surroundings(settings.networks, settings.assets), mistakes)


def _methods(settings: Settings, mistakes: list[Mistake]) -> list[PaymentMethod]:
    around = Surroundings(settings.networks, settings.assets)
    built = [_method(entry, around, mistakes) for entry in settings.methods]
    return [method for method in built if method is not None]


def _card_methods(settings: Settings, mistakes: list[Mistake]) -> list[PaymentMethod]:
    """Build the methods that charge cards; they come first on the page."""
    around = Surroundings(settings.networks, settings.assets)
    tables = {} if settings.stripe is None else {"stripe": settings.stripe.model_dump(mode="json")}
    built = [
        processor_method_half(name).build_method(Options(name, table, mistakes), around)
        for name, table in tables.items()
    ]
    return [method for method in built if method is not None]


def _shared_keys(methods: list[PaymentMethod]) -> list[Mistake]:
    """A processor's key is taken by its settings table; a method of the same name would share its exports."""
    taken = {method.key for method in methods if method.card is not None}
    return [
        Mistake(f"methods.{method.key}.key", f"is the key of card payments through [{method.key}]; choose another")
        for method in methods
        if method.card is None and method.key in taken
    ]


def _method(entry: MethodEntry, around: Surroundings, mistakes: list[Mistake]) -> PaymentMethod | None:
    options = Options(entry.where, entry.options, mistakes)
    if entry.rail in PROCESSORS:
        options.reject("rail", f"has a table of its own: [{entry.rail}]; remove this one")
        return None
    if entry.rail not in RAILS:
        options.reject("rail", f"{entry.rail!r} is not built; known rails are {', '.join(sorted(RAILS))}")
        return None
    method = method_half(entry.rail).build_method(entry.key, options, around)
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

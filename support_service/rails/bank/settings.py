"""[[banks]] and [bank] of the settings: which accounts are heard, whose gifts they carry, who is no giver. Pure."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from support_service.giving import PaymentMethod
from support_service.origin import BadAddress, read_origin
from support_service.rails.bank.account import read_iban
from support_service.rails.bank.classes import Acquirer, World
from support_service.rails.bank.statements.csv_columns import PROFILES, read_profile
from support_service.rails.bank.statements.statement import Profile, WantedStatement
from support_service.rails.options import BadOption, Mistake, Options
from support_service.rails.rail import Expected, OwnTables, RailSettings, Section

SECTIONS = (
    Section("banks", tuple[dict[str, Any], ...], default=(), secret_files=("token_file",)),
    Section("bank", dict[str, Any], default={}),
)
KINDS = ("privatbank", "monobank", "monobank_business", "file")
# The account's own rail where no method of the settings says it.
UNNAMED = "bank"
POLL_SECONDS_MIN = 60
# Where the settings do not say: PrivatBank asks for some minutes, monobank for one; the third tells no limit.
POLL_SECONDS = {"privatbank": 300, "monobank": 60, "monobank_business": 300}

_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}", re.ASCII)
_CODE = re.compile(r"[0-9]{8}|[0-9]{10}", re.ASCII)
_NAMED_ACCOUNT = re.compile(r"(card|jar|account):[0-9A-Za-z*_-]{1,64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Bank:
    """One account of [[banks]]; method is the key of the way to give whose gifts its credits are."""

    key: str
    kind: str
    account: str
    method: str
    token_file: Path | None = None
    api_base: str = ""
    poll_seconds: int | None = None
    profile: str = ""

    @property
    def source(self) -> str:
        """The name of its source, where it is asked."""
        return f"bank:{self.key}"

    @property
    def is_live(self) -> bool:
        """Tell whether it is asked; without a token its lines come from files."""
        return self.kind != "file" and self.token_file is not None

    @property
    def can_call(self) -> bool:
        """Tell whether the bank calls us when something happens."""
        return self.kind == "monobank"

    @property
    def pace_seconds(self) -> int:
        """How long to wait between two questions where the bank counts them: a stand-in's minute may be shorter."""
        return min(POLL_SECONDS_MIN, self.rest_seconds)

    @property
    def rest_seconds(self) -> int:
        """How long to rest between two looks."""
        return self.poll_seconds or POLL_SECONDS.get(self.kind, POLL_SECONDS_MIN)


@dataclass(frozen=True, slots=True)
class AccountPlace:
    """Where an account's lines are booked: the method's key and its rail."""

    method: str
    rail: str


@dataclass(frozen=True, slots=True)
class BankChoices:
    """All that the settings say of bank accounts; places: account -> where its lines are booked."""

    banks: tuple[Bank, ...] = ()
    world: World = field(default_factory=World)
    places: Mapping[str, AccountPlace] = field(default_factory=dict)
    profiles: Mapping[str, Profile] = field(default_factory=dict)
    card_place: AccountPlace | None = None

    @property
    def live(self) -> tuple[Bank, ...]:
        """The accounts that are asked."""
        return tuple(bank for bank in self.banks if bank.is_live)

    def place_of(self, account: str) -> AccountPlace:
        """Say where an account's lines are booked; under the word "bank" where no method has the account."""
        if account in self.places:
            return self.places[account]
        if account.startswith("card:") and self.card_place:
            return self.card_place
        return AccountPlace(UNNAMED, "bank")

    def wanted(self, account: str, profile: str) -> WantedStatement:
        """Say what an importer knows beside the file; BadOption for a profile or an account that is none."""
        bank = next((one for one in self.banks if account and one.account == account), None)
        name = profile or (bank.profile if bank else "")
        if name and name not in self.profiles:
            raise BadOption(f"{name!r} is no profile; known are {', '.join(sorted(self.profiles))}")
        own = tuple(sorted(self.world.own_accounts))
        return WantedStatement(account, own, profile=self.profiles[name] if name else None)


def read_own(own: OwnTables) -> BankChoices:
    """Read both tables as they stand in the settings."""
    tables = cast("tuple[Mapping[str, object], ...]", own.tables["banks"])
    table = cast("Mapping[str, object]", own.tables["bank"])
    return read_banks(tables, table, own.methods, own.mistakes, own_name=own.publisher, base=own.base)


def name_sources(given: RailSettings) -> tuple[Expected, ...]:
    """Name a source for each account that is asked."""
    assert isinstance(given.own, BankChoices | None)
    return tuple(
        Expected(bank.source, None, bank.rest_seconds, bank.method) for bank in (given.own.live if given.own else ())
    )


def read_banks(
    tables: Sequence[Mapping[str, object]],
    table: Mapping[str, object],
    methods: Iterable[PaymentMethod],
    mistakes: list[Mistake],
    *,
    own_name: str,
    base: Path,
) -> BankChoices:
    """Read both tables, noting every mistake."""
    known = {method.key: method for method in methods}
    banks: list[Bank] = []
    for index, one in enumerate(tables, 1):
        bank = _read_bank(index, one, known, mistakes, base=base)
        if bank is None:
            continue
        if any(bank.key == other.key for other in banks):
            mistakes.append(Mistake(f"banks.{bank.key}.key", "is used by two banks"))
        elif any(bank.account == other.account for other in banks):
            mistakes.append(
                Mistake(f"banks.{bank.key}.account", "is named by two banks: its lines would be read twice")
            )
        else:
            banks.append(bank)
    options = Options("bank", table, mistakes)
    profiles = dict(PROFILES) | _read_profiles(options)
    for bank in banks:
        if bank.profile and bank.profile not in profiles:
            reason = f"{bank.profile!r} is no profile; known are {', '.join(sorted(profiles))}"
            mistakes.append(Mistake(f"banks.{bank.key}.profile", reason))
    world = _read_world(options, own_name, banks, known.values())
    options.close()
    return BankChoices(tuple(banks), world, _places(banks, known.values()), profiles, _card_place(known.values()))


def read_account(text: str) -> str:
    """Read one of our accounts: an IBAN, or what a bank calls a card or a jar ("jar:..."); else BadOption."""
    named = "".join(text.split())
    return named if _NAMED_ACCOUNT.fullmatch(named) else read_iban(text).iban


def _read_bank(
    index: int, table: Mapping[str, object], known: Mapping[str, PaymentMethod], mistakes: list[Mistake], *, base: Path
) -> Bank | None:
    key = table.get("key")
    options = Options(f"banks.{key}" if isinstance(key, str) and key else f"banks[{index}]", table, mistakes)
    before = len(mistakes)
    name, kind, method = options.required("key"), options.required("kind"), options.required("method")
    if name and not _KEY.fullmatch(name):
        options.reject("key", "must be 1 to 40 letters, digits, - or _")
    if kind and kind not in KINDS:
        options.reject("kind", f"{kind!r} is none; known are {', '.join(KINDS)}")
    account = _checked(options, "account", options.required("account"))
    if method and method not in known:
        options.reject("method", f"there is no method {method!r} in [[methods]]")
    token_file, api_base = options.text("token_file"), options.text("api_base")
    if api_base:
        _check_address(options, api_base)
    if kind == "file" and token_file:
        options.reject("token_file", "is for a bank that is asked; a file needs none")
    poll_seconds = options.number("poll_seconds")
    if poll_seconds is not None and poll_seconds < POLL_SECONDS_MIN and not _is_here(api_base):
        options.reject("poll_seconds", f"must be at least {POLL_SECONDS_MIN}: banks refuse to be asked more often")
    profile = options.text("profile")
    options.close()
    if len(mistakes) > before:
        return None
    return Bank(name, kind, account, method, base / token_file if token_file else None, api_base, poll_seconds, profile)


def _check_address(options: Options, text: str) -> None:
    try:
        site = read_origin(text)
    except BadAddress as error:
        options.reject("api_base", str(error))
        return
    if site.scheme != "https" and not site.host.is_loopback:
        options.reject("api_base", "is not https: the token would cross the net in the open")


def _is_here(api_base: str) -> bool:
    """Tell whether the API is a stand-in on this machine, which may be asked as often as you like."""
    try:
        return bool(api_base) and read_origin(api_base).host.is_loopback
    except BadAddress:
        return False


def _checked(options: Options, name: str, text: str) -> str:
    if not text:
        return ""
    try:
        return read_account(text)
    except BadOption as error:
        options.reject(name, str(error))
        return ""


def _read_world(options: Options, own_name: str, banks: Iterable[Bank], methods: Iterable[PaymentMethod]) -> World:
    own_code = options.text("own_code")
    if own_code and not _CODE.fullmatch(own_code):
        options.reject("own_code", "must be an EDRPOU (8 digits) or an RNOKPP (10 digits)")
    accounts = {_checked(options, "own_accounts", text) for text in options.texts("own_accounts")}
    facts = [dict(method.facts) for method in methods]
    names = {own_name, *(one.get("receiver", "") for one in facts)}
    codes = {own_code, *(one.get("receiver_code", "") for one in facts)}
    accounts |= {bank.account for bank in banks} | {one.get("iban", "") for one in facts}
    return World(
        own_names=tuple(sorted(names - {""})),
        own_codes=frozenset(codes - {""}),
        own_accounts=frozenset(accounts - {""}),
        acquirers=tuple(_read_acquirers(options)),
    )


def _read_acquirers(options: Options) -> Iterable[Acquirer]:
    tables = options.anything("acquirers") or []
    if not isinstance(tables, list) or not all(isinstance(one, dict) for one in tables):
        options.reject(
            "acquirers", 'must be a list of tables such as {name = "...", code = "...", accounts = ["UA..."]}'
        )
        return
    for index, table in enumerate(tables, 1):
        one = Options(f"bank.acquirers[{index}]", cast("Mapping[str, object]", table), options.mistakes)
        name, code = one.text("name"), one.text("code")
        accounts = {_checked(one, "accounts", text) for text in one.texts("accounts")} - {""}
        one.close()
        if not code and not accounts:
            one.reject("code", "or accounts must say how it is known: a name alone anybody may write")
        yield Acquirer(name, code, frozenset(accounts))


def _read_profiles(options: Options) -> dict[str, Profile]:
    tables = options.anything("profiles") or {}
    if not isinstance(tables, dict):
        options.reject("profiles", "must be tables [bank.profiles.NAME]")
        return {}
    found = {}
    for name, table in tables.items():
        try:
            found[str(name)] = read_profile(str(name), table if isinstance(table, dict) else {})
        except BadOption as error:
            options.mistakes.append(Mistake(f"bank.profiles.{name}", str(error)))
    return found


def _places(banks: Iterable[Bank], methods: Iterable[PaymentMethod]) -> dict[str, AccountPlace]:
    places: dict[str, AccountPlace] = {}
    rails = {method.key: method.rail for method in methods}
    for method in methods:
        iban = dict(method.facts).get("iban")
        if method.rail == "bank" and iban:
            places.setdefault(iban, AccountPlace(method.key, "bank"))
    return places | {bank.account: AccountPlace(bank.method, rails[bank.method]) for bank in banks}


def _card_place(methods: Iterable[PaymentMethod]) -> AccountPlace | None:
    cards = [method for method in methods if method.rail == "card"]
    return AccountPlace(cards[0].key, "card") if len(cards) == 1 else None

"""The shape of the settings: one class for each section, and what can be checked without a rail. Pure."""

import copy
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import Field, ValidationError, ValidationInfo, field_validator
from pydantic_core import ErrorDetails

from support_service.origin import (
    BadAddress,
    BaseUrl,
    Host,
    Origin,
    read_base_url,
    read_host,
    read_origin,
    split_origin,
)
from support_service.rails.options import Mistake
from support_service.rails.rail import Table
from support_service.settings.accent import read_accent

LANGUAGES = ("uk", "en")
# Tables with settings that have no default.
_WHOLE = frozenset({"heartbeat", "mail", "manifest", "oidc"})
# Files among the time zones that name no zone: one is whatever the machine is set to, one stands for none.
NO_PLACES = {"localtime", "Factory"}

# Which letters readers may get, and which they do where nothing else is said.
LETTERS = ("receipt", "plan", "year")
USUAL_LETTERS = ("receipt", "plan")

NAME_CHARS_MAX, APPEAL_CHARS_MAX = 200, 400
# It stands on a button.
PROVIDER_CHARS_MAX = 40

_ONE_LINE = "must be one line of text, without control characters"
_EMAIL = re.compile(r"[A-Za-z0-9._+-]{1,64}@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+", re.ASCII)
_CLIENT_ID = re.compile(r"[!-~]{1,255}", re.ASCII)
_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}", re.ASCII)
# A header's name is a token (RFC 9110, 5.6.2). Without "_": a server makes of it what it makes of "-", so that
# a reader could send the same header under another spelling.
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^`|~-]{1,64}", re.ASCII)


def _one_line(text: str) -> str:
    if any(unicodedata.category(sign) in {"Cc", "Cs"} for sign in text):
        raise ValueError(_ONE_LINE)
    return text


def _is_https_page(text: str) -> bool:
    try:
        origin, rest = split_origin(text)
    except BadAddress:
        return False
    return origin.scheme == "https" and rest.isascii() and len(text) <= NAME_CHARS_MAX


class Publisher(Table):
    """[publisher]: who asks, where readers reach the service, who may embed it."""

    name: str = Field(min_length=1, max_length=200)
    url: str = "http://127.0.0.1:8000"
    languages: tuple[str, ...] = LANGUAGES
    sites: tuple[Origin, ...] = ()
    timezone: str = ""
    contact: str = ""
    legal: str = Field(default="", max_length=300)
    logo: Path | None = None
    accent: str = ""
    names: dict[str, str] = Field(default_factory=dict)
    appeal: dict[str, str] = Field(default_factory=dict)

    @field_validator("name")
    @classmethod
    def _is_one_line(cls, name: str) -> str:
        # It goes into titles, file names of exports and the orders of card processors.
        if not name.strip():
            raise ValueError(_ONE_LINE)
        return _one_line(name)

    @field_validator("legal")
    @classmethod
    def _is_one_line_or_none(cls, text: str) -> str:
        return _one_line(text)

    @field_validator("contact")
    @classmethod
    def _reaches_somebody(cls, contact: str) -> str:
        if contact and not (_EMAIL.fullmatch(contact) or _is_https_page(contact)):
            raise ValueError("must be an e-mail address or the address of a page, https://...")
        return contact

    @field_validator("accent")
    @classmethod
    def _can_be_read(cls, accent: str) -> str:
        return read_accent(accent) if accent else ""

    @field_validator("names", "appeal")
    @classmethod
    def _are_said_in_our_languages(cls, texts: dict[str, str], info: ValidationInfo) -> dict[str, str]:
        chars_max = NAME_CHARS_MAX if info.field_name == "names" else APPEAL_CHARS_MAX
        for lang, text in texts.items():
            if lang not in LANGUAGES:
                raise ValueError(f"knows the languages {', '.join(LANGUAGES)}, not {lang[:10]!r}")
            if not text.strip() or len(text) > chars_max:
                raise ValueError(f"{lang}: must have 1 to {chars_max} characters")
            _one_line(text)
        return texts

    @field_validator("url")
    @classmethod
    def _is_base_url(cls, url: str) -> str:
        read_base_url(url)
        return url

    @field_validator("languages")
    @classmethod
    def _are_ours(cls, languages: tuple[str, ...]) -> tuple[str, ...]:
        if not languages or set(languages) - set(LANGUAGES) or len(set(languages)) < len(languages):
            raise ValueError(f"must be some of {', '.join(LANGUAGES)}, each once")
        return languages

    @field_validator("sites", mode="before")
    @classmethod
    def _read_sites(cls, sites: object) -> object:
        return _each_read(sites, _read_site)

    @field_validator("timezone")
    @classmethod
    def _is_a_zone(cls, name: str) -> str:
        if name and name not in available_timezones() - NO_PLACES:
            raise ValueError(f"{name[:80]!r} is no time zone; write its IANA name, such as Europe/Kyiv or UTC")
        return name

    def named(self, lang: str) -> str:
        """What the publisher is called in a language."""
        return self.names.get(lang) or self.name

    @property
    def contact_uri(self) -> str:
        """Where a reader writes to, as a link; "" where nothing is set."""
        return f"mailto:{self.contact}" if self.contact and "://" not in self.contact else self.contact

    @property
    def zone(self) -> ZoneInfo:
        """The zone whose calendar people read and write here."""
        return ZoneInfo(self.timezone or ("Europe/Kyiv" if self.languages[:1] == ("uk",) else "UTC"))

    @cached_property
    def base(self) -> BaseUrl:
        """Where readers reach the service, as a value: its origin, and the path that all addresses begin with."""
        return read_base_url(self.url)


class DatabaseTable(Table):
    """[database]: SQLite by default, PostgreSQL when one machine is not enough."""

    url: str = "sqlite:///support.db"


class Web(Table):
    """[web]: the secret of sessions and tokens, host names and proxies in front."""

    secret_file: Path = Path("web.secret")
    trusted_hosts: tuple[Host, ...] = ()
    proxy_hops: int = Field(default=0, ge=0, le=10)
    client_address_header: str = "X-Forwarded-For"

    @field_validator("trusted_hosts", mode="before")
    @classmethod
    def _read_hosts(cls, hosts: object) -> object:
        return _each_read(hosts, read_host)

    @field_validator("client_address_header")
    @classmethod
    def _is_header_name(cls, name: str) -> str:
        if "_" in name:
            raise ValueError('must not hold "_": servers take it for "-", and readers could send the other spelling')
        if not _HEADER_NAME.fullmatch(name):
            raise ValueError("must be the name of a header: letters, digits and hyphens")
        return name


class ManifestTable(Table):
    """[manifest]: whose signature the methods need, and the signed file; without it they are shown as set."""

    public_key: str
    file: Path = Path("support-methods.json")


class MailTable(Table):
    """[mail]: how e-mail goes out, and which letters readers get who gave theirs; without it nobody gets any."""

    host: str
    port: int = Field(default=587, ge=1, le=65535)
    security: Literal["tls", "starttls", "none", ""] = ""
    user: str = ""
    password_file: Path | None = None
    sender: str = Field(alias="from")
    letters: tuple[str, ...] = USUAL_LETTERS

    @field_validator("host")
    @classmethod
    def _is_host(cls, host: str) -> str:
        read = read_host(host)
        if read.port is not None:
            raise ValueError("must be a host alone; its port stands in mail.port")
        return read.name

    @field_validator("sender")
    @classmethod
    def _is_address(cls, sender: str) -> str:
        if not _EMAIL.fullmatch(sender):
            raise ValueError("must be an e-mail address")
        return sender

    @field_validator("letters")
    @classmethod
    def _are_known(cls, letters: tuple[str, ...]) -> tuple[str, ...]:
        if set(letters) - set(LETTERS):
            raise ValueError(f"must be some of {', '.join(LETTERS)}; [] sends readers nothing")
        return letters


class HeartbeatTable(Table):
    """[heartbeat]: where a dead man's switch waits for our sign of life; without it nobody is asked."""

    url_file: Path


class OidcTable(Table):
    """[oidc]: the newsroom's own provider, by which staff may sign in (OpenID Connect); without it there is none."""

    issuer: str
    client_id: str
    client_secret_file: Path
    domains: tuple[Host, ...] = ()
    name: str = Field(default="", max_length=PROVIDER_CHARS_MAX)

    @field_validator("issuer")
    @classmethod
    def _is_issuer(cls, issuer: str) -> str:
        # Kept as it is: what the provider calls itself is compared sign by sign (OpenID Connect Discovery, 4.3).
        origin, rest = split_origin(issuer)
        if "?" in rest or "#" in rest:
            raise ValueError("must end after its path: without ? and #")
        if origin.scheme != "https" and not origin.host.is_loopback:
            raise ValueError("must be https: it says who may come in")
        return issuer

    @field_validator("client_id")
    @classmethod
    def _is_client_id(cls, client_id: str) -> str:
        if not _CLIENT_ID.fullmatch(client_id):
            raise ValueError("must be the client ID as the provider shows it, without spaces")
        return client_id

    @field_validator("domains", mode="before")
    @classmethod
    def _read_domains(cls, domains: object) -> object:
        return _each_read(domains, _read_domain)

    @field_validator("name")
    @classmethod
    def _is_one_line_or_none(cls, name: str) -> str:
        return _one_line(name.strip())


class Privacy(Table):
    """[privacy]: how long is kept what says who gave (else as long as the ledger), and whether views are counted."""

    keep_days: int | None = Field(default=None, ge=30, le=36_500)
    count_views: bool = False


class FeedTable(Table):
    """One [[value.feeds]] table: a Chainlink price feed on a network whose node is set."""

    network: str = ""
    contract: str = ""
    asset: str = ""
    currency: str = "USD"


class ValueTable(Table):
    """[value]: what gifts were worth when they came, and who is asked; without it nobody is."""

    currency: str = "UAH"
    sources: tuple[str, ...] = ("nbu", "market")
    nbu_url: str = "https://bank.gov.ua"
    market_url: str = "https://api.kraken.com"
    feeds: tuple[FeedTable, ...] = ()


class AssetTable(Table):
    """One [[assets]] table; its own words are in config/assets.toml."""

    code: str = Field(min_length=1, max_length=20)
    network: str = ""
    contract: str = ""
    exponent: int = Field(ge=0, le=36)
    source: str = ""


@dataclass(frozen=True, slots=True)
class MethodEntry:
    """One [[methods]] table: its key, its rail, and the options that only the rail understands."""

    key: str
    rail: str
    where: str
    options: Mapping[str, object]


def _each_read(texts: object, read: Callable[[str], object]) -> object:
    """Read each text of a list; all that are wrong are told in one ValueError. What is no list is left to pydantic."""
    if not isinstance(texts, list | tuple):
        return texts
    if not all(isinstance(text, str) for text in texts):
        raise ValueError("must be a list of texts")
    values, reasons = [], []
    for position, text in enumerate(texts, 1):
        try:
            values.append(read(text))
        except BadAddress as error:
            # What stands before an @ may be a password.
            reasons.append(f"{repr(text[:80]) if '@' not in text else f'entry {position}'} {error}")
    if reasons:
        raise ValueError("; ".join(reasons))
    return values


def _read_site(text: str) -> Origin:
    """Read who may frame us. Plain http carries no promise about who answers; beyond this machine only https may."""
    hint = "it must be an https origin such as https://example.com"
    try:
        site = read_origin(text)
    except BadAddress as error:
        raise BadAddress(f"{error}; {hint}") from error
    if site.scheme != "https" and not site.host.is_loopback:
        raise BadAddress(f"is not https; {hint}")
    if not site.is_sayable_in_policy:
        raise BadAddress("has an IPv6 address, which no browser reads in the list of who may frame a page")
    return site


def _read_domain(text: str) -> Host:
    """Read the domain of a newsroom's accounts, such as example.com."""
    host = read_host(text)
    if host.port is not None:
        raise BadAddress("must be a domain alone, without a port")
    return host


def method_entries(tables: tuple[dict[str, Any], ...], mistakes: list[Mistake]) -> tuple[MethodEntry, ...]:
    """Read the key and the rail of every [[methods]] table, noting mistakes; the rail checks the rest."""
    entries: list[MethodEntry] = []
    for index, table in enumerate(tables, 1):
        key, rail = table.get("key"), table.get("rail")
        where = f"methods.{key}" if isinstance(key, str) and key else f"methods[{index}]"
        if not isinstance(key, str) or not _KEY.fullmatch(key):
            mistakes.append(Mistake(f"{where}.key", "must be 1 to 40 letters, digits, - or _"))
        elif any(entry.key == key for entry in entries):
            mistakes.append(Mistake(f"{where}.key", f"is used by two methods; the second is number {index}"))
        if not isinstance(rail, str):
            mistakes.append(Mistake(f"{where}.rail", "is missing"))
            continue
        options = {name: value for name, value in table.items() if name not in {"key", "rail"}}
        entries.append(MethodEntry(str(key), rail, where, options))
    return tuple(entries)


def told(error: ValidationError) -> list[Mistake]:
    """Turn pydantic's findings into our mistakes; the refused value is never repeated."""
    return [
        Mistake(".".join(str(part) for part in found["loc"]) or "file", _reason(found))
        for found in error.errors(include_url=False, include_input=False)
    ]


def _reason(found: ErrorDetails) -> str:
    match found["type"]:
        case "extra_forbidden":
            return "is not a known setting"
        case "value_error":
            return str(found["ctx"]["error"])
        case _:
            return found["msg"].lower()


def without_refused(values: dict[str, Any], error: ValidationError) -> dict[str, Any]:
    """Take out what was refused, so that what is left can be checked, too, and all is told at once.

    A refused entry of a list goes whole, and so does a table that is nothing without what was refused; a publisher
    without a name gets a stand-in.
    """
    kept, refused = copy.deepcopy(values), [found["loc"] for found in error.errors(include_input=False)]
    for section, *rest in refused:
        if not rest or section in _WHOLE:
            kept.pop(str(section), None)
        elif isinstance(kept.get(str(section)), dict):
            kept[str(section)].pop(str(rest[0]), None)
    for section, entries in kept.items():
        gone = {rest[0] for name, *rest in refused if name == section and rest}
        if isinstance(entries, list):
            kept[section] = [entry for index, entry in enumerate(entries) if index not in gone]
    kept.setdefault("publisher", {}).setdefault("name", "-")
    return kept

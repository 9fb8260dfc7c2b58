"""The shape of the settings: one class for each section, and what can be checked without a rail. Pure."""

import copy
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, available_timezones

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from support_service.rails import Mistake

LANGUAGES = ("uk", "en")
# Files among the time zones that name no zone: one is whatever the machine is set to, one stands for none.
NO_PLACES = {"localtime", "Factory"}

_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}", re.ASCII)
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}


class Table(BaseModel):
    """A section: unknown keys are refused, and a refused value is never repeated."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Publisher(Table):
    """[publisher]: who asks, where readers reach the service, who may embed it."""

    name: str = Field(min_length=1, max_length=200)
    url: str = "http://127.0.0.1:8000"
    languages: tuple[str, ...] = LANGUAGES
    sites: tuple[str, ...] = ()
    timezone: str = ""

    @property
    def zone(self) -> ZoneInfo:
        """Return the zone whose calendar people read and write here; only where `timezone` was found right."""
        return ZoneInfo(self.timezone or ("Europe/Kyiv" if self.languages[:1] == ("uk",) else "UTC"))


class Database(Table):
    """[database]: SQLite by default, PostgreSQL when one machine is not enough."""

    url: str = "sqlite:///support.db"


class Web(Table):
    """[web]: the secret of sessions and tokens, host names and proxies in front."""

    secret_file: Path = Path("web.secret")
    trusted_hosts: tuple[str, ...] = ()
    proxy_hops: int = Field(default=0, ge=0, le=10)


class FeedTable(Table):
    """One [[value.feeds]] table: a Chainlink price feed on a network whose node is set."""

    network: str = ""
    contract: str = ""
    asset: str = ""
    currency: str = "USD"


class Value(Table):
    """[value]: what gifts were worth when they came, and who is asked; without it nobody is."""

    currency: str = "UAH"
    sources: tuple[str, ...] = ("nbu", "market")
    nbu_url: str = "https://bank.gov.ua"
    market_url: str = "https://api.kraken.com"
    feeds: tuple[FeedTable, ...] = ()


class OfferTable(Table):
    """One [stripe.offers.CODE] table: what the card form offers in a currency; amounts in whole units, as text."""

    once: tuple[str, ...] | None = None
    monthly: tuple[str, ...] | None = None
    yearly: tuple[str, ...] | None = None
    minimum: str = ""
    maximum: str = ""
    fee: str = ""


class Stripe(Table):
    """[stripe]: card payments through Stripe; without it none are offered."""

    secret_key_file: Path | None = None
    webhook_secret_file: Path | None = None
    api_base: str = "https://api.stripe.com"
    currencies: tuple[str, ...] = ("EUR", "USD", "UAH")
    offers: dict[str, OfferTable] = {}


@dataclass(frozen=True, slots=True)
class Secrets:
    """What a processor gave us: the key we ask with, and what its messages are signed with. Never shown."""

    key: str = field(repr=False)
    webhook: tuple[str, ...] = field(repr=False)


def read_secrets(table: Stripe, base: Path, mistakes: list[Mistake]) -> Secrets | None:
    """Read the two files that [stripe] names, relative to `base`; a mistake repeats nothing of what they hold."""
    keys = _secret_lines("secret_key_file", table.secret_key_file, base, mistakes)
    webhook = _secret_lines("webhook_secret_file", table.webhook_secret_file, base, mistakes)
    if keys and (len(keys) > 1 or not keys[0].startswith(("sk_test_", "sk_live_", "rk_test_", "rk_live_"))):
        mistakes.append(Mistake("stripe.secret_key_file", "must hold one secret key, which begins with sk_ or rk_"))
        return None
    if webhook and not all(line.startswith("whsec_") for line in webhook):
        mistakes.append(Mistake("stripe.webhook_secret_file", "must hold lines that begin with whsec_"))
        return None
    return Secrets(keys[0], tuple(webhook)) if keys and webhook else None


def _secret_lines(name: str, file: Path | None, base: Path, mistakes: list[Mistake]) -> list[str]:
    if file is None:
        mistakes.append(Mistake(f"stripe.{name}", "is missing; name the file that holds it"))
        return []
    try:
        lines = (base / file).read_text(encoding="utf-8").split()
    except (OSError, UnicodeDecodeError) as error:
        mistakes.append(Mistake(f"stripe.{name}", f"cannot be read: {error.__class__.__name__}"))
        return []
    if not lines:
        mistakes.append(Mistake(f"stripe.{name}", "names an empty file"))
    return lines


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


def publisher_mistakes(publisher: Publisher) -> list[Mistake]:
    """Check what the types of [publisher] cannot say."""
    mistakes = []
    if not _is_origin(publisher.url, path_allowed=True):
        mistakes.append(Mistake("publisher.url", "must be an http:// or https:// address"))
    if not publisher.languages or set(publisher.languages) - set(LANGUAGES):
        mistakes.append(Mistake("publisher.languages", f"must be some of {', '.join(LANGUAGES)}"))
    if publisher.timezone and publisher.timezone not in available_timezones() - NO_PLACES:
        reason = f"{publisher.timezone!r} is no time zone; write its IANA name, such as Europe/Kyiv or UTC"
        mistakes.append(Mistake("publisher.timezone", reason))
    return mistakes + [
        Mistake("publisher.sites", f"{site!r} must be an https origin such as https://example.com")
        for site in publisher.sites
        if not _is_origin(site, path_allowed=False)
    ]


def _is_origin(text: str, *, path_allowed: bool) -> bool:
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    is_plain = not (parts.query or parts.fragment or parts.username) and (path_allowed or parts.path in {"", "/"})
    # Plain http carries no promise about who answers; beyond this machine only https may frame us.
    return (
        bool(host)
        and is_plain
        and (parts.scheme == "https" or (parts.scheme == "http" and (path_allowed or host in _LOOPBACK)))
    )


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
        Mistake(
            ".".join(str(part) for part in found["loc"]) or "file",
            "is not a known setting" if found["type"] == "extra_forbidden" else found["msg"].lower(),
        )
        for found in error.errors(include_url=False, include_input=False)
    ]


def without_refused(values: dict[str, Any], error: ValidationError) -> dict[str, Any]:
    """Take out what was refused, so that what is left can be checked, too, and all is told at once.

    A refused entry of a list goes whole; a publisher without a name gets a stand-in.
    """
    kept, refused = copy.deepcopy(values), [found["loc"] for found in error.errors(include_input=False)]
    for section, *rest in refused:
        if not rest:
            kept.pop(str(section), None)
        elif isinstance(kept[str(section)], dict):
            kept[str(section)].pop(str(rest[0]), None)
    for section in ("methods", "assets"):
        gone = {rest[0] for name, *rest in refused if name == section and rest}
        if section in kept:
            kept[section] = [entry for index, entry in enumerate(kept[section]) if index not in gone]
    kept.setdefault("publisher", {}).setdefault("name", "-")
    return kept

"""TOML file + environment + secret files -> frozen Settings; the only reader of the environment.

The whole file is read before anything is refused: a publisher sees every mistake at once.
Rails' own tables (methods, networks) are carried as plain mappings; the rail checks them.
"""

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from support_service.money import Asset
from support_service.rails import Mistake

DEFAULT_FILE = Path("config/support.toml")
LANGUAGES = ("uk", "en")
# A settings file is written by hand; anything larger is not one.
FILE_BYTES_MAX = 1_000_000

_KEY = re.compile(r"[A-Za-z0-9_-]{1,40}", re.ASCII)
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}


class SettingsError(Exception):
    """The settings cannot be used; `mistakes` holds all of them, `lines` as text for people."""

    def __init__(self, file: Path, mistakes: list[Mistake]) -> None:
        self.file, self.mistakes = file, mistakes
        self.lines = [f"{file}: {mistake.key}: {mistake.reason}" for mistake in mistakes]
        super().__init__("\n".join(self.lines))


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Publisher(_Table):
    """[publisher]: who asks, where readers reach the service, who may embed it."""

    name: str = Field(min_length=1, max_length=200)
    url: str = "http://127.0.0.1:8000"
    languages: tuple[str, ...] = LANGUAGES
    sites: tuple[str, ...] = ()


class Database(_Table):
    """[database]: SQLite by default, PostgreSQL when one machine is not enough."""

    url: str = "sqlite:///support.db"


class Web(_Table):
    """[web]: the secret of sessions and tokens, host names and proxies in front."""

    secret_file: Path = Path("web.secret")
    trusted_hosts: tuple[str, ...] = ()
    proxy_hops: int = Field(default=0, ge=0, le=10)


class _AssetTable(_Table):
    code: str = Field(min_length=1, max_length=20)
    network: str = ""
    contract: str = ""
    exponent: int = Field(ge=0, le=36)
    source: str = ""


class _File(BaseSettings):
    """The shape of the settings file; environment variables SUPPORT__SECTION__KEY come first."""

    model_config = SettingsConfigDict(
        env_prefix="SUPPORT__", env_nested_delimiter="__", extra="forbid", frozen=True, hide_input_in_errors=True
    )

    publisher: Publisher
    database: Database = Database()
    web: Web = Web()
    methods: tuple[dict[str, Any], ...] = ()
    networks: dict[str, dict[str, Any]] = {}
    assets: tuple[_AssetTable, ...] = ()

    @classmethod
    def settings_customise_sources(
        cls, settings_cls: type[BaseSettings], *_: PydanticBaseSettingsSource, **sources: PydanticBaseSettingsSource
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (EnvSettingsSource(settings_cls), sources["init_settings"])


@dataclass(frozen=True, slots=True)
class MethodEntry:
    """One [[methods]] table: its key, its rail, and the options that only the rail understands."""

    key: str
    rail: str
    where: str
    options: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that was set, with defaults filled in and relative paths counted from the file."""

    file: Path
    publisher: Publisher
    database_url: str
    web: Web
    methods: tuple[MethodEntry, ...]
    networks: Mapping[str, Mapping[str, object]]
    assets: tuple[Asset, ...]
    is_demo: bool = False


def settings_path(given: Path | None) -> Path:
    """Choose the settings file: the one given, else $SUPPORT_CONFIG, else config/support.toml."""
    return given or Path(os.environ.get("SUPPORT_CONFIG") or DEFAULT_FILE)


def is_demo_process() -> bool:
    """Tell whether this process serves the demo (set for the workers that `demo` starts)."""
    return os.environ.get("SUPPORT_DEMO") == "1"


def worker_environment(file: Path, *, is_demo: bool = False) -> dict[str, str]:
    """Build the environment for a worker process that must read the same settings file.

    A demo's workers get no SUPPORT__ variables: they would lead to the publisher's own database.
    """
    kept = {name: value for name, value in os.environ.items() if not (is_demo and name.upper().startswith("SUPPORT__"))}
    return {**kept, "SUPPORT_CONFIG": str(file.absolute()), "SUPPORT_DEMO": "1" if is_demo else "0"}


def read_settings(file: Path) -> tuple[Settings | None, list[Mistake]]:
    """Read the file and the environment; return what could be read and every mistake found.

    Settings are None only where the file cannot be read at all or its own sections are wrong.
    """
    values, mistakes = _read_toml(file)
    if mistakes:
        return None, mistakes
    base = file.absolute().parent
    for table_name, table in _tables_with_secrets(values):
        mistakes += _fill_from_files(table_name, table, base)
    mistakes += _unknown_environment()
    try:
        parsed = _File(**values)
    except ValidationError as error:
        return None, [*mistakes, *_told(error)]
    mistakes += _publisher_mistakes(parsed.publisher)
    assets = _merge_assets(_packaged_assets(), parsed.assets)
    settings = Settings(
        file=file,
        publisher=parsed.publisher,
        database_url=_resolve_database(parsed.database.url, base),
        web=parsed.web.model_copy(update={"secret_file": base / parsed.web.secret_file}),
        methods=_method_entries(parsed.methods, mistakes),
        networks=parsed.networks,
        assets=assets,
        is_demo=is_demo_process(),
    )
    return settings, mistakes


def resource(name: str) -> Path:
    """Find a packaged folder or file (`templates`, `config/assets.toml`) in a checkout or a wheel."""
    package = Path(__file__).resolve().parent
    inside = package / name
    return inside if inside.exists() else package.parent / name


def _read_toml(file: Path) -> tuple[dict[str, Any], list[Mistake]]:
    try:
        if file.stat().st_size > FILE_BYTES_MAX:
            return {}, [Mistake("file", f"is larger than {FILE_BYTES_MAX} bytes; is it a settings file?")]
        return tomllib.loads(file.read_text(encoding="utf-8")), []
    except FileNotFoundError:
        return {}, [Mistake("file", "does not exist; copy config/support.example.toml or name one with --config")]
    except (OSError, UnicodeDecodeError) as error:
        return {}, [Mistake("file", f"cannot be read: {error}")]
    except tomllib.TOMLDecodeError as error:
        return {}, [Mistake("file", f"is not TOML: {error}")]


def _tables_with_secrets(values: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """List the tables whose values may come from a file beside them (`url_file`, `rpc_file`)."""
    networks = values.get("networks")
    named = [("database", values.get("database"))]
    if isinstance(networks, dict):
        named += [(f"networks.{name}", table) for name, table in networks.items()]
    return [(name, table) for name, table in named if isinstance(table, dict)]


def _fill_from_files(where: str, table: dict[str, Any], base: Path) -> list[Mistake]:
    """Replace `url_file`, `rpc_file` and `esplora_file` by what the file holds: one value a line."""
    mistakes = []
    for name in ("url_file", "rpc_file", "rpc_solid_file", "esplora_file"):
        path = table.pop(name, None)
        if path is None:
            continue
        key = name.removesuffix("_file")
        try:
            lines = (base / str(path)).read_text(encoding="utf-8").split()
        except (OSError, UnicodeDecodeError) as error:
            mistakes.append(Mistake(f"{where}.{name}", f"cannot be read: {error.__class__.__name__}"))
            continue
        table[key] = lines[0] if key == "url" and lines else lines
    return mistakes


def _unknown_environment() -> list[Mistake]:
    """Name every SUPPORT__... variable whose section does not exist; pydantic skips those."""
    sections = set(_File.model_fields)
    names = [name for name in os.environ if name.upper().startswith("SUPPORT__")]
    unknown = [name for name in sorted(names) if name.split("__")[1].lower() not in sections]
    return [Mistake(f"environment {name}", "names no section of the settings") for name in unknown]


def _told(error: ValidationError) -> list[Mistake]:
    """Turn pydantic's findings into our mistakes; the refused value is never repeated."""
    return [
        Mistake(
            ".".join(str(part) for part in found["loc"]) or "file",
            "is not a known setting" if found["type"] == "extra_forbidden" else found["msg"].lower(),
        )
        for found in error.errors(include_url=False, include_input=False)
    ]


def _publisher_mistakes(publisher: Publisher) -> list[Mistake]:
    mistakes = []
    if not _is_origin(publisher.url, path_allowed=True):
        mistakes.append(Mistake("publisher.url", "must be an http:// or https:// address"))
    if not publisher.languages or set(publisher.languages) - set(LANGUAGES):
        mistakes.append(Mistake("publisher.languages", f"must be some of {', '.join(LANGUAGES)}"))
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


def _resolve_database(url: str, base: Path) -> str:
    """Count a relative SQLite path from the settings file: a ledger must not depend on the folder."""
    prefix = "sqlite:///"
    if not url.startswith(prefix) or url.startswith("sqlite:////"):
        return url
    return f"{prefix}{(base / url.removeprefix(prefix)).absolute()}"


def _method_entries(tables: tuple[dict[str, Any], ...], mistakes: list[Mistake]) -> tuple[MethodEntry, ...]:
    entries: list[MethodEntry] = []
    for index, table in enumerate(tables, 1):
        key, rail = table.get("key"), table.get("rail")
        where = f"methods.{key}" if isinstance(key, str) and key else f"methods[{index}]"
        if (
            not isinstance(key, str)
            or not key.replace("-", "").replace("_", "").isalnum()
            or not key.isascii()
            or len(key) > 40
        ):
            mistakes.append(Mistake(f"{where}.key", "must be 1 to 40 letters, digits, - or _"))
        elif any(entry.key == key for entry in entries):
            mistakes.append(Mistake(f"{where}.key", f"is used by two methods; the second is number {index}"))
        if not isinstance(rail, str):
            mistakes.append(Mistake(f"{where}.rail", "is missing"))
            continue
        options = {name: value for name, value in table.items() if name not in {"key", "rail"}}
        entries.append(MethodEntry(str(key), rail, where, options))
    return tuple(entries)


def _packaged_assets() -> tuple[_AssetTable, ...]:
    tables = tomllib.loads(resource("config/assets.toml").read_text(encoding="utf-8"))["assets"]
    return tuple(_AssetTable(**table) for table in tables)


def _merge_assets(packaged: tuple[_AssetTable, ...], own: tuple[_AssetTable, ...]) -> tuple[Asset, ...]:
    """Let the publisher's assets add to the packaged ones or override them by code and network."""
    merged = {(table.code, table.network): table for table in (*packaged, *own)}
    return tuple(Asset(table.code, table.exponent, table.network, table.contract) for table in merged.values())

"""TOML file + environment + secret files -> frozen Settings; the only reader of the environment.

The whole file is read before anything is refused: a publisher sees every mistake at once.
Rails' own tables (methods, networks) are carried as plain mappings; the rail checks them.
"""

import json
import os
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError, create_model
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict
from pydantic_settings import SettingsError as PydanticSettingsError

from support_service.money import Asset
from support_service.rails.options import Mistake
from support_service.rails.rail import Rail, Section
from support_service.rails.text_file import Unreadable, read_text_file
from support_service.settings.schema import (
    AssetTable,
    DatabaseTable,
    HeartbeatTable,
    MailTable,
    ManifestTable,
    MethodEntry,
    OidcTable,
    Privacy,
    Publisher,
    ValueTable,
    Web,
    method_entries,
    told,
    without_refused,
)

DEFAULT_FILE = Path("config/support.toml")
# Every page shows the logo; a photograph would be larger than the page.
LOGO_BYTES_MAX = 50_000
# Keys of a [[notify]] table that name files with secrets.
NOTIFY_SECRETS = ("url_file", "secret_file")
LOGO_KINDS = (".svg", ".png", ".webp", ".jpg")


class SettingsError(Exception):
    """The settings cannot be used; `mistakes` holds all of them, `lines` as text for people."""

    def __init__(self, file: Path, mistakes: list[Mistake]) -> None:
        self.file, self.mistakes = file, mistakes
        self.lines = [f"{file}: {mistake.key}: {mistake.reason}" for mistake in mistakes]
        super().__init__("\n".join(self.lines))


class _SettingsFile(BaseSettings):
    """The shape of the settings file without the rails' own tables; environment variables SUPPORT__SECTION__KEY
    come first.
    """

    model_config = SettingsConfigDict(
        env_prefix="SUPPORT__", env_nested_delimiter="__", extra="forbid", frozen=True, hide_input_in_errors=True
    )

    publisher: Publisher
    database: DatabaseTable = DatabaseTable()
    web: Web = Web()
    methods: tuple[dict[str, Any], ...] = ()
    networks: dict[str, dict[str, Any]] = {}
    assets: tuple[AssetTable, ...] = ()
    value: ValueTable | None = None
    manifest: ManifestTable | None = None
    mail: MailTable | None = None
    notify: tuple[dict[str, Any], ...] = ()
    heartbeat: HeartbeatTable | None = None
    privacy: Privacy = Privacy()
    oidc: OidcTable | None = None

    @classmethod
    def settings_customise_sources(
        cls, settings_cls: type[BaseSettings], *_: PydanticBaseSettingsSource, **sources: PydanticBaseSettingsSource
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        del settings_cls  # the environment was merged in before, see read_settings
        return (sources["init_settings"],)


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
    value: ValueTable | None = None
    # The rails' own tables, by name, in the order of the file.
    own_tables: Mapping[str, object] = field(default_factory=dict)
    manifest: ManifestTable | None = None
    mail: MailTable | None = None
    # Each table of [[notify]], whose way alone knows its keys.
    notify: tuple[Mapping[str, object], ...] = ()
    heartbeat: HeartbeatTable | None = None
    privacy: Privacy = field(default_factory=Privacy)
    oidc: OidcTable | None = None
    is_demo: bool = False
    # Files that hold secrets, each by the setting that names it.
    secret_files: tuple[tuple[str, Path], ...] = ()


def settings_path(given: Path | None) -> Path:
    """Choose the settings file: the one given, else $SUPPORT_CONFIG, else config/support.toml."""
    return given or Path(os.environ.get("SUPPORT_CONFIG") or DEFAULT_FILE)


def is_demo_process() -> bool:
    """Tell whether this process serves the demo (set for the workers that `demo` starts)."""
    return os.environ.get("SUPPORT_DEMO") == "1"


def is_child_process() -> bool:
    """Tell whether a supervisor of ours started this process, and reads its exit code."""
    return os.environ.get("SUPPORT_CHILD") == "1"


def worker_environment(file: Path, *, is_demo: bool = False) -> dict[str, str]:
    """Build the environment for a worker process that must read the same settings file.

    A demo's workers get no SUPPORT__ variables: they would lead to the publisher's own database.
    """
    kept = {name: value for name, value in os.environ.items() if not (is_demo and name.upper().startswith("SUPPORT__"))}
    told = {"SUPPORT_CONFIG": str(file.absolute()), "SUPPORT_DEMO": "1" if is_demo else "0", "SUPPORT_CHILD": "1"}
    return {**kept, **told}


def read_settings(file: Path, rails: Collection[Rail]) -> tuple[Settings | None, list[Mistake]]:
    """Read the file and the environment; return what could be read and every mistake found.

    The tables of `rails` are in the file beside our own.

    Settings are None only where the file cannot be read at all; with mistakes, nothing may start from them.
    """
    values, mistakes = _read_toml(file)
    if mistakes:
        return None, mistakes
    base, shape = file.absolute().parent, _Shape(rails)
    mistakes += shape.unknown_environment()
    try:
        values = _merged(values, shape.read_environment())
    except PydanticSettingsError as error:
        return None, [*mistakes, Mistake("environment", f'cannot be read: {error}; a list is written as ["a", "b"]')]
    named = shape.named_files(values)
    for table_name, table in _tables_with_secrets(values):
        mistakes += shape.fill_from_files(table_name, table, base)
    try:
        parsed = shape.file(**values)
    except ValidationError as error:
        mistakes += told(error)
        parsed = shape.file(**without_refused(values, error))
    assets = _merge_assets(_packaged_assets(), parsed.assets)
    settings = Settings(
        file=file,
        publisher=_with_logo(parsed.publisher, base, mistakes),
        database_url=_resolve_database(parsed.database.url, base),
        web=parsed.web.model_copy(update={"secret_file": base / parsed.web.secret_file}),
        methods=method_entries(parsed.methods, mistakes),
        networks=parsed.networks,
        assets=assets,
        value=parsed.value,
        own_tables={name: getattr(parsed, name) for name in shape.own_names(values)},
        manifest=parsed.manifest,
        mail=parsed.mail,
        notify=parsed.notify,
        heartbeat=parsed.heartbeat,
        privacy=parsed.privacy,
        oidc=parsed.oidc,
        is_demo=is_demo_process(),
        secret_files=shape.secret_files(parsed, named, base),
    )
    return settings, mistakes


def resource(name: str) -> Path:
    """Find a packaged folder or file (`templates`, `config/assets.toml`) in a checkout or a wheel."""
    package = Path(__file__).resolve().parent.parent
    inside = package / name
    return inside if inside.exists() else package.parent / name


def packaged_block() -> Path:
    """Find the settings file that shows what a publisher's own could be; the demo is built from it."""
    config = resource("config")
    return config / str(tomllib.loads((config / "demo.toml").read_text(encoding="utf-8"))["block"])


def _with_logo(publisher: Publisher, base: Path, mistakes: list[Mistake]) -> Publisher:
    """Count the logo's path from the settings file, and look whether it is one that pages can show."""
    if publisher.logo is None:
        return publisher
    file = base / publisher.logo
    if file.suffix.lower() not in LOGO_KINDS:
        mistakes.append(Mistake("publisher.logo", f"must be a file that ends in {', '.join(LOGO_KINDS)}"))
    elif not file.is_file():
        mistakes.append(Mistake("publisher.logo", f"there is no file {file}"))
    elif file.stat().st_size > LOGO_BYTES_MAX:
        mistakes.append(Mistake("publisher.logo", f"is larger than {LOGO_BYTES_MAX // 1000} kB; readers wait for it"))
    else:
        return publisher.model_copy(update={"logo": file})
    return publisher.model_copy(update={"logo": None})


def _read_toml(file: Path) -> tuple[dict[str, Any], list[Mistake]]:
    if not file.exists():
        return {}, [Mistake("file", "does not exist; copy config/support.example.toml or name one with --config")]
    try:
        return tomllib.loads(read_text_file(file).replace("\r\n", "\n")), []
    except Unreadable as error:
        return {}, [Mistake("file", str(error))]
    except tomllib.TOMLDecodeError as error:
        return {}, [Mistake("file", f"is not TOML: {error}")]


@cache
def _file_with(*sections: Section) -> type[_SettingsFile]:
    """Shape the whole file, made once however often settings are read."""
    own: Any = {section.name: (section.shape, section.default) for section in sections}
    return create_model("_SettingsFile", __base__=_SettingsFile, **own)


class _Shape:
    """The settings file as these rails make it: their own tables, and the keys that name nodes of their networks."""

    def __init__(self, rails: Collection[Rail]) -> None:
        self.sections = [section for rail in rails for section in rail.sections]
        self._node_keys = tuple(dict.fromkeys(key for rail in rails for key in (*rail.node_keys, *rail.more_node_keys)))
        self.file = _file_with(*self.sections)

    def own_names(self, values: dict[str, Any]) -> list[str]:
        """Name the rails' own tables in the order of the file; those that are not in it come last."""
        places = {name: place for place, name in enumerate(values)}
        return sorted((section.name for section in self.sections), key=lambda name: places.get(name, len(places)))

    def read_environment(self) -> dict[str, Any]:
        """Read SUPPORT__SECTION__KEY. Only rails know their keys' types, so a network's value that reads
        as a JSON number or list is one, and a node's address may stand alone.
        """
        found = EnvSettingsSource(self.file)()
        for table in found.get("networks", {}).values():
            for key, text in table.items() if isinstance(table, dict) else ():
                value = _json_or_text(text)
                table[key] = [value] if key in self._node_keys and isinstance(value, str) else value
        return found

    def unknown_environment(self) -> list[Mistake]:
        """Name every SUPPORT__... variable whose section does not exist; pydantic skips those."""
        sections = set(self.file.model_fields)
        names = [name for name in os.environ if name.upper().startswith("SUPPORT__")]
        unknown = [name for name in sorted(names) if name.split("__")[1].lower() not in sections]
        return [Mistake(f"environment {name}", "names no section of the settings") for name in unknown]

    def named_files(self, values: dict[str, Any]) -> dict[str, object]:
        """List the files that stand for a value, each by the setting that names it."""
        return {
            f"{where}.{key}_file": table[f"{key}_file"]
            for where, table in _tables_with_secrets(values)
            for key in ("url", *self._node_keys)
            if f"{key}_file" in table
        }

    def fill_from_files(self, where: str, table: dict[str, Any], base: Path) -> list[Mistake]:
        """Replace `url_file`, `rpc_file` and their like by what the file holds: one value a line."""
        mistakes = []
        for key in ("url", *self._node_keys):
            name = f"{key}_file"
            path = table.pop(name, None)
            if path is None:
                continue
            try:
                lines = [line.strip() for line in read_text_file(base / str(path)).splitlines() if line.strip()]
            except Unreadable as error:
                mistakes.append(Mistake(f"{where}.{name}", str(error)))
                continue
            if not lines or (key == "url" and len(lines) > 1):
                mistakes.append(Mistake(f"{where}.{name}", "must hold one line" if lines else "names an empty file"))
                continue
            table[key] = lines[0] if key == "url" else lines
        return mistakes

    def secret_files(self, parsed: _SettingsFile, named: dict[str, object], base: Path) -> tuple[tuple[str, Path], ...]:
        """List all files with secrets, each by the setting that names it."""
        found: list[tuple[str, object | None]] = [*named.items(), ("web.secret_file", parsed.web.secret_file)]
        found.append(("mail.password_file", parsed.mail.password_file if parsed.mail else None))
        found.append(("oidc.client_secret_file", parsed.oidc.client_secret_file if parsed.oidc else None))
        found.append(("heartbeat.url_file", parsed.heartbeat.url_file if parsed.heartbeat else None))
        found += [
            (f"notify.{table.get('key') or table.get('channel')}.{key}", table.get(key))
            for table in parsed.notify
            for key in NOTIFY_SECRETS
        ]
        for section in self.sections:
            for where, table in _entries(section.name, getattr(parsed, section.name)):
                found += [(f"{where}.{key}", table.get(key)) for key in section.secret_files]
        return tuple((key, base / str(file)) for key, file in found if file is not None)


def _entries(name: str, value: object) -> list[tuple[str, dict[str, object]]]:
    """Name each table of a section: [name], or each of [[name]] by its key."""
    tables = value if isinstance(value, tuple) else (value,)
    entries = [dict(table) for table in tables if isinstance(table, BaseModel | dict)]
    return [(f"{name}.{table.get('key')}" if isinstance(value, tuple) else name, table) for table in entries]


def _json_or_text(text: object) -> object:
    try:
        value = json.loads(str(text))
    except ValueError:
        return text
    return value if isinstance(value, int | list) else text


def _merged(below: Any, above: Any) -> Any:
    """Lay one tree of tables over another; a value above also takes the place of its `_file` below."""
    if not (isinstance(below, dict) and isinstance(above, dict)):
        return above
    kept = {key: value for key, value in below.items() if key.removesuffix("_file") not in above or key in above}
    return {**kept, **{key: _merged(below.get(key), value) for key, value in above.items()}}


def _tables_with_secrets(values: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """List the tables whose values may come from a file beside them (`url_file`, `rpc_file`)."""
    networks = values.get("networks")
    named = [("database", values.get("database"))]
    if isinstance(networks, dict):
        named += [(f"networks.{name}", table) for name, table in networks.items()]
    return [(name, table) for name, table in named if isinstance(table, dict)]


def _resolve_database(url: str, base: Path) -> str:
    """Count a relative SQLite path from the settings file: a ledger must not depend on the folder."""
    prefix = "sqlite:///"
    path = url.removeprefix(prefix)
    # What names no file is left as it is, for the ledger to refuse.
    if not url.startswith(prefix) or path.startswith(("/", "?", ":memory:")) or not path:
        return url
    return f"{prefix}{(base / path).absolute()}{'/' if path.endswith('/') else ''}"


@cache
def _packaged_assets() -> tuple[AssetTable, ...]:
    tables = tomllib.loads(resource("config/assets.toml").read_text(encoding="utf-8"))["assets"]
    return tuple(AssetTable(**table) for table in tables)


def _merge_assets(packaged: tuple[AssetTable, ...], own: tuple[AssetTable, ...]) -> tuple[Asset, ...]:
    """Let the publisher's assets add to the packaged ones or override them by code and network."""
    merged = {(table.code, table.network): table for table in (*packaged, *own)}
    return tuple(Asset(table.code, table.exponent, table.network, table.contract) for table in merged.values())

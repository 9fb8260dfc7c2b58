"""`check --deploy`: what works and is still unsafe where readers send money; each line says what to do."""

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from support_service.assembly import Assembly
from support_service.ledger.address import read_database_url
from support_service.rails.options import Mistake
from support_service.rails.text_file import Unreadable, read_text_file
from support_service.settings import Settings, resource

SECRET_BYTES_MIN = 16
_OTHERS = stat.S_IRWXG & ~stat.S_IXGRP | stat.S_IRWXO
_MINISIGN_SECRET = re.compile(r"^untrusted comment: minisign (?:encrypted )?secret key")
_TEST_KEY = re.compile(r"^[a-z]+_test_", re.MULTILINE)
_EXAMPLES = re.compile(r"(?:^|\.)(?:example\.(?:com|org|net)|example|invalid|test|localhost)$")


def deploy_mistakes(assembly: Assembly) -> list[Mistake]:
    """Name everything that must not be so in production."""
    settings = assembly.settings
    return [
        *_address_mistakes(settings),
        *_processor_mistakes(settings),
        *_secret_mistakes(settings),
        *_file_mistakes(settings),
    ]


def _address_mistakes(settings: Settings) -> Iterator[Mistake]:
    publisher, web = settings.publisher, settings.web
    site = publisher.base.site
    if settings.is_demo:
        yield Mistake("demo", "this is the demo: its accounts are nobody's; write settings of your own")
    if site.host.is_loopback:
        yield Mistake("publisher.url", "is this machine alone; name the address where readers reach the service")
    elif _EXAMPLES.search(site.host.name):
        yield Mistake("publisher.url", f"{site.host.shown} is an example; name your own host")
    if site.scheme != "https":
        yield Mistake("publisher.url", "is not https: put a proxy with TLS in front and write https://")
    elif web.proxy_hops == 0:
        yield Mistake("web.proxy_hops", "is 0: behind the proxy all readers share one address and its limits; write 1")
    if not web.trusted_hosts and site.host.is_loopback:
        yield Mistake("web.trusted_hosts", "is empty, and publisher.url names no host of the outside; name the hosts")
    if not publisher.sites:
        yield Mistake("publisher.sites", "is empty: any site may frame the widget; name your own")
    if not getattr(publisher, "contact", "unknown here"):
        yield Mistake("publisher.contact", "is missing: readers and finders of mistakes must reach somebody")


def _processor_mistakes(settings: Settings) -> Iterator[Mistake]:
    """Doubt what belongs to trying out: keys of a test mode, stand-ins without TLS."""
    for key, file in settings.secret_files:
        try:
            text = read_text_file(file) if file.exists() else ""
        except Unreadable:
            continue
        if _TEST_KEY.search(text):
            yield Mistake(key, "holds a key for trying out: nobody is charged; put the live one there")
    for name, table in settings.own_tables.items():
        api = getattr(table, "api_base", "")
        if api and not str(api).startswith("https://"):
            yield Mistake(f"{name}.api_base", "is not https: it is a stand-in; leave the setting out")
    if settings.oidc is not None and not settings.oidc.issuer.startswith("https://"):
        yield Mistake("oidc.issuer", "is not https: it is a stand-in; name your provider")


def _secret_mistakes(settings: Settings) -> Iterator[Mistake]:
    for key, file in settings.secret_files:
        if file.exists():
            yield from _too_open(key, file)
    secret = settings.web.secret_file
    if secret.is_file():
        try:
            text = read_text_file(secret).strip()
        except Unreadable:
            return
        if len(text) < SECRET_BYTES_MIN * 2 or len(set(text)) < SECRET_BYTES_MIN // 2:
            yield Mistake("web.secret_file", f"{secret} can be guessed: remove it, and a new one is made at the start")
    address = read_database_url(settings.database_url)
    is_named = any(key == "database.url_file" for key, _ in settings.secret_files)
    if address.password and not is_named and settings.file.exists():
        yield from _too_open("database.url", settings.file, why="it holds a password")


def _file_mistakes(settings: Settings) -> Iterator[Mistake]:
    yield from _writable("settings", settings.file)
    for name in ("templates", "config/assets.toml"):
        yield from _writable(name, resource(name))
    yield from _writable("code", Path(__file__).resolve().parents[1])
    address = read_database_url(settings.database_url)
    file = Path(str(address.database))
    if address.get_backend_name() == "sqlite" and file.is_file():
        yield from _too_open("database.url", file)
    folder = settings.file.absolute().parent
    for file in sorted(folder.glob("*.key")) + sorted(folder.glob("*.sec")):
        try:
            is_secret = file.is_file() and _MINISIGN_SECRET.match(read_text_file(file))
        except Unreadable:
            continue
        if is_secret:
            yield Mistake("manifest", f"{file} signs addresses and must not lie here: take it to another machine")


def _too_open(key: str, file: Path, *, why: str = "it holds what nobody else may read") -> Iterator[Mistake]:
    mode = stat.S_IMODE(file.stat().st_mode)
    if mode & _OTHERS:
        yield Mistake(key, f"{file} is open to others (mode {mode:o}), and {why}: chmod 600")


def _writable(key: str, place: Path) -> Iterator[Mistake]:
    """Name what others may write, or the service's own account, unless it is root, whom nothing stops."""
    if not place.exists():
        return
    found = [place, *(place.rglob("*") if place.is_dir() else ())]
    for file in found:
        if file.is_symlink() or "__pycache__" in file.parts:
            continue
        if stat.S_IMODE(file.stat().st_mode) & (stat.S_IWGRP | stat.S_IWOTH):
            yield Mistake(key, f"{file} can be written by others: chmod go-w")
            return
    if os.geteuid() == 0:
        return
    if key != "settings" and os.access(place, os.W_OK):
        yield Mistake(key, f"{place} can be written by the account that runs the service: install it as another one")

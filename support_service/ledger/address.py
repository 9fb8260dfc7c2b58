"""Where a ledger may lie: the one rule for settings, `check` and every connection."""

from importlib import import_module

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from support_service.ledger.errors import LedgerError

FORMS = "sqlite:///support.db or postgresql+psycopg://user:password@host/database"
PORT_MAX = 65_535

# What a URL may call the driver that we use anyway.
_POSTGRESQL = {"postgresql", "postgresql+psycopg", "postgresql+psycopg2"}


def read_database_url(text: str) -> URL:
    """Read a database URL; raise LedgerError, which repeats none of it, for it may hold a password."""
    try:
        url = make_url(text)
        name = url.drivername
    except (ArgumentError, NoSuchModuleError, ValueError) as error:
        raise LedgerError(f"database.url is not a database URL such as {FORMS}") from error
    if name in _POSTGRESQL:
        return _checked_postgresql(url.set(drivername="postgresql+psycopg"))
    if name == "sqlite":
        return _checked_sqlite(url)
    hint = "; write postgresql+psycopg://" if name.startswith("postgres") else ""
    raise LedgerError(f"database.url: {name[:40]} is not supported{hint or f'; use {FORMS}'}")


def _checked_sqlite(url: URL) -> URL:
    if url.database == ":memory:":
        raise LedgerError("database.url must name a file: a ledger in memory is lost at the end")
    if url.host or url.username or url.password or url.port:
        raise LedgerError("database.url must have three slashes before the file: sqlite:///support.db")
    if not url.database or url.database.endswith("/"):
        raise LedgerError("database.url must name a file, such as sqlite:///support.db")
    if url.query:
        raise LedgerError("database.url must end after the file: options behind ? are not read")
    if "\0" in url.database:
        raise LedgerError("database.url names a file that no disk can hold")
    return url


def _checked_postgresql(url: URL) -> URL:
    if url.port is not None and not 1 <= url.port <= PORT_MAX:
        raise LedgerError(f"database.url must have a port from 1 to {PORT_MAX}")
    if url.query:
        # Late, because on SQLite nobody pays for it. libpq itself says which options it knows.
        psycopg = import_module("psycopg")
        try:
            psycopg.conninfo.make_conninfo("", **dict(url.query))
        except psycopg.Error as error:
            raise LedgerError("database.url has an option behind ? that PostgreSQL does not know") from error
    return url

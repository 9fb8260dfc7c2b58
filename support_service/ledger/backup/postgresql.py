"""PostgreSQL: a snapshot by its own pg_dump, of the very moment that we count in; pg_restore in one transaction."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

from sqlalchemy import URL, text

from support_service.ledger.address import read_database_url
from support_service.ledger.backup.contents import BackupMoment, Contents, count_rows, is_empty, read_moment
from support_service.ledger.backup.proof import prove
from support_service.ledger.engine import Database
from support_service.ledger.errors import BackupRefused, LedgerDown
from support_service.ledger.queries import Head

# Where Debian puts what has no name in the path, one folder a version.
_DEBIAN = Path("/usr/lib/postgresql")
# A dump of a publisher's ledger takes seconds; what takes hours has stopped.
TOOL_SECONDS_MAX = 4 * 3600
_EXPORT = text("SELECT pg_export_snapshot()")


def take(url: str, snapshot: Path) -> BackupMoment:
    """Dump one moment of the database while others write."""
    tool = _tool("pg_dump")
    database = Database(url)
    try:
        # The transaction stays open while pg_dump reads: both see the same moment.
        with database.read_any() as tx:
            moment = read_moment(tx)
            name = tx.execute(_EXPORT).scalar_one()
            how = ["--format=custom", "--compress=0", "--no-owner", "--no-privileges", f"--snapshot={name}"]
            _run(tool, url, *how, f"--file={snapshot}")
    finally:
        database.dispose()
    return moment


def refuse_unless_empty(url: str) -> None:
    """Refuse a database that holds something."""
    database = Database(url)
    try:
        with database.read_any() as tx:
            if not is_empty(tx):
                raise BackupRefused(f"the database {database} holds something: restore into an empty one (createdb)")
    finally:
        database.dispose()


def put(url: str, snapshot: Path, contents: Contents, holds: Head | None) -> None:
    """Restore in one transaction, then prove it; what is not sound is taken out again."""
    how = ["--single-transaction", "--exit-on-error", "--clean", "--if-exists", "--no-owner", "--no-privileges"]
    _run(_tool("pg_restore"), url, *how, str(snapshot))
    try:
        prove(url, contents, holds)
    except BackupRefused:
        _clear(url)
        raise


def _clear(url: str) -> None:
    database = Database(url)
    try:
        with database.migrate() as tx:
            for name in count_rows(tx):
                quoted = tx.dialect.identifier_preparer.quote(name)
                tx.execute(text(f"DROP TABLE IF EXISTS {quoted} CASCADE"))
    finally:
        database.dispose()


def _run(tool: Path, url: str, *arguments: str) -> None:
    with _connection_text(read_database_url(url)) as where:
        try:
            done = subprocess.run(  # noqa: S603 - PostgreSQL's own program
                [tool, f"--dbname={where}", *arguments],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                check=False,
                timeout=TOOL_SECONDS_MAX,
            )
        except subprocess.TimeoutExpired as error:
            raise LedgerDown(f"{tool.name} did not end within {TOOL_SECONDS_MAX // 3600} hours") from error
    if done.returncode != 0:
        said = " ".join(done.stderr.split())[-600:] or "it said nothing"
        hint = "; install the server's version of it" if "version mismatch" in said else ""
        raise LedgerDown(f"{tool.name} failed: {said}{hint}")


def _tool(name: str) -> Path:
    """Find PostgreSQL's program: of Debian's versions the newest, for an older one refuses a newer server."""
    versions = sorted(_DEBIAN.glob(f"*/bin/{name}"), key=lambda path: _version(path.parts[-3]))
    found = versions[-1] if versions else shutil.which(name)
    if not found:
        raise BackupRefused(
            f"{name} is not on this machine, and a PostgreSQL ledger needs it:"
            " install the client programs of your PostgreSQL (Debian: postgresql-client)"
        )
    return Path(found)


def _version(name: str) -> int:
    return int(name) if name.isdecimal() else 0


@contextmanager
def _connection_text(url: URL) -> Iterator[str]:
    """Write where the database is; a password goes into a file of ours, for arguments can be read by everybody."""
    conninfo = import_module("psycopg.conninfo")
    told = {"host": url.host, "port": url.port, "user": url.username, "dbname": url.database, **url.query}
    told = {name: value for name, value in told.items() if value not in (None, "")}
    password = told.pop("password", url.password)
    if not password:
        yield conninfo.make_conninfo("", **told)
        return
    with tempfile.NamedTemporaryFile("w", prefix="support-pgpass-") as file:
        written = str(password).replace("\\", "\\\\").replace(":", "\\:")
        file.write(f"*:*:*:*:{written}\n")
        file.flush()
        yield conninfo.make_conninfo("", **{**told, "passfile": file.name})

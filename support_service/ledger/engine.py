"""The ledger's database: one engine, and the one context manager that commits."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import quote
from weakref import finalize

from sqlalchemy import URL, Connection, Engine, QueuePool, create_engine, event, inspect, text
from sqlalchemy.exc import DatabaseError, DataError, IntegrityError, InterfaceError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from support_service.ledger.address import read_database_url
from support_service.ledger.errors import LedgerDown, LedgerError, LedgerOutdated

# The last revision in migrations/versions; a test holds it there. Named here because asking Alembic
# would load it into every web worker.
SCHEMA_REVISION = "0023"

# How long a writer waits for another one before it gives up. An accept takes milliseconds.
WAIT_SECONDS_MAX = 10
# How long whoever looks at a page waits for others. What is not there by then is told later.
BRIEF_SECONDS_MAX = 0.5
LOCK_FIRST_MILLIS = 100
# A writer that says nothing for so long, for its process is stopped or its line is cut, loses its turn: else everybody
# would wait for it. Shorter than a lease, so that whoever takes it over can write.
SILENT_WRITER_SECONDS_MAX = 15
# A silent PostgreSQL is asked by the system whether it is there; about half a minute later it is given up.
PROBE_AFTER_SECONDS, PROBE_SECONDS, PROBES_MAX = 15, 5, 3

# Names our lock among all advisory locks of a PostgreSQL database: "support" in ASCII.
_WRITER_LOCK = int.from_bytes(b"support", "big")
_LOCK_WRITERS = text("SELECT pg_advisory_xact_lock(:key)")


class Database:
    """A lazily opened database. `read` and `write` raise LedgerDown and LedgerOutdated, nobody else commits.

    Writers are serial on both databases: SQLite by BEGIN IMMEDIATE, PostgreSQL by an advisory lock
    held until the end of the transaction. A reader sees one moment, and must be short: in SQLite's
    rollback-journal mode an open reader holds up the writer's commit.

    wait_seconds_max is for what others hold; answer_seconds_max bounds the work of one question, too.
    """

    def __init__(
        self,
        url: str,
        *,
        wait_seconds_max: float = WAIT_SECONDS_MAX,
        answer_seconds_max: float | None = None,
        creates: bool = False,
    ) -> None:
        self._url = read_database_url(url)
        self._creates = creates
        self._wait_seconds_max, self._answer_seconds_max = wait_seconds_max, answer_seconds_max
        self._file = None if self._url.get_backend_name() != "sqlite" else Path(str(self._url.database)).absolute()
        self._engines: tuple[Engine, Engine] | None = None
        self._is_current = False
        self._writing = Lock()

    def __str__(self) -> str:
        return self._url.render_as_string(hide_password=True)

    @property
    def address(self) -> str:
        """The URL with its password, for another process of ours: it belongs into no text for people."""
        return self._url.render_as_string(hide_password=False)

    @property
    def is_sqlite(self) -> bool:
        """Tell whether this is the embedded database."""
        return self._file is not None

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Look at one moment of the ledger; keep it short and never yield to a caller from inside."""
        with self._translated(), self._transaction(writes=False) as connection:
            self._require_current(connection)
            yield connection

    @contextmanager
    def read_any(self) -> Iterator[Connection]:
        """Look at one moment of a database whatever revision it is at, for as long as it takes: for backups."""
        with self._translated(), self._transaction(writes=False) as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Change the ledger; committed at the end of the block, rolled back if it raises."""
        with self._turn(), self._translated(), self._transaction(writes=True) as connection:
            self._require_current(connection)
            yield connection

    @contextmanager
    def migrate(self) -> Iterator[Connection]:
        """Change the schema: like `write`, whatever revision the database is at."""
        folder = Path(str(self._url.database)).absolute().parent
        if self.is_sqlite and not folder.is_dir():
            raise LedgerError(
                f"the database cannot be made: there is no folder {folder}; make it, or change database.url"
            )
        with self._translated(), self._transaction(writes=True) as connection:
            yield connection
        self._is_current = False

    def dispose(self) -> None:
        """Close every connection; the next use opens new ones."""
        engines, self._engines, self._is_current = self._engines, None, False
        for engine in engines or ():
            engine.dispose()

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Let the writers of this process take turns before they ask the database.

        SQLite lets whoever waits look again after ever longer pauses, up to a tenth of a second: among
        many threads most of the time nobody writes, and the unlucky give up.
        """
        if not self._writing.acquire(timeout=self._wait_seconds_max):
            raise LedgerDown(f"the ledger at {self} is busy: others write for too long")
        try:
            yield
        finally:
            self._writing.release()

    @contextmanager
    def _transaction(self, *, writes: bool) -> Iterator[Connection]:
        """The one place that commits."""
        reader, writer = self._open()
        with (writer if writes else reader).begin() as connection:
            if self.is_sqlite:
                # A writer that starts as a reader may find itself outrun at its first write, with no way to wait.
                connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
            elif writes:
                connection.execute(_LOCK_WRITERS, {"key": _WRITER_LOCK})
            yield connection

    def _open(self) -> tuple[Engine, Engine]:
        """Return what readers and writers connect by. Their pools are apart: one connection writes, and stays warm."""
        if self._file is not None and not self._creates and not self._file.exists():
            raise LedgerOutdated(f"there is no database at {self._url.database} yet: run `support-service migrate`")
        if self._engines is None:
            reader, writer = (
                self._sqlite_engine() if self.is_sqlite else self._postgresql_engine(writes=writes)
                for writes in (False, True)
            )
            # Whoever drops a ledger without a word leaves no open connection behind.
            finalize(self, reader.dispose)
            finalize(self, writer.dispose)
            self._engines = reader, writer
        return self._engines

    def _sqlite_engine(self) -> Engine:
        assert self._file is not None
        return _sqlite_engine(self._file, self._wait_seconds_max, creates=self._creates)

    def _postgresql_engine(self, *, writes: bool) -> Engine:
        # What migrates may think for long between two statements; nothing else runs then.
        return _postgresql_engine(
            self._url, self._wait_seconds_max, self._answer_seconds_max, writes=writes, migrates=self._creates
        )

    def _require_current(self, connection: Connection) -> None:
        if self._is_current:
            return
        held = revision(connection)
        if held != SCHEMA_REVISION:
            raise LedgerOutdated(_advice(held))
        self._is_current = True

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (IntegrityError, ProgrammingError, DataError):
            raise  # the database refused what our code should never ask: a bug, not an outage
        except (DatabaseError, InterfaceError) as error:
            raise LedgerDown(f"the ledger at {self} does not answer: {self._reason(error.orig)}") from error
        except PoolTimeout as error:
            raise LedgerDown(f"the ledger at {self} is busy: no free connection") from error

    def _reason(self, error: BaseException | None) -> str:
        lines = str(error).strip().splitlines()
        reason = lines[0] if lines else type(error).__name__
        password = self._url.password
        return reason.replace(str(password), "***") if password else reason


def revision(connection: Connection) -> str | None:
    """Read which revision the database is at; None where it was never migrated."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()


def _advice(held: str | None) -> str:
    if held is None:
        return "the database is empty: run `support-service migrate`"
    if held < SCHEMA_REVISION:
        return (
            f"the database is at revision {held}, this version needs {SCHEMA_REVISION}: run `support-service migrate`"
        )
    return f"the database is at revision {held}, newer than this version's {SCHEMA_REVISION}: install the newer version"


def _sqlite_engine(file: Path, wait_seconds_max: float, *, creates: bool) -> Engine:
    mode = "rwc" if creates else "rw"
    if creates and file.parent.is_dir():
        # It holds who gave: nobody else on the machine reads it, nor the journal, which takes its mode.
        file.touch(mode=0o600, exist_ok=True)
    address = f"file:{quote(str(file))}?mode={mode}"

    def connect() -> sqlite3.Connection:
        # isolation_level=None: the driver opens no transaction of its own; we say BEGIN.
        connection = sqlite3.connect(
            address, uri=True, timeout=wait_seconds_max, isolation_level=None, check_same_thread=False
        )
        # DELETE and EXTRA, never WAL: SQLite before 3.51.3 can lose commits in WAL mode when two
        # connections write and checkpoint, and EXTRA also syncs the folder after the journal is
        # unlinked, so an acknowledged gift survives a power cut.
        for pragma in ("foreign_keys=ON", "journal_mode=DELETE", "synchronous=EXTRA", "recursive_triggers=ON"):
            connection.execute(f"PRAGMA {pragma}")
        return connection

    # No listeners: with one, every statement pays for asking them all.
    return create_engine(
        "sqlite://", creator=connect, poolclass=QueuePool, pool_timeout=wait_seconds_max, hide_parameters=True
    )


def _postgresql_engine(
    url: URL, wait_seconds_max: float, answer_seconds_max: float | None, *, writes: bool, migrates: bool
) -> Engine:
    engine = create_engine(
        url,
        pool_pre_ping=True,
        pool_timeout=wait_seconds_max,
        hide_parameters=True,
        # The driver's library knows no less than two seconds; what it has sent is given up on as soon as asked.
        # Whoever waits for the answer of a server that is gone, or behind a broken line, learns it from the probes.
        connect_args={
            "connect_timeout": max(2, int(wait_seconds_max)),
            "tcp_user_timeout": _millis(wait_seconds_max),
            "keepalives_idle": PROBE_AFTER_SECONDS,
            "keepalives_interval": PROBE_SECONDS,
            "keepalives_count": PROBES_MAX,
        },
    )

    # Late, because a web worker on SQLite does not pay for it.
    levels = import_module("psycopg").IsolationLevel

    def limit(connection: Any, _record: object) -> None:
        connection.execute(f"SET lock_timeout = {_millis(wait_seconds_max)}")
        if answer_seconds_max is not None:
            # A little later than the lock: of two limits that end together, either may be told.
            connection.execute(f"SET statement_timeout = {_millis(answer_seconds_max) + LOCK_FIRST_MILLIS}")
        if writes and not migrates:
            connection.execute(f"SET idle_in_transaction_session_timeout = {_millis(SILENT_WRITER_SECONDS_MAX)}")
        connection.commit()
        # From here on said with every BEGIN, by the driver and without a question of its own.
        connection.isolation_level = levels.READ_COMMITTED if writes else levels.REPEATABLE_READ
        connection.read_only = not writes

    event.listen(engine, "connect", limit)
    return engine


def _millis(seconds: float) -> int:
    return int(seconds * 1000)

"""SQLite: a snapshot by its online backup, and a restored file that appears under its name whole or not at all."""

import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from support_service.ledger.address import read_database_url
from support_service.ledger.backup.contents import BackupMoment, Contents, is_empty, read_moment
from support_service.ledger.backup.file import sync_folder
from support_service.ledger.backup.proof import prove
from support_service.ledger.engine import WAIT_SECONDS_MAX, Database
from support_service.ledger.errors import BackupRefused, LedgerDown
from support_service.ledger.queries import Head

# While pages are copied nobody commits; between two looks others may. A commit starts the copy anew, so that
# under many of them it must be done in fewer, longer looks: 4 MiB, 64 MiB, all at once (-1).
PAGES_AT_ONCE = (1_024, 16_384, -1)
RESTARTS_MAX = 3
REST_SECONDS = 0.01
# Others that hold the file for longer than this have stopped working.
LOCKED_SECONDS_MAX = 6 * WAIT_SECONDS_MAX
# What SQLite would play back over a restored file.
_LEFT_BEHIND = ("-journal", "-wal", "-shm")


class _Overtaken(Exception):
    """Others commit faster than we copy."""


def folder(url: str) -> Path | None:
    """Tell where the database's file is to lie; None for a database that is no file."""
    address = read_database_url(url)
    return None if address.get_backend_name() != "sqlite" else _file(url).parent


def take(url: str, snapshot: Path) -> BackupMoment:
    """Copy one moment of the database while others write; raises LedgerDown for a damaged one."""
    file = _file(url)
    if not file.exists():
        raise BackupRefused(f"there is no database at {file} yet: there is nothing to back up")
    try:
        with closing(_connect(file, "ro")) as source, closing(_connect(snapshot, "rwc")) as copy:
            _copy(source, copy)
            _refuse_damaged(copy, file)
    except sqlite3.Error as error:
        raise LedgerDown(f"the ledger at {file} cannot be copied: {error}") from error
    return _moment(snapshot)


def refuse_unless_empty(url: str) -> None:
    """Refuse a place where something lies that a restore would lose, or that would spoil it."""
    file = _file(url)
    for ending in _LEFT_BEHIND:
        left = file.with_name(file.name + ending)
        if not file.exists() and left.exists():
            raise BackupRefused(f"{left} is left of a database that was here, and would be played back: move it away")
    if not file.parent.is_dir():
        raise BackupRefused(f"there is no folder {file.parent}; make it")
    if file.exists() and not (file.is_file() and _holds_nothing(file, url)):
        raise BackupRefused(f"{file} is there already and holds something: move it away, or change database.url")


def put(url: str, snapshot: Path, contents: Contents, holds: Head | None) -> None:
    """Prove the snapshot, bring it to this version, and give it its name."""
    file = _file(url)
    with closing(_connect(snapshot, "rw")) as copy:
        _refuse_damaged(copy, file)
    prove(f"sqlite:///{snapshot}", contents, holds)
    _give_name(snapshot, file, url)


def _give_name(snapshot: Path, file: Path, url: str) -> None:
    if file.exists():
        # An empty ledger that somebody may have open: SQLite itself writes over it, in one transaction.
        refuse_unless_empty(url)
        with closing(_connect(snapshot, "ro")) as copy, closing(_connect(file, "rw")) as target:
            copy.backup(target)
        return
    snapshot.chmod(0o600)
    with snapshot.open("rb") as held:
        os.fsync(held.fileno())
    try:
        # A link, unlike a new name, never takes the place of a file that came meanwhile.
        file.hardlink_to(snapshot)
    except FileExistsError as error:
        raise BackupRefused(f"{file} came while it was restored, and was left as it is") from error
    sync_folder(file.parent)


def _copy(source: sqlite3.Connection, copy: sqlite3.Connection) -> None:
    for pages in PAGES_AT_ONCE:
        try:
            source.backup(copy, pages=pages, progress=_CopyProgress(is_last=pages < 0), sleep=REST_SECONDS)
        except _Overtaken:
            continue
        return


class _CopyProgress:
    """Sees how a copy goes on, and ends one that leads nowhere."""

    def __init__(self, *, is_last: bool) -> None:
        self._is_last, self._left, self._restarts = is_last, -1, 0
        self._moved_at = time.monotonic()

    def __call__(self, _status: int, left: int, _pages: int) -> None:
        now = time.monotonic()
        if left != self._left:
            self._moved_at = now
        elif now - self._moved_at > LOCKED_SECONDS_MAX:
            raise LedgerDown("the ledger cannot be copied: another program holds it")
        self._restarts += 0 <= self._left < left
        self._left = left
        if self._restarts > RESTARTS_MAX and not self._is_last:
            raise _Overtaken


def _refuse_damaged(connection: sqlite3.Connection, file: Path) -> None:
    (said,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    if said != "ok":
        raise LedgerDown(f"the ledger at {file} is damaged: {said}; restore the last good backup")


def _moment(file: Path) -> BackupMoment:
    database = Database(f"sqlite:///{file}")
    try:
        with database.read_any() as tx:
            return read_moment(tx)
    finally:
        database.dispose()


def _holds_nothing(file: Path, url: str) -> bool:
    if file.stat().st_size == 0:
        return True
    database = Database(url)
    try:
        with database.read_any() as tx:
            return is_empty(tx)
    except LedgerDown:
        return False
    finally:
        database.dispose()


def _file(url: str) -> Path:
    return Path(str(read_database_url(url).database)).absolute()


def _connect(file: Path, mode: str) -> sqlite3.Connection:
    address = f"file:{quote(str(file))}?mode={mode}"
    connection = sqlite3.connect(address, uri=True, timeout=WAIT_SECONDS_MAX, isolation_level=None)
    connection.execute("PRAGMA synchronous=EXTRA")
    return connection

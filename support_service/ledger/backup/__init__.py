"""Backup and restore: the whole ledger in one file that proves itself, taken while money comes in.

A backup is one moment of the database. What it holds is counted inside that moment, so that a restore can be
held against it. Settings and files with secrets are no part of the ledger, and so of no backup.
"""

import gzip
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path

from support_service.giving import Clock
from support_service.ledger.address import read_database_url
from support_service.ledger.backup import postgresql, sqlite
from support_service.ledger.backup.contents import Contents
from support_service.ledger.backup.file import is_backup, open_backup, write_backup
from support_service.ledger.engine import SCHEMA_REVISION
from support_service.ledger.errors import BackupRefused
from support_service.ledger.queries import Head

__all__ = ["BackupRefused", "Contents", "WantedBackup", "back_up", "restore"]

# What is copied at once between files.
CHUNK_BYTES = 1 << 20
_KINDS = {"sqlite": sqlite, "postgresql": postgresql}


@dataclass(frozen=True, slots=True)
class WantedBackup:
    """What a backup must be to be restored: whose it is, and how new ("" and None: whatever it is)."""

    publisher: str = ""
    since: datetime | None = None
    holds: Head | None = None


def back_up(url: str, out: Path, *, publisher: str, clock: Clock) -> Contents:
    """Write the ledger as it is at one moment into a file, which is whole or not there at all.

    Raises BackupRefused where the file is there and no backup of ours, or where a tool is missing; OSError;
    LedgerDown where the database does not answer or is damaged.
    """
    _refuse_to_overwrite(out)
    kind = read_database_url(url).get_backend_name()
    made_at = clock()
    with _beside(out) as snapshot:
        moment = _KINDS[kind].take(url, snapshot)
        size, digest = snapshot.stat().st_size, _digest(snapshot)
        contents = Contents(publisher, made_at, kind, moment, size, digest)
        write_backup(out, contents, snapshot)
    return contents


def restore(url: str, file: Path, wanted: WantedBackup) -> Contents:
    """Put a backup in the place of an empty database, proved; all of it or nothing, however this ends.

    Raises BackupRefused, which says why in words: damaged, foreign, too old, or a database that holds something.
    """
    target = read_database_url(url).get_backend_name()
    with open_backup(file) as backup:
        contents = backup.contents
        _refuse_unwanted(file, contents, wanted, target)
        _KINDS[target].refuse_unless_empty(url)
        with _unpacked(url, backup.packed, contents, file) as snapshot:
            _KINDS[target].put(url, snapshot, contents, wanted.holds)
    return contents


def _refuse_to_overwrite(out: Path) -> None:
    # A backup that is there is replaced once the new one is whole; anything else is not ours to replace.
    if out.exists() and not is_backup(out):
        raise BackupRefused(f"{out} is there already and is no backup: it is left as it is; name another file")


def _refuse_unwanted(file: Path, contents: Contents, wanted: WantedBackup, target: str) -> None:
    head = contents.moment.head
    if wanted.publisher and contents.publisher != wanted.publisher:
        raise BackupRefused(
            f"{file} is the ledger of {contents.publisher!r}, and these settings are of {wanted.publisher!r};"
            " --other-publisher restores it all the same"
        )
    if contents.database != target:
        raise BackupRefused(f"{file} is of a {contents.database} database, and database.url names a {target} one")
    if contents.moment.schema > SCHEMA_REVISION:
        raise BackupRefused(
            f"{file} was made by a newer version: its database is at revision {contents.moment.schema},"
            f" this version knows {SCHEMA_REVISION}; install the newer version"
        )
    if wanted.since is not None and contents.made_at < wanted.since:
        raise BackupRefused(
            f"{file} was made at {contents.made_at:%Y-%m-%d %H:%M:%S} UTC, before what --since asks for"
        )
    if wanted.holds is not None and wanted.holds.number > head.number:
        raise BackupRefused(
            f"{file} ends with report {head.number}, before report {wanted.holds.number} that --holds asks for"
        )


@contextmanager
def _unpacked(url: str, packed: gzip.GzipFile, contents: Contents, file: Path) -> Iterator[Path]:
    folder = sqlite.folder(url)
    with _beside(folder / "restore") if folder else _elsewhere() as snapshot:
        with snapshot.open("wb") as out:
            try:
                shutil.copyfileobj(packed, out, CHUNK_BYTES)
            except (EOFError, gzip.BadGzipFile) as error:
                raise BackupRefused(f"{file} is damaged: {error}") from error
        if (snapshot.stat().st_size, _digest(snapshot)) != (contents.size, contents.digest):
            raise BackupRefused(f"{file} is damaged: what it holds is not what was saved")
        yield snapshot


@contextmanager
def _beside(out: Path) -> Iterator[Path]:
    """Make a file for our eyes alone on the same disk, and leave nothing of it."""
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as folder:
        yield Path(folder) / "ledger"


@contextmanager
def _elsewhere() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="support-restore-") as folder:
        yield Path(folder) / "ledger"


def _digest(file: Path) -> str:
    found = sha256()
    with file.open("rb") as held:
        while chunk := held.read(CHUNK_BYTES):
            found.update(chunk)
    return found.hexdigest()

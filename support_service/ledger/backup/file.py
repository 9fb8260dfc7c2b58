"""A backup as a file: two lines that say what it is and prove the rest, a line of JSON, and the packed snapshot.

`sed 1,3d FILE | gunzip` is the snapshot: an SQLite database, or what `pg_restore` reads.
"""

import gzip
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import IO, Any

from support_service.ledger.backup.contents import BackupMoment, Contents
from support_service.ledger.errors import BackupRefused
from support_service.ledger.queries import Head

FIRST_LINE = b"support-service backup 1\n"
_DIGEST_LINE = b"sha256 %s\n"
_DIGEST_LINE_BYTES = len(_DIGEST_LINE % (b"0" * 64))
# Some kilobytes in truth: a row count for each table.
CONTENTS_BYTES_MAX = 1 << 20
CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Backup:
    """A backup whose every byte is as it was written; `packed` reads the snapshot."""

    contents: Contents
    packed: gzip.GzipFile


def write_backup(out: Path, contents: Contents, snapshot: Path) -> None:
    """Pack a snapshot; the file gets its name when all of it is on the disk."""
    with tempfile.NamedTemporaryFile("w+b", dir=out.parent, prefix=f".{out.name}.", delete=False) as part:
        path = Path(part.name)
        try:
            part.write(FIRST_LINE + _DIGEST_LINE % (b"0" * 64))
            part.write(json.dumps(_as_json(contents), ensure_ascii=True, sort_keys=True).encode() + b"\n")
            # No name and no time of its own: the same ledger gives the same bytes.
            with snapshot.open("rb") as held, gzip.GzipFile("", "wb", 6, part, mtime=0) as packed:
                shutil.copyfileobj(held, packed, CHUNK_BYTES)
            digest = _digest_of_rest(part)
            part.seek(len(FIRST_LINE))
            part.write(_DIGEST_LINE % digest)
            part.flush()
            os.fsync(part.fileno())
            path.replace(out)
            sync_folder(out.parent)
        finally:
            path.unlink(missing_ok=True)


def is_backup(file: Path) -> bool:
    """Tell whether a file says that it is a backup of ours, whole or not."""
    if not file.is_file():
        return False
    with file.open("rb") as held:
        return held.read(len(FIRST_LINE)) == FIRST_LINE


@contextmanager
def open_backup(file: Path) -> Iterator[Backup]:
    """Open a backup and prove it first; raises BackupRefused where it is none, or not as it was written."""
    with file.open("rb") as held:
        if held.read(len(FIRST_LINE)) != FIRST_LINE:
            raise BackupRefused(f"{file} is no backup that `support-service backup` wrote; nothing was done")
        told = held.read(_DIGEST_LINE_BYTES)
        if told != _DIGEST_LINE % _digest_of_rest(held):
            raise BackupRefused(f"{file} is damaged: it is not as it was written; take another backup")
        held.seek(len(FIRST_LINE) + _DIGEST_LINE_BYTES)
        contents = _read_contents(held.readline(CONTENTS_BYTES_MAX), file)
        with gzip.GzipFile("", "rb", fileobj=held) as packed:
            yield Backup(contents, packed)


def sync_folder(folder: Path) -> None:
    """Keep a new name of a file through a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _digest_of_rest(file: IO[bytes]) -> bytes:
    file.seek(len(FIRST_LINE) + _DIGEST_LINE_BYTES)
    found = sha256()
    while chunk := file.read(CHUNK_BYTES):
        found.update(chunk)
    return found.hexdigest().encode()


def _as_json(contents: Contents) -> dict[str, object]:
    moment = contents.moment
    return {
        "publisher": contents.publisher,
        "made_at": contents.made_at.isoformat(),
        "database": contents.database,
        "schema": moment.schema,
        "head": {"number": moment.head.number, "hash": moment.head.hash},
        "rows": dict(moment.rows),
        "size": contents.size,
        "digest": contents.digest,
    }


def _read_contents(line: bytes, file: Path) -> Contents:
    try:
        told: dict[str, Any] = json.loads(line)
        return Contents(
            publisher=str(told["publisher"]),
            made_at=datetime.fromisoformat(told["made_at"]).astimezone(UTC),
            database=str(told["database"]),
            moment=BackupMoment(
                str(told["schema"]),
                Head(int(told["head"]["number"]), str(told["head"]["hash"])),
                tuple((str(name), int(count)) for name, count in told["rows"].items()),
            ),
            size=int(told["size"]),
            digest=str(told["digest"]),
        )
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise BackupRefused(f"{file} was written by another program: its contents cannot be read") from error
